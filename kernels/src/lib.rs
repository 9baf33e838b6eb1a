//! The kernels behind [lanepool](https://docs.rs/lanepool): pooling over windows of a tensor, on
//! every instruction set, with the same bits on all of them.
//!
//! Three nouns make a kernel:
//!
//! - **How**: a token of an instruction set, and what its registers can do (`simd`).
//! - **What**: a reduction of the elements of a window (`reduction`), in a fixed order (`order`).
//! - **Where**: a walk over windows, one idea a file ([`Walk`]).
//!
//! A [`Backend`] is the table of their products for one instruction set. [`BACKENDS`] lists them,
//! fastest first; the last one, [`REFERENCE`], is the definition that all others are checked against.
//!
//! This crate takes sizes that are already in order ([`Geometry`]), and panics where a caller breaks
//! its word. Use `lanepool` for descriptions of poolings, errors and threads.
//!
//! # How to add
//!
//! - **A backend**: a file in `simd/` with a token that implements `Isa` and `Lanes`, and a line in
//!   [`BACKENDS`]. The tests, the benches and the self-test go through the registry and find it.
//! - **A reduction**: a type that implements `Reduction`, its plain loop in `reference`, and a line
//!   each in the tables of [`Kernels`].
//! - **An element type**: an `Element` in `number`, which says what it is reduced in: itself, if it is a
//!   `Number`; the value nearest to a bound, in `activate`. A `Memory` of it in each file in `simd/`, empty where converting lane by lane will do. A
//!   line in [`AllKernels`], and what `reference` makes of it. If what it is reduced in is new, too, each
//!   file in `simd/` has `Lanes` of that. A kernel that is `fast` is nearly 100 KB of code for each
//!   instruction set, one that is `rare` hardly any: `benches/types.rs` says what is worth it.
//! - **A walk**: a file, a variant of [`Walk`] and the condition under which it is chosen. One that
//!   may miss NaNs is a type that implements `FastWalk`; what it misses is done again by another.
#![cfg_attr(not(feature = "std"), no_std)]
#![allow(
    clippy::needless_range_loop,
    reason = "loops over arrays of vectors, by iterators, take the compiler half as long again as by indices"
)]

mod across;
mod activate;
mod ahead;
mod autovec;
mod backend;
mod blocks;
mod doubled;
mod down;
mod feature;
mod flat;
mod floor;
mod fold;
mod geometry;
mod global;
mod half_bits;
mod halved;
mod level;
mod lines;
mod number;
mod order;
mod paired;
mod phased;
mod picked;
mod pixels;
mod planes;
mod power;
mod reduction;
mod reference;
mod rows;
mod scans;
mod shared;
mod simd;
mod strips;
mod turned;
mod walk;
mod whole;
mod widened;

pub use backend::{AllKernels, BACKENDS, Backend, Kernel, Kernels, Norms, REFERENCE};
#[cfg(feature = "std")]
pub use backend::{ENV, NoSuchBackend};
pub use geometry::{Axis, Divisor, Geometry, Requantization, Strides};
pub use half::{bf16, f16};
pub use number::Rounding;
pub use walk::Walk;
