//! The values of a series, sorted into buckets of one kind.

use super::exponential_row::{ExponentialRow, ExponentialValues};
use super::row::{Moments, Row};
use super::rows::{Countable, Rows};
use crate::buckets::{Boundaries, ExponentialLimits, HistogramBuckets};
use crate::data::Interval;
use crate::store::exponential::{ExponentialCounts, SignedIndex};

/// The values of one series, sorted into buckets.
pub(super) enum Sorted {
    Explicit { boundaries: Boundaries, rows: Rows<Row> },
    Exponential(Box<SortedBySize>),
}

/// Values in exponential buckets.
pub(super) struct SortedBySize {
    limits: ExponentialLimits,
    rows: Rows<ExponentialRow>,
}

/// Values recorded before the current interval.
pub(super) enum Earlier {
    /// The extremes, and the number of values. The values themselves and their sum stay in the rows.
    Extremes { moments: Moments, count: u64 },
    /// All values, which are no longer in the rows.
    Values(Box<ExponentialValues>),
}

/// All values recorded so far.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    pub(crate) counts: Counts,
    pub(crate) count: u64,
    pub(crate) moments: Moments,
}

/// How many values fell into each bucket.
#[derive(Clone, Debug)]
pub(crate) enum Counts {
    /// One more count than there are boundaries.
    Explicit(Box<[u64]>),
    Exponential(Box<ExponentialCounts>),
}

impl Sorted {
    pub(super) fn new(buckets: &HistogramBuckets) -> Self {
        match buckets {
            HistogramBuckets::Explicit(boundaries) => Self::Explicit {
                boundaries: boundaries.clone(),
                rows: Rows::new(Row::new(boundaries.len() + 1)),
            },
            HistogramBuckets::Exponential(limits) => {
                let rows = Rows::new(ExponentialRow::new(*limits));
                Self::Exponential(Box::new(SortedBySize { limits: *limits, rows }))
            }
        }
    }

    /// Counts a value, unless other threads are using all rows. Returns whether the value was counted.
    #[inline]
    pub(super) fn try_record(&self, value: f64) -> bool {
        match self {
            Self::Explicit { boundaries, rows } => rows.try_record(boundaries.bucket(value), value),
            Self::Exponential(by_size) => by_size.try_record(value),
        }
    }

    /// Returns all recorded values. If `takes_interval`, also returns the values since the last interval, and adds them
    /// to `earlier`.
    pub(super) fn read(
        &self,
        earlier: &mut Option<Earlier>,
        takes_interval: bool,
    ) -> (Distribution, Option<Interval>) {
        match self {
            Self::Explicit { rows, .. } => {
                let (counts, mut moments) = read_rows(rows, |row, counts| {
                    if !takes_interval {
                        return row.read(counts);
                    }
                    let claim = row.claim();
                    let moments = claim.read(counts);
                    claim.clear_extremes();
                    moments
                });
                let (recent, count) = (moments.extremes(), counts.iter().sum::<u64>());
                let mut before = 0;
                if let Some(Earlier::Extremes { moments: extremes, count }) = earlier {
                    moments.add(*extremes);
                    before = *count;
                }
                let interval = recent.filter(|_| takes_interval).map(|(min, max)| {
                    // Without the sum, which the rows keep.
                    let moments = Moments { sum: 0.0, ..moments };
                    *earlier = Some(Earlier::Extremes { moments, count });
                    Interval { count: count.saturating_sub(before), min, max, buckets: None }
                });
                (Distribution { counts: Counts::Explicit(counts), count, moments }, interval)
            }
            Self::Exponential(by_size) => by_size.read(earlier, takes_interval),
        }
    }

    /// Returns the number of values. Counts of different rows may be from different moments.
    pub(super) fn count(&self, earlier: Option<&Earlier>) -> u64 {
        let now: u64 = match self {
            Self::Explicit { rows, .. } => rows.iter().map(Row::count).sum(),
            Self::Exponential(by_size) => by_size.rows.iter().map(ExponentialRow::count).sum(),
        };
        now.wrapping_add(earlier.map_or(0, Earlier::count))
    }

    /// Returns whether there are any values.
    pub(super) fn has_values(&self, earlier: Option<&Earlier>) -> bool {
        let has_now = match self {
            Self::Explicit { rows, .. } => rows.iter().any(Row::has_values),
            Self::Exponential(by_size) => by_size.rows.iter().any(|row| row.count() > 0),
        };
        has_now || earlier.is_some_and(|earlier| earlier.count() > 0)
    }

    /// Discards all values. If a number is given, does so only if there are exactly that many. Returns whether it did.
    pub(super) fn clear(&self, only_if: Option<u64>) -> bool {
        // All rows are claimed at once: values recorded in the meantime go into a new row, and stay.
        let may_go = |count: u64| only_if.is_none_or(|expected| expected == count);
        match self {
            Self::Explicit { rows, .. } => {
                let claims: Vec<_> = rows.iter().map(|row| (row, row.claim())).collect();
                let may_go = may_go(claims.iter().map(|(row, _)| row.count()).sum());
                claims.iter().filter(|_| may_go).for_each(|(_, claim)| claim.clear());
                may_go
            }
            Self::Exponential(by_size) => {
                let mut claims: Vec<_> = by_size.rows.iter().map(ExponentialRow::claim).collect();
                let may_go = may_go(claims.iter().map(|claim| claim.count()).sum());
                claims.iter_mut().filter(|_| may_go).for_each(|claim| claim.clear());
                may_go
            }
        }
    }

    /// Closes all rows to further values, and moves their values to `anew`, which has other buckets. `waiting` values
    /// are moved exactly; of all others, only the bucket is known. May be called only once.
    pub(super) fn move_to(
        &self,
        anew: &Self,
        earlier: Option<Earlier>,
        waiting: impl Iterator<Item = f64> + Clone,
    ) {
        match self {
            Self::Explicit { boundaries, rows } => {
                let (mut counts, mut moments) = retire_rows(rows);
                if let Some(Earlier::Extremes { moments: extremes, .. }) = earlier {
                    moments.add(extremes);
                }
                for value in waiting.clone() {
                    if let Some(count) = counts.get_mut(boundaries.bucket(value)) {
                        *count = count.saturating_sub(1);
                    }
                }
                let ends = boundaries.iter().copied().chain([f64::INFINITY]);
                let sorted = ends.zip(counts);
                anew.add(sorted.filter(|(_, count)| *count > 0), waiting, moments);
            }
            Self::Exponential(by_size) => {
                let mut values = match earlier {
                    Some(Earlier::Values(values)) => *values,
                    _ => ExponentialValues::new(by_size.limits),
                };
                by_size.rows.close().for_each(|row| values.add(&row.retire()));
                let ExponentialValues { mut counts, moments, .. } = values;
                waiting.clone().for_each(|value| counts.take(SignedIndex::of(value)));
                let mut sorted = Vec::new();
                counts.for_each(|end, count| sorted.push((end, count)));
                anew.add(sorted.into_iter(), waiting, moments);
            }
        }
    }

    /// Adds values of which only the upper ends of their buckets are known, and values that are known exactly.
    fn add(
        &self,
        sorted: impl Iterator<Item = (f64, u64)>,
        exact: impl Iterator<Item = f64>,
        moments: Moments,
    ) {
        // No value lies beyond the extremes.
        let within = |end: f64| end.min(moments.max).max(moments.min);
        let all = sorted.map(|(end, count)| (within(end), count)).chain(exact.map(|it| (it, 1)));
        match self {
            Self::Explicit { boundaries, rows } => {
                let mut counts = vec![0; boundaries.len() + 1];
                all.for_each(|(value, count)| counts[boundaries.bucket(value)] += count);
                rows.first().claim().add(&counts, moments);
            }
            Self::Exponential(by_size) => {
                let mut values = ExponentialValues::new(by_size.limits);
                for (value, count) in all {
                    values.counts.add_several(SignedIndex::of(value), count);
                    values.count += count;
                }
                values.moments = moments;
                by_size.rows.first().add(&values);
            }
        }
    }
}

impl SortedBySize {
    // Not inlined, so that the code at the call site stays small.
    #[inline(never)]
    fn try_record(&self, value: f64) -> bool {
        self.rows.try_record(SignedIndex::of(value), value)
    }

    fn read(
        &self,
        earlier: &mut Option<Earlier>,
        takes_interval: bool,
    ) -> (Distribution, Option<Interval>) {
        let mut all = match earlier {
            Some(Earlier::Values(values)) => ExponentialValues::clone(values),
            _ => ExponentialValues::new(self.limits),
        };
        let mut recent = None;
        if takes_interval {
            let mut values = ExponentialValues::new(self.limits);
            self.rows.iter().for_each(|row| row.move_to(&mut values));
            all.add(&values);
            recent = values.moments.extremes().map(|(min, max)| {
                *earlier = Some(Earlier::Values(Box::new(all.clone())));
                let buckets = Some(Box::new(values.counts.signed()));
                Interval { count: values.count, min, max, buckets }
            });
        } else {
            self.rows.iter().for_each(|row| row.add_to(&mut all));
        }
        let ExponentialValues { counts, count, moments } = all;
        (Distribution { counts: Counts::Exponential(Box::new(counts)), count, moments }, recent)
    }
}

/// Returns the combined values of all rows, using `read` for each of them.
fn read_rows(
    rows: &Rows<Row>,
    read: impl Fn(&Row, &mut [u64]) -> Moments,
) -> (Box<[u64]>, Moments) {
    let mut counts = vec![0; rows.first().len()].into_boxed_slice();
    let mut moments = read(rows.first(), &mut counts);
    let mut more = Vec::new();
    for row in rows.iter().skip(1) {
        more.resize(counts.len(), 0);
        moments.add(read(row, &mut more));
        counts.iter_mut().zip(&more).for_each(|(sum, count)| *sum = sum.wrapping_add(*count));
    }
    (counts, moments)
}

/// Closes all rows to further values, and returns their combined values.
fn retire_rows(rows: &Rows<Row>) -> (Vec<u64>, Moments) {
    let mut counts = vec![0_u64; rows.first().len()];
    let (mut moments, mut more) = (Moments::NONE, counts.clone());
    for row in rows.close() {
        let claim = row.claim();
        moments.add(claim.read(&mut more));
        counts.iter_mut().zip(&more).for_each(|(sum, count)| *sum = sum.wrapping_add(*count));
        claim.retire();
    }
    (counts, moments)
}

impl Earlier {
    /// Returns how many values are no longer in the rows.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Extremes { .. } => 0,
            Self::Values(values) => values.count,
        }
    }
}

impl Countable for Row {
    type Place = usize;

    fn alike(&self) -> Self {
        self.alike()
    }

    #[inline]
    fn try_record(&self, bucket: usize, value: f64) -> bool {
        self.try_record(bucket, value)
    }
}
