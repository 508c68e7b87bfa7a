//! Conversion of summaries into numbers, for targets whose receivers do not support summaries.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use meterkit_core::order;
use meterkit_core::{
    AbsentSeries, AttributeValue, Attributes, Data, Descriptor, Kind, Metric, NumberPoint,
    ScopeMetrics, SeriesId, SummaryPoint, Temporality, Value,
};

use crate::point;
use crate::snapshot::Snapshot;

/// The label that contains the quantile of a series.
const QUANTILE: &str = "quantile";

/// Returns the snapshot with each summary replaced by three metrics: the sums `….count` and `….sum`, and the gauge
/// `….quantile` with one series per quantile.
pub(crate) fn as_numbers(snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
    let absent = snapshot.absent.iter();
    if !has_summaries(&snapshot.scopes) && !absent.clone().any(|it| has_summaries(&it.scopes)) {
        return snapshot;
    }
    let absent = absent.map(|absent| {
        let scopes = numbers(&absent.scopes);
        Arc::new(AbsentSeries { scopes, ..AbsentSeries::clone(absent) })
    });
    let absent = absent.collect();
    let scopes = numbers(&snapshot.scopes);
    Arc::new(Snapshot { scopes, absent, ..Snapshot::clone(&snapshot) })
}

fn has_summaries(scopes: &[ScopeMetrics]) -> bool {
    let mut metrics = scopes.iter().flat_map(|scope| &scope.metrics);
    metrics.any(|metric| matches!(metric.data, Data::Summary(_)))
}

fn numbers(scopes: &[ScopeMetrics]) -> Vec<ScopeMetrics> {
    let of = |metric: &Metric| match &metric.data {
        Data::Summary(points) => parts(&metric.descriptor, points).into(),
        _ => vec![metric.clone()],
    };
    let scopes = scopes.iter().map(|scope| {
        let mut metrics: Vec<_> = scope.metrics.iter().flat_map(of).collect();
        order::sort_by(&mut metrics, |a, b| a.descriptor.name.cmp(&b.descriptor.name));
        metrics.retain(|metric| !metric.data.is_empty());
        ScopeMetrics { scope: scope.scope.clone(), metrics }
    });
    scopes.collect()
}

fn parts(descriptor: &Descriptor, points: &[SummaryPoint]) -> [Metric; 3] {
    let part = |name: &str, unit: &str, kind| {
        let name = format!("{}.{name}", descriptor.name);
        let (unit, description) = (unit.to_owned(), descriptor.description.clone());
        Arc::new(Descriptor { name, unit, description, kind })
    };
    let number = |of: &SummaryPoint, part: &str, value| NumberPoint {
        series: series(of.series, part),
        attributes: of.attributes.clone(),
        start: of.start,
        value,
    };
    let total = |descriptor, points| {
        let (monotonic, temporality) = (true, Temporality::Cumulative);
        Metric { descriptor, data: Data::Sum { monotonic, temporality, points } }
    };
    let counts = points.iter().map(|it| number(it, "count", Value::U64(it.count)));
    let sums = points.iter().map(|it| number(it, "sum", Value::F64(it.sum)));
    let quantiles = points.iter().flat_map(|point| {
        point.quantiles.iter().map(move |(quantile, value)| {
            let quantile = quantile.to_string();
            let attributes = with(&point.attributes, &quantile);
            NumberPoint { attributes, ..number(point, &quantile, Value::F64(*value)) }
        })
    });
    let mut quantiles: Vec<_> = quantiles.collect();
    point::sort(&mut quantiles);
    [
        total(part("count", "", Kind::ObservableCounter), counts.collect()),
        total(part("sum", &descriptor.unit, Kind::ObservableCounter), sums.collect()),
        Metric {
            descriptor: part(QUANTILE, &descriptor.unit, Kind::ObservableGauge),
            data: Data::Gauge(quantiles.into()),
        },
    ]
}

/// Returns the id of one of the series that replace a summary. It stays the same as long as the id of the summary does.
fn series(of: SeriesId, part: &str) -> SeriesId {
    let mut hasher = DefaultHasher::new();
    (of, part).hash(&mut hasher);
    SeriesId::from_hash(hasher.finish())
}

fn with(attributes: &Attributes, quantile: &str) -> Attributes {
    let own = attributes.iter().map(|(key, value)| (key.to_owned().into(), value.into()));
    let quantile = AttributeValue::from(quantile.to_owned());
    Attributes::from_pairs(own.chain([(QUANTILE.into(), quantile)]))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use meterkit_core::Collections;
    use opentelemetry::InstrumentationScope;

    use super::*;

    fn scopes(count: Option<u64>) -> Vec<ScopeMetrics> {
        let point = |count| SummaryPoint {
            series: SeriesId::from_hash(7),
            attributes: Attributes::empty(),
            start: SystemTime::UNIX_EPOCH,
            count,
            sum: count as f64 / 2.0,
            quantiles: [(0.5, 0.1), (0.99, 0.2)].into(),
        };
        let descriptor = Descriptor {
            name: "latency".to_owned(),
            unit: "s".to_owned(),
            description: String::new(),
            kind: Kind::Summary,
        };
        let data = Data::Summary(count.map(point).into_iter().collect());
        let metrics = vec![Metric { descriptor: Arc::new(descriptor), data }];
        let scope = Arc::new(InstrumentationScope::builder("prometheus").build());
        count.map(|_| ScopeMetrics { scope, metrics }).into_iter().collect()
    }

    /// Returns the values of a snapshot by name and quantile.
    fn values(snapshot: &Snapshot) -> Vec<(String, f64)> {
        let metrics = snapshot.scopes.iter().flat_map(|scope| &scope.metrics);
        let values = metrics.flat_map(|metric| {
            let (Data::Gauge(points) | Data::Sum { points, .. }) = &metric.data else {
                panic!("{metric:?}")
            };
            points.iter().map(|point| {
                let quantile = point.attributes.get(QUANTILE).map(|value| value.to_string());
                let name = format!("{}{}", metric.descriptor.name, quantile.unwrap_or_default());
                (name, point.value.as_f64())
            })
        });
        values.collect()
    }

    #[test]
    fn counts_and_sums_have_exact_deltas_and_quantiles_are_what_they_are() {
        let mut collections = Collections::default();
        let mut before = Vec::new();
        let mut take = |count| {
            let (scopes, seconds) = (scopes(count), collections.number() + 1);
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            collections.add(&before, &scopes, time);
            before.clone_from(&scopes);
            let mut snapshot = Snapshot::new(Attributes::empty(), time, scopes);
            snapshot.number = collections.number();
            snapshot.absent = collections.absent().to_vec();
            as_numbers(Arc::new(snapshot))
        };
        let named = |count, sum| {
            let quantiles = [("latency.quantile0.5", 0.1), ("latency.quantile0.99", 0.2)];
            let all = [("latency.count", count)].into_iter().chain(quantiles);
            let all = all.chain([("latency.sum", sum)]);
            all.map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>()
        };
        let first = take(Some(10));
        assert_eq!(values(&first.delta_since(None)), named(10.0, 5.0));
        take(Some(16));
        // While the series is missing, the delta still contains what it counted before.
        let away = take(None);
        let delta = values(&away.delta_since(Some(&first)));
        let rest = [("latency.count".to_owned(), 6.0), ("latency.sum".to_owned(), 3.0)];
        assert_eq!(delta, rest);
        let back = take(Some(18));
        assert_eq!(values(&back.delta_since(Some(&first))), named(8.0, 4.0));
    }

    #[test]
    fn a_snapshot_without_summaries_is_not_copied() {
        let snapshot = Arc::new(Snapshot::new(Attributes::empty(), SystemTime::now(), Vec::new()));
        assert!(Arc::ptr_eq(&as_numbers(snapshot.clone()), &snapshot));
    }
}
