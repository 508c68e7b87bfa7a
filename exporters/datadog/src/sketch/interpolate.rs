//! Distributes buckets over bins.

use super::key::{bin_of, key, upper_edge};
use super::shape::Shaped;

/// Distributes the values of `bucket` over the keys between its lower and its upper end, according to their density.
/// Calls `put` with rising keys and with counts that add up to that of the bucket.
///
/// The only value of a bucket is placed in its middle, not at one of its ends.
pub(super) fn interpolate(bucket: &Shaped, mut put: impl FnMut(i16, u64)) {
    let count = bucket.count;
    let (first, last) = (key(bucket.lower), key(bucket.upper));
    if first >= last {
        put(first, count);
        return;
    }
    let (mut key, mut done) = (first, 0);
    let mut edge = upper_edge(key);
    // One iteration per non-empty bin, however many bins lie in between.
    loop {
        let share = (done as f64 + 0.5) / count as f64;
        let next = bucket.quantile(share);
        if next >= edge {
            key = bin_of(next).max(key).min(last);
            edge = upper_edge(key);
        }
        let end = if key == last {
            count
        } else {
            let share = bucket.share_below(edge);
            ((share * count as f64).round() as u64).max(done + 1).min(count)
        };
        put(key, end - done);
        done = end;
        if done >= count {
            return;
        }
        // Each iteration advances by at least one key, so that rounding cannot cause many iterations.
        key += 1;
        edge = upper_edge(key);
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::value;
    use super::*;
    use crate::points::Bucket;

    fn bins(lower: f64, upper: f64, count: u64) -> Vec<(i16, u64)> {
        let mut bins = Vec::new();
        let bucket = Shaped::even(Bucket { lower, upper, count });
        interpolate(&bucket, |key, count| bins.push((key, count)));
        bins
    }

    #[test]
    fn no_count_is_lost_and_keys_rise_between_the_bounds() {
        let bounds = [
            f64::MIN,
            -1e12,
            -1.0,
            -1e-300,
            0.0,
            f64::from_bits(1),
            1e-9,
            0.005,
            1.0,
            1.01,
            2.0,
            1e9,
            f64::MAX,
        ];
        for (at, &lower) in bounds.iter().enumerate() {
            for &upper in &bounds[at..] {
                for count in [1, 2, 3, 7, 100, 65_536, 1 << 40, u64::MAX] {
                    let bins = bins(lower, upper, count);
                    let what = format!("{count} in {lower}..{upper}");
                    assert_eq!(
                        bins.iter().map(|bin| u128::from(bin.1)).sum::<u128>(),
                        count.into()
                    );
                    assert!(bins.iter().all(|bin| bin.1 > 0), "{what}");
                    assert!(bins.windows(2).all(|pair| pair[0].0 < pair[1].0), "{what}");
                    let ends = (bins[0].0, bins[bins.len() - 1].0);
                    assert!(ends.0 >= key(lower) && ends.1 <= key(upper), "{what}");
                }
            }
        }
    }

    #[test]
    fn each_bin_gets_what_its_part_of_the_distance_makes() {
        let total = 1_000_000;
        let (lower, upper) = (1.0, 4.0);
        for (at, count) in bins(lower, upper, total) {
            let from = value(at).max(lower);
            let to = if at == key(upper) { upper } else { value(at + 1).min(upper) };
            let expected = (to - from).max(0.0) / (upper - lower) * total as f64;
            assert!((count as f64 - expected).abs() <= 1.0, "{at}: {count} and not {expected}");
        }
    }

    #[test]
    fn a_distance_beyond_all_floats_is_shared_out_too() {
        assert_eq!(bins(f64::MIN, f64::MAX, 1000), [(-32766, 500), (32766, 500)]);
    }

    #[test]
    fn a_single_value_lands_in_the_middle() {
        for (lower, upper, middle) in
            [(1.0, 3.0, 2.0), (0.0, 1.0, 0.5), (-4.0, 2.0, -1.0), (-3.0, 3.0, 0.0)]
        {
            assert_eq!(bins(lower, upper, 1), [(bin_of(middle), 1)], "{lower}..{upper}");
        }
        assert_eq!(bins(2.0, 2.0, 5), [(key(2.0), 5)]);
    }

    #[test]
    fn the_work_does_not_grow_with_the_count() {
        let mut turns = 0;
        let bucket = Bucket { lower: -1e15, upper: 1e15, count: u64::MAX };
        interpolate(&Shaped::even(bucket), |_, _| turns += 1);
        assert!(turns < 8000, "{turns}");
    }
}
