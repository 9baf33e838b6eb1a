//! lanepool as an operator of tract, which hands it the bytes of its tensors, beside tract's own operators in one
//! model: the same maxima to the bit, and averages that differ by their last bits only, from another order of adding.

use lanepool::{Divisor, Element, Layout, Op as Reduction, Plan, Pool2d, Shape};
use tract_core::internal::*;
use tract_core::ops::cnn::{MaxPool, PaddingSpec, PoolSpec, SumPool};
use tract_core::ops::nn::DataFormat;

/// A pooling of tensors N C H W.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pooling(Pool2d);

impl Pooling {
    fn shape(tensor: &[usize]) -> TractResult<Shape<2>> {
        let &[batch, channels, height, width] = tensor else { bail!("no N C H W: {tensor:?}") };
        Ok(Shape::new(batch, channels, [height, width]))
    }

    fn output_shape(&self, input: &[usize]) -> TractResult<TVec<usize>> {
        let Shape { batch, channels, spatial } = Self::shape(input)?;
        let [height, width] = self.0.output_size(spatial)?;
        Ok(tvec![batch, channels, height, width])
    }

    fn run<T: Element>(&self, input: &Tensor, output: &mut Tensor) -> TractResult<()> {
        let plan: Plan<T> = self.0.plan(Layout::ChannelsFirst, Self::shape(input.shape())?)?;
        Ok(plan.run_bytes(input.as_bytes(), output.as_bytes_mut())?)
    }
}

impl Op for Pooling {
    fn name(&self) -> StaticName {
        "Lanepool".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Pooling {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let mut output = Tensor::zero_dt(input.datum_type(), &self.output_shape(input.shape())?)?;
        match input.datum_type() {
            DatumType::F64 => self.run::<f64>(&input, &mut output),
            DatumType::F32 => self.run::<f32>(&input, &mut output),
            DatumType::F16 => self.run::<f16>(&input, &mut output),
            DatumType::I32 => self.run::<i32>(&input, &mut output),
            DatumType::I8 => self.run::<i8>(&input, &mut output),
            DatumType::U8 => self.run::<u8>(&input, &mut output),
            other => bail!("no pooling of {other:?} here"),
        }?;
        Ok(tvec![output.into_tvalue()])
    }
}

impl TypedOp for Pooling {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let Some(shape) = inputs[0].shape.as_concrete() else { bail!("a size that is not known") };
        Ok(tvec![inputs[0].datum_type.fact(&*self.output_shape(shape)?)])
    }

    as_op!();
}

/// A model of one operator, and what it makes of a tensor.
fn run(op: impl Into<Box<dyn TypedOp>>, input: &Tensor) -> TractResult<TValue> {
    let mut model = TypedModel::default();
    let source = model.add_source("input", input.datum_type().fact(input.shape()))?;
    let outputs = model.wire_node("pool", op, &[source])?;
    model.select_output_outlets(&outputs)?;
    let outputs =
        model.into_optimized()?.into_runnable()?.run(tvec![input.clone().into_tvalue()])?;
    Ok(outputs.into_iter().next().context("an output")?)
}

/// Steps from one `f32` to another through those between them.
fn ulps(a: f32, b: f32) -> u32 {
    a.to_bits().abs_diff(b.to_bits())
}

fn main() -> TractResult<()> {
    let shape = [1, 32, 57, 56];
    // Numbers between 0 and 1, the same in each run.
    let mut state = 1u32;
    let image: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        })
        .collect();
    let image = Tensor::from_shape(&shape, &image)?;

    for (kernel, stride, padding) in [(2, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 2)] {
        let [k, s, p] = [kernel, stride, padding].map(|n| [n; 2]);
        let pooling = |op| {
            let pool = Pool2d::new(op, k).stride(s).padding(p).divisor(Divisor::IncludePad);
            Pooling(pool)
        };
        let spec = PoolSpec::new(
            DataFormat::NCHW,
            k.as_slice().into(),
            PaddingSpec::Explicit(p.as_slice().into(), p.as_slice().into()),
            None,
            Some(s.as_slice().into()),
            shape[1],
            shape[1],
        );
        for image in [image.clone(), image.cast_to::<f16>()?.into_owned()] {
            let theirs = run(MaxPool::new(spec.clone(), None), &image)?;
            let ours = run(pooling(Reduction::Max), &image)?;
            assert_eq!(ours.shape(), theirs.shape());
            assert!(ours.as_bytes() == theirs.as_bytes(), "maxima of {kernel}×{kernel}");
        }
        let theirs = run(SumPool::new(spec, true, true), &image)?;
        let ours = run(pooling(Reduction::Average), &image)?;
        assert_eq!(ours.shape(), theirs.shape());
        let ours = ours.to_plain_array_view::<f32>()?;
        let theirs = theirs.to_plain_array_view::<f32>()?;
        let most = ours.iter().zip(theirs).map(|(&a, &b)| ulps(a, b)).max().unwrap_or(0);
        // Of positive numbers, adding one after the other errs by half an ulp each time.
        assert!(
            most <= (kernel * kernel) as u32,
            "averages of {kernel}×{kernel} differ by {most} ulp"
        );
        println!(
            "{kernel}x{kernel} s{stride} p{padding}: the same maxima; averages within {most} ulp"
        );
    }
    println!("tract: ok");
    Ok(())
}
