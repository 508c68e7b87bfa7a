//! Metrics that the store keeps about itself, in the scope `meterkit`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};

use super::builder::InstrumentBuilder;
use super::callback_metrics::CallbackMetrics;
use super::counter::CounterGroup;
use super::gauge::GaugeGroup;
use crate::error::InstrumentError;
use crate::labels::{LabelKey, LabelRef, LabelVisitor, Labels};
use crate::registry::Registry;
use crate::scope::{ScopeId, ScopeKey};
use crate::store::settings::DropReason;
use crate::unpoisoned::Unpoisoned;

const SCOPE: &str = "meterkit";

/// What the store tells of itself. Each metric is made with its first value; it stays away when the program has made a
/// different one of its name.
#[derive(Default)]
pub(crate) struct SelfMetrics {
    dropped: OnceLock<Option<CounterGroup<Dropped>>>,
    series: OnceLock<Option<GaugeGroup<ByInstrument<'static>, u64>>>,
    overflow: OnceLock<Option<CounterGroup<ByInstrument<'static>>>>,
    /// The instruments that were told of at the last update.
    callbacks: OnceLock<Arc<CallbackMetrics>>,
    known: Mutex<BTreeSet<String>>,
}

impl SelfMetrics {
    /// Whether a scope is that of these metrics.
    pub(crate) fn has_scope(key: &ScopeKey) -> bool {
        matches!(&key.id, ScopeId::Semconv(name) if name == SCOPE)
    }

    /// Metrics about callbacks: from the first callback on.
    pub(crate) fn of_callbacks(registry: &Registry) -> Arc<CallbackMetrics> {
        let own = &registry.inner.self_metrics;
        own.callbacks.get_or_init(|| Arc::new(CallbackMetrics::new(registry))).clone()
    }

    /// Brings the numbers of series up to date.
    pub(crate) fn update(registry: &Registry) {
        let own = &registry.inner.self_metrics;
        let usages = registry.usage();
        let known = {
            let mut known = own.known.lock().unpoisoned();
            std::mem::replace(&mut *known, usages.keys().cloned().collect())
        };
        // Unloaded, disabled or renamed meanwhile.
        known.iter().filter(|name| !usages.contains_key(*name)).for_each(|name| own.forget(name));
        for (name, usage) in usages {
            let instrument = ByInstrument(&name);
            if let Some(series) = own.series.get_or_init(|| series(registry).ok()) {
                series.with(&instrument).set(usage.series as u64);
            }
            if usage.overflowed == 0 {
                continue;
            }
            if let Some(overflow) = own.overflow.get_or_init(|| overflow(registry).ok()) {
                let overflow = overflow.with(&instrument);
                overflow.add(usage.overflowed.saturating_sub(overflow.value()));
            }
        }
    }

    /// An instrument was unloaded; its callbacks may have gone before it.
    pub(crate) fn forget_unloaded(&self, instrument: &str) {
        self.forget(instrument);
        if let Some(callbacks) = self.callbacks.get() {
            callbacks.forget(instrument);
        }
    }

    /// An instrument has gone.
    pub(crate) fn forget(&self, instrument: &str) {
        if let Some(Some(series)) = self.series.get() {
            series.remove(ByInstrument(instrument));
        }
        if let Some(Some(overflow)) = self.overflow.get() {
            overflow.remove(ByInstrument(instrument));
        }
    }
}

/// Has values that are not recorded counted in `meterkit.dropped`.
pub(super) fn count_drops(registry: &Registry) {
    registry.inner.settings.on_drop.get_or_init(|| {
        let inner = Arc::downgrade(&registry.inner);
        Box::new(move |reason, values| {
            if let Some(inner) = inner.upgrade() {
                let registry = Registry { inner };
                let own = &registry.inner.self_metrics;
                if let Some(group) = own.dropped.get_or_init(|| dropped(&registry).ok()) {
                    group.with(Dropped(reason)).add(values);
                }
            }
        })
    });
}

fn dropped(registry: &Registry) -> Result<CounterGroup<Dropped>, InstrumentError> {
    builder::<CounterGroup<_>>(registry, "meterkit.dropped")
        .unit("{value}")
        .description("Values that could not be recorded, by reason.")
        .build()
}

fn series(registry: &Registry) -> Result<GaugeGroup<ByInstrument<'static>, u64>, InstrumentError> {
    builder::<GaugeGroup<_, u64>>(registry, "meterkit.series")
        .unit("{series}")
        .description("Series that an instrument with labels has.")
        .build()
}

fn overflow(registry: &Registry) -> Result<CounterGroup<ByInstrument<'static>>, InstrumentError> {
    builder::<CounterGroup<_>>(registry, "meterkit.overflow")
        .unit("{lookup}")
        .description("Look-ups that got the overflow series; those of threads that come at once may count as one.")
        .build()
}

pub(super) fn builder<I>(registry: &Registry, name: &'static str) -> InstrumentBuilder<I> {
    InstrumentBuilder::new(registry.clone(), ScopeKey::semconv(SCOPE), name.into()).self_metric()
}

impl Registry {
    /// A metric that this library keeps about itself, in the scope `meterkit`: for whoever collects and delivers. No
    /// limit stops it, and it counts in none. A histogram may have no boundaries.
    #[doc(hidden)]
    pub fn self_metric<I>(&self, name: &'static str) -> InstrumentBuilder<I> {
        builder(self, name)
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

pub(super) struct ByInstrument<'a>(pub(super) &'a str);

impl Labels for ByInstrument<'_> {
    type Set = ByInstrument<'static>;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("instrument")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Str(self.0));
    }
}
