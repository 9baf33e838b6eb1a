//! Vectors of one element: what kernels are where there is nothing better, and for leftovers.

use super::{Feature, Isa, Lanes, Memory, no_nan};
use crate::backend::AllLanes;
use crate::number::{Element, Number};

/// Needs no proof: every CPU has scalars.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

impl Isa for Scalar {
    const NAME: &'static str = "scalar";
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
    ($($float:ident),*) => { $(
        impl Lanes<$float> for Scalar {
            type Vector = $float;
            type Array = [$float; 1];
            type Seen = bool;

            #[inline(always)]
            fn add(self, a: $float, b: $float) -> $float {
                a + b
            }

            #[inline(always)]
            fn max(self, a: $float, b: $float) -> $float {
                // See `Neon::max`.
                let a = if cfg!(target_arch = "aarch64") { a + 0.0 } else { a };
                if a > b { a } else { b }
            }

            #[inline(always)]
            fn min(self, a: $float, b: $float) -> $float {
                // See `Neon::max`.
                let a = if cfg!(target_arch = "aarch64") { a + 0.0 } else { a };
                if a < b { a } else { b }
            }

            #[inline(always)]
            fn max_nan(self, a: $float, b: $float) -> $float {
                if a > b || a.is_nan() { a } else { b }
            }

            #[inline(always)]
            fn min_nan(self, a: $float, b: $float) -> $float {
                if a < b || a.is_nan() { a } else { b }
            }

            #[inline(always)]
            fn canonical(self, v: $float) -> $float {
                if v.is_nan() { $float::NAN } else { v + 0.0 }
            }

            #[inline(always)]
            fn unseen(self) -> bool {
                false
            }

            #[inline(always)]
            fn look(self, seen: bool, a: $float, b: $float) -> bool {
                seen | a.is_nan() | b.is_nan()
            }

            #[inline(always)]
            fn both(self, a: bool, b: bool) -> bool {
                a | b
            }

            #[inline(always)]
            fn has_seen(self, seen: bool) -> bool {
                seen
            }
        }
    )* };
}

macro_rules! integers {
    ($($integer:ident),*) => { $(
        impl Lanes<$integer> for Scalar {
            type Vector = $integer;
            type Array = [$integer; 1];
            type Seen = ();

            no_nan!($integer, $integer);

            #[inline(always)]
            fn add(self, a: $integer, b: $integer) -> $integer {
                a.wrapping_add(b)
            }

            #[inline(always)]
            fn max(self, a: $integer, b: $integer) -> $integer {
                a.max(b)
            }

            #[inline(always)]
            fn min(self, a: $integer, b: $integer) -> $integer {
                a.min(b)
            }
        }
    )* };
}

floats!(f32, f64);
integers!(i8, u8, i16, u16, i32, u32, i64);

impl<A: Number, T: Element<Acc = A>> Memory<T> for Scalar where Self: Lanes<A> {}

impl AllLanes for Scalar {
    type Narrow = Self;
}
