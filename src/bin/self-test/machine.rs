//! What the self-test was built with, and what it runs on.

use lanepool::{BACKENDS, Backend};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Build {
    pub(crate) version: String,
    pub(crate) rustc: String,
    pub(crate) target: String,
    pub(crate) opt_level: String,
    /// What the compiler could rely on everywhere, without asking the CPU.
    pub(crate) features: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Cpu {
    pub(crate) model: String,
    pub(crate) features: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct BackendStatus {
    pub(crate) name: &'static str,
    pub(crate) supported: bool,
    pub(crate) selected: bool,
    pub(crate) missing: Vec<&'static str>,
}

impl Build {
    pub(crate) fn this() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            rustc: env!("LANEPOOL_RUSTC").into(),
            target: env!("LANEPOOL_TARGET").into(),
            opt_level: env!("LANEPOOL_OPT_LEVEL").into(),
            features: env!("LANEPOOL_TARGET_FEATURES")
                .split(',')
                .filter(|f| !f.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }

    pub(crate) fn is_optimized(&self) -> bool {
        self.opt_level != "0"
    }
}

impl Cpu {
    pub(crate) fn this() -> Self {
        Self {
            model: model().unwrap_or_else(|| "unknown".into()),
            features: features().into_iter().map(str::to_owned).collect(),
        }
    }
}

impl BackendStatus {
    pub(crate) fn all(selected: &Backend) -> Vec<Self> {
        let status = |backend: &Backend| Self {
            name: backend.name(),
            supported: backend.is_supported(),
            selected: backend == selected,
            missing: backend.missing().collect(),
        };
        BACKENDS.iter().map(status).collect()
    }
}

// Asked of the CPU itself: the operating system under an emulator knows another one.
#[cfg(target_arch = "x86_64")]
fn model() -> Option<String> {
    let brand = raw_cpuid::CpuId::new().get_processor_brand_string()?;
    Some(brand.as_str().trim().to_owned())
}

/// Linux on Arm gives numbers instead of a name.
#[cfg(not(target_arch = "x86_64"))]
fn model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let field = |name| {
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.map(|(key, value)| (key.trim(), value.trim())).find(|&(key, _)| key == name)
    };
    let ((_, implementer), (_, part)) = (field("CPU implementer")?, field("CPU part")?);
    Some(format!("Arm implementer {implementer}, part {part}"))
}

/// The features among those named that this CPU has.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! detected {
    ($is_detected:ident: $($feature:tt)*) => {
        [$(($feature, std::arch::$is_detected!($feature))),*]
            .into_iter()
            .filter_map(|(feature, is_there)| is_there.then_some(feature))
            .collect()
    };
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    detected!(is_x86_feature_detected:
        "sse2" "sse4.1" "avx" "avx2" "fma" "f16c"
        "avx512f" "avx512bw" "avx512dq" "avx512vl" "avx512vbmi" "avx512bf16" "avx512fp16")
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    detected!(is_aarch64_feature_detected: "neon" "fp16" "dotprod" "bf16" "i8mm" "sve" "sve2")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}
