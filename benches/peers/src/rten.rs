//! rten: its operators, without a model around them, with a pool of buffers that is used again.

use crate::{Case, Made, Peer};
use rten::{BufferPool, ExtractBuffer, ops};
use rten_tensor::prelude::*;
use rten_tensor::{Tensor, TensorView};

struct Rten {
    max: bool,
    global: bool,
    shape: Vec<usize>,
    kernel: Vec<usize>,
    stride: Vec<usize>,
    padding: Vec<usize>,
    buffers: BufferPool,
    output: Option<Tensor>,
}

impl Peer for Rten {
    fn run(&mut self, input: &[f32], _: &mut [f32]) {
        if let Some(buffer) = self.output.take().and_then(Tensor::extract_buffer) {
            self.buffers.add(buffer);
        }
        let view = TensorView::from_data(&self.shape[..], input);
        let padding = ops::Padding::Fixed(self.padding[..].into());
        let (buffers, kernel, stride) = (&self.buffers, &self.kernel[..], &self.stride[..]);
        let output = rten::thread_pool().run(|| {
            if self.global {
                ops::global_average_pool(buffers, view)
            } else if self.max {
                ops::max_pool(buffers, view, kernel, stride, padding, Default::default())
            } else {
                ops::average_pool(buffers, view, kernel, stride, padding, true, Default::default())
            }
        });
        self.output = Some(output.expect("the sizes are in order"));
    }

    fn fetch(&mut self, output: &mut [f32]) {
        output.copy_from_slice(&self.output.as_ref().expect("it ran").to_vec());
    }
}

pub(crate) fn prepare(case: &Case) -> Made {
    if case.dims == 3 || case.channels_last {
        return Ok(None);
    }
    Ok(Some(Box::new(Rten {
        max: case.max,
        global: !case.max && case.output == [1; 3],
        shape: case.shape(&case.size),
        kernel: case.axes(&case.kernel).to_vec(),
        stride: case.axes(&case.stride).to_vec(),
        padding: case.axes(&case.padding).repeat(2),
        buffers: BufferPool::new(),
        output: None,
    })))
}
