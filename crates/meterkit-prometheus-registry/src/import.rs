//! Imports the metrics of a `prometheus` registry into the store.

use std::sync::Arc;

use meterkit_core::{
    CallbackGuard, HistogramReading, Import, ImportedFamily, Kind, Reading, Registry,
    SummaryReading, Value,
};
use opentelemetry::KeyValue;
use prometheus::proto::{Counter, Gauge, Metric, MetricFamily, MetricType};

/// The scope of the metrics. Prometheus does not get it as a label.
const SCOPE: &str = "prometheus";

/// Imports the metrics of `from` in each collection of `registry`, until the guard is dropped. All targets receive
/// them.
///
/// - In Prometheus, names and labels stay unchanged. In other targets, a metric has the same name, in the scope
///   `prometheus`; `otel_scope_*` labels become the OpenTelemetry scope that they describe.
/// - Counters, gauges, histograms and summaries keep their values. A gauge may be NaN or infinite, but a counter may
///   not. A timestamp that a collector attaches to a value is replaced by the time of the collection.
/// - Collectors may be registered and unregistered at any time. If the registry hangs or panics, only its own metrics
///   are affected, as with any callback.
/// - Metrics that this library has added to `from` itself are left out, with a warning.
///
/// Cardinality limits, views and disabled scopes apply as to any other metric.
pub fn import(registry: &Registry, from: prometheus::Registry) -> CallbackGuard {
    registry.import(SCOPE, move |import| {
        from.gather().iter().for_each(|family| take(import, family));
        Ok(())
    })
}

fn take(import: &mut Import<'_>, family: &MetricFamily) {
    let kind = match family.get_field_type() {
        MetricType::COUNTER => Kind::ObservableCounter,
        MetricType::GAUGE => Kind::ObservableGauge,
        MetricType::HISTOGRAM => Kind::Histogram,
        MetricType::SUMMARY => Kind::Summary,
        // The crate has no metrics of this type, and its own encoder panics for them.
        MetricType::UNTYPED => {
            return import.refuse(family.name(), "its type is `untyped`, which is not supported");
        }
    };
    let imported =
        ImportedFamily { name: family.name(), unit: "", description: family.help(), kind };
    for metric in family.get_metric() {
        let Some(reading) = reading(kind, metric) else {
            import.refuse(
                family.name(),
                "bucket boundaries must increase, and cumulative bucket counts must not fall",
            );
            continue;
        };
        let labels = metric.get_label().iter();
        let labels = labels.map(|it| KeyValue::new(it.name().to_owned(), it.value().to_owned()));
        import.observe(&imported, labels.collect(), reading);
    }
}

/// Returns the reading of a metric of this kind, or `None` if its buckets are invalid.
fn reading(kind: Kind, metric: &Metric) -> Option<Reading> {
    Some(match kind {
        Kind::Histogram => {
            let histogram = metric.get_histogram();
            let buckets = histogram.get_bucket().iter();
            let buckets: Vec<_> =
                buckets.map(|it| (it.upper_bound(), it.cumulative_count())).collect();
            let (count, sum) = (histogram.get_sample_count(), histogram.get_sample_sum());
            Reading::Histogram(Arc::new(HistogramReading::from_cumulative(&buckets, count, sum)?))
        }
        Kind::Summary => {
            let summary = metric.get_summary();
            let quantiles = summary.get_quantile().iter();
            let quantiles = quantiles.map(|it| (it.quantile(), it.value())).collect();
            let (count, sum) = (summary.sample_count(), summary.sample_sum());
            Reading::Summary(Arc::new(SummaryReading { count, sum, quantiles }))
        }
        Kind::ObservableCounter => Value::F64(counter_value(metric.get_counter())).into(),
        _ => Value::F64(gauge_value(metric.get_gauge())).into(),
    })
}

// If any crate enables the `protobuf` feature of `prometheus`, numbers have a method `value()`, otherwise
// `get_value()`. Inherent methods take precedence over trait methods, so the trait method that the type itself provides
// is never called.
macro_rules! number {
    ($read:ident, $Number:ident) => {
        fn $read(number: &$Number) -> f64 {
            trait EitherWay {
                #[allow(dead_code, reason = "never called if the type has the method")]
                fn value(&self) -> f64;
                #[allow(dead_code, reason = "never called if the type has the method")]
                fn get_value(&self) -> f64;
            }

            impl EitherWay for $Number {
                fn value(&self) -> f64 {
                    self.get_value()
                }

                fn get_value(&self) -> f64 {
                    self.value()
                }
            }

            number.value()
        }
    };
}

number!(counter_value, Counter);
number!(gauge_value, Gauge);
