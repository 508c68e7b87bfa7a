//! Instruments without declared labels, whose series are found by the keys and values of OpenTelemetry's attributes.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use opentelemetry::KeyValue;

use super::builder::InstrumentBuilder;
use super::dynamic_labels::DynamicLabels;
use super::group::Group;
use super::observable::{Observable, ObservableKind};
use crate::Kind;
use crate::buckets::HistogramBuckets;
use crate::meter::Meter;
use crate::number::{Number, Value};
use crate::registry::Registry;
use crate::store::callbacks::{CallbackOptions, Routine};
use crate::store::handle::Handle;
use crate::store::observed::{Draft, Observed};
use crate::store::settings::DropReason;

#[doc(hidden)] // for OpenTelemetry's side
impl Meter {
    /// Returns the builder of an instrument whose series are found by OpenTelemetry's attributes. `H` is the handle of
    /// a series, for example `Counter<u64>`. An instrument with the same properties that another method of this meter
    /// creates is the same instrument.
    ///
    /// Names, units and descriptions need only satisfy OpenTelemetry's rules; the stricter naming rules of this library
    /// apply to declared instruments only. If an instrument with the same name and other properties exists, both are
    /// exported as separate streams, and a warning is logged. Follows OpenTelemetry's Metrics SDK, section Duplicate
    /// instrument registration.
    pub fn by_attributes<H: Handle>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<Group<DynamicLabels, H>> {
        self.opentelemetry_builder(name.into())
    }

    /// Returns the builder of an instrument whose series are reported by callbacks and identified by their attributes.
    /// Otherwise like [`by_attributes`](Self::by_attributes).
    pub fn observed_by_attributes<K: ObservableKind<T>, T: Number>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<Observable<K, T, DynamicLabels>> {
        self.opentelemetry_builder(name.into())
    }
}

#[doc(hidden)] // for OpenTelemetry's side
impl<H: Handle> InstrumentBuilder<Group<DynamicLabels, H>> {
    /// Sets the bucket boundaries that the code advises for a histogram. By default, they follow from the unit.
    pub fn boundaries(mut self, boundaries: Option<Vec<f64>>) -> Self {
        let boundaries = boundaries.filter(|_| H::KIND == Kind::Histogram);
        self.request.chosen_buckets =
            boundaries.map(|it| Ok(HistogramBuckets::Explicit(it.into())));
        self
    }
}

#[doc(hidden)] // for OpenTelemetry's side
impl<K: ObservableKind<T>, T: Number> InstrumentBuilder<Observable<K, T, DynamicLabels>> {
    /// Creates the instrument, or takes the existing one, and registers `callbacks` for it permanently. If the
    /// instrument cannot be created, an error is logged.
    pub fn observe(self, callbacks: impl IntoIterator<Item = AttributeCallback>) {
        let registry = self.request.registry.clone();
        let observed = self.request.find_or_log(K::KIND, T::TYPE);
        callbacks.into_iter().for_each(|callback| register(&registry, &observed, callback));
    }
}

/// Permanently registers a callback that reports series by their attributes.
fn register(registry: &Registry, observed: &Arc<Observed>, callback: AttributeCallback) {
    if observed.shared.is_not_made() {
        return;
    }
    let collect = move |drafts: &mut Vec<Draft>| {
        drafts.iter_mut().for_each(|draft| callback(&mut AttributeObserver { draft }));
        Ok(())
    };
    let (drafts, options) = (vec![observed.attach()], CallbackOptions::default());
    let callback = registry.callback(drafts, Routine::Collect(Box::new(collect)), options);
    registry.register_callback(Arc::new(callback));
}

/// A callback that reports series by their attributes.
pub type AttributeCallback = Box<dyn Fn(&mut AttributeObserver<'_>) + Send + Sync>;

/// Receives the values that a callback reports for one instrument.
pub struct AttributeObserver<'a> {
    draft: &'a mut Draft,
}

impl AttributeObserver<'_> {
    /// Reports the value of the series with these attributes. If a series is reported more than once, the last value
    /// wins.
    ///
    /// NaN, infinities and negative totals of a counter are dropped and counted in `meterkit.dropped`.
    pub fn observe(&mut self, value: Value, attributes: &[KeyValue]) {
        let shared = &self.draft.instrument().shared;
        let float = value.as_f64();
        if !float.is_finite() {
            shared.dropped(DropReason::NotFinite);
        } else if float < 0.0 && shared.identity.kind == Kind::ObservableCounter {
            shared.dropped(DropReason::Negative);
        } else {
            self.draft.report_by_attributes(attributes, value.into());
        }
    }
}

impl fmt::Debug for AttributeObserver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.draft.instrument().shared.descriptor().name;
        f.debug_struct("AttributeObserver").field("instrument", name).finish_non_exhaustive()
    }
}
