//! Max, min, average, sum and norm pooling on CPUs, in one, two and three dimensions, with kernels for AVX2, AVX-512
//! and NEON that are chosen at run time. Every kernel returns the same bits as a scalar reference.
//!
//! ```text
//!   ┏━━━━━━━━━━━┓
//!   ┃ ·   ·   · ┃ ·   ·   ·   ·      · padding, 1 on each side: elements that are absent
//!   ┃   ┌───────╂───────────┐
//!   ┃ · │ a   b ┃ c   d   e │ ·     ┏━┓ the first window of a kernel of 3×3: of its nine taps
//!   ┃   │       ┃           │       ┗━┛ four are in the input, and give max(a, b, f, g)
//!   ┃ · │ f   g ┃ h   i   j │ ·
//!   ┗━━━┿━━━━━━━┛           │           the next one starts a stride of 2 further on:
//!     · │ k   l   m   n   o │ ·         max(b, c, d, g, h, i)
//!       │                   │
//!     · │ p   q   r   s   t │ ·         with three windows along each axis, nine in all,
//!       │                   │           5×5 elements become 3×3
//!     · │ u   v   w   x   y │ ·
//!       └───────────────────┘
//!     ·   ·   ·   ·   ·   ·   ·
//! ```
//!
//! ```
//! use lanepool::{Layout, Plan, Pool2d, Shape};
//!
//! let pool = Pool2d::max([3, 3]).stride([2, 2]).padding([1, 1]);
//! // Batch, channels, height and width: checked once, here.
//! let plan: Plan<u8> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [5, 5]))?;
//!
//! let mut output = [0; 9];
//! plan.run(b"abcdefghijklmnopqrstuvwxy", &mut output)?; // as often as you like: it allocates nothing
//! assert_eq!(&output, b"gijqstvxy");
//! # Ok::<(), lanepool::Error>(())
//! ```
//!
//! [`Pool`] says what is done to windows, and which windows there are: kernel, stride, dilation, padding, all of the
//! input ([`Pool::global`]) or an output of a given size ([`Pool::adaptive`]). [`Pool::plan`] checks it against a
//! [`Shape`] in a [`Layout`] and chooses the kernel; the [`Plan`] is run. Elements are `f32`, `f64`,
//! [`f16`](struct@f16), [`bf16`] and the integers from 8 to 64 bits ([`Element`] says which of them can be averaged),
//! which may be [quantised](Pool::quantized). Results may be [clamped](Pool::clamp), as by an activation.
//!
//! # Pages
//!
//! - [Semantics](guide::semantics): what a result is, in all corners, and where other libraries differ
//! - [Performance](guide::performance): what to expect, which walk is used when, how many threads
//! - [Adding a backend, a type, a reduction](guide::adding)
//!
//! # Features
//!
//! - `rayon` (default): [`Plan::run_parallel`]
//! - `self-test` (default): the program of that name; libraries do without it
//! - `ndarray`: `Pool::pool_array`
//! - `metrics`, `tracing`: what plans do, for whoever watches
#![forbid(unsafe_code)]

mod activation;
#[cfg(feature = "ndarray")]
mod array;
pub mod check;
mod error;
mod explain;
mod geometry;
#[cfg(any(doc, doctest))]
pub mod guide;
mod monitor;
mod plan;
mod pool;

pub use activation::{Clamp, Quantization};
pub use error::Error;
pub use explain::{Bound, Choice, Explanation};
pub use geometry::{Axis, Shape, Strides};
pub use lanepool_kernels::{
    BACKENDS, Backend, NoSuchBackend, REFERENCE, Rounding, Walk, bf16, f16,
};
pub use plan::{Element, Plan};
pub use pool::{Divisor, Exponent, Layout, NanPolicy, Op, Padding, Pool, Pool1d, Pool2d, Pool3d};

/// Tests what the README says.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
