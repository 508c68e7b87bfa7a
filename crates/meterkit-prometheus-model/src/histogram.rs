//! Histograms as series per bucket.

use std::sync::Arc;

use crate::number::write_float;

/// The values of the label `le`, written once for series that share their boundaries.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    boundaries: Arc<[f64]>,
    written: Vec<String>,
}

impl Bounds {
    /// Returns the values of `le` for these boundaries, without the one of the last, open bucket.
    pub fn of(&mut self, boundaries: &Arc<[f64]>) -> &[String] {
        if !Arc::ptr_eq(&self.boundaries, boundaries) {
            let written = |boundary: &f64| {
                let mut out = String::new();
                write_float(&mut out, *boundary);
                out
            };
            self.written = boundaries.iter().map(written).collect();
            self.boundaries = boundaries.clone();
        }
        &self.written
    }
}

/// Returns the series `_bucket` of a histogram: the label `le` and the count of all values up to it, ending with `+Inf`.
pub fn cumulative_buckets<'a>(
    bounds: &'a [String],
    buckets: &'a [u64],
    count: u64,
) -> impl Iterator<Item = (&'a str, u64)> {
    let cumulative = |below: &mut u64, (bound, in_bucket): (&'a String, &u64)| {
        *below = below.saturating_add(*in_bucket);
        Some((&**bound, *below))
    };
    // The total is not the sum of the buckets: a histogram of another library may have none at all.
    bounds.iter().zip(buckets).scan(0, cumulative).chain([("+Inf", count)])
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
