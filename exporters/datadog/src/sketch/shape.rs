//! Estimates the distribution of values within explicit buckets.
//!
//! A bucket only has the number of its values. The neighbors show whether there are more values towards one of its
//! ends, and the sum of all values shows how far they lie from zero. The density within a bucket is an exponential
//! function: it has a single parameter, includes the uniform distribution, and is the distribution of maximum entropy
//! for a known mean.

use crate::points::Bucket;

/// The steepest slope that is derived from neighbors. Nearly all values then lie at one end.
const STEEPEST: f64 = 50.0;

/// A bucket with the density of its values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shaped {
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) count: u64,
    /// The logarithm of the ratio of the densities at the upper and at the lower end; 0 for evenly distributed
    /// values.
    slope: f64,
}

impl Shaped {
    /// Returns a bucket with evenly distributed values.
    pub(super) fn even(Bucket { lower, upper, count }: Bucket) -> Self {
        Self { lower, upper, count, slope: 0.0 }
    }

    /// Returns the value below which `share` of the values lie.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let k = self.slope;
        let at = match () {
            () if k.abs() < 1e-6 => share,
            () if k > 0.0 => 1.0 + (share + (1.0 - share) * (-k).exp()).ln() / k,
            () => (share * k.exp_m1()).ln_1p() / k,
        };
        // Not `clamp`, which panics if bounds from another library are out of order.
        let value = self.lower * (1.0 - at) + self.upper * at;
        value.max(self.lower).min(self.upper)
    }

    /// Returns the share of the values that lie below `value`.
    pub(super) fn share_below(&self, value: f64) -> f64 {
        // Halve first: the distance of two floats may exceed the largest float.
        let at = (value / 2.0 - self.lower / 2.0) / self.half_width();
        let k = self.slope;
        match () {
            () if k.abs() < 1e-6 => at,
            () if k > 0.0 => ((k * (at - 1.0)).exp() - (-k).exp()) / -(-k).exp_m1(),
            () => (k * at).exp_m1() / k.exp_m1(),
        }
    }

    /// Returns the sum of the values.
    fn sum(&self) -> f64 {
        let at = mean(self.slope);
        (self.lower * (1.0 - at) + self.upper * at) * self.count as f64
    }

    /// Returns the mirror image of the bucket on the other side of zero.
    fn mirrored(self) -> Self {
        Self { lower: -self.upper, upper: -self.lower, slope: -self.slope, ..self }
    }

    fn half_width(&self) -> f64 {
        self.upper / 2.0 - self.lower / 2.0
    }

    /// Returns the logarithm of the density; `None` if the bucket has no width.
    fn log_density(&self) -> Option<f64> {
        Some((self.count as f64 / self.half_width()).ln()).filter(|density| density.is_finite())
    }

    fn half_center(&self) -> f64 {
        self.upper / 4.0 + self.lower / 4.0
    }
}

/// Returns the mean of values between 0 and 1 with a density of this slope.
fn mean(slope: f64) -> f64 {
    if slope.abs() < 1e-4 {
        return 0.5 + slope / 12.0;
    }
    -1.0 / (-slope).exp_m1() - 1.0 / slope
}

/// Returns the buckets, from the lowest to the highest, with densities that are estimated from the counts and the
/// sum. An infinite end is an unknown one.
pub(super) fn shaped(buckets: impl Iterator<Item = Bucket>, sum: Option<f64>) -> Vec<Shaped> {
    let mut shaped: Vec<Shaped> = buckets.map(Shaped::even).collect();
    let last = shaped.len().saturating_sub(1);
    let lowest = shaped.first().is_some_and(|it| !it.lower.is_finite()).then_some(0);
    let highest = shaped.last().is_some_and(|it| !it.upper.is_finite()).then_some(last);
    // Without other information, values of open buckets lie on the finite bound, as in Datadog's own translation of
    // OpenTelemetry.
    lowest.into_iter().for_each(|at| shaped[at].lower = shaped[at].upper);
    highest.into_iter().for_each(|at| shaped[at].upper = shaped[at].lower);
    slope_by_neighbors(&mut shaped);
    let Some(sum) = sum else { return shaped };
    let excess = |shaped: &[Shaped]| sum - shaped.iter().map(Shaped::sum).sum::<f64>();
    let mut has_tail = false;
    if let Some(at) = highest {
        let Shaped { lower, count, .. } = shaped[at];
        let more = excess(&shaped) / count as f64;
        if more.is_finite() && more > 0.0 {
            (shaped[at], has_tail) = (tail(lower, more, count), true);
        }
    }
    if let Some(at) = lowest {
        let Shaped { upper, count, .. } = shaped[at];
        let less = -excess(&shaped) / count as f64;
        // Most histograms hold no values below zero.
        if upper > 0.0 && less <= upper && (less > 0.0 || highest.is_none()) {
            shaped[at].lower = 0.0;
            if !has_tail {
                slope_by_neighbors(&mut shaped);
            }
        } else if less.is_finite() && less > 0.0 {
            (shaped[at], has_tail) = (tail(-upper, less, count).mirrored(), true);
        }
    }
    if !has_tail {
        slope_by_sum(&mut shaped, sum);
    }
    shaped
}

/// Returns a bucket of values that are at least `lower`, and whose mean is `lower + mean`.
fn tail(lower: f64, mean: f64, count: u64) -> Shaped {
    if count == 1 {
        return Shaped { lower: lower + mean, upper: lower + mean, count, slope: 0.0 };
    }
    // The expected position of the largest of `count` values.
    let widths = (count as f64).ln() + 1.0;
    let upper = (lower + mean * widths).min(f64::MAX);
    Shaped { lower, upper, count, slope: -widths }
}

/// Sets the slope of each bucket to the average slope towards its neighbors' densities.
fn slope_by_neighbors(shaped: &mut [Shaped]) {
    let slope = |at: usize| {
        let this = &shaped[at];
        let before = at.checked_sub(1).and_then(|at| shaped.get(at));
        let before = before.filter(|it| it.upper == this.lower);
        let after = shaped.get(at + 1).filter(|it| it.lower == this.upper);
        let towards = |other: &Shaped| {
            let rise = other.log_density()? - this.log_density()?;
            let distance = other.half_center() - this.half_center();
            Some(rise / distance * this.half_width()).filter(|slope| slope.is_finite())
        };
        let known: Vec<f64> = before.into_iter().chain(after).filter_map(towards).collect();
        let slope = known.iter().sum::<f64>() / known.len().max(1) as f64;
        slope.clamp(-STEEPEST, STEEPEST)
    };
    let slopes: Vec<f64> = (0..shaped.len()).map(slope).collect();
    for (bucket, slope) in shaped.iter_mut().zip(slopes) {
        bucket.slope = slope;
    }
}

/// Changes the slopes of all buckets by the same amount, so that their values add up to this sum.
fn slope_by_sum(shaped: &mut [Shaped], sum: f64) {
    let widest = shaped.iter().map(Shaped::half_width).fold(0.0, f64::max);
    let of_ends = |end: fn(&Shaped) -> f64| -> f64 {
        shaped.iter().map(|bucket| end(bucket) * bucket.count as f64).sum()
    };
    let (least, most) = (of_ends(|it| it.lower), of_ends(|it| it.upper));
    // Ignore a sum that values in these buckets cannot have. For example, the difference of two large sums is
    // inexact.
    let is_theirs = (least..=most).contains(&sum);
    if !(is_theirs && widest > 0.0 && (most - least).is_finite()) {
        return;
    }
    let turned = |bucket: &Shaped, by: f64| {
        let slope = bucket.slope + by * (bucket.half_width() / widest);
        Shaped { slope, ..*bucket }
    };
    let total = |by: f64| shaped.iter().map(|bucket| turned(bucket, by).sum()).sum::<f64>();
    let (mut low, mut high) = (-1e6, 1e6);
    let mut by = 0.0;
    // The tolerance is close enough for a sketch, whose bins are 1.6 % wide.
    for _ in 0..60 {
        let rest = sum - total(by);
        if rest.abs() <= 1e-6 * (most - least) {
            break;
        }
        if rest > 0.0 {
            low = by
        } else {
            high = by
        }
        by = (low + high) / 2.0;
    }
    let turned: Vec<Shaped> = shaped.iter().map(|bucket| turned(bucket, by)).collect();
    shaped.copy_from_slice(&turned);
}
