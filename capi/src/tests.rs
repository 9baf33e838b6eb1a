//! What C sees, as far as it can be seen from Rust; `ci/capi` has the rest, in C, C++ and Python.

use super::*;
use crate::lanepool_status::*;
