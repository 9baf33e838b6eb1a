//! The seam between kernels and instruction sets.
//!
//! A kernel is written once, over [`Lanes`]; an instruction set is a zero-sized token implementing
//! it. Holding a token proves that the CPU has the instructions, so operations on registers are safe
//! to call. Loads and stores take pointers: what makes them safe is the geometry, which is
//! checked once at the kernel's door ([`Geometry::assert_fits`](crate::Geometry)).

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
pub(crate) mod neon;
pub(crate) mod portable;
pub(crate) mod scalar;

use bytemuck::Pod;
use core::ops::Range;

/// Lanes of the widest vector there is: 64 bytes of bytes.
pub(crate) const WIDEST: usize = 64;

/// A feature of CPUs.
#[derive(Clone, Copy)]
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    pub(crate) is_there: fn() -> bool,
}

/// An instruction set, as a token that only exists where the CPU supports it.
pub(crate) trait Isa: Copy {
    /// The name users see and select by.
    const NAME: &'static str;

    /// Whether to compile walks that keep columns in registers. They are many, and are worth it for
    /// instruction sets that a kernel is written for by hand.
    const BY_HAND: bool = true;

    /// Returns the token if this CPU has the instructions.
    ///
    /// The standard library caches detection: this is a load and a bit test.
    fn detect() -> Option<Self>;

    /// The CPU features that it is made of.
    const FEATURES: &'static [Feature];

    /// Runs `f` compiled for this instruction set.
    ///
    /// `f` and all it calls must be `#[inline(always)]`, or they keep the baseline features of the
    /// caller.
    fn vectorize<R>(self, f: impl FnOnce() -> R) -> R;
}

/// The operations pooling needs on vectors of `T`.
pub(crate) trait Lanes<T: Pod>: Isa {
    /// A vector register of `T`.
    type Vector: Copy;

    /// What has been seen of NaNs.
    type Seen: Copy;

    /// The number of elements in a [`Vector`](Self::Vector).
    const N: usize;

    /// Whether [`max_nan`](Self::max_nan) costs no more than [`max`](Self::max).
    const NAN_IS_FREE: bool = false;

    /// Broadcasts `x` to all lanes.
    fn splat(self, x: T) -> Self::Vector;

    /// Loads `N` elements.
    ///
    /// # Safety
    ///
    /// `src` is valid for reading them.
    unsafe fn load(self, src: *const T) -> Self::Vector;

    /// Stores `N` elements.
    ///
    /// # Safety
    ///
    /// `dst` is valid for writing them.
    unsafe fn store(self, v: Self::Vector, dst: *mut T);

    /// Loads the first `n` elements, fewer than `N`, and touches no other; the other lanes hold
    /// anything.
    ///
    /// # Safety
    ///
    /// `src` is valid for reading them.
    unsafe fn load_first(self, src: *const T, n: usize) -> Self::Vector;

    /// Stores the first `n` elements, fewer than `N`, and touches no other.
    ///
    /// # Safety
    ///
    /// `dst` is valid for writing them.
    unsafe fn store_first(self, v: Self::Vector, dst: *mut T, n: usize);

    /// Loads the elements in `lanes` of the `N` from `src` on, and touches no other; the other lanes
    /// are those of `rest`.
    ///
    /// # Safety
    ///
    /// The elements in `lanes` are valid for reading; `src` itself may be out of bounds.
    unsafe fn load_between(
        self,
        src: *const T,
        lanes: Range<usize>,
        rest: Self::Vector,
    ) -> Self::Vector;

    /// Replaces all lanes but these by those of `rest`.
    fn keep(self, v: Self::Vector, lanes: Range<usize>, rest: Self::Vector) -> Self::Vector;

    /// Adds each pair of lanes.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// Multiplies each pair of lanes.
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// Divides each pair of lanes.
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// Returns `a` where it is greater than `b`, else `b`; so `b` where either is NaN.
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// Returns the larger of each pair of lanes, or a NaN if either is NaN.
    fn max_nan(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// Replaces every NaN by the canonical one, and −0 by +0.
    fn canonical(self, v: Self::Vector) -> Self::Vector;

    /// No NaN.
    fn unseen(self) -> Self::Seen;

    /// Looks for NaNs in two vectors, which costs as much as looking into one.
    fn look(self, seen: Self::Seen, a: Self::Vector, b: Self::Vector) -> Self::Seen;

    /// Whether there was a NaN.
    fn has_seen(self, seen: Self::Seen) -> bool;

    /// Shifts `J` lanes of `before` into `v`: `[before[N-J..], v[..N-J]]`; `J` is at most 4, and `N`.
    fn slide<const J: usize>(self, before: Self::Vector, v: Self::Vector) -> Self::Vector;

    /// Splits `3 * N` consecutive elements into those at every third position, from 0, 1 and 2 on.
    fn deinterleave3(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> [Self::Vector; 3];

    /// Splits `2 * N` consecutive elements into those at even and odd positions.
    fn deinterleave(self, lo: Self::Vector, hi: Self::Vector) -> (Self::Vector, Self::Vector);
}

/// Loads the `N` elements of `slice` from `at` on.
///
/// # Safety
///
/// They lie inside it.
#[inline(always)]
pub(crate) unsafe fn load<T: Pod, S: Lanes<T>>(simd: S, slice: &[T], at: usize) -> S::Vector {
    debug_assert!(at <= slice.len() && S::N <= slice.len() - at, "a load out of bounds");
    // SAFETY: as the caller promises.
    let src = unsafe { slice.as_ptr().add(at) };
    // SAFETY: as the caller promises.
    unsafe { simd.load(src) }
}

/// Loads the first `n` elements of `slice` from `at` on, all `N` at most.
///
/// # Safety
///
/// They lie inside it.
#[inline(always)]
pub(crate) unsafe fn load_first<T: Pod, S: Lanes<T>>(
    simd: S,
    slice: &[T],
    at: usize,
    n: usize,
) -> S::Vector {
    debug_assert!(at <= slice.len() && n <= slice.len() - at, "a load out of bounds");
    // SAFETY: as the caller promises.
    let src = unsafe { slice.as_ptr().add(at) };
    if n >= S::N {
        // SAFETY: as the caller promises.
        unsafe { simd.load(src) }
    } else {
        // SAFETY: as the caller promises.
        unsafe { simd.load_first(src, n) }
    }
}

/// Loads the elements in `lanes` of the `N` of `slice` from `at` on, which may lie before it; the other
/// lanes are those of `rest`.
///
/// # Safety
///
/// The elements in `lanes` lie inside it.
#[inline(always)]
pub(crate) unsafe fn load_between<T: Pod, S: Lanes<T>>(
    simd: S,
    slice: &[T],
    at: usize,
    lanes: Range<usize>,
    rest: S::Vector,
) -> S::Vector {
    debug_assert!(
        lanes.is_empty()
            || at.wrapping_add(lanes.start) < slice.len()
                && at.wrapping_add(lanes.end) <= slice.len(),
        "a load out of bounds"
    );
    // SAFETY: as the caller promises.
    unsafe { simd.load_between(slice.as_ptr().wrapping_add(at), lanes, rest) }
}

/// Stores `v` to the first `n` elements of `slice` from `at` on, all `N` at most.
///
/// # Safety
///
/// They lie inside it.
#[inline(always)]
pub(crate) unsafe fn store_first<T: Pod, S: Lanes<T>>(
    simd: S,
    v: S::Vector,
    slice: &mut [T],
    at: usize,
    n: usize,
) {
    debug_assert!(at <= slice.len() && n <= slice.len() - at, "a store out of bounds");
    // SAFETY: as the caller promises.
    let dst = unsafe { slice.as_mut_ptr().add(at) };
    if n >= S::N {
        // SAFETY: as the caller promises.
        unsafe { simd.store(v, dst) }
    } else {
        // SAFETY: as the caller promises.
        unsafe { simd.store_first(v, dst, n) }
    }
}

/// Stores all `N` lanes of `v` to `slice` from `at` on.
///
/// # Safety
///
/// They lie inside it.
#[inline(always)]
pub(crate) unsafe fn store<T: Pod, S: Lanes<T>>(simd: S, v: S::Vector, slice: &mut [T], at: usize) {
    // SAFETY: as the caller promises.
    unsafe { store_first::<T, S>(simd, v, slice, at, S::N) }
}

/// Whether this CPU has a feature; without `std`, whether every CPU of this target has it.
#[cfg(target_arch = "x86_64")]
macro_rules! has {
    ($feature:tt) => {{
        #[cfg(feature = "std")]
        let has = std::arch::is_x86_feature_detected!($feature);
        #[cfg(not(feature = "std"))]
        let has = cfg!(target_feature = $feature);
        has
    }};
}

/// Whether this CPU has a feature; without `std`, whether every CPU of this target has it.
#[cfg(target_arch = "aarch64")]
macro_rules! has {
    ($feature:tt) => {{
        #[cfg(feature = "std")]
        let has = std::arch::is_aarch64_feature_detected!($feature);
        #[cfg(not(feature = "std"))]
        let has = cfg!(target_feature = $feature);
        has
    }};
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use has;

/// Copies the elements in `lanes` of the `N` from `src` on over those of `rest`.
///
/// # Safety
///
/// The elements in `lanes` are valid for reading; `src` itself may be out of bounds.
#[inline(always)]
unsafe fn gather<T: Pod, const N: usize>(
    src: *const T,
    lanes: Range<usize>,
    mut rest: [T; N],
) -> [T; N] {
    // Not a loop over `lanes`: LLVM would make a call to `memcpy` of it.
    for (i, lane) in rest.iter_mut().enumerate() {
        if lanes.contains(&i) {
            // SAFETY: as the caller promises.
            *lane = unsafe { src.wrapping_add(i).read() };
        }
    }
    rest
}

/// Stores the first `n` of `lanes`.
///
/// # Safety
///
/// `dst` is valid for writing them.
#[inline(always)]
unsafe fn scatter<T: Pod, const N: usize>(lanes: [T; N], dst: *mut T, n: usize) {
    for (i, lane) in lanes.into_iter().enumerate() {
        if i < n {
            // SAFETY: as the caller promises.
            unsafe { dst.wrapping_add(i).write(lane) }
        }
    }
}
