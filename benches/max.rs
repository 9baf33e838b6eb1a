//! Max pooling with every backend: `cargo bench --bench max`.

mod common;

use criterion::{Criterion, criterion_group, criterion_main};
use lanepool::Op;

fn max(c: &mut Criterion) {
    common::all(c, Op::Max);
}

criterion_group! {
    name = benches;
    config = common::config();
    targets = max
}
criterion_main!(benches);
