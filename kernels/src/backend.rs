//! One table of kernels per instruction set, and the choice among them.

use crate::floor::floor;
use crate::reduction::{Max, MaxNumber, MaxOfNumbers, Mean};
use crate::simd::{Feature, Isa, Lanes, portable::Portable, scalar::Scalar};
use crate::walk::{Walk, pool};
use crate::{Geometry, autovec, reference};
use core::fmt;
use core::ops::Range;

/// The kernels of one instruction set.
///
/// All backends compute the same bits; they differ only in speed.
///
/// ```
/// use lanepool_kernels::{Axis, Backend, Divisor, Geometry};
///
/// let axis = Axis { input: 4, output: 2, kernel: 2, stride: 2, ..Axis::UNIT };
/// let geometry = Geometry::new(1, [Axis::UNIT, Axis::UNIT, axis], 1, Divisor::Present).unwrap();
/// let mut output = [0.0; 2];
/// let kernels = Backend::best().unwrap().kernels();
/// (kernels.max)(&geometry, 0..1, &[1.0, 3.0, 2.0, 0.0], &mut output);
/// assert_eq!(output, [3.0, 2.0]);
/// ```
pub struct Backend {
    name: &'static str,
    features: &'static [Feature],
    floor: fn(&[f32], &mut [f32]),
    f32: Kernels<f32>,
}

/// Pools the windows of the given output rows of a geometry; the output has these rows only.
///
/// # Panics
///
/// If a length does not match the geometry, or if the CPU does not support the backend.
pub type Kernel<T> = fn(&Geometry, Range<usize>, &[T], &mut [T]);

/// The kernels for one element type.
#[derive(Clone, Copy, Debug)]
pub struct Kernels<T> {
    /// The largest element, or NaN if there is one; −∞ of an empty window.
    pub max: Kernel<T>,
    /// The largest element that is a number; −∞ if there is none.
    pub max_number: Kernel<T>,
    /// The sum over the divisor; 0 of an empty window.
    pub mean: Kernel<T>,
    /// Elements of a vector; 1 where there are only plain loops.
    pub lanes: usize,
    /// The walk that is taken over a geometry; plain loops have none.
    pub walk: Option<fn(&Geometry) -> Walk>,
}

impl Backend {
    /// The kernels compiled for `S`.
    const fn of<S: Isa + Lanes<f32>>() -> Self {
        Self {
            name: S::NAME,
            features: S::FEATURES,
            floor: floor::<f32, S>,
            f32: Kernels {
                max: if S::NAN_IS_FREE {
                    pool::<Max, f32, S>
                } else {
                    pool::<MaxOfNumbers, f32, S>
                },
                max_number: pool::<MaxNumber, f32, S>,
                mean: pool::<Mean, f32, S>,
                lanes: <S as Lanes<f32>>::N,
                walk: Some(Walk::taken::<f32, S>),
            },
        }
    }

    /// The name, by which it is selected.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The CPU features that it needs and this CPU lacks.
    pub fn missing(&self) -> impl Iterator<Item = &'static str> {
        self.features.iter().filter(|feature| !(feature.is_there)()).map(|feature| feature.name)
    }

    /// Whether this CPU can run the kernels.
    pub fn is_supported(&self) -> bool {
        self.missing().next().is_none()
    }

    /// The kernels.
    pub fn kernels(&self) -> &Kernels<f32> {
        &self.f32
    }

    /// Reads all of `input` and writes all of `output`, once, with the vectors of this backend: the
    /// yardstick for the time a pooling takes. What is written is of no use.
    ///
    /// # Panics
    ///
    /// If the CPU does not support the backend.
    pub fn floor(&self, input: &[f32], output: &mut [f32]) {
        (self.floor)(input, output);
    }

    /// The fastest backend that this CPU supports, or the one that the environment variable
    /// `LANEPOOL_BACKEND` names. The environment is read once.
    ///
    /// # Errors
    ///
    /// If that variable names a backend that does not exist or is not supported here.
    #[cfg(feature = "std")]
    pub fn best() -> Result<&'static Self, NoSuchBackend> {
        static BEST: std::sync::OnceLock<Result<&Backend, NoSuchBackend>> =
            std::sync::OnceLock::new();
        BEST.get_or_init(|| match std::env::var_os(ENV) {
            Some(name) => Self::named(&name.to_string_lossy()),
            None => Ok(Self::fastest()),
        })
        .clone()
    }

    /// The backend of this name.
    ///
    /// # Errors
    ///
    /// If it does not exist or is not supported here.
    #[cfg(feature = "std")]
    pub fn named(name: &str) -> Result<&'static Self, NoSuchBackend> {
        let found = BACKENDS.iter().find(|backend| backend.name == name);
        found.filter(|backend| backend.is_supported()).ok_or_else(|| NoSuchBackend {
            name: name.into(),
            missing: found.map_or(Vec::new(), |backend| backend.missing().collect()),
        })
    }

    /// The first backend of [`BACKENDS`] that this CPU supports.
    pub fn fastest() -> &'static Self {
        BACKENDS.iter().find(|backend| backend.is_supported()).unwrap_or(&REFERENCE)
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Backend").field(&self.name).finish()
    }
}

impl PartialEq for Backend {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Backend {}

/// The environment variable that names the backend to use.
#[cfg(feature = "std")]
pub const ENV: &str = "LANEPOOL_BACKEND";

/// A backend was asked for that is not to be had.
#[cfg(feature = "std")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchBackend {
    /// The name that was asked for.
    pub name: String,
    /// The CPU features that it lacks; none if no backend has that name.
    pub missing: Vec<&'static str>,
}

#[cfg(feature = "std")]
impl fmt::Display for NoSuchBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, missing } = self;
        match missing.as_slice() {
            [] => write!(f, "there is no backend {name:?}")?,
            _ => write!(
                f,
                "the backend {name:?} needs {}, which this CPU lacks",
                missing.join(", ")
            )?,
        }
        let usable = BACKENDS.iter().filter(|backend| backend.is_supported());
        let usable: Vec<_> = usable.map(Backend::name).collect();
        write!(f, "; to be had here: {}", usable.join(", "))
    }
}

#[cfg(feature = "std")]
impl std::error::Error for NoSuchBackend {}

/// Every backend compiled in, fastest first.
pub static BACKENDS: &[Backend] = &[
    #[cfg(target_arch = "x86_64")]
    Backend::of::<crate::simd::avx512::Avx512>(),
    #[cfg(target_arch = "x86_64")]
    Backend::of::<crate::simd::avx2::Avx2>(),
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    Backend::of::<crate::simd::neon::Neon>(),
    AUTOVEC,
    Backend::of::<Portable>(),
    Backend::of::<Scalar>(),
    REFERENCE,
];

/// The compiler's own vectorisation, dispatched by `multiversion`.
const AUTOVEC: Backend = Backend {
    name: "autovec",
    features: &[],
    floor: autovec::floor,
    f32: Kernels {
        max: autovec::max,
        max_number: autovec::max_number,
        mean: autovec::mean,
        lanes: 1,
        walk: None,
    },
};

/// The definition, against which the others are checked.
pub const REFERENCE: Backend = Backend {
    name: "reference",
    features: &[],
    floor: floor::<f32, Scalar>,
    f32: Kernels {
        max: reference::max,
        max_number: reference::max_number,
        mean: reference::mean,
        lanes: 1,
        walk: None,
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_supported_where_no_feature_is_missing() {
        const FEATURES: &[Feature] = &[
            Feature { name: "there", is_there: || true },
            Feature { name: "not there", is_there: || false },
        ];
        let supported = |features| Backend { features, ..AUTOVEC }.is_supported();
        assert!(Backend { features: FEATURES, ..AUTOVEC }.missing().eq(["not there"]));
        assert!(supported(&[]));
        assert!(supported(&FEATURES[..1]));
        assert!(!supported(&FEATURES[1..]));
        assert!(!supported(FEATURES));
    }
}
