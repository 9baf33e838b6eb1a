//! lanepool, with the backend of its choice or another, and its floor.

use crate::{Case, Made, Peer};
use lanepool::{Backend, Divisor, Layout, Op, Plan, Pool, Shape};

struct Lanepool {
    plan: Plan<f32>,
    threads: usize,
}

impl Peer for Lanepool {
    fn run(&mut self, input: &[f32], output: &mut [f32]) {
        match self.threads {
            1 => self.plan.run(input, output),
            _ => self.plan.run_parallel(input, output), // worker.py sets the size of rayon's pool
        }
        .expect("the buffers have the plan's sizes");
    }
}

pub(crate) fn prepare(case: &Case, backend: Option<&str>) -> Made {
    let backend = backend.map_or_else(Backend::best, Backend::named)?;
    let plan = match case.dims {
        1 => plan::<1>(case, backend)?,
        2 => plan::<2>(case, backend)?,
        _ => plan::<3>(case, backend)?,
    };
    Ok(Some(Box::new(Lanepool { plan, threads: case.threads })))
}

fn plan<const D: usize>(
    case: &Case,
    backend: &'static Backend,
) -> Result<Plan<f32>, lanepool::Error> {
    let layout = if case.channels_last { Layout::ChannelsLast } else { Layout::ChannelsFirst };
    Pool::<D>::new(if case.max { Op::Max } else { Op::Average }, Case::last(&case.kernel))
        .stride(Case::last(&case.stride))
        .padding(Case::last(&case.padding))
        .divisor(Divisor::IncludePad)
        .plan_on(backend, layout, Shape::new(case.batch, case.channels, Case::last(&case.size)))
}

struct Floor(&'static Backend);

impl Peer for Floor {
    fn run(&mut self, input: &[f32], output: &mut [f32]) {
        self.0.floor(input, output);
    }
}

pub(crate) fn floor(case: &Case) -> Made {
    Ok(if case.threads == 1 { Some(Box::new(Floor(Backend::best()?))) } else { None })
}
