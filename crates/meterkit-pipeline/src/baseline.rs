//! Baselines: what a target has acknowledged of every series. The target's next deltas start there.

use std::sync::Arc;

use meterkit_core::Temporality;

use crate::delta::{Acknowledged, Covered, remove_unmeasured};
use crate::snapshot::Snapshot;

/// The last snapshot that one target acknowledged.
///
/// The deltas of a series cover its lifetime without gaps or overlaps, even if some snapshots lack the series. Once the
/// snapshots no longer list the series, it is forgotten: if it comes back later, it counts as a new series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Baseline {
    last: Option<Arc<Snapshot>>,
    /// How far the delivered deltas reach, for the series that the last snapshot lists as absent.
    covered: Covered,
}

impl Baseline {
    /// Returns what was measured since the last acknowledged snapshot. `observed` is the temporality of observable
    /// counters.
    pub(crate) fn delta_of(&self, snapshot: &Snapshot, observed: Temporality) -> Snapshot {
        let mut delta = self.acknowledged().delta_of(snapshot, observed);
        remove_unmeasured(&mut delta);
        delta
    }

    /// Records that the target acknowledged `snapshot`.
    pub(crate) fn acknowledge(&mut self, snapshot: Arc<Snapshot>) {
        if !(snapshot.absent.is_empty() && self.covered.is_empty()) {
            self.covered = self.acknowledged().covered_with(&snapshot);
        }
        self.last = Some(snapshot);
    }

    fn acknowledged(&self) -> Acknowledged<'_> {
        Acknowledged::new(self.last.as_deref(), &self.covered)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::hash::{DefaultHasher, Hash, Hasher};
    use std::time::{Duration, SystemTime};

    use meterkit_core::{
        Attributes, Collections, Data, Descriptor, ExponentialBuckets, ExponentialHistogramPoint,
        HistogramPoint, Metric, NumberPoint, ScopeMetrics, SeriesId, Temporality, Value,
    };
    use opentelemetry::InstrumentationScope;

    use super::*;

    /// A series: its scope, whether it belongs to a histogram, and its label. Sorts in the order of snapshots.
    type Key = (&'static str, bool, u64);
    /// The start of a series and its count since then.
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

    /// Returns an id derived from `series`; a series that restarts with another start time has another id.
    fn id(series: impl Hash) -> SeriesId {
        let mut hasher = DefaultHasher::new();
        series.hash(&mut hasher);
        SeriesId::from_hash(hasher.finish())
    }

    /// Returns one metric for each scope and kind that has series.
    fn scopes(series: &[(Key, Counted)]) -> Vec<ScopeMetrics> {
        let mut scopes: BTreeMap<&'static str, BTreeMap<bool, Data>> = BTreeMap::new();
        for ((scope, is_histogram, route), (start, count)) in series.iter().copied() {
            let temporality = Temporality::Cumulative;
            let empty = match is_histogram {
                false => Data::Sum { monotonic: true, temporality, points: Vec::new().into() },
                true => Data::Histogram { temporality, bounds: [1.0].into(), points: Vec::new() },
            };
            let (series, attributes) = (id((scope, is_histogram, route, start)), label(route));
            match scopes.entry(scope).or_default().entry(is_histogram).or_insert(empty) {
                Data::Sum { points, .. } => {
                    let value = Value::U64(count);
                    points.to_mut().push(NumberPoint { series, attributes, start, value });
                }
                Data::Histogram { points, .. } => points.push(HistogramPoint {
                    series,
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
        let metric = |(is_histogram, data): (bool, Data)| Metric {
            descriptor: Arc::new(Descriptor {
                name: if is_histogram { "sizes" } else { "requests" }.to_owned(),
                unit: String::new(),
                description: String::new(),
                kind: data.kind(),
            }),
            data,
        };
        let scopes = scopes.into_iter().map(|(scope, metrics)| ScopeMetrics {
            scope: Arc::new(InstrumentationScope::builder(scope).build()),
            metrics: metrics.into_iter().map(metric).collect(),
        });
        scopes.collect()
    }

    /// A target that takes snapshots and acknowledges some of them.
    #[derive(Clone, Default)]
    struct Exports {
        collections: Collections,
        last: Vec<ScopeMetrics>,
        baseline: Baseline,
    }

    impl Exports {
        fn take(&mut self, time: SystemTime, scopes: Vec<ScopeMetrics>) -> Arc<Snapshot> {
            self.collections.add(&self.last, &scopes, time);
            self.last.clone_from(&scopes);
            let mut snapshot = Snapshot::new(Attributes::empty(), time, scopes);
            snapshot.number = self.collections.number();
            snapshot.absent = self.collections.absent().to_vec();
            Arc::new(snapshot)
        }

        /// Takes a snapshot that this target does not export.
        fn skip(&mut self, seconds: u64, series: &[(Key, Counted)]) {
            self.take(at(seconds), scopes(series));
        }

        fn acknowledge(&mut self, seconds: u64, series: &[(Key, Counted)]) {
            let snapshot = self.take(at(seconds), scopes(series));
            self.baseline.acknowledge(snapshot);
        }
    }

    /// Returns the start and the count of each series in a snapshot.
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

    /// Returns a target that acknowledged each of these snapshots at the second given with it.
    fn after(acknowledged: &[(u64, &[(Key, Counted)])]) -> Exports {
        let mut exports = Exports::default();
        for (seconds, series) in acknowledged {
            exports.acknowledge(*seconds, series);
        }
        exports
    }

    /// Returns the delta that an export of `series` at `seconds` would carry, without acknowledging it.
    fn delta(exports: &Exports, seconds: u64, series: &[(Key, Counted)]) -> Vec<(Key, Counted)> {
        let snapshot = exports.clone().take(at(seconds), scopes(series));
        counted(&exports.baseline.delta_of(&snapshot, Temporality::Delta))
    }

    #[test]
    fn a_series_that_was_missing_continues_where_its_last_delta_ended() {
        for back in [A, SIZES] {
            let other = (B, (at(0), 1));
            let first = [(back, (at(0), 5)), other];
            let baseline = after(&[(10, &first), (20, &[other]), (30, &[other])]);
            let now = delta(&baseline, 40, &[(back, (at(0), 8)), other]);
            assert!(now.contains(&(back, (at(10), 3))), "{now:?}");
            assert_eq!(now.len(), 1, "B counted nothing: {now:?}");
        }
    }

    #[test]
    fn a_metric_that_was_missing_altogether_continues_too() {
        for back in [A, SIZES] {
            let baseline = after(&[(10, &[(back, (at(0), 5))]), (20, &[])]);
            assert_eq!(delta(&baseline, 30, &[(back, (at(0), 8))]), [(back, (at(10), 3))]);
        }
    }

    #[test]
    fn a_series_that_came_back_is_like_any_other() {
        let (five, eight, nine) = ((A, (at(0), 5)), (A, (at(0), 8)), (A, (at(0), 9)));
        let mut baseline = after(&[(10, &[five]), (20, &[]), (30, &[eight])]);
        assert_eq!(delta(&baseline, 40, &[nine]), [(A, (at(30), 1))]);
        for seconds in [40, 50] {
            baseline.acknowledge(seconds, &[]);
        }
        assert_eq!(delta(&baseline, 60, &[nine]), [(A, (at(30), 1))]);
    }

    #[test]
    fn exports_that_fail_while_it_is_missing_and_when_it_is_back_change_nothing() {
        let baseline = after(&[(10, &[(A, (at(0), 5))]), (20, &[])]);
        for _ in 0..2 {
            // This delta is not acknowledged.
            assert_eq!(delta(&baseline, 30, &[]), []);
            assert_eq!(delta(&baseline, 40, &[(A, (at(0), 8))]), [(A, (at(10), 3))]);
        }
    }

    #[test]
    fn a_series_missing_in_a_failed_export_is_not_missing() {
        let baseline = after(&[(10, &[(A, (at(0), 5))])]);
        assert_eq!(delta(&baseline, 20, &[]), []);
        assert_eq!(delta(&baseline, 30, &[(A, (at(0), 8))]), [(A, (at(10), 3))]);
    }

    #[test]
    fn a_series_that_comes_back_with_another_start_is_exported_in_full_from_there() {
        for back in [A, SIZES] {
            let mut baseline = after(&[(10, &[(back, (at(0), 5))]), (20, &[])]);
            let anew = [(back, (at(25), 50))];
            assert_eq!(delta(&baseline, 30, &anew), anew);
            // The next delta starts there, even if the series is missing once more.
            baseline.acknowledge(30, &anew);
            baseline.acknowledge(40, &[]);
            assert_eq!(delta(&baseline, 50, &[(back, (at(25), 51))]), [(back, (at(30), 1))]);
        }
    }

    #[test]
    fn a_series_that_fell_while_it_was_missing_is_exported_in_full_from_where_its_delta_ended() {
        for back in [A, SIZES] {
            let baseline = after(&[(10, &[(back, (at(0), 5))]), (20, &[])]);
            assert_eq!(delta(&baseline, 30, &[(back, (at(0), 2))]), [(back, (at(10), 2))]);
        }
    }

    #[test]
    fn a_series_is_forgotten_with_the_first_acknowledgement_after_an_hour_without_it() {
        let full = [(A, (at(0), 8))];
        let hour = 3600;
        let mut baseline = after(&[(10, &[(A, (at(0), 5))]), (20, &[]), (20 + hour - 1, &[])]);
        // The series continues however late it returns, until another snapshot without it is acknowledged.
        assert_eq!(delta(&baseline, 20 + 3 * hour, &full), [(A, (at(10), 3))]);
        baseline.acknowledge(20 + hour, &[]);
        assert_eq!(delta(&baseline, 21 + hour, &full), full);
    }

    #[test]
    fn time_without_acknowledgements_makes_no_series_forgotten() {
        let hour = 3600;
        let baseline = after(&[(10, &[(A, (at(0), 5))]), (10 + 5 * hour, &[])]);
        assert_eq!(delta(&baseline, 11 + 5 * hour, &[(A, (at(0), 8))]), [(A, (at(10), 3))]);
    }

    #[test]
    fn a_clock_that_was_put_back_makes_no_series_forgotten() {
        let mut baseline = after(&[(10_000, &[(A, (at(0), 5))]), (10_010, &[])]);
        baseline.acknowledge(20, &[]);
        assert_eq!(
            delta(&baseline, 30, &[(A, (at(0), 8))]),
            [(A, (at(30), 3))],
            "the delta must not start after its end"
        );
    }

    #[test]
    fn series_of_another_scope_or_metric_are_not_mixed_up() {
        let elsewhere = ("search", false, 1);
        let other = [(A, (at(0), 5)), (SIZES, (at(0), 6))];
        let baseline = after(&[(10, &other), (20, &[])]);
        let new = [(elsewhere, (at(0), 9))];
        assert_eq!(delta(&baseline, 30, &new), new);
    }

    /// A generator of pseudo-random numbers that are the same in each run.
    struct Seeded(u64);

    impl Seeded {
        fn below(&mut self, limit: u64) -> u64 {
            // A linear congruential generator with Knuth's constants, whose high bits are the most random.
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) % limit
        }
    }

    #[test]
    fn what_was_counted_between_two_exports_is_delivered_whoever_saw_it() {
        for gone in [A, SIZES] {
            let mut exports = after(&[(10, &[(gone, (at(0), 5)), (B, (at(0), 1))])]);
            exports.skip(15, &[(gone, (at(0), 7)), (B, (at(0), 1))]);
            let now = delta(&exports, 20, &[(B, (at(0), 1))]);
            assert!(now.contains(&(gone, (at(10), 2))), "{now:?}");
            // A series with the same labels that replaces it is merged into the same delta.
            let anew = [(gone, (at(16), 40))];
            assert!(delta(&exports, 20, &anew).contains(&(gone, (at(10), 42))));
            // After acknowledgement, the series is covered up to the end of that delta.
            exports.acknowledge(20, &[]);
            assert_eq!(delta(&exports, 30, &[]), []);
            assert_eq!(delta(&exports, 30, &[(gone, (at(0), 8))]), [(gone, (at(20), 1))]);
        }
    }

    #[test]
    fn a_series_that_comes_and_goes_between_two_exports_is_delivered_in_full() {
        for brief in [A, SIZES] {
            for mut exports in [Exports::default(), after(&[(10, &[])])] {
                exports.skip(15, &[(brief, (at(12), 3))]);
                exports.skip(16, &[]);
                assert_eq!(delta(&exports, 20, &[]), [(brief, (at(12), 3))]);
                exports.acknowledge(20, &[]);
                assert_eq!(delta(&exports, 30, &[]), []);
            }
        }
    }

    /// The data that a receiver holds for all series with the same labels.
    #[derive(Default)]
    struct Received {
        starts: BTreeSet<SystemTime>,
        sum: u64,
        until: Option<SystemTime>,
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
            let mut exports = Exports::default();
            let mut accepted = at(0);
            let mut seen: BTreeMap<Key, BTreeMap<SystemTime, u64>> = BTreeMap::new();
            let mut received: BTreeMap<Key, Received> = BTreeMap::new();
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
                        seen.entry(*key).or_default().insert(counted.0, counted.1);
                    }
                }
                let snapshot = exports.take(time, scopes(&present));
                let deltas = counted(&exports.baseline.delta_of(&snapshot, Temporality::Delta));
                if random.below(3) == 0 {
                    continue;
                }
                exports.baseline.acknowledge(snapshot);
                for (key, (from, rise)) in deltas {
                    let has = received.entry(key).or_default();
                    let is_new = seen[&key].contains_key(&from) && !has.starts.contains(&from);
                    let goes_on = has.until == Some(from);
                    assert!(goes_on || is_new, "{key:?}, {round} of {seed}");
                    returns += u32::from(goes_on && from < accepted);
                    (has.sum, has.until) = (has.sum + rise, Some(time));
                }
                // A series that is present but has no delta has counted nothing since the last one.
                for (key, _) in &present {
                    received.entry(*key).or_default().until = Some(time);
                }
                for (key, totals) in &seen {
                    let has = received.entry(*key).or_default();
                    let total = totals.values().sum::<u64>();
                    assert_eq!(has.sum, total, "{key:?}, {round} of {seed}");
                    let counted = totals.iter().filter(|(_, total)| **total > 0);
                    has.starts.extend(counted.map(|(start, _)| start));
                }
                accepted = time;
            }
            assert!(returns > 0, "nothing came back in seed {seed}");
        }
    }

    #[test]
    fn an_exponential_series_that_was_missing_goes_on_at_the_scale_that_it_has_now() {
        let exponential = |seconds, scale, counts: &[u64]| {
            let point = ExponentialHistogramPoint {
                series: id("sizes"),
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
            let mut scopes = scopes(&[(A, (at(0), 1))]);
            let temporality = Temporality::Cumulative;
            scopes[0].metrics[0].data =
                Data::ExponentialHistogram { temporality, points: vec![point] };
            (at(seconds), scopes)
        };
        let mut exports = Exports::default();
        let (time, first) = exponential(10, 3, &[1, 2, 3]);
        let first = exports.take(time, first);
        exports.baseline.acknowledge(first);
        exports.acknowledge(20, &[]);
        let (time, next) = exponential(30, 2, &[3, 5, 0, 1]);
        let next = exports.take(time, next);
        let delta = exports.baseline.delta_of(&next, Temporality::Delta);
        let Data::ExponentialHistogram { temporality: Temporality::Delta, points } =
            &delta.scopes[0].metrics[0].data
        else {
            panic!("{delta:?}")
        };
        let expected = ExponentialBuckets { offset: 1, counts: vec![2, 0, 1] };
        assert_eq!((points[0].start, points[0].count, &points[0].positive), (at(10), 3, &expected));
    }
}
