//! Encodes snapshots as OTLP messages.
//!
//! Follows OpenTelemetry's protocol, `opentelemetry/proto/metrics/v1/metrics.proto`.

use std::time::{SystemTime, UNIX_EPOCH};

use meterkit_core::{
    AttributeRef, AttributeValue, Attributes, Data, Exemplar, Exemplars, ExponentialBuckets,
    ExponentialHistogramPoint, HistogramPoint, Metric, NumberPoint, ScopeMetrics, SeriesId,
    SummaryPoint, Temporality, Value,
};
use meterkit_pipeline::Snapshot;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::metrics::v1 as proto;
use opentelemetry_proto::tonic::resource::v1::Resource;

/// Returns the request for `snapshot`, with `exemplars` in place of the snapshot's own exemplars.
pub(crate) fn encode(snapshot: &Snapshot, exemplars: &Exemplars) -> ExportMetricsServiceRequest {
    let with = With { time: nanoseconds(snapshot.time), exemplars };
    let scopes = snapshot.scopes.iter().map(|scope| scope_metrics(scope, with));
    ExportMetricsServiceRequest {
        resource_metrics: vec![proto::ResourceMetrics {
            resource: Some(Resource {
                attributes: key_values(&snapshot.resource),
                ..Resource::default()
            }),
            // Leave out scopes without metrics.
            scope_metrics: scopes.filter(|scope| !scope.metrics.is_empty()).collect(),
            schema_url: String::new(),
        }],
    }
}

/// The common data of all points.
#[derive(Clone, Copy)]
struct With<'a> {
    /// The collection time of the values, in nanoseconds since 1970.
    time: u64,
    exemplars: &'a Exemplars,
}

impl With<'_> {
    fn exemplars(self, series: SeriesId) -> Vec<proto::Exemplar> {
        self.exemplars.of(series).iter().map(exemplar).collect()
    }
}

fn scope_metrics(scope: &ScopeMetrics, with: With<'_>) -> proto::ScopeMetrics {
    let of = &scope.scope;
    let attributes = of
        .attributes()
        .map(|pair| key_value(pair.key.as_str(), own((&AttributeValue::from(&pair.value)).into())));
    proto::ScopeMetrics {
        scope: Some(common::InstrumentationScope {
            name: of.name().to_owned(),
            version: of.version().unwrap_or_default().to_owned(),
            attributes: attributes.collect(),
            dropped_attributes_count: 0,
        }),
        metrics: scope.metrics.iter().filter_map(|metric| encode_metric(metric, with)).collect(),
        schema_url: of.schema_url().unwrap_or_default().to_owned(),
    }
}

/// Returns the encoded metric; `None` if it has no points, or is of a kind that this crate does not know.
fn encode_metric(metric: &Metric, with: With<'_>) -> Option<proto::Metric> {
    let data = match &metric.data {
        data if data.is_empty() => return None,
        Data::Gauge(points) => {
            let data_points = points.iter().map(|point| number_point(point, with.time)).collect();
            proto::metric::Data::Gauge(proto::Gauge { data_points })
        }
        Data::Sum { monotonic, temporality, points } => proto::metric::Data::Sum(proto::Sum {
            data_points: points.iter().map(|point| sum_point(point, with)).collect(),
            aggregation_temporality: aggregation_temporality(*temporality),
            is_monotonic: *monotonic,
        }),
        Data::Histogram { temporality, bounds, points } => {
            proto::metric::Data::Histogram(proto::Histogram {
                data_points: points.iter().map(|it| histogram_point(it, bounds, with)).collect(),
                aggregation_temporality: aggregation_temporality(*temporality),
            })
        }
        Data::ExponentialHistogram { temporality, points } => {
            proto::metric::Data::ExponentialHistogram(proto::ExponentialHistogram {
                data_points: points.iter().map(|point| exponential_point(point, with)).collect(),
                aggregation_temporality: aggregation_temporality(*temporality),
            })
        }
        Data::Summary(points) => proto::metric::Data::Summary(proto::Summary {
            data_points: points.iter().map(|point| summary_point(point, with.time)).collect(),
        }),
        _ => return None,
    };
    Some(proto::Metric {
        name: metric.descriptor.name.clone(),
        description: metric.descriptor.description.clone(),
        unit: metric.descriptor.unit.clone(),
        metadata: Vec::new(),
        data: Some(data),
    })
}

/// Returns the name of a metric with an integer that exceeds OTLP's integers, if the snapshot has one.
pub(crate) fn too_large_integer(snapshot: &Snapshot) -> Option<&str> {
    let is_too_large = |point: &NumberPoint| matches!(point.value, Value::U64(value) if i64::try_from(value).is_err());
    let mut metrics = snapshot.scopes.iter().flat_map(|scope| &scope.metrics);
    let found = metrics.find(|metric| match &metric.data {
        Data::Gauge(points) | Data::Sum { points, .. } => points.each().any(|it| is_too_large(&it)),
        _ => false,
    });
    found.map(|metric| &*metric.descriptor.name)
}

fn number_point(point: &NumberPoint, time: u64) -> proto::NumberDataPoint {
    use proto::number_data_point::Value::{AsDouble, AsInt};
    proto::NumberDataPoint {
        attributes: key_values(&point.attributes),
        start_time_unix_nano: nanoseconds(point.start).min(time),
        time_unix_nano: time,
        value: Some(match point.value {
            Value::I64(value) => AsInt(value),
            // OTLP has no larger integers; a double is the closest value.
            Value::U64(value) => i64::try_from(value).map_or(AsDouble(value as f64), AsInt),
            Value::F64(value) => AsDouble(value),
        }),
        ..proto::NumberDataPoint::default()
    }
}

fn sum_point(point: &NumberPoint, with: With<'_>) -> proto::NumberDataPoint {
    let exemplars = with.exemplars(point.series);
    proto::NumberDataPoint { exemplars, ..number_point(point, with.time) }
}

fn histogram_point(
    point: &HistogramPoint,
    bounds: &[f64],
    with: With<'_>,
) -> proto::HistogramDataPoint {
    proto::HistogramDataPoint {
        attributes: key_values(&point.attributes),
        start_time_unix_nano: nanoseconds(point.start).min(with.time),
        time_unix_nano: with.time,
        count: point.count,
        sum: Some(point.sum),
        bucket_counts: point.buckets.to_vec(),
        explicit_bounds: bounds.to_vec(),
        min: point.min,
        max: point.max,
        exemplars: with.exemplars(point.series),
        ..proto::HistogramDataPoint::default()
    }
}

fn exponential_point(
    point: &ExponentialHistogramPoint,
    with: With<'_>,
) -> proto::ExponentialHistogramDataPoint {
    let buckets = |buckets: &ExponentialBuckets| {
        use proto::exponential_histogram_data_point::Buckets;
        Some(Buckets { offset: buckets.offset, bucket_counts: buckets.counts.clone() })
    };
    proto::ExponentialHistogramDataPoint {
        attributes: key_values(&point.attributes),
        start_time_unix_nano: nanoseconds(point.start).min(with.time),
        time_unix_nano: with.time,
        count: point.count,
        sum: Some(point.sum),
        scale: point.scale,
        zero_count: point.zero_count,
        zero_threshold: point.zero_threshold,
        positive: buckets(&point.positive),
        negative: buckets(&point.negative),
        min: point.min,
        max: point.max,
        exemplars: with.exemplars(point.series),
        ..proto::ExponentialHistogramDataPoint::default()
    }
}

fn summary_point(point: &SummaryPoint, time: u64) -> proto::SummaryDataPoint {
    use proto::summary_data_point::ValueAtQuantile;
    let quantiles = point.quantiles.iter();
    let quantiles = quantiles.map(|&(quantile, value)| ValueAtQuantile { quantile, value });
    proto::SummaryDataPoint {
        attributes: key_values(&point.attributes),
        start_time_unix_nano: nanoseconds(point.start).min(time),
        time_unix_nano: time,
        count: point.count,
        sum: point.sum,
        quantile_values: quantiles.collect(),
        ..proto::SummaryDataPoint::default()
    }
}

fn exemplar(exemplar: &Exemplar) -> proto::Exemplar {
    use proto::exemplar::Value::{AsDouble, AsInt};
    let filtered = exemplar.filtered.as_ref();
    proto::Exemplar {
        filtered_attributes: filtered.map(key_values).unwrap_or_default(),
        time_unix_nano: nanoseconds(exemplar.time),
        span_id: exemplar.span.map(|span| span.span_id.to_vec()).unwrap_or_default(),
        trace_id: exemplar.span.map(|span| span.trace_id.to_vec()).unwrap_or_default(),
        value: Some(match exemplar.value {
            Value::I64(value) => AsInt(value),
            Value::U64(value) => i64::try_from(value).map_or(AsDouble(value as f64), AsInt),
            Value::F64(value) => AsDouble(value),
        }),
    }
}

fn aggregation_temporality(temporality: Temporality) -> i32 {
    let temporality = match temporality {
        Temporality::Cumulative => proto::AggregationTemporality::Cumulative,
        Temporality::Delta => proto::AggregationTemporality::Delta,
    };
    temporality.into()
}

/// Returns nanoseconds since 1970. Times before 1970 become 0, which means unknown.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn key_values(attributes: &Attributes) -> Vec<common::KeyValue> {
    attributes.iter().map(|(key, value)| key_value(key, own(value))).collect()
}

fn key_value(key: &str, value: common::any_value::Value) -> common::KeyValue {
    let value = Some(common::AnyValue { value: Some(value) });
    common::KeyValue { key: key.to_owned(), value, ..common::KeyValue::default() }
}

fn own(value: AttributeRef<'_>) -> common::any_value::Value {
    use common::any_value::Value as Any;
    match value {
        AttributeRef::Str(value) => Any::StringValue(value.to_owned()),
        AttributeRef::Bool(value) => Any::BoolValue(value),
        AttributeRef::I64(value) => Any::IntValue(value),
        AttributeRef::F64(value) => Any::DoubleValue(value),
        AttributeRef::List(values) => {
            let values = values.iter().map(|value| common::AnyValue { value: Some(own(value)) });
            Any::ArrayValue(common::ArrayValue { values: values.collect() })
        }
        other => Any::StringValue(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
