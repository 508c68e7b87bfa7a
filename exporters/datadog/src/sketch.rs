//! Datadog's sketches, the wire form of distributions.
//!
//! The arithmetic is that of the Datadog agent, so that sketches of both can be merged: keys as in [`key`], at most
//! 4096 keys, and counts of 16 bits each.

mod interpolate;
mod key;
mod shape;

#[cfg(test)]
mod accuracy;

use self::interpolate::interpolate;
use self::shape::{Shaped, shaped};
use crate::points::Histogram;

/// The maximum number of keys of a sketch. Values with lower keys are counted under the lowest remaining key.
const MAX_BINS: usize = 4096;

/// The largest count of one encoded bin. A key with a larger count is encoded as several bins.
const MAX_COUNT: u64 = u16::MAX as u64;

/// The maximum number of values of a sketch. With more, its bins would not fit into a payload.
const MAX_VALUES: u64 = 65_536 * MAX_COUNT;

/// A distribution as counts of nearly equal values, with exact count, sum, minimum and maximum where these are known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sketch {
    /// Bins ordered by key. Each key occurs once, and no bin is empty.
    bins: Vec<Bin>,
    /// The number of values: the sum of all bins.
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bin {
    key: i16,
    count: u64,
}

impl Sketch {
    /// Returns the sketch of these histograms together, computed bucket by bucket. Within an exponential bucket,
    /// values are assumed to be evenly distributed; within an explicit bucket, their distribution is estimated from
    /// the counts of its neighbors and the sum of all values.
    ///
    /// Returns `None` if there are no values, or so many (over four billion) that no payload could hold the sketch.
    pub(crate) fn of(histograms: &[Histogram<'_>]) -> Option<Self> {
        let mut whole: Option<Self> = None;
        for histogram in histograms {
            let sketch = Self::of_one(histogram);
            whole = match (whole, sketch) {
                (Some(whole), Some(sketch)) => Some(whole.merge(sketch)),
                (whole, sketch) => whole.or(sketch),
            };
        }
        whole.filter(|sketch| sketch.count <= MAX_VALUES)
    }

    fn of_one(histogram: &Histogram<'_>) -> Option<Self> {
        let buckets: Vec<Shaped> = match histogram {
            Histogram::Explicit { .. } => shaped(histogram.open_buckets(), histogram.sum()),
            Histogram::Exponential(_) => histogram.buckets().map(Shaped::even).collect(),
        };
        let mut bins: Vec<Bin> = Vec::new();
        let (mut count, mut sum) = (0_u64, 0.0);
        for bucket in &buckets {
            interpolate(bucket, |key, count| bins.push(Bin { key, count }));
            count = count.saturating_add(bucket.count);
            sum += (bucket.lower / 2.0 + bucket.upper / 2.0) * bucket.count as f64;
        }
        Some(Self {
            bins: joined(bins),
            count,
            sum: finite(histogram.sum().unwrap_or(sum)),
            min: histogram.min().unwrap_or(smallest(buckets.first()?, histogram)),
            max: histogram.max().unwrap_or(largest(buckets.last()?, histogram)),
        })
    }

    /// Merges two sketches.
    pub(crate) fn merge(self, other: Self) -> Self {
        let mut bins = self.bins;
        bins.extend(other.bins);
        Self {
            bins: joined(bins),
            count: self.count.saturating_add(other.count),
            sum: finite(self.sum + other.sum),
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// Returns the mean of all values.
    pub(crate) fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }

    /// Returns keys and counts as they are encoded. A key is repeated if its count exceeds 16 bits.
    pub(crate) fn written(&self) -> impl Iterator<Item = (i16, u16)> {
        self.bins.iter().flat_map(|bin| {
            let full = bin.count / MAX_COUNT;
            let rest = (bin.count % MAX_COUNT) as u16; // Below `u16::MAX`.
            let full = (0..full).map(|_| u16::MAX);
            full.chain((rest > 0).then_some(rest)).map(|count| (bin.key, count))
        })
    }
}

/// Returns an estimate of the minimum from the lowest bucket: its lower end. If that end is the recorded minimum,
/// which may be older than this delta, a low quantile is returned instead.
fn smallest(bucket: &Shaped, histogram: &Histogram<'_>) -> f64 {
    let is_old = bucket.lower == histogram.ends().0;
    if is_old { bucket.quantile(0.5 / bucket.count as f64) } else { bucket.lower }
}

/// Returns an estimate of the maximum from the highest bucket; see [`smallest`].
fn largest(bucket: &Shaped, histogram: &Histogram<'_>) -> f64 {
    let is_old = bucket.upper == histogram.ends().1;
    if is_old { bucket.quantile(1.0 - 0.5 / bucket.count as f64) } else { bucket.upper }
}

/// Returns the bins in order, with each key once, and with at most [`MAX_BINS`] keys.
fn joined(mut bins: Vec<Bin>) -> Vec<Bin> {
    bins.sort_by_key(|bin| bin.key);
    bins.dedup_by(|bin, kept| {
        let is_same = bin.key == kept.key;
        if is_same {
            kept.count = kept.count.saturating_add(bin.count);
        }
        is_same
    });
    let beyond = bins.len().saturating_sub(MAX_BINS);
    let removed = bins.drain(..beyond).fold(0_u64, |sum, bin| sum.saturating_add(bin.count));
    if let Some(lowest) = bins.first_mut() {
        lowest.count = lowest.count.saturating_add(removed);
    }
    bins
}

fn finite(sum: f64) -> f64 {
    sum.clamp(f64::MIN, f64::MAX)
}

#[cfg(test)]
mod tests;
