//! Metrics about callbacks, in the scope `meterkit`.

use std::time::Duration;

use super::counter::CounterGroup;
use super::gauge::GaugeGroup;
use super::histogram::HistogramGroup;
use super::self_metrics::{ByInstrument, builder};
use crate::labels::{LabelKey, LabelRef, LabelVisitor, Labels};
use crate::registry::Registry;

/// Bounds in seconds: few, as every callback has a series. What matters is whether it is quick, slow or very slow.
const DURATIONS: [f64; 5] = [0.001, 0.01, 0.1, 1.0, 10.0];

/// Metrics about callbacks. Each is `None` when the program has made something else of its name.
pub(crate) struct CallbackMetrics {
    duration: Option<HistogramGroup<ByInstrument<'static>>>,
    overruns: Option<CounterGroup<ByInstrument<'static>>>,
    failures: Option<CounterGroup<Failed<'static>>>,
    background: Option<GaugeGroup<ByInstrument<'static>, u64>>,
}

impl CallbackMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let duration = builder::<HistogramGroup<_>>(registry, "meterkit.callback.duration")
            .unit("s")
            .buckets(DURATIONS)
            .description("How long callbacks of observable instruments took.");
        let overruns = builder::<CounterGroup<_>>(registry, "meterkit.callback.overruns")
            .unit("{collection}")
            .description("Collections that went on without a callback because it, or others before it, took too long.");
        let failures = builder::<CounterGroup<_>>(registry, "meterkit.callback.failures")
            .unit("{run}")
            .description("Runs of callbacks that ended with an error or a panic.");
        let background = builder::<GaugeGroup<_, u64>>(registry, "meterkit.callback.background")
            .unit("{callback}")
            .description(
                "Callbacks whose last values collections serve because they are too slow.",
            );
        Self {
            duration: duration.build().ok(),
            overruns: overruns.build().ok(),
            failures: failures.build().ok(),
            background: background.build().ok(),
        }
    }

    /// A run has ended; it failed if `has_panicked` says how.
    pub(crate) fn ran(
        &self,
        instrument: &str,
        took: Duration,
        has_panicked: Option<bool>,
        is_overrun: bool,
    ) {
        if let Some(duration) = &self.duration {
            duration.with(ByInstrument(instrument)).record(took.as_secs_f64());
        }
        if let (Some(failures), Some(has_panicked)) = (&self.failures, has_panicked) {
            failures.with(Failed { instrument, has_panicked }).increment();
        }
        if is_overrun {
            self.overran(instrument);
        }
    }

    pub(crate) fn overran(&self, instrument: &str) {
        if let Some(overruns) = &self.overruns {
            overruns.with(ByInstrument(instrument)).increment();
        }
    }

    pub(crate) fn in_background(&self, instrument: &str, is_in: bool) {
        if let Some(background) = &self.background {
            let background = background.with(ByInstrument(instrument));
            if is_in { background.add(1) } else { background.sub(1) }
        }
    }

    /// A callback has gone: a count of zero goes with it.
    pub(crate) fn forget_mark(&self, instrument: &str) {
        if let Some(background) = &self.background {
            if background.with(ByInstrument(instrument)).value() == 0 {
                background.remove(ByInstrument(instrument));
            }
        }
    }

    /// The instrument has gone.
    pub(crate) fn forget(&self, instrument: &str) {
        if let Some(background) = &self.background {
            background.remove(ByInstrument(instrument));
        }
        if let Some(duration) = &self.duration {
            duration.remove(ByInstrument(instrument));
        }
        if let Some(overruns) = &self.overruns {
            overruns.remove(ByInstrument(instrument));
        }
        if let Some(failures) = &self.failures {
            failures.remove(Failed { instrument, has_panicked: false });
            failures.remove(Failed { instrument, has_panicked: true });
        }
    }
}

/// A callback's runs that failed, by its instrument and how.
struct Failed<'a> {
    instrument: &'a str,
    has_panicked: bool,
}

impl Labels for Failed<'_> {
    type Set = Failed<'static>;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("instrument"), LabelKey::new("reason")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Str(self.instrument));
        visitor.visit(LabelRef::Static(if self.has_panicked { "panic" } else { "error" }));
    }
}
