//! The seam between kernels and instruction sets.
//!
//! A kernel is written once, over [`Lanes`]; an instruction set is a zero-sized token implementing
//! it. Holding a token proves that the CPU has the instructions, so operations on registers are safe
//! to call. Loads and stores take pointers: what makes them safe is the geometry, which is
//! checked once at the kernel's door ([`Geometry::assert_fits`](crate::Geometry)).

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(all(target_arch = "x86_64", not(lanepool_without = "avx512")))]
pub(crate) mod avx512;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
pub(crate) mod neon;
pub(crate) mod portable;
pub(crate) mod quantizing;
pub(crate) mod scalar;

pub(crate) use crate::feature::Feature;

use crate::Rounding;
use crate::number::{Element, Number};
use bytemuck::{Pod, Zeroable, bytes_of, bytes_of_mut, must_cast};
use core::mem::MaybeUninit;
use core::ops::Range;

/// Lanes of the widest vector there is: 64 bytes of bytes.
pub(crate) const WIDEST: usize = 64;

/// Lanes of the widest vectors that are turned.
pub(crate) const TURNED: usize = 16;

/// Part of a place among the lanes of a vector where there is nothing to take, for [`Lanes::pick_or`].
pub(crate) const ABSENT: u32 = 1 << 31;

/// Memory that starts where a line of the caches does: of vectors that do not, each other one is in two of them.
#[repr(align(64))]
pub(crate) struct Aligned<T>(pub(crate) T);

/// The first `len` elements of some memory, all zeros.
pub(crate) fn zeroed<A: Pod>(scratch: &mut [MaybeUninit<A>], len: usize) -> &mut [A] {
    filled(scratch, len, A::zeroed())
}

/// The first `len` elements of some memory, all of them `value`. A call, like all that has no vectors, so that there is
/// one of it for all instruction sets.
#[inline(never)]
pub(crate) fn filled<A: Copy>(scratch: &mut [MaybeUninit<A>], len: usize, value: A) -> &mut [A] {
    let scratch = &mut scratch[..len];
    for element in scratch.iter_mut() {
        element.write(value);
    }
    // SAFETY: every element has just been written.
    unsafe { &mut *(core::ptr::from_mut(scratch) as *mut [A]) }
}

/// An instruction set, as a token that only exists where the CPU supports it.
pub(crate) trait Isa: Copy {
    /// The name users see and select by.
    const NAME: &'static str;

    /// Whether to compile more than the two plainest walks. The others are many, and are worth it for
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

    /// The same, inside such an `f`, as a function of its own: for what takes so long that a call does not matter, since the
    /// time to compile a function grows faster than the function. What is behind a reference is best copied first.
    ///
    /// It goes by way of another function with the features: of a call from where they are not known, the compiler
    /// forgets that it is not to be inlined.
    #[inline(always)]
    fn outline<R>(self, f: impl FnOnce() -> R) -> R {
        f()
    }

    /// Whether [`prefetch`](Self::prefetch) is an instruction.
    const FETCHES: bool = false;

    /// Says that what is there will be loaded, if there is something.
    #[inline(always)]
    fn prefetch<T>(self, _src: *const T) {}
}

/// The operations that pooling needs on vectors of numbers.
///
/// Those that have a body compute lane by lane: good enough for what happens at the end of a row or
/// of a window, and for types without instructions of their own.
pub(crate) trait Lanes<A: Number>: Isa {
    /// A vector register.
    type Vector: Pod;

    /// Its lanes.
    type Array: Pod + AsRef<[A]> + AsMut<[A]>;

    /// What has been seen of NaNs.
    type Seen: Copy;

    /// The number of lanes of a [`Vector`](Self::Vector).
    const N: usize = size_of::<Self::Array>() / size_of::<A>();

    /// Whether [`max_nan`](Self::max_nan) costs no more than [`max`](Self::max).
    const NAN_IS_FREE: bool = false;

    /// Broadcasts `x` to all lanes.
    #[inline(always)]
    fn splat(self, x: A) -> Self::Vector {
        let mut lanes = Self::Array::zeroed();
        lanes.as_mut().fill(x);
        must_cast(lanes)
    }

    /// Replaces all lanes but these by those of `rest`.
    #[inline(always)]
    fn keep(self, v: Self::Vector, lanes: Range<usize>, rest: Self::Vector) -> Self::Vector {
        let (v, mut kept): (Self::Array, Self::Array) = (must_cast(v), must_cast(rest));
        for (i, (kept, &v)) in kept.as_mut().iter_mut().zip(v.as_ref()).enumerate() {
            *kept = if lanes.contains(&i) { v } else { *kept };
        }
        must_cast(kept)
    }

    /// Adds each pair of lanes; integers wrap.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// Multiplies each pair of lanes; integers wrap.
    #[inline(always)]
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        mul_lanes::<A, Self>(self, a, b)
    }

    /// The bits that both have set.
    #[inline(always)]
    fn and(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        let (mut both, b): (Self::Array, Self::Array) = (must_cast(a), must_cast(b));
        for (both, b) in bytes_of_mut(&mut both).iter_mut().zip(bytes_of(&b)) {
            *both &= b;
        }
        must_cast(both)
    }

    /// Adds `c` to the product of each pair of lanes, which is to be exact.
    #[inline(always)]
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        self.add(self.mul(a, b), c)
    }

    /// Divides each pair of lanes, and rounds as told to an integer if the lanes are integers.
    #[inline(always)]
    fn div(self, a: Self::Vector, b: Self::Vector, rounding: Rounding) -> Self::Vector {
        div_lanes::<A, Self>(self, a, b, rounding)
    }

    /// Whether [`quotient`](Self::quotient) is faster than [`div`](Self::div).
    const INVERTS: bool = false;

    /// Whether, where both are wanted, a [`div`](Self::div) and a [`quotient`](Self::quotient) are faster than two of these:
    /// the CPU divides while it does other things.
    const DIVIDES_BESIDE: bool = false;

    /// Divides finite numbers by an odd integer, given its reciprocal, and rounds as [`div`](Self::div) does; a
    /// quotient of infinity is NaN.
    #[inline(always)]
    fn quotient(self, a: Self::Vector, b: Self::Vector, _reciprocal: Self::Vector) -> Self::Vector {
        self.div(a, b, Rounding::default())
    }

    /// Whether there is a faster way to divide several vectors by the same divisors, and by a fraction.
    const PARTS: bool = false;

    /// Makes of divisors what dividing by them takes.
    #[inline(always)]
    fn parts(self, divisors: Self::Vector) -> [Self::Vector; 4] {
        [divisors; 4]
    }

    /// Divides each pair of lanes, as [`div`](Self::div) does, by what [`parts`](Self::parts) made.
    #[inline(always)]
    fn div_parts(
        self,
        a: Self::Vector,
        parts: [Self::Vector; 4],
        rounding: Rounding,
    ) -> Self::Vector {
        self.div(a, parts[3], rounding)
    }

    /// Multiplies each pair of lanes of 16 bits, and divides by 2¹⁵, halves rounded up.
    #[inline(always)]
    fn mul_fraction(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        self.mul(a, b)
    }

    /// The same of the magnitude of `a`, with the sign of `a`: halves are rounded away from zero.
    #[inline(always)]
    fn mul_fraction_of_magnitude(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        self.mul(a, b)
    }

    /// The square root of each lane; of integers, not used.
    #[inline(always)]
    fn sqrt(self, v: Self::Vector) -> Self::Vector {
        lane_by_lane::<A, Self>(v, v, |x, _| x.root())
    }

    /// The magnitude of each lane; of integers, not used.
    #[inline(always)]
    fn magnitude(self, v: Self::Vector) -> Self::Vector {
        lane_by_lane::<A, Self>(v, v, |x, _| x.magnitude())
    }

    /// Returns `a` where it is greater than `b`, else `b`; so `b` where either is NaN.
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// Returns the larger of each pair of lanes, of unsigned integers as if they had a sign.
    #[inline(always)]
    fn max_signed(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        self.max(a, b)
    }

    /// Returns `a` where it is less than `b`, else `b`; so `b` where either is NaN.
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// Returns the larger of each pair of lanes, or a NaN if either is NaN.
    fn max_nan(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// Returns the smaller of each pair of lanes, or a NaN if either is NaN.
    fn min_nan(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// Replaces every NaN by the canonical one, and −0 by +0.
    fn canonical(self, v: Self::Vector) -> Self::Vector;

    /// No NaN.
    fn unseen(self) -> Self::Seen;

    /// Looks for NaNs in two vectors, which costs as much as looking into one.
    fn look(self, seen: Self::Seen, a: Self::Vector, b: Self::Vector) -> Self::Seen;

    /// What has been seen in two places. Of a loop that makes much of other things, it is best seen apart:
    /// what is carried through a long one is not always kept in a register.
    fn both(self, a: Self::Seen, b: Self::Seen) -> Self::Seen;

    /// Whether there was a NaN.
    fn has_seen(self, seen: Self::Seen) -> bool;

    /// Of two vectors of consecutive elements that start two apart, the one that starts between them.
    #[inline(always)]
    fn between(self, left: Self::Vector, right: Self::Vector) -> Self::Vector {
        let (left, mut between): (Self::Array, Self::Array) = (must_cast(left), must_cast(right));
        for i in (1..Self::N).rev() {
            between.as_mut()[i] = between.as_ref()[i - 1];
        }
        between.as_mut()[0] = left.as_ref()[1 % Self::N];
        must_cast(between)
    }

    /// Splits `2 * N` consecutive elements into those at even and odd positions.
    #[inline(always)]
    fn deinterleave(self, lo: Self::Vector, hi: Self::Vector) -> (Self::Vector, Self::Vector) {
        let linear: [Self::Array; 2] = [must_cast(lo), must_cast(hi)];
        let (mut even, mut odd) = (linear[0], linear[0]);
        for i in 0..Self::N {
            let at = |i: usize| linear[i / Self::N].as_ref()[i % Self::N];
            even.as_mut()[i] = at(2 * i);
            odd.as_mut()[i] = at(2 * i + 1);
        }
        (must_cast(even), must_cast(odd))
    }

    /// Splits `2 * N` consecutive elements as [`deinterleave`](Self::deinterleave) does, but with the lanes of
    /// both in the order that takes the least, of which the last one is the last:
    /// [`in_order`](Self::in_order) puts them right.
    #[inline(always)]
    fn unzip(self, lo: Self::Vector, hi: Self::Vector) -> (Self::Vector, Self::Vector) {
        self.deinterleave(lo, hi)
    }

    /// Puts the lanes of what was merged of [`unzip`](Self::unzip) in order.
    #[inline(always)]
    fn in_order(self, unzipped: Self::Vector) -> Self::Vector {
        unzipped
    }

    /// Shifts the last lane of `before` into `v`, both as [`unzip`](Self::unzip) leaves them.
    #[inline(always)]
    fn slide_unzipped(self, before: Self::Vector, v: Self::Vector) -> Self::Vector {
        self.slide::<1>(before, v)
    }

    /// Splits `4 * N` consecutive elements into those at every fourth position, from 0 to 3 on.
    #[inline(always)]
    fn deinterleave4(self, [a, b, c, d]: [Self::Vector; 4]) -> [Self::Vector; 4] {
        let ((even_0, odd_0), (even_1, odd_1)) = (self.deinterleave(a, b), self.deinterleave(c, d));
        let (first, third) = self.deinterleave(even_0, even_1);
        let (second, fourth) = self.deinterleave(odd_0, odd_1);
        [first, second, third, fourth]
    }

    /// Splits each of four vectors into groups of four lanes, and these into first, second, third and
    /// fourth lanes, each of the four vectors side by side. Where that needs lanes to cross a register,
    /// groups may be of lanes further apart, if [`groups`](Self::groups) puts them in order again.
    #[inline(always)]
    fn quads(self, windows: [Self::Vector; 4]) -> [Self::Vector; 4] {
        self.deinterleave4(windows)
    }

    /// Loads groups of four lanes, `apart` from one to the next.
    ///
    /// # Safety
    ///
    /// They are valid for reading.
    #[inline(always)]
    unsafe fn load_groups_of_lanes(self, src: *const A, apart: usize) -> Self::Vector {
        let mut lanes = Self::Array::zeroed();
        for (i, lane) in lanes.as_mut().iter_mut().enumerate() {
            // SAFETY: as the caller promises.
            *lane = unsafe { src.wrapping_add(i / 4 * apart + i % 4).read() };
        }
        must_cast(lanes)
    }

    /// Splits two vectors of groups that [`quads`](Self::quads) makes into those at even and odd
    /// positions.
    #[inline(always)]
    fn groups(self, lo: Self::Vector, hi: Self::Vector) -> (Self::Vector, Self::Vector) {
        self.deinterleave(lo, hi)
    }

    /// Splits `3 * N` consecutive elements into those at every third position, from 0, 1 and 2 on.
    #[inline(always)]
    fn deinterleave3(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> [Self::Vector; 3] {
        let linear: [Self::Array; 3] = [must_cast(a), must_cast(b), must_cast(c)];
        let mut split = linear;
        for j in 0..3 {
            for i in 0..Self::N {
                let at = 3 * i + j;
                split[j].as_mut()[i] = linear[at / Self::N].as_ref()[at % Self::N];
            }
        }
        [must_cast(split[0]), must_cast(split[1]), must_cast(split[2])]
    }

    /// Turns the first `N` vectors: lane `j` of the `i`-th one becomes lane `i` of the `j`-th one.
    #[inline(always)]
    fn turn(self, square: &mut [Self::Vector; TURNED]) {
        let mut other = [square[0]; TURNED];
        for step in 0..Self::N.ilog2() {
            // Copying all of them back would be a call.
            let (from, to) =
                if step % 2 == 0 { (&*square, &mut other) } else { (&other, &mut *square) };
            // The last bit of a lane's number becomes the first one of its vector's.
            for i in 0..Self::N / 2 {
                (to[i], to[i + Self::N / 2]) = self.deinterleave(from[2 * i], from[2 * i + 1]);
            }
        }
        if Self::N.ilog2() % 2 != 0 {
            for (v, other) in square.iter_mut().zip(other).take(Self::N) {
                *v = other;
            }
        }
    }

    /// Whether [`pick`](Self::pick) is an instruction.
    const PICKS: bool = false;

    /// Lane `i` is the one at `places[i]`, of which [`ABSENT`] is no part.
    #[inline(always)]
    fn pick(self, v: Self::Vector, places: &[u32; TURNED]) -> Self::Vector {
        let v: Self::Array = must_cast(v);
        let mut picked = v;
        for (to, &place) in picked.as_mut().iter_mut().zip(places) {
            *to = v.as_ref()[place as usize % Self::N];
        }
        must_cast(picked)
    }

    /// The same, with the lanes of `rest` where that is [`ABSENT`].
    #[inline(always)]
    fn pick_or(self, v: Self::Vector, places: &[u32; TURNED], rest: Self::Vector) -> Self::Vector {
        let (rest, mut picked): (Self::Array, Self::Array) =
            (must_cast(rest), must_cast(self.pick(v, places)));
        for (i, to) in picked.as_mut().iter_mut().enumerate() {
            *to = if places[i] & ABSENT == 0 { *to } else { rest.as_ref()[i] };
        }
        must_cast(picked)
    }

    /// Shifts `J` lanes of `before` into `v`: `[before[N-J..], v[..N-J]]`; `J` is 1, 2, 4 or 8, and at most `N`.
    #[inline(always)]
    fn slide<const J: usize>(self, before: Self::Vector, v: Self::Vector) -> Self::Vector {
        let (before, v): (Self::Array, Self::Array) = (must_cast(before), must_cast(v));
        let mut slid = v;
        for i in 0..Self::N {
            slid.as_mut()[i] =
                if i < J { before.as_ref()[Self::N - J + i] } else { v.as_ref()[i - J] };
        }
        must_cast(slid)
    }

    /// Whether to shift lanes takes no longer than to load them from where they are not aligned.
    const SLIDES: bool = false;

    /// Shifts a lane of `after` into `v`: `[v[1..], after[0]]`.
    #[inline(always)]
    fn slide_back(self, v: Self::Vector, after: Self::Vector) -> Self::Vector {
        let (mut slid, after): (Self::Array, Self::Array) = (must_cast(v), must_cast(after));
        slid.as_mut().rotate_left(1);
        slid.as_mut()[Self::N - 1] = after.as_ref()[0];
        must_cast(slid)
    }
}

/// Elements in memory, as lanes of what they are reduced in. What is not overridden converts lane by
/// lane, and takes the first elements through a buffer.
pub(crate) trait Memory<T: Element>: Lanes<T::Acc> {
    /// Whether there are instructions that touch some elements only: then it is no use to look whether
    /// whole vectors are inside.
    const MASKS: bool = false;

    /// Loads `N` elements.
    ///
    /// # Safety
    ///
    /// `src` is valid for reading them.
    #[inline(always)]
    unsafe fn load(self, src: *const T) -> Self::Vector {
        let mut lanes = Self::Array::zeroed();
        for i in 0..Self::N {
            // SAFETY: as the caller promises.
            lanes.as_mut()[i] = unsafe { src.wrapping_add(i).read() }.widen();
        }
        must_cast(lanes)
    }

    /// Loads groups of four elements, `apart` from one to the next.
    ///
    /// # Safety
    ///
    /// They are valid for reading.
    #[inline(always)]
    unsafe fn load_groups(self, src: *const T, apart: usize) -> Self::Vector {
        let mut lanes = Self::Array::zeroed();
        for (i, lane) in lanes.as_mut().iter_mut().enumerate() {
            // SAFETY: as the caller promises.
            *lane = unsafe { src.wrapping_add(i / 4 * apart + i % 4).read() }.widen();
        }
        must_cast(lanes)
    }

    /// Stores `N` elements.
    ///
    /// # Safety
    ///
    /// `dst` is valid for writing them.
    #[inline(always)]
    unsafe fn store(self, v: Self::Vector, dst: *mut T) {
        let lanes: Self::Array = must_cast(v);
        for i in 0..Self::N {
            // SAFETY: as the caller promises.
            unsafe { dst.wrapping_add(i).write(T::narrow(lanes.as_ref()[i])) }
        }
    }

    /// Stores two vectors of `N` elements, one after the other.
    ///
    /// # Safety
    ///
    /// `dst` is valid for writing them.
    #[inline(always)]
    unsafe fn store_both(self, [first, second]: [Self::Vector; 2], dst: *mut T) {
        // SAFETY: as the caller promises.
        unsafe { self.store(first, dst) }
        // SAFETY: as the caller promises.
        unsafe { self.store(second, dst.wrapping_add(Self::N)) }
    }

    /// Whether two vectors that are loaded together are the elements at even positions and those at odd
    /// ones, since that is faster.
    const APART: bool = false;

    /// Loads `2 * N` elements, one vector after the other, or [`APART`](Self::APART).
    ///
    /// # Safety
    ///
    /// `src` is valid for reading them.
    #[inline(always)]
    unsafe fn load_two(self, src: *const T) -> [Self::Vector; 2] {
        // SAFETY: as the caller promises.
        let first = unsafe { self.load(src) };
        // SAFETY: as the caller promises.
        [first, unsafe { self.load(src.wrapping_add(Self::N)) }]
    }

    /// Stores `2 * N` elements as [`load_two`](Self::load_two) loads them.
    ///
    /// # Safety
    ///
    /// `dst` is valid for writing them.
    #[inline(always)]
    unsafe fn store_two(self, vectors: [Self::Vector; 2], dst: *mut T) {
        // SAFETY: as the caller promises.
        unsafe { self.store_both(vectors, dst) }
    }

    /// Whether there is an instruction that loads pairs of elements, which are bytes.
    const PAIRS: bool = false;

    /// Loads `2 * N` elements, multiplies them by the bytes of `weights`, which are 0 or 1, and adds each two; where there are
    /// no [`PAIRS`](Self::PAIRS), not used.
    ///
    /// # Safety
    ///
    /// `src` is valid for reading them.
    #[inline(always)]
    unsafe fn load_pairs(self, src: *const T, _weights: Self::Vector) -> Self::Vector {
        // SAFETY: as the caller promises.
        unsafe { self.load(src) }
    }

    /// Whether the bits of elements have an order of their own, which is right for the largest if that is not
    /// negative, and takes much less than to convert them.
    const GUESSES: bool = false;

    /// Loads the bits of `N` elements.
    ///
    /// # Safety
    ///
    /// `src` is valid for reading them.
    #[inline(always)]
    unsafe fn load_bits(self, src: *const T) -> Self::Vector {
        // SAFETY: as the caller promises.
        unsafe { self.load(src) }
    }

    /// Stores the bits of `N` elements.
    ///
    /// # Safety
    ///
    /// `dst` is valid for writing them.
    #[inline(always)]
    unsafe fn store_bits(self, bits: Self::Vector, dst: *mut T) {
        // SAFETY: as the caller promises.
        unsafe { self.store(bits, dst) }
    }

    /// Whether the largest bits are the largest elements' for sure, given the largest of all and of all results,
    /// without sign.
    #[inline(always)]
    fn is_sure(self, _all: Self::Vector, _results: Self::Vector) -> bool {
        false
    }

    /// Loads the first `n` elements, fewer than `N`, and touches no other; the other lanes hold
    /// anything.
    ///
    /// # Safety
    ///
    /// `src` is valid for reading them.
    #[inline(always)]
    unsafe fn load_first(self, src: *const T, n: usize) -> Self::Vector {
        let mut buffer = [0u64; WIDEST / 8];
        let bytes = buffer.as_mut_ptr().cast::<u8>();
        // SAFETY: the caller promises the source, and a vector of elements fits the buffer.
        unsafe { copy_few(src.cast(), bytes, n * size_of::<T>()) }
        // SAFETY: the buffer is aligned for all elements, and longer than a vector of them.
        unsafe { self.load(bytes.cast()) }
    }

    /// Stores the first `n` elements, fewer than `N`, and touches no other.
    ///
    /// # Safety
    ///
    /// `dst` is valid for writing them.
    #[inline(always)]
    unsafe fn store_first(self, v: Self::Vector, dst: *mut T, n: usize) {
        let mut buffer = [0u64; WIDEST / 8];
        let bytes = buffer.as_mut_ptr().cast::<u8>();
        // SAFETY: the buffer is aligned for all elements, and longer than a vector of them.
        unsafe { self.store(v, bytes.cast()) }
        // SAFETY: the caller promises the destination.
        unsafe { copy_few(bytes, dst.cast(), n * size_of::<T>()) }
    }

    /// Loads the elements in `lanes` of the `N` from `src` on, and touches no other; the other lanes
    /// are those of `rest`.
    ///
    /// # Safety
    ///
    /// The elements in `lanes` are valid for reading; `src` itself may be out of bounds.
    #[inline(always)]
    unsafe fn load_between(
        self,
        src: *const T,
        lanes: Range<usize>,
        rest: Self::Vector,
    ) -> Self::Vector {
        let mut buffer = [0u64; WIDEST / 8];
        let bytes = buffer.as_mut_ptr().cast::<u8>();
        let (skip, n) = (lanes.start, lanes.end.saturating_sub(lanes.start));
        // SAFETY: the caller promises the source, and a vector of elements fits the buffer.
        unsafe {
            copy_few(
                src.wrapping_add(skip).cast(),
                bytes.wrapping_add(skip * size_of::<T>()),
                n * size_of::<T>(),
            );
        }
        // SAFETY: the buffer is aligned for all elements, and longer than a vector of them.
        self.keep(unsafe { self.load(bytes.cast()) }, lanes, rest)
    }
}

/// Multiplies lane by lane.
#[inline(always)]
fn mul_lanes<A: Number, S: Lanes<A>>(_: S, a: S::Vector, b: S::Vector) -> S::Vector {
    lane_by_lane::<A, S>(a, b, A::times)
}

/// Divides lane by lane.
#[inline(always)]
fn div_lanes<A: Number, S: Lanes<A>>(
    _: S,
    a: S::Vector,
    b: S::Vector,
    rounding: Rounding,
) -> S::Vector {
    let (mut a, b): (S::Array, S::Array) = (must_cast(a), must_cast(b));
    A::divide(a.as_mut(), b.as_ref(), rounding);
    must_cast(a)
}

/// Applies a function to each pair of lanes.
#[inline(always)]
fn lane_by_lane<A: Number, S: Lanes<A>>(
    a: S::Vector,
    b: S::Vector,
    f: impl Fn(A, A) -> A,
) -> S::Vector {
    let (mut a, b): (S::Array, S::Array) = (must_cast(a), must_cast(b));
    for i in 0..S::N {
        a.as_mut()[i] = f(a.as_ref()[i], b.as_ref()[i]);
    }
    must_cast(a)
}

/// Copies [`WIDEST`] bytes at most. It is a call, since it would be most of a kernel otherwise; one of
/// `copy_nonoverlapping` would be slower.
///
/// # Safety
///
/// `src` is valid for reading them, and `dst` for writing.
#[inline(never)]
unsafe fn copy_few(src: *const u8, dst: *mut u8, n: usize) {
    /// Copies a piece if the bit of its length is set in `n`.
    ///
    /// # Safety
    ///
    /// As that of `copy_few`.
    #[inline(always)]
    unsafe fn piece<P: Pod>(src: *const u8, dst: *mut u8, n: usize, at: &mut usize) {
        if n & size_of::<P>() != 0 {
            // SAFETY: as the caller promises: pieces are as long as `n`, together.
            let piece = unsafe { src.wrapping_add(*at).cast::<P>().read_unaligned() };
            // SAFETY: the same.
            unsafe { dst.wrapping_add(*at).cast::<P>().write_unaligned(piece) }
            *at += size_of::<P>();
        }
    }
    let mut at = 0;
    // SAFETY: as the caller promises.
    unsafe { piece::<[u64; 8]>(src, dst, n, &mut at) }
    // SAFETY: the same.
    unsafe { piece::<[u64; 4]>(src, dst, n, &mut at) }
    // SAFETY: the same.
    unsafe { piece::<[u64; 2]>(src, dst, n, &mut at) }
    // SAFETY: the same.
    unsafe { piece::<u64>(src, dst, n, &mut at) }
    // SAFETY: the same.
    unsafe { piece::<u32>(src, dst, n, &mut at) }
    // SAFETY: the same.
    unsafe { piece::<u16>(src, dst, n, &mut at) }
    // SAFETY: the same.
    unsafe { piece::<u8>(src, dst, n, &mut at) }
}

/// Methods of two vectors that are one intrinsic each.
macro_rules! intrinsics {
    ($vector:ty: $($name:ident = $intrinsic:path),* $(,)?) => { $(
        #[inline(always)]
        fn $name(self, a: $vector, b: $vector) -> $vector {
            // SAFETY: the token proves that the CPU has the instruction.
            unsafe { $intrinsic(a, b) }
        }
    )* };
}

/// Methods of lanes in which no NaN is looked for: [`NAN_IS_FREE`](Lanes::NAN_IS_FREE), and not
/// [`INVERTS`](Lanes::INVERTS).
macro_rules! sees_none {
    ($vector:ty) => {
        #[inline(always)]
        fn unseen(self) {}

        #[inline(always)]
        fn look(self, (): (), _: $vector, _: $vector) {}

        #[inline(always)]
        fn both(self, (): (), (): ()) {}

        #[inline(always)]
        fn has_seen(self, (): ()) -> bool {
            false
        }
    };
}

/// Methods of integers, none of which is NaN or −0.
macro_rules! no_nan {
    ($integer:ty, $vector:ty) => {
        const NAN_IS_FREE: bool = true;

        #[inline(always)]
        fn max_nan(self, a: $vector, b: $vector) -> $vector {
            Lanes::<$integer>::max(self, a, b)
        }

        #[inline(always)]
        fn min_nan(self, a: $vector, b: $vector) -> $vector {
            Lanes::<$integer>::min(self, a, b)
        }

        #[inline(always)]
        fn canonical(self, v: $vector) -> $vector {
            v
        }

        $crate::simd::sees_none!($vector);
    };
}

/// Loads and stores of vectors that are in memory what they are in a register.
macro_rules! as_it_is {
    ($element:ty, $vector:ty) => {
        #[inline(always)]
        unsafe fn load(self, src: *const $element) -> $vector {
            // SAFETY: as the caller promises.
            unsafe { src.cast::<$vector>().read_unaligned() }
        }

        #[inline(always)]
        unsafe fn store(self, v: $vector, dst: *mut $element) {
            // SAFETY: as the caller promises.
            unsafe { dst.cast::<$vector>().write_unaligned(v) }
        }

        #[inline(always)]
        unsafe fn load_groups(self, src: *const $element, apart: usize) -> $vector {
            // SAFETY: as the caller promises.
            unsafe { Lanes::<$element>::load_groups_of_lanes(self, src, apart) }
        }
    };
}

pub(crate) use {as_it_is, intrinsics, no_nan, sees_none};

/// Loads a vector of what was stored by [`store_lanes`].
///
/// # Safety
///
/// The `N` lanes from `at` on lie inside `slice`.
#[inline(always)]
pub(crate) unsafe fn load_lanes<A: Number, S: Lanes<A>>(_: S, slice: &[A], at: usize) -> S::Vector {
    debug_assert!(at <= slice.len() && S::N <= slice.len() - at, "a load out of bounds");
    // SAFETY: as the caller promises.
    unsafe { slice.as_ptr().wrapping_add(at).cast::<S::Vector>().read_unaligned() }
}

/// Stores the lanes of a vector as they are.
///
/// # Safety
///
/// The `N` lanes from `at` on lie inside `slice`.
#[inline(always)]
pub(crate) unsafe fn store_lanes<A: Number, S: Lanes<A>>(
    _: S,
    v: S::Vector,
    slice: &mut [A],
    at: usize,
) {
    debug_assert!(at <= slice.len() && S::N <= slice.len() - at, "a store out of bounds");
    // SAFETY: as the caller promises.
    unsafe { slice.as_mut_ptr().wrapping_add(at).cast::<S::Vector>().write_unaligned(v) }
}

/// Loads the `N` elements of `slice` from `at` on.
///
/// # Safety
///
/// They lie inside it.
#[inline(always)]
pub(crate) unsafe fn load<T: Element, S: Memory<T>>(simd: S, slice: &[T], at: usize) -> S::Vector {
    debug_assert!(at <= slice.len() && S::N <= slice.len() - at, "a load out of bounds");
    // SAFETY: as the caller promises.
    let src = unsafe { slice.as_ptr().add(at) };
    // SAFETY: as the caller promises.
    unsafe { simd.load(src) }
}

/// Loads the `b`-th of an even number of vectors side by side, the first of which starts at `at`: in pairs,
/// as [`Memory::load_two`] does.
///
/// # Safety
///
/// The pair that it is of lies inside `slice`.
#[inline(always)]
pub(crate) unsafe fn load_of_two<T: Element, S: Memory<T>>(
    simd: S,
    slice: &[T],
    at: usize,
    b: usize,
) -> S::Vector {
    let at = at.wrapping_add(b / 2 * 2 * S::N);
    debug_assert!(at <= slice.len() && 2 * S::N <= slice.len() - at, "a load out of bounds");
    // SAFETY: as the caller promises.
    let src = unsafe { slice.as_ptr().add(at) };
    // Its twin is loaded by the next call; the compiler makes one of both.
    // SAFETY: as the caller promises.
    let two = unsafe { simd.load_two(src) };
    two[b % 2]
}

/// Loads the sums of pairs of the elements of `slice` from `at` on, as [`Memory::load_pairs`] does.
///
/// # Safety
///
/// The `2 * N` elements lie inside it.
#[inline(always)]
pub(crate) unsafe fn load_pairs<T: Element, S: Memory<T>>(
    simd: S,
    slice: &[T],
    at: usize,
    weights: S::Vector,
) -> S::Vector {
    debug_assert!(at <= slice.len() && 2 * S::N <= slice.len() - at, "a load out of bounds");
    // SAFETY: as the caller promises.
    let src = unsafe { slice.as_ptr().add(at) };
    // SAFETY: as the caller promises.
    unsafe { simd.load_pairs(src, weights) }
}

/// Stores an even number of vectors side by side, in pairs, as [`Memory::store_two`] does.
///
/// # Safety
///
/// All of them lie inside `slice` from `at` on.
#[inline(always)]
pub(crate) unsafe fn store_twos<T: Element, S: Memory<T>>(
    simd: S,
    vectors: &[S::Vector],
    slice: &mut [T],
    at: usize,
) {
    debug_assert!(
        at <= slice.len() && vectors.len() * S::N <= slice.len() - at,
        "a store out of bounds"
    );
    for i in 0..vectors.len() / 2 {
        let pair = [vectors[2 * i], vectors[2 * i + 1]];
        let dst = slice.as_mut_ptr().wrapping_add(at + 2 * i * S::N);
        // SAFETY: as the caller promises.
        unsafe { simd.store_two(pair, dst) }
    }
}

/// Stores two vectors, one after the other, to `slice` from `at` on.
///
/// # Safety
///
/// They lie inside it.
#[inline(always)]
pub(crate) unsafe fn store_both<T: Element, S: Memory<T>>(
    simd: S,
    vectors: [S::Vector; 2],
    slice: &mut [T],
    at: usize,
) {
    debug_assert!(at <= slice.len() && 2 * S::N <= slice.len() - at, "a store out of bounds");
    // SAFETY: as the caller promises.
    let dst = unsafe { slice.as_mut_ptr().add(at) };
    // SAFETY: as the caller promises.
    unsafe { simd.store_both(vectors, dst) }
}

/// Loads groups of four elements of `slice` from `at` on, `apart` from one to the next.
///
/// # Safety
///
/// They lie inside it.
#[inline(always)]
pub(crate) unsafe fn load_groups<T: Element, S: Memory<T>>(
    simd: S,
    slice: &[T],
    at: usize,
    apart: usize,
) -> S::Vector {
    debug_assert!(groups_end(S::N, at, apart) <= slice.len(), "a load out of bounds");
    // SAFETY: as the caller promises.
    let src = unsafe { slice.as_ptr().add(at) };
    // SAFETY: as the caller promises.
    unsafe { simd.load_groups(src, apart) }
}

/// Loads groups of four lanes stored by [`store_lanes`], `apart` from one to the next.
///
/// # Safety
///
/// They lie inside `slice`.
#[inline(always)]
pub(crate) unsafe fn load_groups_of_lanes<A: Number, S: Lanes<A>>(
    simd: S,
    slice: &[A],
    at: usize,
    apart: usize,
) -> S::Vector {
    debug_assert!(groups_end(S::N, at, apart) <= slice.len(), "a load out of bounds");
    // SAFETY: as the caller promises.
    let src = unsafe { slice.as_ptr().add(at) };
    // SAFETY: as the caller promises.
    unsafe { simd.load_groups_of_lanes(src, apart) }
}

/// Where the last of so many lanes in groups of four ends.
const fn groups_end(lanes: usize, at: usize, apart: usize) -> usize {
    at + (lanes.div_ceil(4) - 1) * apart + 4
}

/// Loads the first `n` elements of `slice` from `at` on, all `N` at most.
///
/// # Safety
///
/// They lie inside it.
#[inline(always)]
pub(crate) unsafe fn load_first<T: Element, S: Memory<T>>(
    simd: S,
    slice: &[T],
    at: usize,
    n: usize,
) -> S::Vector {
    debug_assert!(at <= slice.len() && n <= slice.len() - at, "a load out of bounds");
    // SAFETY: as the caller promises.
    let src = unsafe { slice.as_ptr().add(at) };
    if n >= S::N || !S::MASKS && S::N <= slice.len() - at {
        // SAFETY: as the caller promises, or as was seen.
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
pub(crate) unsafe fn load_between<T: Element, S: Memory<T>>(
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
    let src = slice.as_ptr().wrapping_add(at);
    if !S::MASKS && at <= slice.len() && S::N <= slice.len() - at {
        // SAFETY: as was seen.
        return simd.keep(unsafe { simd.load(src) }, lanes, rest);
    }
    // SAFETY: as the caller promises.
    unsafe { simd.load_between(src, lanes, rest) }
}

/// Stores `v` to the first `n` elements of `slice` from `at` on, all `N` at most.
///
/// # Safety
///
/// They lie inside it.
#[inline(always)]
pub(crate) unsafe fn store_first<T: Element, S: Memory<T>>(
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
pub(crate) unsafe fn store<T: Element, S: Memory<T>>(
    simd: S,
    v: S::Vector,
    slice: &mut [T],
    at: usize,
) {
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
