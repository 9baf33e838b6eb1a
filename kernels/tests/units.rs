//! The unit tests of modules that can be compiled alone: the crate's own test harness would compile all kernels
//! again, which takes longer than all tests.
#![allow(dead_code, unused_imports, missing_docs)]

#[path = "../src/feature.rs"]
mod feature;
#[path = "../src/half_bits.rs"]
mod half_bits;
#[path = "../src/order.rs"]
mod order;
