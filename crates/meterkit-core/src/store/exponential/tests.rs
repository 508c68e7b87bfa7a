//! Tests that each value is in its bucket whatever is recorded, and that there are no more buckets than allowed.

use super::*;

/// Pseudo-random numbers, which are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Returns a finite float with uniformly distributed bits, so that all magnitudes are equally likely.
    fn float(&mut self) -> f64 {
        loop {
            let float = f64::from_bits(self.roll());
            if float.is_finite() {
                return float;
            }
        }
    }

    /// Returns a number between 1 and `range`; all magnitudes are equally likely.
    fn within(&mut self, range: f64) -> f64 {
        let part = (self.roll() >> 11) as f64 / (1_u64 << 53) as f64;
        range.powf(part)
    }
}

/// Returns lists of values that cover ranges from one octave to all floats.
fn values(seed: u64) -> Vec<Vec<f64>> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ seed);
    let mut all = vec![(0..2000).map(|_| dice.float()).collect::<Vec<f64>>()];
    for range in [2.0, 1e3, 1e9, 1e200] {
        all.push((0..2000).map(|_| dice.within(range)).collect());
        let signed = |dice: &mut Dice| {
            let magnitude = dice.within(range) / range.sqrt();
            if dice.roll() % 3 == 0 { -magnitude } else { magnitude }
        };
        all.push((0..2000).map(|_| signed(&mut dice)).collect());
    }
    all.push(vec![0.0, -0.0, f64::from_bits(1), -f64::from_bits(1), f64::MAX, f64::MIN]);
    all.push((0..1074).map(|exponent| 2_f64.powi(exponent - 1022)).collect());
    all
}

fn limits() -> [ExponentialLimits; 5] {
    [(160, 20), (160, 3), (2, 20), (17, 20), (16_384, 5)]
        .map(|(max_size, max_scale)| ExponentialLimits { max_size, max_scale })
}

fn counted(limits: ExponentialLimits, values: &[f64]) -> ExponentialCounts {
    let mut counts = ExponentialCounts::new(limits);
    values.iter().for_each(|value| counts.add(SignedIndex::of(*value)));
    counts
}

fn total(buckets: &ExponentialBuckets) -> u64 {
    buckets.counts.iter().sum()
}

#[test]
fn every_value_is_counted_once_in_the_bucket_between_whose_bounds_it_lies() {
    for (limits, values) in limits().iter().flat_map(|it| values(1).into_iter().map(|v| (*it, v))) {
        let counts = counted(limits, &values);
        let mut expected = ExponentialCounts { scale: counts.scale, ..counts.clone() };
        expected.positive.counts.fill(0);
        expected.negative.counts.fill(0);
        expected.zero = 0;
        for value in &values {
            if *value == 0.0 {
                expected.zero += 1;
                continue;
            }
            // With two buckets, neither extends to subnormal numbers.
            let is_raised = limits.max_size == 2 && value.is_subnormal();
            let value = if is_raised { &f64::MIN_POSITIVE.copysign(*value) } else { value };
            let buckets =
                if *value > 0.0 { &mut expected.positive } else { &mut expected.negative };
            let index = index_of(value.abs()) >> (MAX_SCALE - counts.scale);
            let at = usize::try_from(index - buckets.offset).expect("a bucket of its own");
            let [lower, upper] =
                [index, index + 1].map(|index| ExponentialBuckets::bound(counts.scale, index));
            // Bounds are rounded. The index itself is tested separately.
            let slack = 1e-14 * value.abs();
            let is_within = lower - slack <= value.abs() && value.abs() <= upper + slack;
            assert!(is_within, "{value:e} between {lower:e} and {upper:e}");
            buckets.counts[at] += 1;
        }
        assert_eq!(counts, expected, "{limits:?}");
        let all = counts.zero + total(&counts.positive) + total(&counts.negative);
        assert_eq!(all, values.len() as u64);
    }
}

#[test]
fn there_are_never_more_buckets_than_allowed_and_no_empty_ones_at_the_ends() {
    for (limits, values) in limits().iter().flat_map(|it| values(2).into_iter().map(|v| (*it, v))) {
        let mut counts = ExponentialCounts::new(limits);
        for value in values {
            let scale = counts.scale;
            counts.add(SignedIndex::of(value));
            assert!(counts.scale <= scale, "the scale never gets finer");
            for buckets in [&counts.positive, &counts.negative] {
                let (size, room) = (buckets.counts.len(), buckets.counts.capacity());
                let most = limits.max_size as usize;
                assert!(size <= most && room <= most.max(8), "{size} of {room}, {limits:?}");
                assert_ne!(buckets.counts.first(), Some(&0));
                assert_ne!(buckets.counts.last(), Some(&0));
            }
        }
    }
}

#[test]
fn the_scale_is_as_fine_as_the_values_allow() {
    for (limits, values) in limits().iter().flat_map(|it| values(3).into_iter().map(|v| (*it, v))) {
        let counts = counted(limits, &values);
        if counts.scale == limits.max_scale {
            continue;
        }
        let finer = MAX_SCALE - counts.scale - 1;
        let is_too_wide = |sign: f64| {
            let magnitudes = values.iter().map(|value| value * sign).filter(|value| *value > 0.0);
            let indices: Vec<i64> =
                magnitudes.map(|value| i64::from(index_of(value) >> finer)).collect();
            let (low, high) = (indices.iter().min(), indices.iter().max());
            low.zip(high).is_some_and(|(low, high)| high - low >= i64::from(limits.max_size))
        };
        assert!(is_too_wide(1.0) || is_too_wide(-1.0), "{limits:?}: scale {}", counts.scale);
    }
}

#[test]
fn merging_buckets_yields_the_counts_of_a_lower_scale() {
    for (limits, values) in limits().iter().flat_map(|it| values(4).into_iter().map(|v| (*it, v))) {
        let fine = counted(limits, &values);
        for steps in 1..=fine.scale - -10 {
            let max_scale = fine.scale - steps;
            let coarse = counted(ExponentialLimits { max_scale, ..limits }, &values);
            let mut joined = fine.clone();
            joined.positive.downscale(steps as u32);
            joined.negative.downscale(steps as u32);
            assert_eq!(coarse.scale, max_scale);
            assert_eq!((joined.positive, joined.negative), (coarse.positive, coarse.negative));
        }
    }
}

#[test]
fn the_order_of_values_does_not_matter() {
    for (limits, values) in limits().iter().flat_map(|it| values(5).into_iter().map(|v| (*it, v))) {
        let counts = counted(limits, &values);
        let mut other = values.clone();
        other.reverse();
        assert_eq!(counts, counted(limits, &other));
        other.sort_by(f64::total_cmp);
        assert_eq!(counts, counted(limits, &other));
    }
}

#[test]
fn one_value_has_the_finest_scale_and_far_values_a_coarse_one() {
    let default = ExponentialLimits::default();
    assert_eq!(counted(default, &[]).scale, 20);
    assert_eq!(counted(default, &[0.0, 7.0, 7.0, -3.0]).scale, 20);
    assert_eq!(counted(default, &[1.5, 1000.0]).scale, 4);
    assert_eq!(counted(default, &[f64::MIN_POSITIVE, f64::MAX]).scale, -4);
    // Zeros take no bucket. Negative values have buckets of their own at the same scale.
    let signs = counted(default, &[1.5, 1000.0, -5.0, 0.0]);
    assert_eq!((signs.scale, signs.zero, signs.negative.counts.len()), (4, 1, 1));
    // Two buckets hold all floats: those below the smallest normal number are counted with it.
    let two = ExponentialLimits { max_size: 2, max_scale: 20 };
    assert_eq!(counted(two, &[f64::MIN_POSITIVE, f64::MAX]).scale, -10);
    let both = counted(two, &[f64::from_bits(1), f64::MAX, f64::MIN_POSITIVE, -f64::from_bits(1)]);
    assert_eq!((both.scale, &both.positive.counts[..]), (-10, &[2, 1][..]));
}

#[test]
fn cleared_counts_equal_new_ones() {
    let mut counts = counted(ExponentialLimits::default(), &[0.0, 1.0, 1e9, -4.0]);
    counts.clear();
    assert_eq!(counts, ExponentialCounts::new(ExponentialLimits::default()));
    assert_eq!(counts.positive.counts.capacity(), 0);
}
