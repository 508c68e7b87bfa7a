//! Series that a target has, and that the snapshots since then lack.
//!
//! A callback that panicked or observed nothing leaves its series out of one collection; in the next they are back, as
//! if nothing had been. What is kept here lets their deltas go on where they ended.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, SystemTime};

use meterkit_core::{Attributes, Data, ExponentialHistogramPoint, HistogramPoint, NumberPoint};

use crate::snapshot::Snapshot;
use crate::stream::Stream;

/// For how long a series is remembered, by the time of snapshots: counted from the first acknowledged one without it,
/// so that a target that was down for long does not make it older.
pub(crate) const MEMORY: Duration = Duration::from_secs(3600);

/// How many are remembered where series come and go all the time: some ten megabytes.
const LIMIT: usize = 100_000;

/// The absent series of one target, by their streams and attributes.
#[derive(Debug, Default)]
pub(crate) struct Absent {
    streams: HashMap<Stream, HashMap<Attributes, Missing>>,
}

/// What a target has of an absent series.
#[derive(Debug)]
pub(crate) struct Missing {
    pub(crate) total: Total,
    /// The time of the last acknowledged snapshot with it.
    pub(crate) delivered: SystemTime,
    /// The time of the first acknowledged snapshot without it.
    since: SystemTime,
}

/// A point of a rising sum or of a histogram, since its series began.
#[derive(Debug)]
pub(crate) enum Total {
    Number(NumberPoint),
    Histogram(HistogramPoint),
    Exponential(ExponentialHistogramPoint),
}

impl Absent {
    /// The absent series of a stream.
    pub(crate) fn of(&self, stream: &Stream) -> Option<&HashMap<Attributes, Missing>> {
        self.streams.get(stream)
    }

    /// Goes on from one acknowledged snapshot to the one after it: lets go of what is back, takes what is missing now,
    /// and forgets what has been missing for too long.
    pub(crate) fn advance(&mut self, last: &Snapshot, next: &Snapshot) {
        let (before, now) = (last.streams(), next.streams());
        if !self.streams.is_empty() {
            for (stream, data) in &now {
                if !has_series_of(before.get(stream), data) {
                    self.release(stream, data);
                }
            }
        }
        for (stream, data) in before {
            let left = now.get(&stream).copied();
            if !has_series_of(left.as_ref(), data) {
                self.take(stream, data, left, (last.time, next.time));
            }
        }
        if !self.streams.is_empty() {
            self.forget(next.time);
        }
    }

    /// Lets go of the series that `data` has.
    fn release(&mut self, stream: &Stream, data: &Data) {
        if let Some(absent) = self.streams.get_mut(stream) {
            for attributes in series_of(data) {
                absent.remove(attributes);
            }
        }
    }

    /// Takes what `data` has and `left` has not.
    fn take(
        &mut self,
        stream: Stream,
        data: &Data,
        left: Option<&Data>,
        (delivered, since): (SystemTime, SystemTime),
    ) {
        let left: HashSet<_> = left.into_iter().flat_map(series_of).collect();
        let points = Points::of(data);
        let missing = series_of(data).enumerate().filter(|(_, series)| !left.contains(series));
        let missing = missing.filter_map(|(at, series)| {
            let total = points.total(at)?;
            Some((series.clone(), Missing { total, delivered, since }))
        });
        self.streams.entry(stream).or_default().extend(missing);
    }

    fn forget(&mut self, now: SystemTime) {
        // A clock that was put back makes nothing old.
        self.retain(|since| now.duration_since(since).map_or(true, |gone| gone < MEMORY));
        self.limit(LIMIT);
    }

    /// Forgets those that have been missing for longest. What went last stays in any case: it may be all of a big
    /// snapshot for once, and is not more than that.
    fn limit(&mut self, limit: usize) {
        if self.streams.values().map(HashMap::len).sum::<usize>() <= limit {
            return;
        }
        let mut went: BTreeMap<SystemTime, usize> = BTreeMap::new();
        for missing in self.streams.values().flat_map(HashMap::values) {
            *went.entry(missing.since).or_default() += 1;
        }
        let mut latest_first = went.into_iter().rev();
        let Some((mut first, mut kept)) = latest_first.next() else {
            return;
        };
        for (since, count) in latest_first {
            kept += count;
            if kept > limit {
                break;
            }
            first = since;
        }
        self.retain(|since| since >= first);
    }

    fn retain(&mut self, is_kept: impl Fn(SystemTime) -> bool) {
        self.streams.retain(|_, series| {
            series.retain(|_, missing| is_kept(missing.since));
            !series.is_empty()
        });
    }
}

/// Whether `data` has the same series, in the same order: nearly always, so it must be cheap.
fn has_series_of(data: Option<&&Data>, other: &Data) -> bool {
    data.is_some_and(|data| series_of(data).eq(series_of(other)))
}

fn series_of(data: &Data) -> impl Iterator<Item = &Attributes> {
    let Points { numbers, histograms, exponential } = Points::of(data);
    let numbers = numbers.iter().map(|point| &point.attributes);
    let histograms = histograms.iter().map(|point| &point.attributes);
    numbers.chain(histograms).chain(exponential.iter().map(|point| &point.attributes))
}

/// The points of a sum or of a histogram; the other ones are none.
#[derive(Default)]
struct Points<'a> {
    numbers: &'a [NumberPoint],
    histograms: &'a [HistogramPoint],
    exponential: &'a [ExponentialHistogramPoint],
}

impl<'a> Points<'a> {
    fn of(data: &'a Data) -> Self {
        match data {
            Data::Sum { points, .. } => Self { numbers: points, ..Self::default() },
            Data::Histogram { points, .. } => Self { histograms: points, ..Self::default() },
            Data::ExponentialHistogram { points, .. } => {
                Self { exponential: points, ..Self::default() }
            }
            _ => Self::default(),
        }
    }

    /// The point at this place of whichever there are.
    fn total(&self, at: usize) -> Option<Total> {
        let number = || self.numbers.get(at).cloned().map(Total::Number);
        let histogram = || self.histograms.get(at).cloned().map(Total::Histogram);
        let exponential = || self.exponential.get(at).cloned().map(Total::Exponential);
        number().or_else(histogram).or_else(exponential)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use meterkit_core::{Descriptor, Metric, ScopeMetrics, SeriesId, Temporality, Value};
    use opentelemetry::InstrumentationScope;

    use super::*;

    /// A counter with a series for each of these labels.
    fn snapshot(seconds: u64, labels: &[i64]) -> Snapshot {
        let point = |label: &i64| NumberPoint {
            series: SeriesId::new(),
            attributes: Attributes::from_pairs([("shard".into(), (*label).into())]),
            start: UNIX_EPOCH,
            value: Value::U64(1),
        };
        let points = labels.iter().map(point).collect();
        let descriptor = Descriptor {
            name: "requests".to_owned(),
            unit: String::new(),
            description: String::new(),
        };
        let temporality = Temporality::Cumulative;
        let data = Data::Sum { monotonic: true, temporality, points };
        let scope = ScopeMetrics {
            scope: Arc::new(InstrumentationScope::builder("catalog").build()),
            metrics: vec![Metric { descriptor: Arc::new(descriptor), data }],
        };
        let time = UNIX_EPOCH + Duration::from_secs(seconds);
        Snapshot { resource: Attributes::empty(), time, scopes: vec![scope] }
    }

    fn after(rounds: &[&[i64]]) -> Absent {
        let mut absent = Absent::default();
        let snapshots: Vec<_> =
            (0..).zip(rounds).map(|(seconds, labels)| snapshot(seconds, labels)).collect();
        for pair in snapshots.windows(2) {
            absent.advance(&pair[0], &pair[1]);
        }
        absent
    }

    fn labels(absent: &Absent) -> Vec<i64> {
        let series = absent.streams.values().flat_map(HashMap::keys);
        let label = |series: &Attributes| series.get("shard")?.to_string().parse().ok();
        let mut labels: Vec<i64> = series.filter_map(label).collect();
        labels.sort_unstable();
        labels
    }

    #[test]
    fn nothing_is_kept_of_series_that_are_there() {
        for rounds in [&[&[1, 2][..], &[1, 2], &[0, 1, 2, 3]][..], &[&[1, 2], &[2], &[1, 2]]] {
            let absent = after(rounds);
            assert!(absent.streams.is_empty(), "{absent:?}");
        }
    }

    #[test]
    fn what_went_is_kept_until_it_is_back() {
        assert_eq!(labels(&after(&[&[1, 2, 3], &[2], &[4]])), [1, 2, 3]);
        assert_eq!(labels(&after(&[&[1, 2, 3], &[2], &[4], &[1, 4]])), [2, 3]);
    }

    #[test]
    fn beyond_the_limit_those_are_forgotten_that_went_first() {
        let mut absent = after(&[&[1, 2, 3, 4, 5], &[3, 4, 5], &[4, 5], &[5]]);
        absent.limit(4);
        assert_eq!(labels(&absent), [1, 2, 3, 4]);
        absent.limit(3);
        assert_eq!(labels(&absent), [3, 4]);
    }

    #[test]
    fn what_went_last_stays_even_if_it_is_beyond_the_limit() {
        let mut absent = after(&[&[1, 2, 3, 4], &[2, 3, 4], &[]]);
        absent.limit(2);
        assert_eq!(labels(&absent), [2, 3, 4]);
    }
}
