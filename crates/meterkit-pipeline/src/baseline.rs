//! Baselines: what a target has for sure of every series. Its deltas begin there.

use std::sync::Arc;

use crate::absent::Absent;
use crate::snapshot::Snapshot;

/// What one target acknowledged: the last snapshot, and what it has of series that are missing there.
///
/// The deltas of a series cover its time without gap or overlap, whichever snapshots it was missing in. That ends when
/// it was missing for an hour: should it come back with its old start after that, it is given in full again.
#[derive(Debug, Default)]
pub(crate) struct Baseline {
    last: Option<Arc<Snapshot>>,
    absent: Absent,
}

impl Baseline {
    /// What `snapshot` has beyond this.
    pub(crate) fn delta_of(&self, snapshot: &Snapshot) -> Snapshot {
        snapshot.delta_beyond(self.last.as_deref(), &self.absent)
    }

    /// The target has `snapshot` now.
    pub(crate) fn acknowledge(&mut self, snapshot: Arc<Snapshot>) {
        if let Some(last) = &self.last {
            self.absent.advance(last, &snapshot);
        }
        self.last = Some(snapshot);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, SystemTime};

    use meterkit_core::{
        Attributes, Data, Descriptor, ExponentialBuckets, ExponentialHistogramPoint,
        HistogramPoint, Metric, NumberPoint, ScopeMetrics, SeriesId, Temporality, Value,
    };
    use opentelemetry::InstrumentationScope;

    use super::*;
    use crate::absent::MEMORY;

    /// A series, in the order of snapshots: its scope, whether it is one of a histogram, its label.
    type Key = (&'static str, bool, u64);
    /// Since when what was counted.
    type Counted = (SystemTime, u64);

    const A: Key = ("catalog", false, 1);
    const B: Key = ("catalog", false, 2);
    const SIZES: Key = ("catalog", true, 1);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn label(label: u64) -> Attributes {
        Attributes::from_pairs([("route".into(), label.to_string().into())])
    }

    /// A metric per kind and scope that has series; without series there is no metric.
    fn snapshot(seconds: u64, series: &[(Key, Counted)]) -> Arc<Snapshot> {
        snapshot_at(at(seconds), series)
    }

    fn snapshot_at(time: SystemTime, series: &[(Key, Counted)]) -> Arc<Snapshot> {
        let mut scopes: BTreeMap<&'static str, BTreeMap<bool, Data>> = BTreeMap::new();
        for ((scope, is_histogram, route), (start, count)) in series.iter().copied() {
            let temporality = Temporality::Cumulative;
            let empty = match is_histogram {
                false => Data::Sum { monotonic: true, temporality, points: Vec::new() },
                true => Data::Histogram { temporality, bounds: [1.0].into(), points: Vec::new() },
            };
            let attributes = label(route);
            match scopes.entry(scope).or_default().entry(is_histogram).or_insert(empty) {
                Data::Sum { points, .. } => {
                    points.push(NumberPoint {
                        series: SeriesId::new(),
                        attributes,
                        start,
                        value: Value::U64(count),
                    });
                }
                Data::Histogram { points, .. } => points.push(HistogramPoint {
                    series: SeriesId::new(),
                    attributes,
                    start,
                    count,
                    sum: count as f64,
                    min: Some(1.0),
                    max: Some(1.0),
                    buckets: [count, 0].into(),
                }),
                other => panic!("{other:?}"),
            }
        }
        let metric = |(is_histogram, data)| Metric {
            descriptor: Arc::new(Descriptor {
                name: if is_histogram { "sizes" } else { "requests" }.to_owned(),
                unit: String::new(),
                description: String::new(),
            }),
            data,
        };
        let scopes = scopes.into_iter().map(|(scope, metrics)| ScopeMetrics {
            scope: Arc::new(InstrumentationScope::builder(scope).build()),
            metrics: metrics.into_iter().map(metric).collect(),
        });
        let resource = Attributes::empty();
        Arc::new(Snapshot { resource, time, scopes: scopes.collect() })
    }

    /// What a snapshot has of each series.
    fn counted(snapshot: &Snapshot) -> Vec<(Key, Counted)> {
        let mut all = Vec::new();
        let route = |attributes: &Attributes| {
            attributes.get("route").and_then(|route| route.to_string().parse().ok())
        };
        for scope in &snapshot.scopes {
            let name = if scope.scope.name() == "catalog" { "catalog" } else { "search" };
            for metric in &scope.metrics {
                match &metric.data {
                    Data::Sum { points, .. } => all.extend(points.iter().map(|point| {
                        let key = (name, false, route(&point.attributes).expect("a label"));
                        (key, (point.start, point.value.as_f64() as u64))
                    })),
                    Data::Histogram { points, .. } => all.extend(points.iter().map(|point| {
                        assert_eq!(
                            (point.count, point.count as f64),
                            (point.buckets[0], point.sum)
                        );
                        let key = (name, true, route(&point.attributes).expect("a label"));
                        (key, (point.start, point.count))
                    })),
                    other => panic!("{other:?}"),
                }
            }
        }
        all
    }

    /// After acknowledgement of each of these, at the seconds beside them.
    fn after(acknowledged: &[(u64, &[(Key, Counted)])]) -> Baseline {
        let mut baseline = Baseline::default();
        for (seconds, series) in acknowledged {
            baseline.acknowledge(snapshot(*seconds, series));
        }
        baseline
    }

    fn delta(baseline: &Baseline, seconds: u64, series: &[(Key, Counted)]) -> Vec<(Key, Counted)> {
        counted(&baseline.delta_of(&snapshot(seconds, series)))
    }

    #[test]
    fn a_series_that_was_missing_goes_on_where_its_last_delta_ended() {
        for back in [A, SIZES] {
            let other = (B, (at(0), 1));
            let first = [(back, (at(0), 5)), other];
            let baseline = after(&[(10, &first), (20, &[other]), (30, &[other])]);
            let now = delta(&baseline, 40, &[(back, (at(0), 8)), other]);
            assert!(now.contains(&(back, (at(10), 3))), "{now:?}");
            assert!(now.contains(&(B, (at(30), 0))), "{now:?}");
        }
    }

    #[test]
    fn a_metric_that_was_missing_altogether_goes_on_too() {
        for back in [A, SIZES] {
            let baseline = after(&[(10, &[(back, (at(0), 5))]), (20, &[])]);
            assert_eq!(delta(&baseline, 30, &[(back, (at(0), 8))]), [(back, (at(10), 3))]);
        }
    }

    #[test]
    fn a_series_that_came_back_is_as_any_other() {
        let (five, eight, nine) = ((A, (at(0), 5)), (A, (at(0), 8)), (A, (at(0), 9)));
        let mut baseline = after(&[(10, &[five]), (20, &[]), (30, &[eight])]);
        assert_eq!(delta(&baseline, 40, &[nine]), [(A, (at(30), 1))]);
        for seconds in [40, 50] {
            baseline.acknowledge(snapshot(seconds, &[]));
        }
        assert_eq!(delta(&baseline, 60, &[nine]), [(A, (at(30), 1))]);
    }

    #[test]
    fn exports_that_fail_while_it_is_missing_and_when_it_is_back_change_nothing() {
        let baseline = after(&[(10, &[(A, (at(0), 5))]), (20, &[])]);
        for _ in 0..2 {
            // Not acknowledged.
            assert_eq!(delta(&baseline, 30, &[]), []);
            assert_eq!(delta(&baseline, 40, &[(A, (at(0), 8))]), [(A, (at(10), 3))]);
        }
    }

    #[test]
    fn missing_where_the_export_failed_is_not_missing() {
        let baseline = after(&[(10, &[(A, (at(0), 5))])]);
        assert_eq!(delta(&baseline, 20, &[]), []);
        assert_eq!(delta(&baseline, 30, &[(A, (at(0), 8))]), [(A, (at(10), 3))]);
    }

    #[test]
    fn a_series_that_comes_back_with_another_start_is_given_in_full_from_there() {
        for back in [A, SIZES] {
            let mut baseline = after(&[(10, &[(back, (at(0), 5))]), (20, &[])]);
            let anew = [(back, (at(25), 50))];
            assert_eq!(delta(&baseline, 30, &anew), anew);
            // And goes on from there, also when it is missing again.
            baseline.acknowledge(snapshot(30, &anew));
            baseline.acknowledge(snapshot(40, &[]));
            assert_eq!(delta(&baseline, 50, &[(back, (at(25), 51))]), [(back, (at(30), 1))]);
        }
    }

    #[test]
    fn a_series_that_fell_while_it_was_missing_is_given_in_full_from_where_its_delta_ended() {
        for back in [A, SIZES] {
            let baseline = after(&[(10, &[(back, (at(0), 5))]), (20, &[])]);
            assert_eq!(delta(&baseline, 30, &[(back, (at(0), 2))]), [(back, (at(10), 2))]);
        }
    }

    #[test]
    fn a_series_is_forgotten_with_the_first_acknowledgement_after_an_hour_without_it() {
        let full = [(A, (at(0), 8))];
        let hour = MEMORY.as_secs();
        let mut baseline = after(&[(10, &[(A, (at(0), 5))]), (20, &[]), (20 + hour - 1, &[])]);
        // However late it comes, until an acknowledged snapshot lacks it again.
        assert_eq!(delta(&baseline, 20 + 3 * hour, &full), [(A, (at(10), 3))]);
        baseline.acknowledge(snapshot(20 + hour, &[]));
        assert_eq!(delta(&baseline, 21 + hour, &full), full);
    }

    #[test]
    fn time_without_acknowledgements_makes_no_series_forgotten() {
        let hour = MEMORY.as_secs();
        let baseline = after(&[(10, &[(A, (at(0), 5))]), (10 + 5 * hour, &[])]);
        assert_eq!(delta(&baseline, 11 + 5 * hour, &[(A, (at(0), 8))]), [(A, (at(10), 3))]);
    }

    #[test]
    fn a_clock_that_was_put_back_makes_no_series_forgotten() {
        let mut baseline = after(&[(10_000, &[(A, (at(0), 5))]), (10_010, &[])]);
        baseline.acknowledge(snapshot(20, &[]));
        assert_eq!(delta(&baseline, 30, &[(A, (at(0), 8))]), [(A, (at(10_000), 3))]);
    }

    #[test]
    fn series_of_another_scope_or_metric_are_not_mixed_up() {
        let elsewhere = ("search", false, 1);
        let other = [(A, (at(0), 5)), (SIZES, (at(0), 6))];
        let baseline = after(&[(10, &other), (20, &[])]);
        let new = [(elsewhere, (at(0), 9))];
        assert_eq!(delta(&baseline, 30, &new), new);
    }

    /// Numbers that look random and are the same in each run.
    struct Seeded(u64);

    impl Seeded {
        fn below(&mut self, limit: u64) -> u64 {
            // Knuth's constants; the high bits are the good ones.
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) % limit
        }
    }

    /// What a receiver has of a series that began at some time.
    struct Received {
        /// The sum of deltas.
        sum: u64,
        /// What it has to be.
        total: u64,
        until: SystemTime,
    }

    #[test]
    fn whatever_comes_and_goes_and_fails_accepted_deltas_add_up_without_gap_or_overlap() {
        for seed in 0..20 {
            let mut random = Seeded(seed);
            let mut series: BTreeMap<Key, Counted> = BTreeMap::new();
            for route in 0..6 {
                for (scope, is_histogram) in
                    [("catalog", false), ("catalog", true), ("search", false)]
                {
                    series.insert((scope, is_histogram, route), (at(0), 0));
                }
            }
            let mut baseline = Baseline::default();
            let mut accepted = at(0);
            let mut received: BTreeMap<(Key, SystemTime), Received> = BTreeMap::new();
            let mut returns = 0;
            for round in 1..=300 {
                let time = at(10 * round);
                let is_outage = random.below(20) == 0;
                let mut present = Vec::new();
                for (key, counted) in &mut series {
                    if random.below(30) == 0 {
                        *counted = (at(10 * round - 5), 0);
                    }
                    counted.1 += random.below(5);
                    if !is_outage && random.below(4) > 0 {
                        present.push((*key, *counted));
                    }
                }
                let snapshot = snapshot_at(time, &present);
                let deltas = counted(&baseline.delta_of(&snapshot));
                if random.below(3) == 0 {
                    continue;
                }
                baseline.acknowledge(snapshot);
                assert_eq!(deltas.len(), present.len());
                for ((key, (start, total)), delta) in present.into_iter().zip(deltas) {
                    let first = || Received { sum: 0, total: 0, until: start };
                    let has = received.entry((key, start)).or_insert_with(first);
                    let (same, (from, rise)) = delta;
                    assert_eq!((same, from), (key, has.until), "round {round} of seed {seed}");
                    returns += u32::from(from != start && from < accepted);
                    *has = Received { sum: has.sum + rise, total, until: time };
                }
                accepted = time;
            }
            for (series, Received { sum, total, .. }) in received {
                assert_eq!(sum, total, "{series:?} of seed {seed}");
            }
            assert!(returns > 0, "nothing came back in seed {seed}");
        }
    }

    #[test]
    fn an_exponential_series_that_was_missing_goes_on_at_the_scale_that_it_has_now() {
        let exponential = |seconds, scale, counts: &[u64]| {
            let point = ExponentialHistogramPoint {
                series: SeriesId::new(),
                attributes: label(1),
                start: at(0),
                count: counts.iter().sum(),
                sum: 0.0,
                min: None,
                max: None,
                scale,
                zero_count: 0,
                zero_threshold: 0.0,
                positive: ExponentialBuckets { offset: 0, counts: counts.to_vec() },
                negative: ExponentialBuckets::default(),
            };
            let mut snapshot = Snapshot::clone(&snapshot(seconds, &[(A, (at(0), 1))]));
            let temporality = Temporality::Cumulative;
            snapshot.scopes[0].metrics[0].data =
                Data::ExponentialHistogram { temporality, points: vec![point] };
            snapshot
        };
        let mut baseline = Baseline::default();
        baseline.acknowledge(Arc::new(exponential(10, 3, &[1, 2, 3])));
        baseline.acknowledge(snapshot(20, &[]));
        let delta = baseline.delta_of(&exponential(30, 2, &[3, 5, 0, 1]));
        let Data::ExponentialHistogram { temporality: Temporality::Delta, points } =
            &delta.scopes[0].metrics[0].data
        else {
            panic!("{delta:?}")
        };
        let expected = ExponentialBuckets { offset: 1, counts: vec![2, 0, 1] };
        assert_eq!((points[0].start, points[0].count, &points[0].positive), (at(10), 3, &expected));
    }
}
