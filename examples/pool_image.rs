//! Pools a photograph:
//!
//! ```sh
//! cargo run --release --example pool_image -- examples/photo.jpg out.png --kernel 3x3 --stride 2
//! ```

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use image::RgbImage;
use lanepool::{Layout, Plan, Pool2d, Shape};
use std::path::PathBuf;
use std::time::Instant;

/// Pools a photograph, each colour by itself. Transparency is dropped.
#[derive(Parser)]
struct Args {
    /// A PNG or JPEG file.
    input: PathBuf,
    /// Where the result goes; the name's end says whether as PNG or JPEG.
    output: PathBuf,
    #[arg(long, value_enum, default_value = "max")]
    op: Op,
    /// Height and width of the window, as in 3x2; one number for both.
    #[arg(long, value_parser = size, default_value = "3")]
    kernel: [usize; 2],
    /// Pixels from one window to the next.
    #[arg(long, value_parser = size, default_value = "1")]
    stride: [usize; 2],
    /// Pixels of padding on each side.
    #[arg(long, value_parser = size, default_value = "0")]
    padding: [usize; 2],
    /// Pixels from one pixel of a window to the next.
    #[arg(long, value_parser = size, default_value = "1")]
    dilation: [usize; 2],
    /// Keep a last window that does not fit.
    #[arg(long)]
    ceil: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Op {
    Max,
    Average,
}

fn size(text: &str) -> Result<[usize; 2]> {
    let (height, width) = text.split_once('x').unwrap_or((text, text));
    let number = |text: &str| text.parse().with_context(|| format!("{text:?} is not a number"));
    Ok([number(height)?, number(width)?])
}

fn main() -> Result<()> {
    let args = Args::parse();
    let image = image::open(&args.input)
        .with_context(|| format!("cannot read {}", args.input.display()))?
        .into_rgb8();
    let (width, height) = image.dimensions();

    let op = match args.op {
        Op::Max => lanepool::Op::Max,
        Op::Average => lanepool::Op::Average,
    };
    let pool = Pool2d::new(op, args.kernel)
        .stride(args.stride)
        .padding(args.padding)
        .dilation(args.dilation)
        .ceil_mode(args.ceil);
    // Pixels one after the other, each of three colours: that is channels last.
    let shape = Shape::new(1, 3, [height as usize, width as usize]);
    let plan: Plan<f32> = pool.plan(Layout::ChannelsLast, shape)?;
    let [rows, columns] = pool.output_size(shape.spatial)?;

    let input: Vec<f32> = image.into_raw().into_iter().map(f32::from).collect();
    let mut output = vec![0.0; plan.output_len()];
    let start = Instant::now();
    plan.run(&input, &mut output)?;
    let time = start.elapsed();

    // `as` clamps: a window of padding only, whose maximum is −∞, is black.
    let bytes: Vec<u8> = output.into_iter().map(|x| x.round() as u8).collect();
    let image = RgbImage::from_raw(u32::try_from(columns)?, u32::try_from(rows)?, bytes)
        .context("the result is not of the size that was planned")?;
    image.save(&args.output).with_context(|| format!("cannot write {}", args.output.display()))?;
    println!("{width}x{height} to {columns}x{rows} by {} in {time:.1?}", plan.backend().name());
    Ok(())
}
