//! Pooling of every element type that networks run in, on the backend of the process, beside the floor of
//! as many bytes: `cargo bench --bench types`.

#[allow(dead_code, reason = "of it, the other benches use all, and this one how long to measure")]
mod common;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lanepool::Layout::{ChannelsFirst, ChannelsLast};
use lanepool::check::{Case, ElementType, Pooling, Value, Values};
use lanepool::{Backend, Pool2d, Quantization, Shape, bf16, f16};

fn types(c: &mut Criterion) {
    let stem = |pool: Pool2d| pool.stride([2, 2]).padding([1, 1]);
    let square = |channels, side| Shape::new(1, channels, [side; 2]);
    let cases = [
        ("max resnet_stem", stem(Pool2d::max([3, 3])), square(64, 112)),
        ("max vgg1", Pool2d::max([2, 2]).stride([2, 2]), square(64, 224)),
        ("mean resnet_stem", stem(Pool2d::average([3, 3])), square(64, 112)),
        ("mean vgg1", Pool2d::average([2, 2]).stride([2, 2]), square(64, 224)),
        ("mean 3x3 s1", Pool2d::average([3, 3]).padding([1, 1]), square(768, 17)),
        ("mean 7x7 global", Pool2d::average([7, 7]), square(1024, 7)),
        (
            "mean 3x3 s1 relu6",
            Pool2d::average([3, 3]).padding([1, 1]).clamp(0.0, 6.0),
            square(768, 17),
        ),
    ];
    let (fine, coarse) = (Quantization::new(0.1, 7), Quantization::new(0.3, 9));
    let quantised = [
        ("max vgg1 quantised", Pool2d::max([2, 2]).stride([2, 2]), square(64, 224)),
        ("mean 3x3 s1 quantised", Pool2d::average([3, 3]).padding([1, 1]), square(768, 17)),
        ("mean 7x7 global quantised", Pool2d::average([7, 7]), square(1024, 7)),
    ];
    let quantised =
        quantised.map(|(name, pool, shape)| (name, pool.quantized(fine, coarse), shape));
    let orders = [("channels first", ChannelsFirst), ("channels last", ChannelsLast)];
    for ((name, pool, shape), (order, layout)) in
        quantised.into_iter().flat_map(|case| orders.map(|order| (case, order)))
    {
        let case = Case {
            pooling: Pooling::Two(pool, shape),
            layout,
            strides: None,
            element: ElementType::U8,
            seed: 0,
            values: Values::Numbers,
        };
        one::<u8>(c, &format!("{name}, {order}"), case);
    }
    for (name, pool, shape) in cases {
        for (order, layout) in orders {
            let case = |element| Case {
                pooling: Pooling::Two(pool, shape),
                layout,
                strides: None,
                element,
                seed: 0,
                values: Values::Numbers,
            };
            let name = format!("{name}, {order}");
            one::<f32>(c, &name, case(ElementType::F32));
            one::<f64>(c, &name, case(ElementType::F64));
            one::<f16>(c, &name, case(ElementType::F16));
            one::<bf16>(c, &name, case(ElementType::Bf16));
            one::<i8>(c, &name, case(ElementType::I8));
            one::<u8>(c, &name, case(ElementType::U8));
        }
    }
}

/// A group of two: the pooling, and the floor.
fn one<T: Value>(c: &mut Criterion, name: &str, case: Case) {
    let backend = Backend::best().expect("LANEPOOL_BACKEND names a backend of this CPU");
    let plan = case.plan::<T>(backend).expect("the cases are in order");
    let input: Vec<T> = case.input(plan.input_len());
    let mut output = vec![T::from_bits_of(0); plan.output_len()];
    let (input_bytes, output_bytes) = (size_of_val(&*input), size_of_val(&*output));
    let mut group = c.benchmark_group(format!("{name}, {}", case.element.name()));
    group.throughput(Throughput::Bytes((input_bytes + output_bytes) as u64));
    group.bench_function(BenchmarkId::from_parameter(backend.name()), |b| {
        b.iter(|| plan.run(&input, &mut output));
    });
    let read = vec![1.0f32; input_bytes / size_of::<f32>()];
    let mut written = vec![1.0f32; output_bytes / size_of::<f32>()];
    group.bench_function(BenchmarkId::from_parameter("floor"), |b| {
        b.iter(|| backend.floor(&read, &mut written));
    });
}

criterion_group! {
    name = benches;
    config = common::config();
    targets = types
}
criterion_main!(benches);
