//! Means of bytes by the walk that goes on from row to row: planes of any width, and parts of them.

use lanepool_kernels::{Axis, BACKENDS, Divisor, Geometry, Kernel, REFERENCE, Rounding, Walk};

/// Whether the kernel takes this walk, in which case it agrees with the reference.
#[track_caller]
fn agrees<T: Copy + PartialEq + std::fmt::Debug>(
    name: &str,
    [kernel, reference]: [Kernel<T>; 2],
    geometry: &Geometry,
    element: impl Fn(usize) -> T,
) -> bool {
    if kernel.walk.is_none_or(|walk| walk(geometry) != Walk::Flat) {
        return false;
    }
    let input: Vec<T> = (0..geometry.input_len()).map(&element).collect();
    let len = geometry.row_len();
    for rows in [0..geometry.rows(), 0..9, 5..geometry.rows() - 4, 7..geometry.rows()] {
        let [got, want] = [kernel, reference].map(|kernel| {
            let mut output = vec![element(0); rows.len() * len];
            (kernel.run)(geometry, rows.clone(), &input, &mut output);
            output
        });
        let differs = (0..got.len()).find(|&i| got[i] != want[i]);
        let what = (name, geometry.axes()[2].input, geometry.divisor(), geometry.rounding());
        assert_eq!(differs, None, "{what:?}, rows {rows:?}");
    }
    true
}

#[test]
fn goes_on_from_row_to_row_of_any_width() {
    let divisors = [Divisor::Present, Divisor::Padded, Divisor::Constant(9)];
    let cases = [
        (3, 3),
        (85, 3),
        (700, 3),
        (9, 4),
        (40, 5),
        (7, 7),
        (8, 8),
        (25, 10),
        (16, 14),
        (17, 17),
        (3, 33),
        (4, 64),
        (23, 65),
    ]
    .into_iter()
    .chain([(100, 100), (31, 511), (20, 512), (9, 513)])
    .flat_map(|size| divisors.map(|divisor| (size, divisor)));
    let (mut seed, mut taken) = (1u64, 0);
    for ((height, width), divisor) in cases {
        let axis = |input| Axis {
            input,
            output: input,
            kernel: 3,
            pad_begin: 1,
            pad_end: 1,
            ..Axis::UNIT
        };
        let planes = 9000 / (height * width) + 1;
        let axes = [Axis::UNIT, axis(height), axis(width)];
        let geometry = Geometry::new(planes, axes, 1, divisor).unwrap();
        let bytes: Vec<u8> = (0..geometry.input_len())
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        for rounding in [Rounding::HalfAwayFromZero, Rounding::HalfEven, Rounding::HalfUp] {
            let geometry = geometry.rounded(rounding);
            for backend in BACKENDS.iter().filter(|backend| backend.is_supported()) {
                let (name, both) = (backend.name(), [backend, &REFERENCE].map(|b| b.kernels()));
                let i8 = both.map(|all| all.i8.mean.unwrap());
                let u8 = both.map(|all| all.u8.mean.unwrap());
                taken += usize::from(agrees(name, i8, &geometry, |i| bytes[i].cast_signed()));
                taken += usize::from(agrees(name, u8, &geometry, |i| bytes[i]));
            }
        }
    }
    match BACKENDS.iter().find(|backend| backend.name() == "avx2") {
        Some(avx2) if avx2.is_supported() => assert!(taken > 100, "{taken} cases"),
        _ => eprintln!("skipped: no instruction set here has this walk"),
    }
}
