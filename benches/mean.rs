//! Average pooling with every backend: `cargo bench --bench mean`.

mod common;

use criterion::{Criterion, criterion_group, criterion_main};
use lanepool::Op;

fn mean(c: &mut Criterion) {
    common::all(c, Op::Average);
}

criterion_group! {
    name = benches;
    config = common::config();
    targets = mean
}
criterion_main!(benches);
