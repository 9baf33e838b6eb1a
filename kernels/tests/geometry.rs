//! What is not in order is no geometry: kernels rely on it, whoever asks for them.

use lanepool_kernels::{Axis, BACKENDS, Divisor, Geometry};

fn is_geometry(axis: Axis, divisor: Divisor) -> bool {
    Geometry::new(1, [Axis::UNIT, Axis::UNIT, axis], 1, divisor).is_some()
}

#[test]
fn nothing_is_divided_by_0() {
    for n in [-1, 0, 1] {
        assert_eq!(is_geometry(Axis::UNIT, Divisor::Constant(n)), n != 0);
    }
}

#[test]
fn even_windows_are_all_that_they_say() {
    let spread = Axis { input: 10, output: 4, kernel: 4, stride: 4, spread: true, ..Axis::UNIT };
    assert!(is_geometry(spread, Divisor::Present));
    for other in [
        Axis { dilation: 2, ..spread },
        Axis { pad_begin: 1, ..spread },
        Axis { pad_end: 1, ..spread },
        Axis { stride: 3, ..spread },
        Axis { kernel: 3, ..spread },
        Axis { kernel: 5, stride: 5, ..spread },
        Axis { kernel: 0, stride: 0, ..spread },
    ] {
        assert!(!is_geometry(other, Divisor::Present), "{other:?}");
    }
}

#[test]
fn no_position_overflows() {
    const MOST: usize = isize::MAX as usize;
    // The last tap is as far as its start, its reach, and the padded input.
    let last = |pad_begin| Axis { pad_begin, ..Axis::UNIT };
    assert!(is_geometry(last(MOST - 1), Divisor::Present));
    assert!(!is_geometry(last(MOST), Divisor::Present));
}

/// So much padding that places in scratch memory, which are multiples of it, would be anywhere: windows have no element,
/// in whatever walk.
#[test]
fn no_padding_is_too_much() {
    for n in 3..=64 {
        let small = Axis { input: 13, output: 5, kernel: 5, ..Axis::UNIT };
        let padded = Axis { pad_begin: usize::MAX / n + 1, ..small };
        for axes in [[Axis::UNIT, padded, small], [Axis::UNIT, small, padded]] {
            for (planes, inner) in [(8, 1), (1, 40)] {
                let geometry = Geometry::new(planes, axes, inner, Divisor::Present).unwrap();
                let input = vec![1.0; geometry.input_len()];
                for backend in BACKENDS.iter().filter(|backend| backend.is_supported()) {
                    let mut output = vec![0.0; geometry.output_len()];
                    let rows = 0..geometry.rows();
                    (backend.kernels().f32.max.run)(&geometry, rows, &input, &mut output);
                    let name = backend.name();
                    assert!(output.iter().all(|&x| x == f32::NEG_INFINITY), "{padded:?} {name}");
                }
            }
        }
    }
}
