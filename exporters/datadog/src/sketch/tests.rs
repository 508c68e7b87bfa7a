//! Sketches count each value once, and their quantiles are those of the agent.

use meterkit_core::{
    Attributes, Data, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint, Registry,
    SeriesId,
};

use super::*;
use crate::sketch::key::{gamma, key, value};
use crate::tests::random::Random;
use crate::tests::samples::{at, recorded};

impl Sketch {
    /// Returns the sketch that the agent computes from individual values.
    fn of_values(values: &[f64]) -> Self {
        let bins = values.iter().map(|value| Bin { key: key(*value), count: 1 }).collect();
        Self {
            bins: joined(bins),
            count: values.len() as u64,
            sum: values.iter().sum(),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// Returns the value below which a share of all values lies, as the agent computes it.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let rank = (share * (self.count - 1) as f64).round_ties_even();
        let mut below = 0.0;
        for (at, (key, count)) in self.written().enumerate() {
            below += f64::from(count);
            if below > rank {
                let weight = (below - rank) / f64::from(count);
                let (lower, upper) = (value(key), value(key) * gamma());
                let lower = if at == 0 { self.min } else { lower };
                return lower * weight + upper * (1.0 - weight);
            }
        }
        self.max
    }

    fn in_bins(&self) -> u128 {
        self.bins.iter().map(|bin| u128::from(bin.count)).sum()
    }
}

fn explicit(buckets: &[u64], sum: f64, min: Option<f64>, max: Option<f64>) -> HistogramPoint {
    HistogramPoint { min, max, ..recorded(Attributes::empty(), buckets, sum) }
}

fn exponential(
    scale: i32,
    positive: &[u64],
    zero: u64,
    negative: &[u64],
) -> ExponentialHistogramPoint {
    let buckets = |counts: &[u64]| ExponentialBuckets { offset: 0, counts: counts.to_vec() };
    ExponentialHistogramPoint {
        series: SeriesId::new(),
        attributes: Attributes::empty(),
        start: at(0),
        count: positive.iter().chain(negative).sum::<u64>() + zero,
        sum: 1.0,
        min: None,
        max: None,
        scale,
        zero_count: zero,
        zero_threshold: 0.0,
        positive: buckets(positive),
        negative: buckets(negative),
    }
}

fn bins(sketch: &Sketch) -> Vec<(i16, u64)> {
    sketch.bins.iter().map(|bin| (bin.key, bin.count)).collect()
}

#[test]
fn quantiles_are_those_of_the_agent() {
    let sketch = Sketch::of_values(&[1.0, 2.0, 3.0]);
    assert!((sketch.quantile(0.5) - 2.009_103_080_99).abs() < 1e-11, "{}", sketch.quantile(0.5));
    assert_eq!(sketch.quantile(0.0), 1.0);
}

#[test]
fn explicit_buckets_keep_what_is_exactly_known() {
    let bounds = &[1.0, 2.0, 5.0][..];
    for (buckets, min, max, expected) in [
        (&[1, 2, 0, 3][..], Some(0.5), Some(8.0), (6, 0.5, 8.0)),
        (&[0, 2, 4, 0], None, None, (6, 1.0, 5.0)),
        (&[0, 0, 4, 0], None, Some(4.5), (4, 2.0, 4.5)),
    ] {
        let point = explicit(buckets, 21.5, min, max);
        let sketch = Sketch::of(&[Histogram::Explicit { bounds, point: &point }]).expect("values");
        assert_eq!((sketch.count, sketch.min, sketch.max), expected, "{buckets:?}");
        assert_eq!((sketch.sum, sketch.mean()), (21.5, 21.5 / sketch.count as f64));
        assert_eq!(sketch.in_bins(), u128::from(sketch.count));
    }
}

#[test]
fn values_beyond_the_last_bound_lie_where_the_sum_has_them() {
    let bounds = &[1.0, 2.0, 5.0][..];
    // One value at 1, two between 1 and 2, and three that add up to 36.
    let point = explicit(&[1, 2, 0, 3], 40.0, None, None);
    let sketch = Sketch::of(&[Histogram::Explicit { bounds, point: &point }]);
    let sketch = sketch.expect("values");
    assert!(sketch.min == 1.0 && sketch.max > 12.0, "{sketch:?}");
    assert!(sketch.quantile(0.8) > 8.0, "{sketch:?}");
    // Without a sum, they lie on their bound.
    let point = explicit(&[1, 2, 0, 3], f64::NAN, None, None);
    let sketch = Sketch::of(&[Histogram::Explicit { bounds, point: &point }]);
    let sketch = sketch.expect("values");
    assert_eq!((sketch.count, sketch.min, sketch.max), (6, 1.0, 5.0));
    // Values below zero, and a sum that no such values can have.
    for (buckets, sum, min) in [([4, 0, 0, 0], -20.0, -5.0), ([0, 4, 0, 0], 99.0, 1.0)] {
        let point = explicit(&buckets, sum, None, None);
        let sketch = Sketch::of(&[Histogram::Explicit { bounds, point: &point }]);
        let sketch = sketch.expect("values");
        assert!(sketch.min <= min && sketch.max <= 2.0, "{sketch:?}");
    }
}

#[test]
fn values_on_one_bound_are_in_one_bin() {
    let (bounds, point) = ([2.0, 3.0], explicit(&[5, 0, 7], 31.0, None, None));
    let sketch = Sketch::of(&[Histogram::Explicit { bounds: &bounds, point: &point }]);
    assert_eq!(sketch.as_ref().map(bins), Some(vec![(1383, 5), (1409, 7)]));
}

#[test]
fn a_sum_that_is_no_number_is_estimated_from_the_buckets() {
    for (sum, expected) in [(f64::NAN, 7.0), (f64::INFINITY, 7.0), (6.5, 6.5)] {
        let (bounds, point) = ([1.0, 2.0, 3.0], explicit(&[0, 3, 1, 0], sum, None, None));
        let sketch = Sketch::of(&[Histogram::Explicit { bounds: &bounds, point: &point }]);
        assert_eq!(sketch.map(|sketch| sketch.sum), Some(expected));
    }
}

#[test]
fn nothing_recorded_is_no_sketch_and_neither_is_too_much() {
    let bounds = [1.0];
    for (buckets, is_some) in [
        ([0, 0], false),
        ([MAX_VALUES, 0], true),
        ([MAX_VALUES, 1], false),
        ([u64::MAX, u64::MAX], false),
    ] {
        let point = explicit(&buckets, 1.0, Some(0.5), Some(2.0));
        let sketch = Sketch::of(&[Histogram::Explicit { bounds: &bounds, point: &point }]);
        assert_eq!(sketch.is_some(), is_some, "{buckets:?}");
    }
}

#[test]
fn the_zero_bucket_is_key_zero_and_negative_buckets_mirror_positive_ones() {
    let mirrored = |counts: &[(i16, u64)]| -> Vec<_> {
        counts.iter().rev().map(|(key, count)| (-key, *count)).collect()
    };
    let point = exponential(0, &[40, 0, 8], 7, &[]);
    let positive = bins(&Sketch::of(&[Histogram::Exponential(&point)]).expect("values"));
    assert_eq!(positive[0], (0, 7));
    assert_eq!(positive.iter().map(|bin| bin.1).sum::<u64>(), 55);
    assert!(positive[1..].iter().all(|bin| (1338..=1383).contains(&bin.0) || bin.0 >= 1427));

    // A bin excludes its upper end, and a mirrored bin its lower one: the next bin may have one value more or less.
    let point = exponential(0, &[], 7, &[40, 0, 8]);
    let negative = mirrored(&bins(&Sketch::of(&[Histogram::Exponential(&point)]).expect("values")));
    assert_eq!(negative[0], (0, 7));
    let below = |bins: &[(i16, u64)], key: i16| -> u64 {
        bins.iter().filter(|bin| bin.0 <= key).map(|bin| bin.1).sum()
    };
    for key in 0..2000 {
        assert!(below(&positive, key).abs_diff(below(&negative, key)) <= 1, "{key}");
    }
}

#[test]
fn what_was_recorded_in_exponential_buckets_has_its_quantiles_within_two_percent() {
    for (seed, sigma, mu, values) in [
        (1, 1.0, -3.0, 100_000),
        (2, 0.5, 0.0, 20_000),
        (3, 1.5, 6.0, 50_000),
        (4, 0.1, -7.0, 10_000),
    ] {
        let registry = Registry::new();
        let meter = registry.scoped("core", "test");
        let histogram = meter.histogram::<f64>("duration").unit("s").exponential().build();
        let histogram = histogram.expect("a histogram");
        let mut random = Random(seed);
        let mut all: Vec<f64> = (0..values).map(|_| (mu + sigma * random.normal()).exp()).collect();
        all.iter().for_each(|value| histogram.record(*value));
        all.sort_by(f64::total_cmp);

        let scopes = registry.read();
        let metrics = scopes.iter().flat_map(|scope| &scope.metrics);
        let mut points = metrics.filter_map(|metric| match &metric.data {
            Data::ExponentialHistogram { points, .. } => points.first(),
            _ => None,
        });
        let mut point = points.next().expect("a point").clone();
        // A delta has no minimum and maximum.
        (point.min, point.max) = (None, None);
        let sketch = Sketch::of(&[Histogram::Exponential(&point)]).expect("values");
        assert_eq!((sketch.count, sketch.in_bins()), (values, u128::from(values)));
        assert_eq!(sketch.sum, point.sum);
        for share in [0.5, 0.95, 0.99] {
            let exact = all[(share * (values - 1) as f64).round() as usize];
            let error = sketch.quantile(share) / exact - 1.0;
            assert!(error.abs() < 0.02, "sigma {sigma}: p{share} is off by {error}");
        }
    }
}

#[test]
fn what_is_merged_is_the_sum_of_both() {
    let mut random = Random(7);
    for _ in 0..200 {
        let mut values = || -> Vec<f64> {
            let count = random.below(50) + 1;
            (0..count).map(|_| (random.normal() * 20.0).exp() * random.normal()).collect()
        };
        let (a, b) = (values(), values());
        let merged = Sketch::of_values(&a).merge(Sketch::of_values(&b));
        let together = Sketch::of_values(&[a.clone(), b.clone()].concat());
        assert_eq!(bins(&merged), bins(&together));
        assert!(merged.bins.windows(2).all(|pair| pair[0].key < pair[1].key));
        assert_eq!(
            (merged.count, merged.min, merged.max),
            (together.count, together.min, together.max)
        );
        assert!((merged.sum - together.sum).abs() <= together.sum.abs() * 1e-9 + 1e-9);
    }
}

#[test]
fn no_count_is_lost_in_any_buckets() {
    let mut random = Random(11);
    for round in 0..300 {
        let mut bounds: Vec<f64> = (0..random.below(30))
            .map(|_| (random.normal() * 300.0).exp() * (random.fraction() - 0.5))
            .map(|bound| bound.clamp(f64::MIN, f64::MAX))
            .collect();
        bounds.sort_by(f64::total_cmp);
        let mut counts = |buckets: usize| -> Vec<u64> {
            (0..buckets).map(|_| random.next() >> (35 + random.below(29))).collect()
        };
        let buckets = counts(bounds.len() + 1);
        let point = explicit(&buckets, 1.0, None, None);
        let histograms = [
            exponential(round - 150, &counts(60), 3, &counts(20)),
            exponential(20, &counts(160), 0, &counts(160)),
        ];
        let mut all = histograms.iter().map(Histogram::Exponential).collect::<Vec<_>>();
        all.push(Histogram::Explicit { bounds: &bounds, point: &point });
        for histogram in all {
            let Some(sketch) = Sketch::of_one(&histogram) else {
                continue;
            };
            let count: u128 = histogram.buckets().map(|bucket| u128::from(bucket.count)).sum();
            assert_eq!((sketch.in_bins(), u128::from(sketch.count)), (count, count), "{round}");
            assert!(sketch.bins.len() <= MAX_BINS);
            assert!(sketch.bins.windows(2).all(|pair| pair[0].key < pair[1].key));
            assert!(sketch.min <= sketch.max && sketch.min.is_finite() && sketch.max.is_finite());
            assert!(sketch.sum.is_finite());
        }
    }
}

#[test]
fn the_lowest_bins_are_joined_beyond_the_limit() {
    let all: Vec<f64> = (1..=5000).map(value).collect();
    let sketch = Sketch::of_values(&all);
    let bins = bins(&sketch);
    assert_eq!((bins.len(), bins[0], bins[1], bins[4095]), (4096, (905, 905), (906, 1), (5000, 1)));
    assert_eq!((sketch.count, sketch.min), (5000, value(1)));
}

#[test]
fn a_count_beyond_sixteen_bits_is_written_in_several_bins() {
    for (count, written) in [
        (1, &[1][..]),
        (65_535, &[65_535]),
        (65_536, &[65_535, 1]),
        (131_070, &[65_535, 65_535]),
        (200_000, &[65_535, 65_535, 65_535, 3395]),
    ] {
        let mut sketch = Sketch::of_values(&[1.0]);
        sketch.bins[0].count = count;
        let expected: Vec<_> = written.iter().map(|count| (1338, *count)).collect();
        assert_eq!(sketch.written().collect::<Vec<_>>(), expected, "{count}");
    }
}

#[test]
fn the_ends_of_all_floats_have_bins() {
    let values = [f64::MIN, -1.0, -f64::from_bits(1), 0.0, f64::from_bits(1), 1e-9, f64::MAX];
    let sketch = Sketch::of_values(&values);
    let keys: Vec<i16> = sketch.bins.iter().map(|bin| bin.key).collect();
    assert_eq!(keys, [-32766, -1338, 0, 1, 32766]);

    let bounds = [f64::MIN, 0.0, f64::MAX];
    let point = explicit(&[1, 1000, 1000, 1], 0.0, None, None);
    let sketch = Sketch::of(&[Histogram::Explicit { bounds: &bounds, point: &point }]);
    assert_eq!(
        sketch.map(|sketch| (sketch.in_bins(), sketch.min, sketch.max)),
        Some((2002, f64::MIN, f64::MAX))
    );
}
