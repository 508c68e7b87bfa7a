//! Metrics of other libraries, recorded through OpenTelemetry's own API, in our model.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use meterkit_core::{
    Attributes, Data, Descriptor, HistogramPoint, Metric, NumberPoint, Registry, ScopeMetrics,
    Temporality, Value,
};
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Gauge, Histogram, Metric as SdkMetric, MetricData, ResourceMetrics, Sum,
};

/// Adds what the SDK collected to what the store holds. Twins of the store's instruments are left out.
pub(crate) fn join(
    scopes: &mut Vec<ScopeMetrics>,
    collected: &ResourceMetrics,
    registry: &Registry,
) {
    for foreign in collected.scope_metrics() {
        let metrics: Vec<Metric> = foreign
            .metrics()
            .filter(|metric| !registry.has_metric(foreign.scope(), metric.name()))
            .filter_map(|metric| convert(foreign.scope(), metric))
            .collect();
        if metrics.is_empty() {
            continue;
        }
        let known = scopes.iter().position(|ours| *ours.scope == *foreign.scope());
        let at = known.unwrap_or_else(|| {
            let scope = Arc::new(foreign.scope().clone());
            scopes.push(ScopeMetrics { scope, metrics: Vec::new() });
            scopes.len() - 1
        });
        let joined = &mut scopes[at].metrics;
        joined.extend(metrics);
        // The SDK gives them in the order in which they were made.
        joined.sort_by(|a, b| a.descriptor.name.cmp(&b.descriptor.name));
    }
    // And scopes in the order of a hash map.
    ScopeMetrics::sort(scopes);
}

fn convert(scope: &InstrumentationScope, metric: &SdkMetric) -> Option<Metric> {
    let data = match metric.data() {
        AggregatedMetrics::U64(data) => convert_data(data, Value::U64, |v| v as f64),
        AggregatedMetrics::I64(data) => convert_data(data, Value::I64, |v| v as f64),
        AggregatedMetrics::F64(data) => convert_data(data, Value::F64, |v| v),
    };
    let Some(data) = data else {
        warn_once_of_exponential(scope, metric);
        return None;
    };
    let descriptor = Descriptor {
        name: metric.name().to_owned(),
        unit: metric.unit().to_owned(),
        description: metric.description().to_owned(),
    };
    (!data.is_empty()).then(|| Metric { descriptor: Arc::new(descriptor), data })
}

fn convert_data<T: Copy>(
    data: &MetricData<T>,
    value: impl Fn(T) -> Value + Copy,
    float: impl Fn(T) -> f64 + Copy,
) -> Option<Data> {
    match data {
        MetricData::Gauge(gauge) => Some(convert_gauge(gauge, value)),
        MetricData::Sum(sum) => Some(convert_sum(sum, value)),
        MetricData::Histogram(histogram) => Some(convert_histogram(histogram, float)),
        MetricData::ExponentialHistogram(_) => None,
    }
}

fn convert_gauge<T: Copy>(gauge: &Gauge<T>, value: impl Fn(T) -> Value) -> Data {
    let start = gauge.start_time().unwrap_or(SystemTime::UNIX_EPOCH);
    let points = gauge.data_points().map(|point| NumberPoint {
        attributes: Attributes::from_key_values(point.attributes()),
        start,
        value: value(point.value()),
    });
    Data::Gauge(by_attributes(points, |point| &point.attributes))
}

fn convert_sum<T: Copy>(sum: &Sum<T>, value: impl Fn(T) -> Value) -> Data {
    let points = sum.data_points().map(|point| NumberPoint {
        attributes: Attributes::from_key_values(point.attributes()),
        start: sum.start_time(),
        value: value(point.value()),
    });
    Data::Sum {
        monotonic: sum.is_monotonic(),
        temporality: Temporality::Cumulative,
        points: by_attributes(points, |point| &point.attributes),
    }
}

fn convert_histogram<T: Copy>(histogram: &Histogram<T>, float: impl Fn(T) -> f64) -> Data {
    let bounds = histogram.data_points().next().map(|point| point.bounds().collect::<Arc<[f64]>>());
    let points = histogram.data_points().map(|point| HistogramPoint {
        attributes: Attributes::from_key_values(point.attributes()),
        start: histogram.start_time(),
        count: point.count(),
        sum: float(point.sum()),
        min: point.min().map(&float),
        max: point.max().map(&float),
        buckets: point.bucket_counts().collect(),
    });
    Data::Histogram {
        temporality: Temporality::Cumulative,
        bounds: bounds.unwrap_or_default(),
        points: by_attributes(points, |point| &point.attributes),
    }
}

/// The SDK gives points in the order of its hash map, which changes.
fn by_attributes<P>(points: impl Iterator<Item = P>, key: impl Fn(&P) -> &Attributes) -> Vec<P> {
    let mut points: Vec<P> = points.collect();
    points.sort_by(|a, b| key(a).cmp(key(b)));
    points
}

fn warn_once_of_exponential(scope: &InstrumentationScope, metric: &SdkMetric) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Relaxed) {
        tracing::warn!(
            scope = scope.name(),
            metric = metric.name(),
            "exponential histograms of other libraries are not exported: give this one explicit buckets"
        );
    }
}
