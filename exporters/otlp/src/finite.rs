//! Removes values that JSON cannot represent: infinite values and NaN.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1 as proto;
use proto::metric::Data;
use proto::number_data_point::Value;

/// Removes points whose values would become `null` in JSON, for which a receiver would refuse the whole request.
/// Returns the number of removed points.
///
/// If only the sum, minimum or maximum of a histogram is affected, only that field is removed, because it is optional.
pub(crate) fn remove_what_is_not_finite(request: &mut ExportMetricsServiceRequest) -> u64 {
    let scopes = request.resource_metrics.iter_mut().flat_map(|it| &mut it.scope_metrics);
    let mut removed = 0;
    for metric in scopes.flat_map(|scope| &mut scope.metrics) {
        removed += match &mut metric.data {
            Some(Data::Gauge(data)) => retain(&mut data.data_points, is_finite),
            Some(Data::Sum(data)) => retain(&mut data.data_points, is_finite),
            Some(Data::Histogram(data)) => {
                for point in &mut data.data_points {
                    for optional in [&mut point.sum, &mut point.min, &mut point.max] {
                        *optional = optional.filter(|value| value.is_finite());
                    }
                }
                retain(&mut data.data_points, |point: &proto::HistogramDataPoint| {
                    point.explicit_bounds.iter().all(|bound| bound.is_finite())
                })
            }
            Some(Data::ExponentialHistogram(data)) => {
                for point in &mut data.data_points {
                    for optional in [&mut point.sum, &mut point.min, &mut point.max] {
                        *optional = optional.filter(|value| value.is_finite());
                    }
                }
                0
            }
            Some(Data::Summary(data)) => {
                for point in &mut data.data_points {
                    // The quantiles of an empty summary are NaN.
                    point.quantile_values.retain(|it| it.value.is_finite());
                }
                retain(&mut data.data_points, |point: &proto::SummaryDataPoint| {
                    point.sum.is_finite()
                })
            }
            None => 0,
        };
    }
    removed
}

fn is_finite(point: &proto::NumberDataPoint) -> bool {
    !matches!(point.value, Some(Value::AsDouble(value)) if !value.is_finite())
}

fn retain<P>(points: &mut Vec<P>, is_kept: impl Fn(&P) -> bool) -> u64 {
    let before = points.len();
    points.retain(is_kept);
    (before - points.len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(data: Data) -> ExportMetricsServiceRequest {
        let metric = proto::Metric { data: Some(data), ..proto::Metric::default() };
        let scope = proto::ScopeMetrics { metrics: vec![metric], ..Default::default() };
        let resource = proto::ResourceMetrics { scope_metrics: vec![scope], ..Default::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![resource] }
    }

    fn numbers(values: &[Value]) -> ExportMetricsServiceRequest {
        let point = |value: &Value| proto::NumberDataPoint {
            value: Some(*value),
            ..proto::NumberDataPoint::default()
        };
        request(Data::Gauge(proto::Gauge { data_points: values.iter().map(point).collect() }))
    }

    #[test]
    fn infinite_values_and_nan_are_removed() {
        use Value::{AsDouble, AsInt};
        let mut given =
            numbers(&[AsDouble(f64::NAN), AsInt(1), AsDouble(0.5), AsDouble(f64::INFINITY)]);
        assert_eq!(remove_what_is_not_finite(&mut given), 2);
        assert_eq!(given, numbers(&[AsInt(1), AsDouble(0.5)]));
    }

    #[test]
    fn a_histogram_is_kept_without_its_sum_but_not_without_its_bounds() {
        let point = |sum, bound| proto::HistogramDataPoint {
            sum,
            explicit_bounds: vec![bound],
            ..proto::HistogramDataPoint::default()
        };
        let histogram = |data_points| {
            request(Data::Histogram(proto::Histogram { data_points, aggregation_temporality: 2 }))
        };
        let mut given =
            histogram(vec![point(Some(f64::INFINITY), 1.0), point(Some(1.0), f64::NAN)]);
        assert_eq!(remove_what_is_not_finite(&mut given), 1);
        assert_eq!(given, histogram(vec![point(None, 1.0)]));
    }
}
