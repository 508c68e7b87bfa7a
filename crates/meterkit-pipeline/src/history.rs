//! What histograms recorded in recent collections, for the deltas of targets that have acknowledged different
//! collections.

use std::borrow::Cow;
use std::sync::Arc;

use meterkit_core::{Interval, Intervals, SeriesId};

use crate::views::Totals;

/// The values that histograms recorded since the last collection that all targets acknowledged. Cheap to clone.
///
/// A history starts with one part per collection. Adjacent parts are merged once no target's delta starts between them.
#[derive(Clone, Debug, Default)]
pub struct History(Vec<Arc<Part>>);

#[derive(Debug)]
struct Part {
    /// The number of the collection that ends this part. The part starts at the end of the previous one.
    number: u64,
    intervals: Intervals,
}

/// The number of parts that are kept unmerged: a target may be about to take the snapshot that ends one of the newest
/// parts.
const MOST_PARTS: usize = 16;

impl History {
    /// Adds what was recorded between the previous collection and the one with this number. `needed` contains the
    /// numbers of the collections from which deltas start, now or soon.
    pub(crate) fn add(&mut self, number: u64, intervals: Intervals, needed: &[u64]) {
        let acknowledged = needed.iter().copied().min().unwrap_or(u64::MAX);
        self.0.retain(|part| part.number > acknowledged);
        if !intervals.is_empty() && !needed.is_empty() {
            self.0.push(Arc::new(Part { number, intervals }));
        }
        if self.0.len() > MOST_PARTS {
            self.merge_oldest(needed);
        }
    }

    /// Returns what a series recorded after the collection with the number `since`.
    pub(crate) fn of(&self, series: SeriesId, since: u64) -> Option<Cow<'_, Interval>> {
        let parts = self.0.iter().filter(|part| part.number > since);
        let mut intervals = parts.filter_map(|part| part.intervals.of(series));
        let mut all = Cow::Borrowed(intervals.next()?);
        intervals.for_each(|interval| all.to_mut().add(interval));
        Some(all)
    }

    /// Returns a copy of this history that also contains what the merged series in `totals` recorded.
    pub(crate) fn with_totals(&self, totals: &Totals) -> Self {
        let parts = self.0.iter().map(|part| {
            let mut intervals = part.intervals.clone();
            totals.add_intervals(&mut intervals);
            Arc::new(Part { number: part.number, intervals })
        });
        Self(parts.collect())
    }

    fn merge_oldest(&mut self, needed: &[u64]) {
        let is_apart = |pair: &[Arc<Part>]| {
            needed.iter().any(|number| (pair[0].number..pair[1].number).contains(number))
        };
        let Some(at) = self.0.windows(2).position(|pair| !is_apart(pair)) else { return };
        let next = self.0.remove(at + 1);
        let mut intervals = self.0[at].intervals.clone();
        intervals.add_all(&next.intervals);
        self.0[at] = Arc::new(Part { number: next.number, intervals });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(series: SeriesId, value: f64) -> Intervals {
        let interval = Interval { count: 1, min: value, max: value, buckets: None };
        [(series, interval)].into_iter().collect()
    }

    #[test]
    fn each_target_has_what_came_since_it_acknowledged_something() {
        let (series, mut history) = (SeriesId::new(), History::default());
        // One target stops acknowledging, and the other one continues.
        for number in 1..=100 {
            history.add(number, recorded(series, number as f64), &[7, number - 1]);
        }
        let of = |since| history.of(series, since).map(|it| (it.count, it.min, it.max));
        assert_eq!(of(7), Some((93, 8.0, 100.0)));
        assert_eq!(of(99), Some((1, 100.0, 100.0)));
        assert_eq!(of(100), None);
        assert_eq!(history.0.len(), MOST_PARTS);
    }

    #[test]
    fn what_all_targets_have_is_forgotten() {
        let (series, mut history) = (SeriesId::new(), History::default());
        for number in 1..=3 {
            history.add(number, recorded(series, 1.0), &[0, 0]);
        }
        history.add(4, Intervals::default(), &[3, 2]);
        assert_eq!(history.of(series, 0).map(|it| it.count), Some(1));
        history.add(5, recorded(series, 1.0), &[]);
        assert!(history.0.is_empty(), "no target takes deltas");
    }
}
