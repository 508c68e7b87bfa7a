//! What a registry of the crate `prometheus` holds, taken into the store.

use std::sync::Arc;

use meterkit_core::{
    CallbackGuard, HistogramReading, Import, ImportedFamily, Kind, Reading, Registry,
    SummaryReading, Value,
};
use opentelemetry::KeyValue;
use prometheus::proto::{Counter, Gauge, Metric, MetricFamily, MetricType};

/// The scope of the metrics. It is no label in Prometheus.
const SCOPE: &str = "prometheus";

/// Gathers `from` in each collection of `registry`: what an application records with the crate `prometheus` goes to all
/// targets, until the guard is dropped.
///
/// - In Prometheus, names and labels stay as they are. Everywhere else, a metric has the same name, in the scope
///   `prometheus`; labels `otel_scope_*` become the scope of OpenTelemetry that they stand for.
/// - Counters, gauges, histograms and summaries keep their values. A gauge may be NaN or infinite, a counter may not. A
///   time that a collector attaches to a value is not kept: values are of the time of the collection.
/// - Collectors may come and go at any time. A registry that hangs or panics costs its own metrics only, as a callback
///   does.
/// - What this library has put into `from` itself is left out, with a warning.
///
/// Limits of cardinality, views and disabled scopes apply as to any other metric.
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
        // The crate has no such metrics, and its own encoder panics at them.
        MetricType::UNTYPED => {
            return import.refuse(family.name(), "its type is unknown; give it one");
        }
    };
    let imported =
        ImportedFamily { name: family.name(), unit: "", description: family.help(), kind };
    for metric in family.get_metric() {
        let Some(reading) = reading(kind, metric) else {
            import.refuse(
                family.name(),
                "the bounds of its buckets do not rise, or their counts fall",
            );
            continue;
        };
        let labels = metric.get_label().iter();
        let labels = labels.map(|it| KeyValue::new(it.name().to_owned(), it.value().to_owned()));
        import.observe(&imported, labels.collect(), reading);
    }
}

/// Returns what a metric of this kind holds; `None` if that cannot be.
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

// With the feature `protobuf` of the crate, whichever crate enables it, a number is read by `value()`, otherwise by
// `get_value()`. A method of the type itself comes before one of a trait: of the two below, the one that the type has
// is never called.
macro_rules! number {
    ($read:ident, $Number:ident) => {
        fn $read(number: &$Number) -> f64 {
            trait EitherWay {
                #[allow(dead_code, reason = "where the type has it")]
                fn value(&self) -> f64;
                #[allow(dead_code, reason = "where the type has it")]
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
