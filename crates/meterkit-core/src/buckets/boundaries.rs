//! Bucket boundaries, and the search for the bucket of a value.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The bucket boundaries of a histogram, in rising order. Cheap to clone.
#[derive(Clone)]
pub struct Boundaries(Arc<Inner>);

struct Inner {
    bounds: Arc<[f64]>,
    /// An index by exponent: the number of boundaries that are below all positive values with that exponent. The first
    /// entry covers all exponents below those of the boundaries, the last entry all exponents above.
    starts: Box<[u32]>,
    /// One less than the smallest exponent of a positive boundary, with the bias of the float format.
    before_first: usize,
}

impl Boundaries {
    /// Returns the boundaries in the type that points hold.
    pub(crate) fn to_arc(&self) -> Arc<[f64]> {
        self.0.bounds.clone()
    }

    /// Returns the index of the bucket of a finite value: the number of boundaries below the value.
    #[inline]
    pub(crate) fn bucket(&self, value: f64) -> usize {
        let Inner { bounds, starts, before_first } = &*self.0;
        let mut bucket = 0;
        if value > 0.0 {
            let at = exponent(value).saturating_sub(*before_first).min(starts.len() - 1);
            bucket = starts[at] as usize;
        }
        // Only the few boundaries with the same exponent as the value remain to be compared.
        while bounds.get(bucket).is_some_and(|bound| *bound < value) {
            bucket += 1;
        }
        bucket
    }
}

impl From<Arc<[f64]>> for Boundaries {
    fn from(bounds: Arc<[f64]>) -> Self {
        let positive = bounds.partition_point(|bound| *bound <= 0.0);
        let mut starts = vec![positive as u32];
        let mut before_first = 0;
        if let (Some(first), Some(last)) = (bounds.get(positive), bounds.last()) {
            let (first, last) = (exponent(*first), exponent(*last));
            before_first = first.saturating_sub(1);
            let below = |of| bounds.partition_point(|bound| *bound <= 0.0 || exponent(*bound) < of);
            // Subnormal boundaries have the exponent zero, so there is no exponent before the first.
            starts.truncate(first - before_first);
            starts.extend((first..=last + 1).map(|of| below(of) as u32));
        }
        Self(Arc::new(Inner { bounds, starts: starts.into(), before_first }))
    }
}

impl From<&[f64]> for Boundaries {
    fn from(bounds: &[f64]) -> Self {
        Self::from(Arc::from(bounds))
    }
}

impl<const N: usize> From<[f64; N]> for Boundaries {
    fn from(bounds: [f64; N]) -> Self {
        Self::from(Arc::from(bounds))
    }
}

impl From<Vec<f64>> for Boundaries {
    fn from(bounds: Vec<f64>) -> Self {
        Self::from(Arc::from(bounds))
    }
}

impl Deref for Boundaries {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.0.bounds
    }
}

impl PartialEq for Boundaries {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Boundaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Returns the biased exponent of a positive number.
#[inline]
fn exponent(value: f64) -> usize {
    (value.to_bits() >> (f64::MANTISSA_DIGITS - 1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_in_the_bucket_that_a_search_through_all_boundaries_finds() {
        let tiny = f64::from_bits(1);
        let lists: &[&[f64]] = &[
            &[],
            &[0.0],
            &[-1.0],
            &[1.0],
            &[tiny],
            &[tiny, f64::MIN_POSITIVE, 1.0, f64::MAX],
            &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0],
            &[0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0],
            &[-10.0, -0.1, 0.0, 0.1, 10.0],
            &[-3.0, -2.0, -1.0],
            &[1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 1e300],
            &[f64::MIN, f64::MAX],
        ];
        // Includes lists that are only validated later.
        for bounds in [vec![2.0, 1.0], vec![f64::NAN], vec![f64::INFINITY, 0.0], vec![-f64::NAN]] {
            Boundaries::from(bounds).bucket(1.5);
        }
        for bounds in lists {
            let boundaries = Boundaries::from(*bounds);
            let mut values = vec![0.0, -0.0, tiny, -tiny, f64::MAX, f64::MIN, 1.0, 1e-310, 3e9];
            for bound in *bounds {
                values.extend([*bound, bound.next_up(), bound.next_down(), bound * 1.5, -bound]);
            }
            for value in values.into_iter().filter(|value| value.is_finite()) {
                let expected = bounds.partition_point(|bound| *bound < value);
                assert_eq!(boundaries.bucket(value), expected, "{value} in {bounds:?}");
            }
        }
    }
}
