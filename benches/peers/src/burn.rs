//! burn, with any of its backends. Channels last is a permuted view, as in PyTorch.

use crate::{Case, Made, Peer};
use burn_backend::{Backend, TensorData, tensor::FloatTensor, try_read_sync};

struct Burn<B: Backend> {
    dims: usize,
    max: bool,
    channels_last: bool,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    input: FloatTensor<B>,
    output: Option<FloatTensor<B>>,
}

impl<B: Backend> Peer for Burn<B> {
    fn run(&mut self, _: &[f32], _: &mut [f32]) {
        let (k, s, p) = (self.kernel, self.stride, self.padding);
        let input = self.input.clone();
        self.output = Some(match (self.dims, self.max) {
            (1, true) => B::max_pool1d(input, k[1], s[1], p[1], 1, false),
            (1, false) => B::avg_pool1d(input, k[1], s[1], p[1], true, false),
            (_, true) => B::max_pool2d(input, k, s, p, [1, 1], false),
            (_, false) => B::avg_pool2d(input, k, s, p, true, false),
        });
    }

    fn fetch(&mut self, output: &mut [f32]) {
        let mut tensor = self.output.clone().expect("it ran");
        if self.channels_last {
            let order = [0].into_iter().chain(2..self.dims + 2).chain([1]).collect::<Vec<_>>();
            tensor = B::float_permute(tensor, &order);
        }
        let data = try_read_sync(B::float_into_data(tensor)).expect("no device to wait for");
        output.copy_from_slice(data.expect("a tensor").as_slice().expect("of f32"));
    }
}

pub(crate) fn prepare<B: Backend>(case: &Case, input: &[f32]) -> Made
where
    B::Device: Default,
    FloatTensor<B>: 'static,
{
    if case.dims == 3 {
        return Ok(None);
    }
    let data = TensorData::new(input.to_vec(), case.shape(&case.size));
    let mut input = B::float_from_data(data, &B::Device::default());
    if case.channels_last {
        let order = [0, case.dims + 1].into_iter().chain(1..=case.dims).collect::<Vec<_>>();
        input = B::float_permute(input, &order);
    }
    Ok(Some(Box::new(Burn::<B> {
        dims: case.dims,
        max: case.max,
        channels_last: case.channels_last,
        kernel: Case::last(&case.kernel),
        stride: Case::last(&case.stride),
        padding: Case::last(&case.padding),
        input,
        output: None,
    })))
}
