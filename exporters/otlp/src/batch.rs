//! Requests, and how they are split.

use std::sync::Arc;

use meterkit_http::Divide;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1 as proto;
use proto::metric::Data;
use proto::{Metric, ResourceMetrics, ScopeMetrics};

/// A request that can be split between any two of its points.
#[derive(Clone, Debug)]
pub(crate) struct Request(pub(crate) Arc<ExportMetricsServiceRequest>);

impl Divide for Request {
    fn items(&self) -> usize {
        points(&self.0)
    }

    fn split(self, count: usize) -> [Self; 2] {
        let (first, others) = split(Arc::unwrap_or_clone(self.0), count);
        [first, others].map(|request| Self(Arc::new(request)))
    }
}

/// Returns the number of points in a request.
fn points(request: &ExportMetricsServiceRequest) -> usize {
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    scopes.flat_map(|scope| &scope.metrics).map(points_of).sum()
}

fn points_of(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Gauge(data)) => data.data_points.len(),
        Some(Data::Sum(data)) => data.data_points.len(),
        Some(Data::Histogram(data)) => data.data_points.len(),
        Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
        Some(Data::Summary(data)) => data.data_points.len(),
        None => 0,
    }
}

/// Splits a request into one with the first `kept` points and one with the others. Both keep the resource, scope and
/// metric of their points.
fn split(
    mut request: ExportMetricsServiceRequest,
    mut kept: usize,
) -> (ExportMetricsServiceRequest, ExportMetricsServiceRequest) {
    let mut second = ExportMetricsServiceRequest::default();
    for resource in &mut request.resource_metrics {
        let mut scopes = Vec::new();
        for scope in &mut resource.scope_metrics {
            let beyond = scope.metrics.iter_mut().map(|metric| split_metric(metric, &mut kept));
            let metrics: Vec<Metric> = beyond.filter(|metric| points_of(metric) > 0).collect();
            scope.metrics.retain(|metric| points_of(metric) > 0);
            if !metrics.is_empty() {
                let (of, schema_url) = (scope.scope.clone(), scope.schema_url.clone());
                scopes.push(ScopeMetrics { scope: of, metrics, schema_url });
            }
        }
        resource.scope_metrics.retain(|scope| !scope.metrics.is_empty());
        if !scopes.is_empty() {
            second.resource_metrics.push(ResourceMetrics {
                resource: resource.resource.clone(),
                scope_metrics: scopes,
                schema_url: resource.schema_url.clone(),
            });
        }
    }
    request.resource_metrics.retain(|resource| !resource.scope_metrics.is_empty());
    (request, second)
}

/// Leaves up to `kept` points in `metric`, and returns the same metric with the other points.
fn split_metric(metric: &mut Metric, kept: &mut usize) -> Metric {
    fn split<P>(points: &mut Vec<P>, kept: &mut usize) -> Vec<P> {
        let here = points.len().min(*kept);
        *kept -= here;
        let others = points.split_off(here);
        // Otherwise each first half would keep the capacity of the whole.
        points.shrink_to_fit();
        others
    }
    let data = metric.data.as_mut().map(|data| match data {
        Data::Gauge(data) => {
            let data_points = split(&mut data.data_points, kept);
            Data::Gauge(proto::Gauge { data_points })
        }
        Data::Sum(data) => {
            let data_points = split(&mut data.data_points, kept);
            Data::Sum(proto::Sum { data_points, ..*data })
        }
        Data::Histogram(data) => {
            let data_points = split(&mut data.data_points, kept);
            Data::Histogram(proto::Histogram { data_points, ..*data })
        }
        Data::ExponentialHistogram(data) => {
            let data_points = split(&mut data.data_points, kept);
            Data::ExponentialHistogram(proto::ExponentialHistogram { data_points, ..*data })
        }
        Data::Summary(data) => {
            let data_points = split(&mut data.data_points, kept);
            Data::Summary(proto::Summary { data_points })
        }
    });
    Metric {
        name: metric.name.clone(),
        description: metric.description.clone(),
        unit: metric.unit.clone(),
        metadata: metric.metadata.clone(),
        data,
    }
}

#[cfg(test)]
mod tests {
    use meterkit_http::{Outbox, Refusals};
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
    use opentelemetry_proto::tonic::resource::v1::Resource;

    use super::*;

    /// Returns a request with a gauge per scope, with points of these values.
    fn request(scopes: &[&[i64]]) -> ExportMetricsServiceRequest {
        let point = |value: &i64| proto::NumberDataPoint {
            value: Some(Value::AsInt(*value)),
            ..proto::NumberDataPoint::default()
        };
        let metric = |values: &&[i64]| Metric {
            name: "queue".to_owned(),
            unit: "{item}".to_owned(),
            data: Some(Data::Gauge(proto::Gauge {
                data_points: values.iter().map(point).collect(),
            })),
            ..Metric::default()
        };
        let scope = |values| ScopeMetrics {
            metrics: vec![metric(values)],
            schema_url: "https://example.com".to_owned(),
            ..ScopeMetrics::default()
        };
        let resource = Resource { dropped_attributes_count: 3, ..Resource::default() };
        let scope_metrics = scopes.iter().map(scope).collect();
        let resource = Some(resource);
        let resource = ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![resource] }
    }

    #[test]
    fn halves_have_all_points_once_in_the_same_envelopes() {
        for (whole, first, second) in [
            (&[&[1, 2][..]][..], &[&[1][..]][..], &[&[2][..]][..]),
            (&[&[1, 2, 3]], &[&[1]], &[&[2, 3]]),
            (&[&[1], &[2, 3, 4]], &[&[1], &[2]], &[&[3, 4]]),
            (&[&[1, 2, 3], &[4]], &[&[1, 2]], &[&[3], &[4]]),
            (&[&[1], &[2]], &[&[1]], &[&[2]]),
        ] {
            let whole = request(whole);
            let half = points(&whole) / 2;
            assert_eq!(split(whole, half), (request(first), request(second)));
        }
    }

    /// Splits a request until each part has one point.
    fn parts(whole: ExportMetricsServiceRequest) -> Vec<Request> {
        let (mut waiting, mut parts) = (vec![Request(Arc::new(whole))], Vec::new());
        while let Some(request) = waiting.pop() {
            match request.items() {
                1 => parts.push(request),
                points => waiting.extend(request.split(points / 2).into_iter().rev()),
            }
        }
        parts
    }

    #[test]
    fn a_request_is_split_down_to_its_points() {
        let parts = parts(request(&[&[1, 2, 3], &[4]]));
        let expected = [1, 2, 3, 4].map(|value| request(&[&[value]]));
        assert!(parts.iter().map(|part| &*part.0).eq(&expected), "{parts:?}");
    }

    #[test]
    fn split_requests_do_not_keep_unused_capacity() {
        let values: Vec<i64> = (0..1000).collect();
        let points = |request: &Request| {
            let metric = &request.0.resource_metrics[0].scope_metrics[0].metrics[0];
            let Some(Data::Gauge(gauge)) = &metric.data else { panic!("{metric:?}") };
            (gauge.data_points.len(), gauge.data_points.capacity())
        };
        for (length, capacity) in parts(request(&[&values])).iter().map(points) {
            assert!(capacity * 10 <= length * 12, "{capacity} for {length}");
        }
    }

    #[test]
    fn without_points_there_is_nothing_to_send() {
        let empty = Request(Arc::new(request(&[&[]])));
        assert!(Outbox::new([empty], &mut Refusals::new(usize::MAX)).is_empty());
    }
}
