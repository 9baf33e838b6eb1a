//! 128-bit vectors from the crate `wide`, for targets without a file of their own.

use super::{Feature, Isa, Lanes, Memory, no_nan};
use crate::Rounding;
use crate::backend::AllLanes;
use crate::number::{Element, Number};
use wide::{f32x4, f64x2, i8x16, i16x8, i32x4, i64x2, u8x16, u16x8, u32x4};

/// Needs no proof: `wide` uses what the target is compiled for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Isa for Portable {
    const NAME: &'static str = "portable";
    const FEATURES: &'static [Feature] = &[];
    const BY_HAND: bool = false;

    #[inline(always)]
    fn detect() -> Option<Self> {
        Some(Self)
    }

    #[inline(always)]
    fn vectorize<R>(self, f: impl FnOnce() -> R) -> R {
        f()
    }
}

macro_rules! floats {
    ($($float:ident: $vector:ident [$n:literal]),*) => { $(
        impl Lanes<$float> for Portable {
            type Vector = $vector;
            type Array = [$float; $n];
            type Seen = $vector;

            #[inline(always)]
            fn add(self, a: $vector, b: $vector) -> $vector {
                a + b
            }

            #[inline(always)]
            fn mul(self, a: $vector, b: $vector) -> $vector {
                a * b
            }

            #[inline(always)]
            fn div(self, a: $vector, b: $vector, _: Rounding) -> $vector {
                a / b
            }

            #[inline(always)]
            fn max(self, a: $vector, b: $vector) -> $vector {
                // Not `$vector::max`: it ignores NaN on either side. See also `Neon::max`.
                let a = if cfg!(target_arch = "aarch64") { a + $vector::ZERO } else { a };
                a.simd_gt(b).select(a, b)
            }

            #[inline(always)]
            fn min(self, a: $vector, b: $vector) -> $vector {
                let a = if cfg!(target_arch = "aarch64") { a + $vector::ZERO } else { a };
                a.simd_lt(b).select(a, b)
            }

            #[inline(always)]
            fn max_nan(self, a: $vector, b: $vector) -> $vector {
                a.is_nan().select(a, Lanes::<$float>::max(self, a, b))
            }

            #[inline(always)]
            fn min_nan(self, a: $vector, b: $vector) -> $vector {
                a.is_nan().select(a, Lanes::<$float>::min(self, a, b))
            }

            #[inline(always)]
            fn canonical(self, v: $vector) -> $vector {
                v.simd_eq(v).select(v + $vector::ZERO, $vector::new([$float::NAN; $n]))
            }

            #[inline(always)]
            fn unseen(self) -> $vector {
                $vector::ZERO
            }

            #[inline(always)]
            fn look(self, seen: $vector, a: $vector, b: $vector) -> $vector {
                seen | a.is_nan() | b.is_nan()
            }

            #[inline(always)]
            fn both(self, a: $vector, b: $vector) -> $vector {
                a | b
            }

            #[inline(always)]
            fn has_seen(self, seen: $vector) -> bool {
                seen.any()
            }
        }
    )* };
}

macro_rules! integers {
    ($($integer:ident: $vector:ident [$n:literal]),*) => { $(
        impl Lanes<$integer> for Portable {
            type Vector = $vector;
            type Array = [$integer; $n];
            type Seen = ();

            no_nan!($integer, $vector);

            #[inline(always)]
            fn add(self, a: $vector, b: $vector) -> $vector {
                a + b
            }

            #[inline(always)]
            fn max(self, a: $vector, b: $vector) -> $vector {
                a.max(b)
            }

            #[inline(always)]
            fn min(self, a: $vector, b: $vector) -> $vector {
                a.min(b)
            }
        }
    )* };
}

floats!(f32: f32x4[4], f64: f64x2[2]);
integers!(
    i8: i8x16[16], u8: u8x16[16], i16: i16x8[8], u16: u16x8[8], i32: i32x4[4], u32: u32x4[4],
    i64: i64x2[2]
);

impl<A: Number, T: Element<Acc = A>> Memory<T> for Portable where Self: Lanes<A> {}

impl AllLanes for Portable {
    type Narrow = Self;
}
