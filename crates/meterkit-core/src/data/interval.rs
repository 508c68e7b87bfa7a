//! Values of histograms between two collections, as far as cumulative totals do not show them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;

use super::addition::{MAX_SIZE, size};
use super::{ExponentialBuckets, SeriesId};

/// The values of one histogram series in an interval, as far as its cumulative totals do not show them.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "pipelines build them in their tests")]
pub struct Interval {
    /// The number of values.
    pub count: u64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The buckets of an exponential histogram, at a scale that suits the values of this interval.
    pub buckets: Option<Box<SignedBuckets>>,
}

/// Exponential buckets of both signs.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "pipelines build them in their tests")]
pub struct SignedBuckets {
    /// The resolution of the buckets.
    pub scale: i32,
    /// The number of values that were zero.
    pub zero_count: u64,
    /// The number of values above zero in each bucket.
    pub positive: ExponentialBuckets,
    /// The number of values below zero in each bucket, by their magnitude.
    pub negative: ExponentialBuckets,
}

/// The values of all histogram series in an interval. Series that recorded nothing are left out.
#[derive(Clone, Debug, Default)]
pub struct Intervals(HashMap<SeriesId, Interval, RandomState>);

impl Interval {
    /// Adds what was recorded in another interval or in another series.
    pub fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.buckets = match (self.buckets.take(), &other.buckets) {
            (Some(mut buckets), Some(more)) => {
                // If the added buckets are finer than usual, the result stays as fine as they are.
                let most = buckets.size().max(more.size()).max(MAX_SIZE);
                buckets.add(more, most);
                Some(buckets)
            }
            _ => None,
        };
    }
}

impl SignedBuckets {
    fn size(&self) -> i64 {
        let none = ExponentialBuckets::default();
        size(&self.positive, &none).max(size(&self.negative, &none))
    }
}

impl Intervals {
    /// Returns what a series recorded, or `None` if it recorded nothing.
    pub fn of(&self, series: SeriesId) -> Option<&Interval> {
        self.0.get(&series)
    }

    /// Returns whether no series recorded anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what a series recorded.
    pub fn add(&mut self, series: SeriesId, interval: &Interval) {
        match self.0.entry(series) {
            Entry::Occupied(mut known) => known.get_mut().add(interval),
            Entry::Vacant(place) => drop(place.insert(interval.clone())),
        }
    }

    /// Adds what all series recorded in another interval.
    pub fn add_all(&mut self, others: &Self) {
        others.0.iter().for_each(|(series, interval)| self.add(*series, interval));
    }
}

impl FromIterator<(SeriesId, Interval)> for Intervals {
    fn from_iter<I: IntoIterator<Item = (SeriesId, Interval)>>(intervals: I) -> Self {
        Self(intervals.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(scale: i32, offset: i32, counts: &[u64]) -> Option<Box<SignedBuckets>> {
        let positive = ExponentialBuckets { offset, counts: counts.to_vec() };
        Some(Box::new(SignedBuckets { scale, positive, ..SignedBuckets::default() }))
    }

    #[test]
    fn intervals_add_up_at_the_scale_that_fits_their_own_values() {
        let mut first =
            Interval { count: 3, min: 1.5, max: 3.0, buckets: buckets(1, 1, &[1, 1, 1]) };
        first.add(&Interval { count: 2, min: -1.0, max: 2.0, buckets: buckets(0, 0, &[2]) });
        assert_eq!((first.count, first.min, first.max), (5, -1.0, 3.0));
        assert_eq!(first.buckets, buckets(0, 0, &[3, 2]));
    }

    #[test]
    fn buckets_that_are_finer_than_usual_stay_so() {
        let counts = vec![1; 1_000];
        let mut first =
            Interval { count: 1_000, min: 1.0, max: 2.0, buckets: buckets(9, 0, &counts) };
        first.add(&Interval { count: 1_000, min: 1.0, max: 2.0, buckets: buckets(9, 0, &counts) });
        assert_eq!(first.buckets, buckets(9, 0, &vec![2; 1_000]));
    }
}
