//! Conversion of exponential histograms to native histograms.
//!
//! Follows OpenTelemetry's "Prometheus and OpenMetrics Compatibility", section Exponential Histograms.

use std::time::UNIX_EPOCH;

use meterkit_core::{Attributes, ExponentialBuckets, ExponentialHistogramPoint, SeriesId};

use crate::number::sample_value;

/// A native histogram: a distribution over buckets whose boundaries are powers of 2^(2^-schema).
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "remote write reads them back from its requests")]
pub struct NativeHistogram {
    /// Number of recorded values.
    pub count: u64,
    /// Sum of the recorded values. A recorded NaN never becomes a staleness marker.
    pub sum: f64,
    /// Resolution of the buckets: -4 (coarsest) to 8 (finest), or [`CUSTOM_BUCKETS`](Self::CUSTOM_BUCKETS).
    pub schema: i32,
    /// Largest absolute value that is counted in the zero bucket.
    pub zero_threshold: f64,
    /// Number of values in the zero bucket.
    pub zero_count: u64,
    /// Buckets of negative values.
    pub negative: NativeBuckets,
    /// Buckets of positive values.
    pub positive: NativeBuckets,
    /// Boundaries of [custom buckets](Self::CUSTOM_BUCKETS), whose counts are in `positive`.
    pub custom_values: Vec<f64>,
}

/// The buckets for values of one sign. Long runs of empty buckets are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "remote write reads them back from its requests")]
pub struct NativeBuckets {
    /// Runs of buckets: the distance from the end of the previous run, and the length of the run.
    pub spans: Vec<(i32, u32)>,
    /// Difference between the count of each bucket and the count of the previous bucket.
    pub deltas: Vec<i64>,
}

/// The zero threshold of histograms without one, as the specification recommends.
const ZERO_THRESHOLD: f64 = 1e-128;

/// The finest schema that Prometheus supports.
const FINEST: i32 = 8;
/// The coarsest schema that Prometheus supports.
const COARSEST: i32 = -4;

/// Minimum number of empty buckets for which a new run takes less space than the empty buckets.
const SHORTEST_GAP: i64 = 3;

impl NativeHistogram {
    /// The schema of histograms with custom bucket boundaries.
    pub const CUSTOM_BUCKETS: i32 = -53;

    /// Converts an exponential histogram. Scales above 8 are reduced to 8. Returns `None` for scales below -4, whose
    /// buckets are wider than those of native histograms; convert these with a [`Ladder`](crate::Ladder).
    pub fn of(point: &ExponentialHistogramPoint) -> Option<Self> {
        if point.scale > FINEST {
            return Self::of(&point.clone().downscaled(FINEST));
        }
        (point.scale >= COARSEST).then(|| Self {
            count: point.count,
            sum: sample_value(point.sum),
            schema: point.scale,
            zero_threshold: match point.zero_threshold {
                0.0 => ZERO_THRESHOLD,
                threshold => threshold,
            },
            zero_count: point.zero_count,
            negative: NativeBuckets::of(&point.negative),
            positive: NativeBuckets::of(&point.positive),
            custom_values: Vec::new(),
        })
    }
}

impl NativeHistogram {
    /// Creates a histogram with custom boundaries. An infinite boundary ends the list. The last bucket counts the
    /// values that no other bucket counts, so `buckets` may omit its count, or be empty.
    pub fn with_custom_buckets(boundaries: &[f64], buckets: &[u64], count: u64, sum: f64) -> Self {
        let finite = boundaries.iter().take_while(|it| it.is_finite()).count();
        let boundaries = boundaries.get(..finite).unwrap_or_default();
        let mut counts: Vec<u64> = buckets.iter().copied().take(boundaries.len()).collect();
        counts.resize(boundaries.len(), 0);
        let below = counts.iter().fold(0_u64, |sum, bucket| sum.saturating_add(*bucket));
        counts.push(count.saturating_sub(below));
        Self {
            count: count.max(below),
            sum: sample_value(sum),
            schema: Self::CUSTOM_BUCKETS,
            // An offset of -1 results in indices that begin at 0.
            positive: NativeBuckets::of(&ExponentialBuckets { offset: -1, counts }),
            custom_values: boundaries.to_vec(),
            ..Self::default()
        }
    }

    /// Returns whether native histograms support the scale of the point, so that [`of`](Self::of) succeeds.
    pub fn can_hold(point: &ExponentialHistogramPoint) -> bool {
        point.scale >= COARSEST
    }

    /// Converts the histogram to an exponential histogram, as the inverse of [`of`](Self::of).
    pub fn to_exponential(&self) -> ExponentialHistogramPoint {
        ExponentialHistogramPoint {
            series: SeriesId::new(),
            attributes: Attributes::empty(),
            start: UNIX_EPOCH,
            count: self.count,
            sum: self.sum,
            min: None,
            max: None,
            scale: self.schema,
            zero_count: self.zero_count,
            zero_threshold: if self.zero_threshold == ZERO_THRESHOLD {
                0.0
            } else {
                self.zero_threshold
            },
            positive: self.positive.to_exponential(),
            negative: self.negative.to_exponential(),
        }
    }
}

/// Upper limit of the index range that is converted: more than all buckets of all floats at the finest schema.
const MOST_BUCKETS: i64 = 1 << 20;

impl NativeBuckets {
    /// Returns the index and the count of each bucket.
    pub fn counts(&self) -> impl Iterator<Item = (i64, u64)> {
        let mut end = 0_i64;
        let indices = self.spans.iter().flat_map(move |(gap, length)| {
            let start = end.saturating_add(i64::from(*gap));
            end = start.saturating_add(i64::from(*length));
            start..end
        });
        let counts = self.deltas.iter().scan(0_i64, |count, delta| {
            *count = count.wrapping_add(*delta);
            Some(*count as u64)
        });
        indices.zip(counts)
    }

    fn to_exponential(&self) -> ExponentialBuckets {
        let all: Vec<(i64, u64)> = self.counts().filter(|(_, count)| *count > 0).collect();
        let (Some((first, _)), Some((last, _))) = (all.first(), all.last()) else {
            return ExponentialBuckets::default();
        };
        // Spans that were read from a request can have any values.
        let Ok(length) = usize::try_from(last - first + 1) else {
            return ExponentialBuckets::default();
        };
        if last - first >= MOST_BUCKETS || i32::try_from(*last).is_err() {
            return ExponentialBuckets::default();
        }
        let mut counts = vec![0; length];
        for (index, count) in &all {
            if let Some(bucket) = counts.get_mut((index - first) as usize) {
                *bucket = *count;
            }
        }
        let offset = i32::try_from(first - 1).unwrap_or(i32::MIN);
        ExponentialBuckets { offset, counts }
    }

    fn of(buckets: &ExponentialBuckets) -> Self {
        let mut made = Self::default();
        // OpenTelemetry numbers buckets by their lower boundary, Prometheus by their upper boundary.
        let indices = i64::from(buckets.offset) + 1..;
        let (mut end, mut before) = (0_i64, 0_u64);
        for (index, &count) in indices.zip(&buckets.counts) {
            if count > 0 {
                let gap = index - end;
                match made.spans.last_mut() {
                    Some((_, length)) if gap < SHORTEST_GAP => {
                        for _ in 0..gap {
                            made.deltas.push(0_i64.wrapping_sub(before as i64));
                            before = 0;
                            *length += 1;
                        }
                        *length += 1;
                    }
                    // The gap fits into an `i32`, because all counts in between are in memory.
                    _ => made.spans.push((i32::try_from(gap).unwrap_or(i32::MAX), 1)),
                }
                made.deltas.push((count as i64).wrapping_sub(before as i64));
                before = count;
                end = index + 1;
            }
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(offset: i32, counts: &[u64]) -> NativeBuckets {
        NativeBuckets::of(&ExponentialBuckets { offset, counts: counts.to_vec() })
    }

    /// Returns the index and the count of each bucket that is not empty, as Prometheus reads them.
    fn read(buckets: &NativeBuckets) -> Vec<(i32, i64)> {
        let mut deltas = buckets.deltas.iter();
        let (mut index, mut count, mut found) = (0, 0, Vec::new());
        for (gap, length) in &buckets.spans {
            index += gap;
            for _ in 0..*length {
                count += deltas.next().expect("a count for each bucket");
                if count != 0 {
                    found.push((index, count));
                }
                index += 1;
            }
        }
        assert_eq!(deltas.next(), None, "no count without a bucket");
        found
    }

    #[test]
    fn each_bucket_has_the_index_of_its_upper_bound() {
        for (offset, counts, expected, runs) in [
            (0, &[1][..], &[(1, 1)][..], 1),
            (-1, &[5, 0, 7], &[(0, 5), (2, 7)], 1),
            (-3, &[2, 1, 0, 0, 4], &[(-2, 2), (-1, 1), (2, 4)], 1),
            (-3, &[2, 1, 0, 0, 0, 4], &[(-2, 2), (-1, 1), (3, 4)], 2),
            (7, &[0, 0, 0, 0, 9, 0], &[(12, 9)], 1),
            (7, &[0, 0], &[], 0),
            (0, &[], &[], 0),
        ] {
            let made = buckets(offset, counts);
            assert_eq!(read(&made), expected, "{offset} {counts:?}");
            assert_eq!(made.spans.len(), runs, "{made:?}");
        }
    }

    #[test]
    fn buckets_too_fine_are_joined_and_too_wide_ones_refused() {
        let point = |scale, zero_threshold| ExponentialHistogramPoint {
            series: SeriesId::new(),
            attributes: Attributes::empty(),
            start: UNIX_EPOCH,
            count: 4,
            sum: 5.0,
            min: None,
            max: None,
            scale,
            zero_count: 1,
            zero_threshold,
            positive: ExponentialBuckets { offset: 4, counts: vec![1, 2] },
            negative: ExponentialBuckets::default(),
        };
        for (scale, schema, expected) in [
            (8, Some(8), vec![(5, 1), (6, 2)]),
            (-4, Some(-4), vec![(5, 1), (6, 2)]),
            (9, Some(8), vec![(3, 3)]),
            (20, Some(8), vec![(1, 3)]),
            (-5, None, vec![]),
        ] {
            let native = NativeHistogram::of(&point(scale, 0.5));
            assert_eq!(native.as_ref().map(|it| it.schema), schema, "{scale}");
            if let Some(native) = native {
                assert_eq!(read(&native.positive), expected, "{scale}");
                assert_eq!((native.count, native.zero_count, native.sum), (4, 1, 5.0));
                assert_eq!(native.zero_threshold, 0.5);
            }
        }
        let native = NativeHistogram::of(&point(0, 0.0));
        assert_eq!(native.map(|it| it.zero_threshold), Some(1e-128));
    }

    #[test]
    fn a_native_histogram_can_be_made_an_exponential_one_again() {
        for (scale, zero_threshold) in [(8, 0.0), (0, 0.5), (-4, 0.0)] {
            let point = ExponentialHistogramPoint {
                zero_count: 3,
                zero_threshold,
                scale,
                positive: ExponentialBuckets { offset: -7, counts: vec![1, 0, 0, 0, 0, 5, 0, 2] },
                negative: ExponentialBuckets { offset: i32::MAX - 1, counts: vec![4] },
                count: 15,
                sum: 2.5,
                ..NativeHistogram::default().to_exponential()
            };
            let native = NativeHistogram::of(&point).expect("no wide buckets");
            let back = native.to_exponential();
            assert_eq!(ExponentialHistogramPoint { series: point.series, ..back }, point);
        }
    }

    #[test]
    fn absurd_spans_take_neither_time_nor_memory() {
        for spans in [
            vec![(i32::MIN, u32::MAX), (i32::MAX, u32::MAX)],
            vec![(0, 1), (i32::MAX, 1)],
            vec![(i32::MAX, 1), (i32::MAX, 1)],
            vec![(5, 0)],
        ] {
            let buckets = NativeBuckets { spans, deltas: vec![1, i64::MAX, i64::MAX] };
            assert!(buckets.counts().count() <= 3);
            assert!(buckets.to_exponential().counts.len() <= 3);
        }
    }

    #[test]
    fn custom_buckets_count_all_values_once() {
        for (boundaries, given, count, expected) in [
            (&[0.5, 10.0][..], &[1, 2, 4][..], 7, &[(0, 1), (1, 2), (2, 4)][..]),
            // The last bucket counts the rest.
            (&[0.5, 10.0], &[1, 2], 7, &[(0, 1), (1, 2), (2, 4)]),
            (&[], &[], 9, &[(0, 9)]),
            (&[], &[9], 9, &[(0, 9)]),
            (&[1.0, 2.0], &[5, 0, 0], 3, &[(0, 5)]),
            (&[1.0], &[0, 0], 0, &[]),
        ] {
            let native = NativeHistogram::with_custom_buckets(boundaries, given, count, 1.5);
            assert_eq!(read(&native.positive), expected, "{boundaries:?} {given:?}");
            let total: i64 = expected.iter().map(|(_, count)| count).sum();
            assert_eq!((native.count as i64, native.schema, native.sum), (total, -53, 1.5));
            assert_eq!((native.zero_count, native.zero_threshold), (0, 0.0));
            assert_eq!(native.custom_values, boundaries);
        }
        let native =
            NativeHistogram::with_custom_buckets(&[1.0, f64::INFINITY], &[1, 2, 0], 3, 1.5);
        assert_eq!(
            (read(&native.positive), native.custom_values),
            (vec![(0, 1), (1, 2)], vec![1.0])
        );
    }
}
