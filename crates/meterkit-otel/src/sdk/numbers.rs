//! Twins of counters, up-down counters and gauges: observable instruments that report the values in the store.

use std::sync::Arc;

use meterkit_core::{Data, Descriptor, Kind, LogOnce, NumberPoint, NumberType, Unpoisoned, Value};
use opentelemetry::metrics::{AsyncInstrument, Meter};

use super::reported::SharedReported;

/// Returns the points that a twin reports now, one per series.
pub(crate) type Points = Arc<dyn Fn() -> Vec<NumberPoint> + Send + Sync>;

/// The instrument kind and number type of a twin.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TwinKind {
    pub(crate) kind: Kind,
    number: NumberType,
}

impl TwinKind {
    /// Returns the kind of an instrument's twin, or `None` for a histogram.
    pub(crate) fn of(kind: Kind, number: NumberType) -> Option<Self> {
        let kind = match kind {
            Kind::Counter | Kind::ObservableCounter => Kind::ObservableCounter,
            Kind::UpDownCounter | Kind::ObservableUpDownCounter => Kind::ObservableUpDownCounter,
            Kind::Gauge | Kind::ObservableGauge => Kind::ObservableGauge,
            _ => return None,
        };
        Some(Self { kind, number })
    }

    /// Returns the kind of twin for this data, with its points. Returns `None` for a histogram, and if there is no
    /// point.
    pub(crate) fn of_data(data: &Data) -> Option<(Self, &[NumberPoint])> {
        let (Data::Gauge(points) | Data::Sum { points, .. }) = data else { return None };
        let number = match points.first()?.value {
            Value::U64(_) => NumberType::U64,
            Value::I64(_) => NumberType::I64,
            Value::F64(_) => NumberType::F64,
        };
        Some((Self::of(data.kind(), number)?, points))
    }

    pub(crate) fn is_counter(self) -> bool {
        self.kind == Kind::ObservableCounter
    }

    /// Creates a twin that reports `points`. For a counter, `reported` makes sure that no total falls, as the SDK
    /// requires.
    pub(crate) fn make(
        self,
        meter: &Meter,
        descriptor: &Descriptor,
        points: Points,
        reported: Option<SharedReported>,
    ) {
        let (logged, instrument) = (LogOnce::default(), descriptor.name.clone());
        let log_too_large = move || {
            if logged.is_new("large") {
                tracing::warn!(
                    instrument,
                    "integer above 2^63 - 1: the OTLP exporter of OpenTelemetry's SDK sends it as 0; record `f64`, or use \
                     meterkit's OTLP target"
                );
            }
        };
        macro_rules! observable {
            ($build:ident, $variant:ident) => {{
                let callback = move |observer: &dyn AsyncInstrument<_>| {
                    let report = |value, attributes: &meterkit_core::Attributes| {
                        if matches!(value, Value::U64(value) if i64::try_from(value).is_err()) {
                            log_too_large();
                        }
                        if let Value::$variant(value) = value {
                            observer.observe(value, &attributes.to_key_values());
                        }
                    };
                    let points = points();
                    match &reported {
                        Some(reported) => {
                            let mut reported = reported.lock().unpoisoned();
                            reported.report(points, report);
                        }
                        None => points.iter().for_each(|it| report(it.value, &it.attributes)),
                    }
                };
                let Descriptor { name, unit, description, .. } = descriptor.clone();
                let twin = meter.$build(name).with_unit(unit).with_description(description);
                let _ = twin.with_callback(callback).build();
            }};
        }
        match (self.kind, self.number) {
            (Kind::ObservableCounter, NumberType::F64) => observable!(f64_observable_counter, F64),
            (Kind::ObservableCounter, _) => observable!(u64_observable_counter, U64),
            (Kind::ObservableUpDownCounter, NumberType::F64) => {
                observable!(f64_observable_up_down_counter, F64);
            }
            (Kind::ObservableUpDownCounter, _) => observable!(i64_observable_up_down_counter, I64),
            (_, NumberType::U64) => observable!(u64_observable_gauge, U64),
            (_, NumberType::I64) => observable!(i64_observable_gauge, I64),
            (_, NumberType::F64) => observable!(f64_observable_gauge, F64),
        }
    }
}
