//! Renames labels of series that the gateway would overwrite with labels of the group.

use std::borrow::Cow;
use std::sync::Arc;

use meterkit_core::{Attributes, Data, ScopeMetrics};
use meterkit_pipeline::Snapshot;
use meterkit_prometheus::{FamilyType, Names};

/// Returns `snapshot` with other keys for attributes whose labels the group has too: as in a scrape, `job` becomes
/// `exported_job`, for example. Otherwise the gateway would overwrite these labels, and refuse series that become
/// equal.
pub(crate) fn without_group_labels(mut snapshot: Snapshot, group: &[String]) -> Snapshot {
    let is_taken =
        |attributes: &Attributes| attributes.iter().any(|(key, _)| label(key, group).is_some());
    let is_any_taken = |scopes: &[ScopeMetrics]| {
        let mut data = scopes.iter().flat_map(|scope| &scope.metrics).map(|metric| &metric.data);
        data.any(|data| data.shapes().any(is_taken))
    };
    let absent = || snapshot.absent.iter().any(|absent| is_any_taken(&absent.scopes));
    if !is_taken(&snapshot.resource) && !is_any_taken(&snapshot.scopes) && !absent() {
        return snapshot;
    }
    snapshot.resource = renamed(&snapshot.resource, group);
    rename_all(&mut snapshot.scopes, group);
    for absent in &mut snapshot.absent {
        rename_all(&mut Arc::make_mut(absent).scopes, group);
    }
    snapshot
}

/// Returns the label of a key if the group has a label with this name.
fn label<'k>(key: &'k str, group: &[String]) -> Option<Cow<'k, str>> {
    let label = Names::default().series_label(key, FamilyType::Gauge);
    group.iter().any(|taken| *taken == *label).then_some(label)
}

fn rename_all(scopes: &mut [ScopeMetrics], group: &[String]) {
    for metric in scopes.iter_mut().flat_map(|scope| &mut scope.metrics) {
        match &mut metric.data {
            Data::Gauge(points) | Data::Sum { points, .. } => {
                let points = points.to_mut();
                points.iter_mut().for_each(|it| it.attributes = renamed(&it.attributes, group));
            }
            Data::Histogram { points, .. } => {
                points.iter_mut().for_each(|it| it.attributes = renamed(&it.attributes, group));
            }
            Data::ExponentialHistogram { points, .. } => {
                points.iter_mut().for_each(|it| it.attributes = renamed(&it.attributes, group));
            }
            Data::Summary(points) => {
                points.iter_mut().for_each(|it| it.attributes = renamed(&it.attributes, group));
            }
            _ => {}
        }
    }
}

fn renamed(attributes: &Attributes, group: &[String]) -> Attributes {
    if attributes.iter().all(|(key, _)| label(key, group).is_none()) {
        return attributes.clone();
    }
    Attributes::from_pairs(attributes.iter().map(|(key, value)| {
        // The dot avoids a conflict with an existing key. If labels become equal, their values are joined.
        let label = label(key, group);
        let key = label.map_or_else(|| key.to_owned(), |label| format!("exported.{label}"));
        (key.into(), value.into())
    }))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use meterkit_core::{
        AbsentSeries, Descriptor, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint,
        Metric, NumberPoint, SeriesId, SummaryPoint, Temporality, Value,
    };
    use opentelemetry::InstrumentationScope;

    use super::*;

    /// Returns a metric of each kind, whose series have the label `job`.
    fn all_kinds() -> Vec<ScopeMetrics> {
        let (series, start, count, sum) = (SeriesId::new(), UNIX_EPOCH, 1, 1.0);
        let attributes = Attributes::from_pairs([("job".into(), "mine".into())]);
        let (temporality, min, max) = (Temporality::Cumulative, None, None);
        let number =
            NumberPoint { series, attributes: attributes.clone(), start, value: Value::U64(1) };
        let histogram = HistogramPoint {
            series,
            attributes: attributes.clone(),
            start,
            count,
            sum,
            min,
            max,
            buckets: [1].into(),
        };
        let exponential = ExponentialHistogramPoint {
            series,
            attributes: attributes.clone(),
            start,
            count,
            sum,
            min,
            max,
            scale: 0,
            zero_count: 1,
            zero_threshold: 0.0,
            positive: ExponentialBuckets::default(),
            negative: ExponentialBuckets::default(),
        };
        let quantiles = [].into();
        let summary = SummaryPoint { series, attributes, start, count, sum, quantiles };
        let all = [
            Data::Gauge(vec![number.clone()].into()),
            Data::Sum { monotonic: true, temporality, points: vec![number].into() },
            Data::Histogram { temporality, bounds: [].into(), points: vec![histogram] },
            Data::ExponentialHistogram { temporality, points: vec![exponential] },
            Data::Summary(vec![summary]),
        ];
        let metric = |data: Data| {
            let [name, unit, description] = ["x", "", ""].map(str::to_owned);
            let descriptor = Descriptor { name, unit, description, kind: data.kind() };
            Metric { descriptor: Arc::new(descriptor), data }
        };
        let metrics = all.map(metric).into();
        vec![ScopeMetrics { scope: Arc::new(InstrumentationScope::builder("a").build()), metrics }]
    }

    #[test]
    fn series_of_each_kind_are_renamed_and_so_are_absent_ones() {
        let absent = AbsentSeries {
            number: 1,
            since: UNIX_EPOCH,
            last_seen: UNIX_EPOCH,
            scopes: all_kinds(),
        };
        let snapshot = Snapshot::new(Attributes::empty(), UNIX_EPOCH, all_kinds());
        let snapshot = Snapshot { absent: vec![Arc::new(absent)], ..snapshot };
        let group = ["job".to_owned()];
        let renamed = without_group_labels(snapshot, &group);
        let absent = renamed.absent.iter().flat_map(|absent| &absent.scopes);
        let mut kinds = 0;
        for metric in renamed.scopes.iter().chain(absent).flat_map(|scope| &scope.metrics) {
            let attributes = metric.data.attributes_at(0).expect("a series");
            let keys: Vec<_> = attributes.iter().map(|(key, _)| key).collect();
            assert_eq!(keys, ["exported.job"], "{metric:?}");
            kinds += 1;
        }
        assert_eq!(kinds, 10);
    }
}
