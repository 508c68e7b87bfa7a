//! Metrics of the store about itself, in the scope `meterkit`.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::builder::InstrumentBuilder;
use super::counter::CounterGroup;
use super::gauge::GaugeGroup;
use super::histogram::HistogramGroup;
use super::made::NoLabels;
use crate::labels::{LabelKey, LabelRef, LabelVisitor, Labels};
use crate::order;
use crate::registry::Registry;
use crate::scope::{ScopeId, ScopeKey};
use crate::store::settings::DropReason;
use crate::unpoisoned::Unpoisoned;

/// The scope of the metrics that the library records about itself.
pub const OWN_SCOPE: &str = "meterkit";

/// Bucket bounds in seconds. There are only a few, because each callback has a series; they separate quick, slow and
/// very slow callbacks.
const DURATIONS: [f64; 5] = [0.001, 0.01, 0.1, 1.0, 10.0];

/// The metrics of one registry about itself. A metric is not exported if the program has created a different one with
/// its name.
pub(crate) struct SelfMetrics {
    dropped: CounterGroup<Dropped>,
    series: GaugeGroup<ByInstrument<'static>, u64>,
    overflow: CounterGroup<ByInstrument<'static>>,
    duration: HistogramGroup<ByInstrument<'static>>,
    overruns: CounterGroup<ByInstrument<'static>>,
    failures: CounterGroup<Failed<'static>>,
    background: GaugeGroup<ByInstrument<'static>, u64>,
    name_meetings: GaugeGroup<ByInstrument<'static>, u64>,
    /// Created when the first log line is suppressed: a counter without labels is exported as zero from its creation
    /// on.
    suppressed: OnceLock<CounterGroup<NoLabels>>,
    /// The names of the instruments that have a value in `series`, in `background` and in `name_meetings`.
    counted: Mutex<[Vec<String>; 3]>,
}

impl SelfMetrics {
    /// Returns the metrics of this registry, which are created when they are first needed.
    pub(crate) fn of(registry: &Registry) -> &Arc<Self> {
        registry.inner.self_metrics.get_or_init(|| Arc::new(Self::new(registry)))
    }

    fn new(registry: &Registry) -> Self {
        Self {
            dropped: registry.self_metric("meterkit.dropped")
                .unit("{value}")
                .description("Values that could not be recorded, by reason.")
                .register_silently(),
            series: registry.self_metric("meterkit.series")
                .unit("{series}")
                .description("Number of series of an instrument with labels.")
                .register_silently(),
            overflow: registry.self_metric("meterkit.overflow")
                .unit("{lookup}")
                .description("Look-ups that returned the overflow series; simultaneous look-ups may count as one.")
                .register_silently(),
            duration: registry.self_metric::<HistogramGroup<_>>("meterkit.callback.duration")
                .unit("s")
                .buckets(DURATIONS)
                .description("Duration of callback runs, for callbacks that have been slow.")
                .register_silently(),
            overruns: registry.self_metric("meterkit.callback.overruns")
                .unit("{collection}")
                .description("Collections that continued without a callback because it, or a callback before it, took too long.")
                .register_silently(),
            failures: registry.self_metric("meterkit.callback.failures")
                .unit("{run}")
                .description("Runs of callbacks that ended with an error or a panic.")
                .register_silently(),
            background: registry.self_metric("meterkit.callback.background")
                .unit("{callback}")
                .description("Callbacks that are so slow that collections export their last values.")
                .register_silently(),
            name_meetings: registry.self_metric("meterkit.name_meetings")
                .unit("{name}")
                .description("Instruments that Prometheus does not see completely, because an older one has the same name there.")
                .register_silently(),
            suppressed: OnceLock::new(),
            counted: Mutex::default(),
        }
    }

    /// Returns whether the scope is that of these metrics.
    pub(crate) fn has_scope(key: &ScopeKey) -> bool {
        matches!(&key.id, ScopeId::Semconv(name) if name == OWN_SCOPE)
    }

    /// Updates the metrics that are derived from the state of the store: series, overflows, callbacks in the
    /// background, colliding names and suppressed log lines.
    pub(crate) fn update(registry: &Registry) {
        let (usages, callbacks) = (registry.usage(), registry.inner.callbacks.by_name());
        let meetings = registry.prometheus_names().instruments();
        let suppressed = registry.inner.settings.logged.suppressed();
        let has_none = usages.is_empty() && callbacks.is_empty() && meetings.is_empty();
        let has_none = has_none && suppressed == 0;
        if has_none && registry.inner.self_metrics.get().is_none() {
            return;
        }
        let own = Self::of(registry);
        if suppressed > 0 {
            let counter = own.suppressed.get_or_init(|| {
                registry.self_metric("meterkit.log.suppressed")
                    .unit("{line}")
                    .description("Log lines about instruments that were suppressed because they are repeated or too many.")
                    .register_silently()
            });
            let counter = counter.with(NoLabels);
            counter.add(suppressed.saturating_sub(counter.value()));
        }
        let mut counted = own.counted.lock().unpoisoned();
        let [series, background, met] = &mut *counted;
        // These instruments were unloaded, disabled, unregistered or renamed since the last update.
        for name in series.iter().filter(|name| !order::has(&usages, name)) {
            own.series.remove(ByInstrument(name));
            own.overflow.remove(ByInstrument(name));
        }
        for name in background.iter().filter(|name| !order::has(&callbacks, name)) {
            own.background.remove(ByInstrument(name));
        }
        for (name, usage) in &usages {
            own.series.with(ByInstrument(name)).set(usage.series as u64);
            if usage.overflowed > 0 {
                let overflow = own.overflow.with(ByInstrument(name));
                overflow.add(usage.overflowed.saturating_sub(overflow.value()));
            }
        }
        *series = usages.into_iter().map(|(name, _)| name).collect();
        let ever = |(name, slow): &(String, u64)| *slow > 0 || background.contains(name);
        let slow: Vec<_> = callbacks.into_iter().filter(ever).collect();
        for (name, slow) in &slow {
            own.background.with(ByInstrument(name)).set(*slow);
        }
        *background = slow.into_iter().map(|(name, _)| name).collect();
        met.iter().filter(|name| meetings.binary_search(name).is_err()).for_each(|name| {
            own.name_meetings.remove(ByInstrument(name));
        });
        meetings.iter().for_each(|name| own.name_meetings.with(ByInstrument(name)).set(1));
        *met = meetings;
    }

    /// Records a finished run of a callback: its duration if `timed` is set, and its failure if `has_panicked` is set
    /// (`true` for a panic, `false` for an error).
    pub(crate) fn ran(
        &self,
        instrument: &str,
        timed: Option<Duration>,
        has_panicked: Option<bool>,
    ) {
        if let Some(took) = timed {
            self.duration.with(ByInstrument(instrument)).record(took.as_secs_f64());
        }
        if let Some(has_panicked) = has_panicked {
            self.failures.with(Failed { instrument, has_panicked }).increment();
        }
    }

    /// Counts a collection that continued without a callback.
    pub(crate) fn overran(&self, instrument: &str) {
        self.overruns.with(ByInstrument(instrument)).increment();
    }

    /// Removes the series of an instrument that was unloaded.
    pub(crate) fn forget(&self, instrument: &str) {
        self.series.remove(ByInstrument(instrument));
        self.overflow.remove(ByInstrument(instrument));
        self.duration.remove(ByInstrument(instrument));
        self.overruns.remove(ByInstrument(instrument));
        self.background.remove(ByInstrument(instrument));
        for has_panicked in [false, true] {
            self.failures.remove(Failed { instrument, has_panicked });
        }
    }

    /// Removes all series of runs of callbacks, because instruments have been renamed.
    pub(crate) fn forget_names(&self) {
        self.duration.clear();
        self.overruns.clear();
        self.failures.clear();
    }
}

/// Makes `meterkit.dropped` count the values that cannot be recorded.
pub(super) fn count_drops(registry: &Registry) {
    registry.inner.settings.on_drop.get_or_init(|| {
        let inner = Arc::downgrade(&registry.inner);
        Box::new(move |reason, values| {
            if let Some(inner) = inner.upgrade() {
                SelfMetrics::of(&Registry { inner }).dropped.with(Dropped(reason)).add(values);
            }
        })
    });
}

impl Registry {
    /// Returns the builder of a metric of this library about itself, in the scope `meterkit`. No limit applies to its
    /// series, and they count toward none. A histogram may have no bucket boundaries.
    #[doc(hidden)]
    pub fn self_metric<I>(&self, name: &'static str) -> InstrumentBuilder<I> {
        InstrumentBuilder::new(self.clone(), ScopeKey::semconv(OWN_SCOPE), name.into())
            .self_metric()
    }
}

struct Dropped(DropReason);

impl Labels for Dropped {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("reason")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.0.as_str()));
    }
}

struct ByInstrument<'a>(&'a str);

impl Labels for ByInstrument<'_> {
    type Set = ByInstrument<'static>;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("instrument")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Str(self.0));
    }
}

/// The labels of failed runs: the instrument, and whether the callback panicked or returned an error.
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
