//! lanepool as a custom operation of candle, beside candle's own poolings: the same maxima to the bit, and averages
//! that differ by their last bits only, since candle adds in another order and multiplies by a reciprocal.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, D, DType, Device, Layout, Result, Shape, Tensor, bail};
use lanepool::{Element, Plan, Pool2d, Strides};

/// A pooling of tensors N C H W of any type that both have, however their elements lie, and with all that candle's
/// own ones lack: padding, dilation, ceil mode, NaNs that are seen.
struct Pooling(Pool2d);

impl Pooling {
    fn pool<T: Element + Default>(&self, input: &[T], layout: &Layout) -> Result<(Vec<T>, Shape)> {
        let (batch, channels, height, width) = layout.shape().dims4()?;
        let shape = lanepool::Shape::new(batch, channels, [height, width]);
        let stride = layout.stride();
        let strides =
            Strides { batch: stride[0], channels: stride[1], spatial: [stride[2], stride[3]] };
        let plan: Plan<T> = self
            .0
            .plan_view(lanepool::Layout::ChannelsFirst, shape, strides)
            .map_err(candle_core::Error::wrap)?;
        let input = &input[layout.start_offset()..][..plan.input_len()];
        let mut output = vec![T::default(); plan.output_len()];
        plan.run(input, &mut output).map_err(candle_core::Error::wrap)?;
        let size = plan.output_size();
        Ok((output, (batch, channels, size[0], size[1]).into()))
    }
}

impl CustomOp1 for Pooling {
    fn name(&self) -> &'static str {
        "lanepool"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        macro_rules! pool {
            ($($variant:ident),*) => {
                match storage {
                    $(CpuStorage::$variant(input) => {
                        let (output, shape) = self.pool(input, layout)?;
                        Ok((CpuStorage::$variant(output), shape))
                    })*
                    other => bail!("a pooling of {:?}, which lanepool does not have", other.dtype()),
                }
            };
        }
        pool!(F32, F64, F16, BF16, U8, I16, I32, U32, I64)
    }
}

/// Steps from one `f32` to another through those between them.
fn ulps(a: f32, b: f32) -> u32 {
    a.to_bits().abs_diff(b.to_bits())
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

fn main() -> Result<()> {
    let image = Tensor::rand(0f32, 1.0, (2, 64, 57, 56), &Device::Cpu)?;
    for (kernel, stride) in [(2, 2), (3, 2), (3, 1), (5, 3)] {
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            let image = image.to_dtype(dtype)?;
            let theirs = image.max_pool2d_with_stride(kernel, stride)?;
            let ours = image.apply_op1(Pooling(Pool2d::max([kernel; 2]).stride([stride; 2])))?;
            assert_eq!(ours.dims(), theirs.dims());
            assert_eq!(values(&ours)?, values(&theirs)?, "maxima of {kernel}×{kernel}, {dtype:?}");
        }
        let theirs = image.avg_pool2d_with_stride(kernel, stride)?;
        let ours = image.apply_op1(Pooling(Pool2d::average([kernel; 2]).stride([stride; 2])))?;
        assert_eq!(ours.dims(), theirs.dims());
        let pairs = values(&ours)?.into_iter().zip(values(&theirs)?);
        let most = pairs.map(|(a, b)| ulps(a, b)).max().unwrap_or(0);
        // Of positive numbers, adding one after the other errs by half an ulp each time.
        assert!(
            most <= (kernel * kernel) as u32,
            "averages of {kernel}×{kernel} differ by {most} ulp"
        );
        println!("{kernel}x{kernel} s{stride}: the same maxima; averages within {most} ulp");
    }

    // What candle's own cannot say, and tensors that are not contiguous.
    let pool = Pool2d::max([3, 3]).stride([2, 2]).padding([1, 1]).dilation([2, 2]);
    for view in [image.transpose(D::Minus1, D::Minus2)?, image.narrow(3, 5, 40)?] {
        let ours = view.apply_op1(Pooling(pool))?;
        let copied = view.contiguous()?.apply_op1(Pooling(pool))?;
        assert_eq!(values(&ours)?, values(&copied)?, "a view of {:?}", view.dims());
        println!("3x3 s2 p1 d2 of a view of {:?}: {:?}", view.dims(), ours.dims());
    }
    println!("candle: ok");
    Ok(())
}
