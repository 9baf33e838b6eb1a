//! candle: two dimensions without padding, channels first, in one thread.

use crate::{Case, Made, Peer};
use candle_core::{Device, Tensor};

struct Candle {
    max: bool,
    kernel: (usize, usize),
    stride: (usize, usize),
    input: Tensor,
    output: Option<Tensor>,
}

impl Peer for Candle {
    fn run(&mut self, _: &[f32], _: &mut [f32]) {
        let output = match self.max {
            true => self.input.max_pool2d_with_stride(self.kernel, self.stride),
            false => self.input.avg_pool2d_with_stride(self.kernel, self.stride),
        };
        self.output = Some(output.expect("the sizes are in order"));
    }

    fn fetch(&mut self, output: &mut [f32]) {
        let values = self.output.as_ref().expect("it ran").flatten_all().and_then(|t| t.to_vec1());
        output.copy_from_slice(&values.expect("a tensor of f32"));
    }
}

pub(crate) fn prepare(case: &Case, input: &[f32]) -> Made {
    if case.dims != 2 || case.channels_last || case.padding != [0; 3] || case.threads != 1 {
        return Ok(None);
    }
    let pair = |of| Case::last::<2>(of).into();
    Ok(Some(Box::new(Candle {
        max: case.max,
        kernel: pair(&case.kernel),
        stride: pair(&case.stride),
        input: Tensor::from_slice(input, case.shape(&case.size), &Device::Cpu)?,
        output: None,
    })))
}
