//! What one export has to deliver, in requests that receivers take.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1 as proto;
use proto::metric::Data;
use proto::{Metric, ResourceMetrics, ScopeMetrics};

/// The requests of one snapshot that are still to be delivered.
#[derive(Debug)]
pub(crate) struct Batch {
    /// When the snapshot was taken, which tells it from others.
    time: SystemTime,
    requests: VecDeque<Arc<ExportMetricsServiceRequest>>,
    /// How many points were accepted.
    accepted: u64,
}

impl Batch {
    pub(crate) fn new(time: SystemTime, request: ExportMetricsServiceRequest) -> Self {
        let is_empty = points(&request) == 0;
        let requests = if is_empty { VecDeque::new() } else { [Arc::new(request)].into() };
        Self { time, requests, accepted: 0 }
    }

    pub(crate) fn is_of(&self, time: SystemTime) -> bool {
        self.time == time
    }

    /// The next request.
    pub(crate) fn first(&self) -> Option<&Arc<ExportMetricsServiceRequest>> {
        self.requests.front()
    }

    /// Makes two requests of the first one. Not possible if that has a single point.
    pub(crate) fn split_first(&mut self) -> bool {
        let Some(first) = self.requests.pop_front() else {
            return false;
        };
        if points(&first) < 2 {
            self.requests.push_front(first);
            return false;
        }
        let (first, second) = halves(Arc::unwrap_or_clone(first));
        self.requests.push_front(Arc::new(second));
        self.requests.push_front(Arc::new(first));
        true
    }

    /// Takes the first one away, as the receiver has it.
    pub(crate) fn accept_first(&mut self) {
        let first = self.requests.pop_front();
        self.accepted += first.map_or(0, |request| points(&request) as u64);
    }

    /// Takes the first one away: no receiver will ever have it. Says how many points it has.
    pub(crate) fn drop_first(&mut self) -> u64 {
        self.requests.pop_front().map_or(0, |request| points(&request) as u64)
    }

    /// Whether the receiver has some of it.
    pub(crate) fn is_begun(&self) -> bool {
        self.accepted > 0
    }
}

/// How many points a request has.
pub(crate) fn points(request: &ExportMetricsServiceRequest) -> usize {
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

/// The first and the second half of the points, with the same envelopes around them.
fn halves(
    mut request: ExportMetricsServiceRequest,
) -> (ExportMetricsServiceRequest, ExportMetricsServiceRequest) {
    let mut kept = points(&request) / 2;
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

/// Leaves up to `kept` points in `metric`, and gives the same metric with the others.
fn split_metric(metric: &mut Metric, kept: &mut usize) -> Metric {
    fn split<P>(points: &mut Vec<P>, kept: &mut usize) -> Vec<P> {
        let here = points.len().min(*kept);
        *kept -= here;
        let others = points.split_off(here);
        // Otherwise each first half would keep the room of the whole.
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
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
    use opentelemetry_proto::tonic::resource::v1::Resource;

    use super::*;

    /// A gauge per scope with points of these values.
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
            assert_eq!(halves(request(whole)), (request(first), request(second)));
        }
    }

    #[test]
    fn a_batch_is_split_down_to_its_points() {
        let mut batch = Batch::new(SystemTime::UNIX_EPOCH, request(&[&[1, 2, 3], &[4]]));
        let mut sizes = Vec::new();
        while batch.first().is_some() {
            while batch.split_first() {}
            sizes.push(batch.first().map(|request| points(request)));
            batch.accept_first();
        }
        assert_eq!(sizes, [Some(1); 4]);
        assert!(batch.is_begun());
    }

    #[test]
    fn what_waits_takes_no_more_room_than_it_needs() {
        let values: Vec<i64> = (0..1000).collect();
        let mut batch = Batch::new(SystemTime::UNIX_EPOCH, request(&[&values]));
        while batch.split_first() {}
        let points = |request: &Arc<ExportMetricsServiceRequest>| {
            let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
            let Some(Data::Gauge(gauge)) = &metric.data else { panic!("{metric:?}") };
            (gauge.data_points.len(), gauge.data_points.capacity())
        };
        for (length, capacity) in batch.requests.iter().map(points) {
            assert!(capacity * 10 <= length * 12, "{capacity} for {length}");
        }
    }

    #[test]
    fn without_points_there_is_nothing_to_send() {
        assert!(Batch::new(SystemTime::UNIX_EPOCH, request(&[&[]])).first().is_none());
    }
}
