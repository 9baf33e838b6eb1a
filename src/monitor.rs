//! What plans tell the program's monitoring. Without the features `metrics` and `tracing` there is
//! nothing here, and a run is the kernel alone.

use crate::{Element, Plan};

/// The part of a plan that counts and tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Monitor {
    #[cfg(feature = "metrics")]
    metrics: Option<metrics::Metrics>,
    #[cfg(feature = "tracing")]
    trace: trace::Trace,
}

impl Monitor {
    /// What is to be told of runs of `plan`.
    #[allow(unused_variables, reason = "the features read it")]
    pub(crate) fn of<T: Element>(plan: &Plan<T>) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            metrics: Some(metrics::Metrics::of(plan)),
            #[cfg(feature = "tracing")]
            trace: trace::Trace::of(plan),
        }
    }

    /// Does the work of one call, which is so many rows of `plan` on so many threads.
    #[inline(always)]
    #[allow(unused_variables, reason = "the features read it")]
    pub(crate) fn watch<T: Element>(
        plan: &Plan<T>,
        rows: usize,
        threads: usize,
        work: impl FnOnce(),
    ) {
        #[cfg(feature = "metrics")]
        let watch = plan.monitor.metrics.as_ref().map(|metrics| (metrics, metrics.start()));
        work();
        #[cfg(feature = "metrics")]
        if let Some((metrics, start)) = watch {
            metrics.stop(start, rows);
        }
        #[cfg(feature = "tracing")]
        plan.monitor.trace.tell(plan, rows, threads);
    }
}

/// The name of a variant as labels have it: `Max` is `max`, `ChannelsFirst` is `channels_first`.
#[cfg(any(feature = "metrics", feature = "tracing"))]
fn label(variant: impl core::fmt::Debug) -> String {
    let name = format!("{variant:?}");
    let mut label = String::new();
    for c in name.chars().take_while(char::is_ascii_alphanumeric) {
        if c.is_ascii_uppercase() && !label.is_empty() {
            label.push('_');
        }
        label.push(c.to_ascii_lowercase());
    }
    label
}

#[cfg(feature = "metrics")]
mod metrics {
    use super::label;
    use crate::{Element, Plan};
    use core::panic::{RefUnwindSafe, UnwindSafe};
    use metrics::{Counter, Histogram, Unit};

    const CALLS: &str = "lanepool_calls_total";
    const READ: &str = "lanepool_read_bytes_total";
    const WRITTEN: &str = "lanepool_written_bytes_total";
    const SECONDS: &str = "lanepool_seconds";

    /// The metrics of one op, type, layout and backend, looked up when the plan is made: to look them up at
    /// every call would take longer than a small pooling.
    #[derive(Clone, Debug)]
    pub(crate) struct Metrics {
        calls: Counter,
        read: Counter,
        written: Counter,
        seconds: Histogram,
        /// Two readings of the standard library's clock would take 50 ns, of this one they take 20.
        clock: quanta::Clock,
        rows: usize,
        input_bytes: usize,
        row_bytes: usize,
    }

    // Recorders are shared by threads, so what they keep is in order between any two updates. A
    // feature must not take away what plans are without it.
    impl UnwindSafe for Metrics {}
    impl RefUnwindSafe for Metrics {}

    impl Metrics {
        pub(crate) fn of<T: Element>(plan: &Plan<T>) -> Self {
            metrics::describe_counter!(CALLS, Unit::Count, "Poolings done.");
            metrics::describe_counter!(READ, Unit::Bytes, "Bytes of input pooled.");
            metrics::describe_counter!(WRITTEN, Unit::Bytes, "Bytes of output written.");
            metrics::describe_histogram!(SECONDS, Unit::Seconds, "How long each call took.");
            let labels = [
                ("op", label(plan.op)),
                ("type", T::NAME.to_owned()),
                ("layout", label(plan.origin.layout)),
                ("backend", plan.backend.name().to_owned()),
            ];
            Self {
                calls: metrics::counter!(CALLS, &labels),
                read: metrics::counter!(READ, &labels),
                written: metrics::counter!(WRITTEN, &labels),
                seconds: metrics::histogram!(SECONDS, &labels),
                clock: quanta::Clock::new(),
                rows: plan.rows(),
                input_bytes: plan.geometry.elements() * size_of::<T>(),
                row_bytes: plan.row_len() * size_of::<T>(),
            }
        }

        #[inline(always)]
        pub(crate) fn start(&self) -> u64 {
            self.clock.raw()
        }

        #[inline(always)]
        pub(crate) fn stop(&self, start: u64, rows: usize) {
            let nanoseconds = self.clock.delta_as_nanos(start, self.clock.raw());
            self.seconds.record(nanoseconds as f64 * 1e-9);
            // Rows share the input, so that all rows one by one read as much as all at once.
            let read = match rows == self.rows {
                true => self.input_bytes as u64,
                false => (self.input_bytes as f64 * (rows as f64 / self.rows as f64)) as u64,
            };
            self.calls.increment(1);
            self.read.increment(read);
            self.written.increment((rows * self.row_bytes) as u64);
        }
    }
}

#[cfg(feature = "tracing")]
mod trace {
    use super::label;
    use crate::{Element, Plan};
    use core::panic::{RefUnwindSafe, UnwindSafe};
    use tracing::{Span, field};

    /// The span of a plan, which ends with its last clone.
    #[derive(Clone, Debug)]
    pub(crate) struct Trace(Span);

    // As with metrics: what a subscriber keeps is shared by threads anyway.
    impl UnwindSafe for Trace {}
    impl RefUnwindSafe for Trace {}

    impl Default for Trace {
        fn default() -> Self {
            Self(Span::none())
        }
    }

    impl Trace {
        pub(crate) fn of<T: Element>(plan: &Plan<T>) -> Self {
            Self(tracing::debug_span!(
                target: "lanepool",
                "plan",
                op = label(plan.op),
                "type" = T::NAME,
                layout = label(plan.origin.layout),
                geometry = %plan.sizes(),
                backend = plan.backend.name(),
                walk = plan.walk_taken().map(field::debug),
            ))
        }

        /// Geometry and the like are told again, for subscribers that were not there yet when the
        /// plan was made.
        #[inline(always)]
        pub(crate) fn tell<T: Element>(&self, plan: &Plan<T>, rows: usize, threads: usize) {
            tracing::trace!(
                target: "lanepool",
                parent: &self.0,
                rows,
                threads,
                geometry = %plan.sizes(),
                backend = plan.backend.name(),
                walk = plan.walk_taken().map(field::debug),
                "pooled"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::panic::{RefUnwindSafe, UnwindSafe};

    #[test]
    fn features_take_nothing_away_from_a_plan() {
        fn all<T: Send + Sync + UnwindSafe + RefUnwindSafe + Unpin>() {}
        all::<Plan<f32>>();
        all::<Monitor>();
    }

    #[cfg(any(feature = "metrics", feature = "tracing"))]
    #[test]
    fn labels_are_words_of_small_letters() {
        assert_eq!(label(crate::Op::Max), "max");
        assert_eq!(label(crate::Layout::ChannelsFirst), "channels_first");
        // A parameter would make a time series of its own for each value.
        assert_eq!(label(Some(3)), "some");
    }
}
