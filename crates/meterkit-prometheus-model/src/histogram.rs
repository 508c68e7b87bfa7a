//! Classic histograms, which have one series per bucket.

use std::sync::Arc;

use crate::number::write_float;

/// The values of the label `le`, which are formatted once for all series with the same boundaries.
#[derive(Clone, Debug)]
pub struct Bounds {
    boundaries: Arc<[f64]>,
    written: Vec<String>,
    write: fn(&mut String, f64),
}

impl Default for Bounds {
    /// Returns bounds that are formatted with [`write_float`], as in the text format.
    fn default() -> Self {
        Self::written_by(write_float)
    }
}

impl Bounds {
    /// Returns bounds that are formatted with `write`.
    pub fn written_by(write: fn(&mut String, f64)) -> Self {
        Self { boundaries: Arc::default(), written: Vec::new(), write }
    }

    /// Returns the values of `le` for these boundaries, without `+Inf`.
    pub fn of(&mut self, boundaries: &Arc<[f64]>) -> &[String] {
        if !Arc::ptr_eq(&self.boundaries, boundaries) {
            let written = |boundary: &f64| {
                let mut out = String::with_capacity(24);
                (self.write)(&mut out, *boundary);
                out
            };
            self.written = boundaries.iter().map(written).collect();
            self.boundaries = boundaries.clone();
        }
        &self.written
    }
}

/// Returns the `_bucket` series of a histogram: each value of `le` with the number of values up to it, ending with
/// `+Inf`.
pub fn cumulative_buckets<'a>(
    bounds: &'a [String],
    buckets: &'a [u64],
    count: u64,
) -> impl Iterator<Item = (&'a str, u64)> {
    let below = cumulative_counts(bounds.len(), buckets);
    let bounds = bounds.iter().map(String::as_str);
    bounds.zip(below).chain([("+Inf", count)])
}

/// Returns the cumulative count of each boundary. The iterator is empty if `buckets` is.
///
/// Use the count of the histogram for infinity, not the sum of the buckets: a histogram of another library may have no
/// buckets at all.
pub fn cumulative_counts(boundaries: usize, buckets: &[u64]) -> impl Iterator<Item = u64> {
    buckets.iter().take(boundaries).scan(0, |below: &mut u64, in_bucket| {
        *below = below.saturating_add(*in_bucket);
        Some(*below)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_count_all_values_below_their_bound_and_end_with_infinity() {
        let mut bounds = Bounds::default();
        let bounds = bounds.of(&[0.5, 10.0].into());
        let buckets: Vec<_> = cumulative_buckets(bounds, &[1, 2, 4], 7).collect();
        assert_eq!(buckets, [("0.5", 1), ("10", 3), ("+Inf", 7)]);

        let overflowing: Vec<_> = cumulative_buckets(bounds, &[u64::MAX, 2, 0], 9).collect();
        assert_eq!(overflowing[1], ("10", u64::MAX));

        let without_buckets: Vec<_> = cumulative_buckets(&[], &[], 3).collect();
        assert_eq!(without_buckets, [("+Inf", 3)]);
    }
}
