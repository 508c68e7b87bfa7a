//! Metrics of other libraries, recorded through OpenTelemetry's own API, in our model.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::SystemTime;

use meterkit_core::{
    Attributes, Data, Descriptor, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint,
    Metric, NumberPoint, Registry, ScopeMetrics, SeriesId, Temporality, Value,
};
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, ExponentialBucket, ExponentialHistogram, Gauge, Histogram,
    Metric as SdkMetric, MetricData, ResourceMetrics, Sum,
};

/// Adds what the SDK collected to what the store holds. Twins of the store's instruments are left out.
pub(crate) fn join(
    scopes: &mut Vec<ScopeMetrics>,
    collected: &ResourceMetrics,
    registry: &Registry,
    ids: &mut Ids,
) {
    for foreign in collected.scope_metrics() {
        let metrics: Vec<Metric> = foreign
            .metrics()
            .filter(|metric| !registry.has_metric(foreign.scope(), metric.name()))
            .filter_map(|metric| convert(foreign.scope(), metric))
            .map(|metric| ids.renew(metric))
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

/// Ids of totals that have fallen, of which the SDK says nothing, by those of their series.
#[derive(Debug, Default)]
pub(crate) struct Ids(HashMap<SeriesId, (SeriesId, Value)>);

impl Ids {
    fn renew(&mut self, mut metric: Metric) -> Metric {
        if let Data::Sum { monotonic: true, points, .. } = &mut metric.data {
            for point in points {
                let (id, last) = self.0.entry(point.series).or_insert((point.series, point.value));
                if point.value.increase_since(*last).is_none() {
                    *id = SeriesId::new();
                }
                (point.series, *last) = (*id, point.value);
            }
        }
        metric
    }
}

fn convert(scope: &InstrumentationScope, metric: &SdkMetric) -> Option<Metric> {
    let number = std::mem::discriminant(metric.data());
    let metric_id = (scope.name(), scope.version(), scope.schema_url());
    let metric_id = (metric_id, metric.name(), metric.unit(), metric.description(), number);
    let id = |attributes: &Attributes, start: SystemTime| {
        SeriesId::from_hash(HASHER.hash_one((metric_id, attributes, start)))
    };
    let data = match metric.data() {
        AggregatedMetrics::U64(data) => convert_data(data, &id, Value::U64, |v| v as f64),
        AggregatedMetrics::I64(data) => convert_data(data, &id, Value::I64, |v| v as f64),
        AggregatedMetrics::F64(data) => convert_data(data, &id, Value::F64, |v| v),
    };
    let descriptor = Descriptor {
        name: metric.name().to_owned(),
        unit: metric.unit().to_owned(),
        description: metric.description().to_owned(),
    };
    (!data.is_empty()).then(|| Metric { descriptor: Arc::new(descriptor), data })
}

/// Gives the same hashes each time.
const HASHER: BuildHasherDefault<DefaultHasher> = BuildHasherDefault::new();

/// Identifies a series by its attributes and its start.
type Id<'a> = dyn Fn(&Attributes, SystemTime) -> SeriesId + 'a;

fn convert_data<T: Copy>(
    data: &MetricData<T>,
    id: &Id<'_>,
    value: impl Fn(T) -> Value + Copy,
    float: impl Fn(T) -> f64 + Copy,
) -> Data {
    match data {
        MetricData::Gauge(gauge) => convert_gauge(gauge, id, value),
        MetricData::Sum(sum) => convert_sum(sum, id, value),
        MetricData::Histogram(histogram) => convert_histogram(histogram, id, float),
        MetricData::ExponentialHistogram(histogram) => convert_exponential(histogram, id, float),
    }
}

fn convert_gauge<T: Copy>(gauge: &Gauge<T>, id: &Id<'_>, value: impl Fn(T) -> Value) -> Data {
    let start = gauge.start_time().unwrap_or(SystemTime::UNIX_EPOCH);
    let points = gauge.data_points().map(|point| {
        let attributes = Attributes::from_key_values(point.attributes());
        let series = id(&attributes, start);
        NumberPoint { series, attributes, start, value: value(point.value()) }
    });
    Data::Gauge(by_attributes(points, |point| &point.attributes))
}

fn convert_sum<T: Copy>(sum: &Sum<T>, id: &Id<'_>, value: impl Fn(T) -> Value) -> Data {
    let points = sum.data_points().map(|point| {
        let attributes = Attributes::from_key_values(point.attributes());
        let start = sum.start_time();
        let series = id(&attributes, start);
        NumberPoint { series, attributes, start, value: value(point.value()) }
    });
    Data::Sum {
        monotonic: sum.is_monotonic(),
        temporality: Temporality::Cumulative,
        points: by_attributes(points, |point| &point.attributes),
    }
}

fn convert_histogram<T: Copy>(
    histogram: &Histogram<T>,
    id: &Id<'_>,
    float: impl Fn(T) -> f64,
) -> Data {
    let bounds = histogram.data_points().next().map(|point| point.bounds().collect::<Arc<[f64]>>());
    let points = histogram.data_points().map(|point| {
        let attributes = Attributes::from_key_values(point.attributes());
        let start = histogram.start_time();
        let series = id(&attributes, start);
        HistogramPoint {
            series,
            attributes,
            start,
            count: point.count(),
            sum: float(point.sum()),
            min: point.min().map(&float),
            max: point.max().map(&float),
            buckets: point.bucket_counts().collect(),
        }
    });
    Data::Histogram {
        temporality: Temporality::Cumulative,
        bounds: bounds.unwrap_or_default(),
        points: by_attributes(points, |point| &point.attributes),
    }
}

fn convert_exponential<T: Copy>(
    histogram: &ExponentialHistogram<T>,
    id: &Id<'_>,
    float: impl Fn(T) -> f64,
) -> Data {
    let points = histogram.data_points().map(|point| {
        let attributes = Attributes::from_key_values(point.attributes());
        let start = histogram.start_time();
        let series = id(&attributes, start);
        ExponentialHistogramPoint {
            series,
            attributes,
            start,
            count: point.count() as u64,
            sum: float(point.sum()),
            min: point.min().map(&float),
            max: point.max().map(&float),
            scale: i32::from(point.scale()),
            zero_count: point.zero_count(),
            zero_threshold: point.zero_threshold(),
            positive: convert_buckets(point.positive_bucket()),
            negative: convert_buckets(point.negative_bucket()),
        }
    });
    Data::ExponentialHistogram {
        temporality: Temporality::Cumulative,
        points: by_attributes(points, |point| &point.attributes),
    }
}

fn convert_buckets(buckets: &ExponentialBucket) -> ExponentialBuckets {
    ExponentialBuckets { offset: buckets.offset(), counts: buckets.counts().collect() }
}

/// The SDK gives points in the order of its hash map, which changes.
fn by_attributes<P>(points: impl Iterator<Item = P>, key: impl Fn(&P) -> &Attributes) -> Vec<P> {
    let mut points: Vec<P> = points.collect();
    points.sort_by(|a, b| key(a).cmp(key(b)));
    points
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::metrics::reader::MetricReader;
    use opentelemetry_sdk::metrics::{Aggregation, Instrument, SdkMeterProvider, Stream};

    use super::*;
    use crate::reader::SharedReader;

    #[test]
    fn an_exponential_histogram_is_one_here_too() {
        let exponential = |_: &Instrument| {
            let (max_size, max_scale) = (4, 20);
            let aggregation = Aggregation::Base2ExponentialHistogram {
                max_size,
                max_scale,
                record_min_max: true,
            };
            Stream::builder().with_aggregation(aggregation).build().ok()
        };
        let reader = SharedReader::new();
        let provider =
            SdkMeterProvider::builder().with_reader(reader.clone()).with_view(exponential).build();
        let sizes = provider.meter("http.client").u64_histogram("sizes").with_unit("By").build();
        for size in [0, 3, 5, 20] {
            sizes.record(size, &[KeyValue::new("peer", "b")]);
        }
        sizes.record(1, &[KeyValue::new("peer", "a")]);

        let mut collected = ResourceMetrics::default();
        reader.collect(&mut collected).unwrap();
        let mut scopes = Vec::new();
        join(&mut scopes, &collected, &Registry::new(), &mut Ids::default());
        assert_eq!(&*scopes[0].metrics[0].descriptor.unit, "By");
        let Data::ExponentialHistogram { temporality: Temporality::Cumulative, points } =
            &scopes[0].metrics[0].data
        else {
            panic!("{scopes:?}")
        };
        let peers: Vec<_> = points.iter().map(|it| it.attributes.get("peer").cloned()).collect();
        assert_eq!(peers, [Some("a".into()), Some("b".into())], "ordered by attributes");
        let expected = ExponentialHistogramPoint {
            series: points[1].series,
            attributes: points[1].attributes.clone(),
            start: points[1].start,
            count: 4,
            sum: 28.0,
            min: Some(0.0),
            max: Some(20.0),
            scale: 0,
            zero_count: 1,
            zero_threshold: 0.0,
            positive: ExponentialBuckets { offset: 1, counts: vec![1, 1, 0, 1] },
            negative: ExponentialBuckets::default(),
        };
        assert_eq!(points[1], expected);
    }
}
