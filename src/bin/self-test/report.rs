//! A page of charts that needs nothing else: no network, no script.

use crate::compare::Run;
use crate::speed::Timing;
use crate::text::duration;
use lanepool::REFERENCE;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;
use std::fmt::Write;

const WIDTH: u32 = 960;
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(225, 225, 225);

/// Colours that also differ in lightness, for those who do not see them all.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 90, 160),
    RGBColor(225, 125, 0),
    RGBColor(0, 145, 110),
    RGBColor(190, 60, 130),
    RGBColor(90, 180, 230),
    RGBColor(120, 120, 120),
    RGBColor(30, 30, 30),
];

const STYLE: &str = "
  body { background: #fff; color: #282828; font: 15px/1.5 sans-serif; max-width: 60rem;
         margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
  svg { width: 100%; height: auto; }
  table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
  th, td { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #e1e1e1; }
  th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
  dt { float: left; width: 6rem; color: #666; } dd { margin-left: 6rem; }
  .legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; }
  .legend i { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
";

/// The page for a run.
pub(crate) fn html(run: &Run) -> Result<String, Box<dyn Error>> {
    let mut backends: Vec<&str> = Vec::new();
    for row in kernels(run) {
        if !backends.contains(&row.backend.as_str()) {
            backends.push(&row.backend);
        }
    }
    let mut page = String::new();
    page += "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n";
    page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n";
    page +=
        "<meta name=\"color-scheme\" content=\"only light\"/>\n<title>lanepool: speed</title>\n";
    writeln!(page, "<style>{STYLE}</style>\n</head>\n<body>\n<h1>lanepool: speed</h1>\n<dl>")?;
    let build = format!("{}, {}, {}", run.build.version, run.build.rustc, run.build.target);
    for (term, text) in [("CPU", &run.cpu.model), ("lanepool", &build)] {
        writeln!(page, "<dt>{term}</dt><dd>{}</dd>", escaped(text))?;
    }
    page += "</dl>\n<p>Poolings of <code>f32</code> on one thread. Of each, the least time counts.</p>\n";

    page += "<h2>Roofline</h2>\n<p>What a pooling moves in a second, over how much it computes for \
             each byte. The lines are roofs: what merely reading and writing moves from and to each \
             cache, and memory. Round: channels first; triangles: channels last.</p>\n";
    legend(&mut page, &backends)?;
    let label = "Scatter chart: gigabytes a second over merges for each byte, with the measured \
                 roof of each cache level. The table below has the numbers.";
    figure(&mut page, &roofline(run, &backends)?, label);

    page += "<h2>Times the floor</h2>\n<p>How many times as long a pooling takes as reading its \
             input and writing its output once with the same vectors. 1 is as fast as memory \
             allows; shorter bars are better.</p>\n";
    legend(&mut page, &backends)?;
    let label = "Bar chart: for each case and backend, the time as a multiple of the floor's. The \
                 table below has the numbers.";
    figure(&mut page, &bars(run, &backends)?, label);

    page += "<h2>Numbers</h2>\n<table>\n<thead><tr><th>case</th><th>backend</th><th>time</th>\
             <th>GB/s</th><th>merges a byte</th><th>× floor</th><th>× autovec</th></tr></thead>\n\
             <tbody>\n";
    for row in &run.speed {
        let [case, backend] = [&row.case, &row.backend].map(|text| escaped(text));
        let (time, gigabytes, merges) = (duration(row.seconds), speed(row), intensity(row));
        let (floor, autovec) = (row.times_floor, row.times_autovec);
        writeln!(
            page,
            "<tr><td>{case}</td><td>{backend}</td><td>{time}</td><td>{gigabytes:.1}</td>\
             <td>{merges:.2}</td><td>{floor:.2}</td><td>{autovec:.2}</td></tr>"
        )?;
    }
    page += "</tbody>\n</table>\n</body>\n</html>\n";
    Ok(page)
}

/// The rows that are drawn. The reference is not made to be fast, and would leave no room for others.
fn kernels(run: &Run) -> impl Iterator<Item = &Timing> {
    run.speed.iter().filter(|row| row.backend != REFERENCE.name())
}

/// Gigabytes a second.
fn speed(row: &Timing) -> f64 {
    row.bytes as f64 / row.seconds / 1e9
}

/// Merges for each byte.
fn intensity(row: &Timing) -> f64 {
    row.merges as f64 / row.bytes as f64
}

fn colour(backends: &[&str], backend: &str) -> RGBColor {
    let at = backends.iter().position(|other| *other == backend).unwrap_or_default();
    COLOURS[at % COLOURS.len()]
}

fn legend(page: &mut String, backends: &[&str]) -> Result<(), Box<dyn Error>> {
    *page += "<ul class=\"legend\">";
    for backend in backends {
        let RGBColor(r, g, b) = colour(backends, backend);
        let name = escaped(backend);
        write!(page, "<li><i style=\"background:#{r:02x}{g:02x}{b:02x}\"></i>{name}</li>")?;
    }
    *page += "</ul>\n";
    Ok(())
}

fn figure(page: &mut String, svg: &str, label: &str) {
    let role = format!("<svg role=\"img\" aria-label=\"{}\" ", escaped(label));
    *page += &svg.replacen("<svg ", &role, 1);
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

/// From a little below the least to a little above the largest.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (least, most) = values
        .filter(|x| x.is_finite() && *x > 0.0)
        .fold((f64::INFINITY, 0.0f64), |(least, most), x| (least.min(x), most.max(x)));
    if least > most { 0.1..10.0 } else { least / 1.3..most * 1.3 }
}

fn text(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

fn roofline(run: &Run, backends: &[&str]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, 620)).into_drawing_area();
        let roofs: Vec<_> = run
            .roofs
            .iter()
            .map(|roof| (&roof.level, roof.bytes as f64 / roof.seconds / 1e9))
            .collect();
        // Neither a pooling without merges nor one that took no time has a place on these scales.
        let rows = || kernels(run).filter(|row| row.merges > 0 && row.seconds > 0.0);
        let x = range(rows().map(intensity).chain([0.1, 1.0]));
        // The names of the cases stand below the points.
        let y = range(rows().map(speed).chain(roofs.iter().map(|roof| roof.1)));
        let y = y.start / 50.0..y.end;
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .margin_right(16)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x.clone().log_scale(), y.clone().log_scale())?;
        chart
            .configure_mesh()
            .bold_line_style(FAINT)
            .light_line_style(WHITE)
            .axis_style(INK)
            .x_labels(12)
            .x_desc("merges for each byte")
            .y_desc("GB/s")
            .axis_desc_style(text(18))
            .label_style(text(16))
            .x_label_formatter(&|x| number(*x))
            .y_label_formatter(&|y| number(*y))
            .draw()?;
        for (i, (level, roof)) in roofs.iter().enumerate() {
            let line = [(x.start, *roof), (x.end, *roof)];
            chart.draw_series([PathElement::new(line, INK.stroke_width(1))])?;
            let name = format!("{level}: {} GB/s", number(*roof));
            let style = text(15).pos(Pos::new(HPos::Right, VPos::Bottom));
            // Beside each other, since caches can be as fast as each other.
            let right = x.end * (x.start / x.end).powf(i as f64 * 0.16 + 0.01);
            chart.draw_series([Text::new(name, (right, roof * 1.02), style)])?;
        }
        for row in rows() {
            let (at, style) =
                ((intensity(row), speed(row)), colour(backends, &row.backend).mix(0.8).filled());
            if row.case.ends_with("/last") {
                chart.draw_series([TriangleMarker::new(at, 5, style)])?;
            } else {
                chart.draw_series([Circle::new(at, 4, style)])?;
            }
        }
        for (at, names) in columns(rows()) {
            let style = text(14).transform(FontTransform::Rotate270);
            let style = style.pos(Pos::new(HPos::Left, VPos::Center));
            chart.draw_series([Text::new(names, (at, y.start * 1.15), style)])?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// The names of the cases at each place of the first axis, those that nearly coincide together.
fn columns<'a>(rows: impl Iterator<Item = &'a Timing>) -> Vec<(f64, String)> {
    let mut places: Vec<(f64, Vec<&str>)> = Vec::new();
    for row in rows {
        let name = row.case.split('/').next().unwrap_or_default();
        let at = intensity(row);
        match places.iter_mut().find(|(other, _)| (other.ln() - at.ln()).abs() < 0.04) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => places.push((at, vec![name])),
        }
    }
    places.into_iter().map(|(at, names)| (at, names.join(", "))).collect()
}

fn bars(run: &Run, backends: &[&str]) -> Result<String, Box<dyn Error>> {
    const BAR: f64 = 9.0;
    let rows = || kernels(run);
    let mut groups: Vec<(&str, Vec<&Timing>)> = Vec::new();
    for row in rows() {
        match groups.iter_mut().find(|(case, _)| *case == row.case) {
            Some((_, group)) => group.push(row),
            None => groups.push((&row.case, vec![row])),
        }
    }
    // In pixels, but for margins: a bar has the same height however many there are.
    let height: f64 = groups.iter().map(|(_, group)| (group.len() + 1) as f64 * BAR).sum();
    let x = range(rows().map(|row| row.times_floor).chain([1.0]));
    let mut svg = String::new();
    {
        let root =
            SVGBackend::with_string(&mut svg, (WIDTH, height as u32 + 60)).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .margin_right(40)
            .x_label_area_size(44)
            .y_label_area_size(130)
            .build_cartesian_2d(x.clone().log_scale(), height..0.0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .bold_line_style(FAINT)
            .light_line_style(WHITE)
            .axis_style(INK)
            .x_desc("× floor")
            .axis_desc_style(text(18))
            .label_style(text(16))
            .x_label_formatter(&|x| number(*x))
            .draw()?;
        let mut top = BAR / 2.0;
        for (case, group) in groups {
            let middle = top + group.len() as f64 * BAR / 2.0;
            let (left, at) = chart.plotting_area().map_coordinate(&(x.start, middle));
            let style = text(15).pos(Pos::new(HPos::Right, VPos::Center));
            root.draw(&Text::new(case.to_owned(), (left - 8, at), style))?;
            for row in group {
                let end = row.times_floor.clamp(x.start, x.end);
                let bar = [(x.start, top), (end, top + BAR * 0.9)];
                let style = colour(backends, &row.backend).filled();
                chart.draw_series([Rectangle::new(bar, style)])?;
                let style = text(11).pos(Pos::new(HPos::Left, VPos::Center));
                let label = (end * 1.01, top + BAR * 0.45);
                chart.draw_series([Text::new(number(row.times_floor), label, style)])?;
                top += BAR;
            }
            top += BAR;
        }
        let floor = [(1.0, 0.0), (1.0, height)];
        chart.draw_series([PathElement::new(floor, INK.stroke_width(1))])?;
        root.present()?;
    }
    Ok(svg)
}

/// Two or three digits.
fn number(x: f64) -> String {
    match x {
        x if x >= 9.95 => format!("{x:.0}"),
        x if x >= 0.995 => format!("{x:.1}"),
        x => format!("{x:.2}"),
    }
}
