//! tract: an optimised model of one operator, in one thread.

use crate::{Case, Made, Peer};
use std::sync::Arc;
use tract_core::internal::*;
use tract_core::ops::cnn::{MaxPool, PaddingSpec, PoolSpec, SumPool};
use tract_core::ops::nn::DataFormat;

struct Tract {
    model: Arc<TypedRunnableModel>,
    input: TValue,
    output: Option<TValue>,
}

impl Peer for Tract {
    fn run(&mut self, _: &[f32], _: &mut [f32]) {
        let mut outputs = self.model.run(tvec![self.input.clone()]).expect("the model is in order");
        self.output = outputs.pop();
    }

    fn fetch(&mut self, output: &mut [f32]) {
        let tensor = self.output.as_ref().expect("it ran");
        let view = tensor.to_plain_array_view::<f32>().expect("a tensor of f32");
        output.copy_from_slice(view.as_slice().expect("without gaps"));
    }
}

pub(crate) fn prepare(case: &Case, input: &[f32]) -> Made {
    if case.threads != 1 {
        return Ok(None);
    }
    let axes = |of| case.axes(of).iter().copied().collect::<TVec<usize>>();
    let pool = PoolSpec::new(
        if case.channels_last { DataFormat::NHWC } else { DataFormat::NCHW },
        axes(&case.kernel),
        PaddingSpec::Explicit(axes(&case.padding), axes(&case.padding)),
        None,
        Some(axes(&case.stride)),
        case.channels,
        case.channels,
    );
    let shape = case.shape(&case.size);
    let mut model = TypedModel::default();
    let source = model.add_source("input", f32::fact(&shape))?;
    let outputs = match case.max {
        true => model.wire_node("pool", MaxPool::new(pool, None), &[source])?,
        false => model.wire_node("pool", SumPool::new(pool, true, true), &[source])?,
    };
    model.select_output_outlets(&outputs)?;
    let model = model.into_optimized()?.into_runnable()?;
    let input = Tensor::from_shape(&shape, input)?.into_tvalue();
    Ok(Some(Box::new(Tract { model, input, output: None })))
}
