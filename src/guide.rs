//! Pages on what results are, how fast they come, and how to add to it.

#[doc = include_str!("../docs/semantics.md")]
pub mod semantics {}

#[doc = include_str!("../docs/performance.md")]
pub mod performance {}

#[doc = include_str!("../docs/adding.md")]
pub mod adding {}
