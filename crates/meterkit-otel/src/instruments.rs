//! OpenTelemetry API instruments that record in instruments of the store.

use std::sync::{Arc, Mutex, OnceLock};

use meterkit_core::{
    AttributeCallback, AttributeObserver, Counter as StoreCounter, CounterKind, DynamicLabels,
    Gauge as StoreGauge, GaugeKind, Group, Histogram as StoreHistogram, Meter, Number, Unpoisoned,
    UpDownCounter as StoreUpDownCounter, UpDownCounterKind,
};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    AsyncInstrument, AsyncInstrumentBuilder, BoundSyncInstrument, Callback, Counter, Gauge,
    Histogram, HistogramBuilder, InstrumentBuilder, InstrumentProvider, ObservableCounter,
    ObservableGauge, ObservableUpDownCounter, SyncInstrument, UpDownCounter,
};

use crate::recent::Recent;

/// Creates the instruments of one scope.
pub(crate) struct Instruments {
    pub(crate) meter: Meter,
}

/// Wraps an OpenTelemetry callback so that it reports to the store.
fn callback<T: Number>(callback: Callback<T>) -> AttributeCallback {
    Box::new(move |observer| {
        // OpenTelemetry's observers take `&self`, the store's observers `&mut self`.
        let observer = Mutex::new(observer);
        callback(&Observer(&observer));
    })
}

struct Observer<'a, 'b>(&'a Mutex<&'a mut AttributeObserver<'b>>);

impl<T: Number> AsyncInstrument<T> for Observer<'_, '_> {
    fn observe(&self, measurement: T, attributes: &[KeyValue]) {
        let mut observer = self.0.lock().unpoisoned();
        observer.observe(measurement.value(), attributes);
    }
}

/// A store instrument behind a synchronous OpenTelemetry instrument.
struct Recorded<I>(I);

/// A bound instrument: one series, looked up when its first value is recorded.
struct Bound<I, S> {
    instrument: I,
    attributes: Box<[KeyValue]>,
    series: OnceLock<S>,
}

/// Implements OpenTelemetry's synchronous instrument traits for a store instrument.
macro_rules! recorded {
    ($store:ty, $number:ty, $record:ident) => {
        impl SyncInstrument<$number> for Recorded<Group<DynamicLabels, $store>> {
            #[inline]
            fn measure(&self, measurement: $number, attributes: &[KeyValue]) {
                thread_local! {
                    static RECENT: Recent<$store> = const { Recent::new() };
                }
                let address = self.0.address();
                let is_recorded = RECENT.try_with(|recent| {
                    recent.record(address, attributes, |series| series.$record(measurement))
                });
                if is_recorded == Ok(true) {
                    return;
                }
                let found = self.0.with_attributes(attributes);
                found.$record(measurement);
                if let Some(series) = self.0.to_keep(&found) {
                    let _ = RECENT.try_with(|recent| recent.remember(address, attributes, series));
                }
            }

            fn bind(
                &self,
                attributes: &[KeyValue],
            ) -> Box<dyn BoundSyncInstrument<$number> + Send + Sync> {
                let (instrument, series) = (self.0.clone(), OnceLock::new());
                Box::new(Bound { instrument, attributes: attributes.into(), series })
            }
        }

        impl BoundSyncInstrument<$number> for Bound<Group<DynamicLabels, $store>, $store> {
            #[inline]
            fn measure(&self, measurement: $number) {
                if self.series.get().is_none() && self.instrument.is_off() {
                    // Do not keep the series: a series found while the scope is disabled never records.
                    return self.instrument.with_attributes(&self.attributes).$record(measurement);
                }
                let find = || self.instrument.with_attributes(&self.attributes).clone();
                self.series.get_or_init(find).$record(measurement);
            }
        }
    };
}

recorded!(StoreCounter<u64>, u64, add);
recorded!(StoreCounter<f64>, f64, add);
recorded!(StoreUpDownCounter<i64>, i64, add);
recorded!(StoreUpDownCounter<f64>, f64, add);
recorded!(StoreGauge<u64>, u64, set);
recorded!(StoreGauge<i64>, i64, set);
recorded!(StoreGauge<f64>, f64, set);
recorded!(StoreHistogram<u64>, u64, record);
recorded!(StoreHistogram<f64>, f64, record);

macro_rules! synchronous {
    ($method:ident, $api:ident, $number:ty, $store:ident) => {
        fn $method(&self, builder: InstrumentBuilder<'_, $api<$number>>) -> $api<$number> {
            let InstrumentBuilder { name, unit, description, .. } = builder;
            let asked = self.meter.by_attributes::<$store<$number>>(name);
            let asked = asked.unit(unit.unwrap_or_default());
            let asked = asked.description(description.unwrap_or_default());
            $api::new(Arc::new(Recorded(asked.register())))
        }
    };
}

macro_rules! histogram {
    ($method:ident, $number:ty) => {
        fn $method(&self, builder: HistogramBuilder<'_, Histogram<$number>>) -> Histogram<$number> {
            let HistogramBuilder { name, unit, description, boundaries, .. } = builder;
            let asked = self.meter.by_attributes::<StoreHistogram<$number>>(name);
            let asked = asked.unit(unit.unwrap_or_default());
            let asked = asked.description(description.unwrap_or_default());
            Histogram::new(Arc::new(Recorded(asked.boundaries(boundaries).register())))
        }
    };
}

macro_rules! observable {
    ($method:ident, $api:ident, $number:ty, $kind:ident) => {
        fn $method(
            &self,
            builder: AsyncInstrumentBuilder<'_, $api<$number>, $number>,
        ) -> $api<$number> {
            let AsyncInstrumentBuilder { name, unit, description, callbacks, .. } = builder;
            let asked = self.meter.observed_by_attributes::<$kind, $number>(name);
            let asked = asked.unit(unit.unwrap_or_default());
            let asked = asked.description(description.unwrap_or_default());
            asked.observe(callbacks.into_iter().map(callback));
            $api::new()
        }
    };
}

impl InstrumentProvider for Instruments {
    synchronous!(u64_counter, Counter, u64, StoreCounter);
    synchronous!(f64_counter, Counter, f64, StoreCounter);
    synchronous!(i64_up_down_counter, UpDownCounter, i64, StoreUpDownCounter);
    synchronous!(f64_up_down_counter, UpDownCounter, f64, StoreUpDownCounter);
    synchronous!(u64_gauge, Gauge, u64, StoreGauge);
    synchronous!(i64_gauge, Gauge, i64, StoreGauge);
    synchronous!(f64_gauge, Gauge, f64, StoreGauge);
    histogram!(u64_histogram, u64);
    histogram!(f64_histogram, f64);
    observable!(u64_observable_counter, ObservableCounter, u64, CounterKind);
    observable!(f64_observable_counter, ObservableCounter, f64, CounterKind);
    observable!(i64_observable_up_down_counter, ObservableUpDownCounter, i64, UpDownCounterKind);
    observable!(f64_observable_up_down_counter, ObservableUpDownCounter, f64, UpDownCounterKind);
    observable!(u64_observable_gauge, ObservableGauge, u64, GaugeKind);
    observable!(i64_observable_gauge, ObservableGauge, i64, GaugeKind);
    observable!(f64_observable_gauge, ObservableGauge, f64, GaugeKind);
}
