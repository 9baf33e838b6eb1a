//! What a CPU can do.

/// A feature of CPUs.
#[derive(Clone, Copy)]
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    pub(crate) is_there: fn() -> bool,
}

/// The names of those that this CPU lacks.
pub(crate) fn missing(features: &[Feature]) -> impl Iterator<Item = &'static str> {
    features.iter().filter(|feature| !(feature.is_there)()).map(|feature| feature.name)
}

/// Whether this CPU has all of them.
pub(crate) fn are_there(features: &[Feature]) -> bool {
    missing(features).next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_there_where_none_is_missing() {
        const FEATURES: &[Feature] = &[
            Feature { name: "there", is_there: || true },
            Feature { name: "not there", is_there: || false },
        ];
        assert!(missing(FEATURES).eq(["not there"]));
        assert!(are_there(&[]));
        assert!(are_there(&FEATURES[..1]));
        assert!(!are_there(&FEATURES[1..]));
        assert!(!are_there(FEATURES));
    }
}
