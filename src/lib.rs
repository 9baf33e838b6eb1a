#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod check;
mod error;
mod explain;
mod geometry;
mod monitor;
mod plan;
mod pool;

pub use error::Error;
pub use explain::{Bound, Choice, Explanation};
pub use geometry::{Axis, Shape, Strides};
pub use lanepool_kernels::{
    BACKENDS, Backend, NoSuchBackend, REFERENCE, Rounding, Walk, bf16, f16,
};
pub use plan::{Element, Plan};
pub use pool::{Divisor, Exponent, Layout, NanPolicy, Op, Padding, Pool, Pool1d, Pool2d, Pool3d};
