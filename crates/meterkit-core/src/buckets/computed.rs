//! Bucket boundaries as code requests them: listed, or computed from a few numbers.

use super::{Boundaries, HistogramBuckets, MOST_BUCKETS};

/// The upper bounds of the buckets of a histogram: a list, or a rule that computes one. Can be a constant.
///
/// In Prometheus, a bound is the value of the label `le`, so a bound that differs in its last digit makes another
/// series. When you migrate, use the rule that computes the same bounds as before:
///
/// | Before | Here |
/// |---|---|
/// | `prometheus::exponential_buckets`, Go's `ExponentialBuckets` | [`exponential`](Self::exponential) |
/// | `prometheus_client`'s `exponential_buckets` | [`exponential_by_powers`](Self::exponential_by_powers) |
/// | `linear_buckets` of both crates | [`linear`](Self::linear) |
///
/// ```
/// use meterkit::instrument::Buckets;
///
/// const SIZES: Buckets = Buckets::exponential(64.0, 4.0, 8);
///
/// # let meter = meterkit::Registry::new().scoped("plugin", "catalog");
/// let sizes = meter.histogram::<f64>("response.size").unit("By").buckets(SIZES).build()?;
/// sizes.record(300.0);
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
///
/// Arrays, slices and vectors convert into this type. Invalid arguments are reported as an error when the histogram is
/// created.
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets(Rule);

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    Listed(Vec<f64>),
    Computed { start: f64, step: f64, count: usize, how: Computation },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Computation {
    Products,
    Powers,
    Sums,
}

impl Buckets {
    /// Computes `count` bounds, starting with `start`: each bound is the previous one times `factor`.
    ///
    /// `start` must be above 0, and `factor` above 1.
    pub const fn exponential(start: f64, factor: f64, count: usize) -> Self {
        Self(Rule::Computed { start, step: factor, count, how: Computation::Products })
    }

    /// Computes `count` bounds, starting with `start`: each bound is `start` times a power of `factor`, computed by
    /// [`f64::powf`], whose last digit may depend on the platform.
    ///
    /// `start` must be above 0, and `factor` above 1.
    ///
    /// ```
    /// use meterkit::instrument::Buckets;
    ///
    /// # let meter = meterkit::Registry::new().scoped("plugin", "catalog");
    /// let by_steps = meter.histogram::<f64>("a").buckets(Buckets::exponential(0.1, 3.0, 3));
    /// let _ = by_steps.build()?; // 0.1, 0.30000000000000004, 0.9000000000000001
    /// let by_powers = meter.histogram::<f64>("b").buckets(Buckets::exponential_by_powers(0.1, 3.0, 3));
    /// let _ = by_powers.build()?; // 0.1, 0.30000000000000004, 0.9
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    pub const fn exponential_by_powers(start: f64, factor: f64, count: usize) -> Self {
        Self(Rule::Computed { start, step: factor, count, how: Computation::Powers })
    }

    /// Computes `count` bounds, starting with `start`: each bound is `start` plus a multiple of `width`.
    ///
    /// `width` must be above 0.
    pub const fn linear(start: f64, width: f64, count: usize) -> Self {
        Self(Rule::Computed { start, step: width, count, how: Computation::Sums })
    }

    /// Returns the buckets of the histogram, or an error that names the invalid argument and says what would be right.
    pub(crate) fn resolve(self) -> Result<HistogramBuckets, String> {
        let bounds = match self.0 {
            Rule::Listed(bounds) => bounds,
            Rule::Computed { start, step, count, how } => how.compute(start, step, count)?,
        };
        Ok(HistogramBuckets::Explicit(Boundaries::from(bounds)))
    }
}

impl Computation {
    fn compute(self, start: f64, step: f64, count: usize) -> Result<Vec<f64>, String> {
        let (step_name, least_step) = match self {
            Self::Products | Self::Powers => ("factor", 1.0),
            Self::Sums => ("width", 0.0),
        };
        if !start.is_finite() || (self != Self::Sums && start <= 0.0) {
            let right = if self == Self::Sums { "a number" } else { "a number above 0" };
            return Err(format!("is computed from `start` {start}; write {right}"));
        }
        if !step.is_finite() || step <= least_step {
            return Err(format!(
                "is computed from `{step_name}` {step}; write a number above {least_step}"
            ));
        }
        if !(1..=MOST_BUCKETS as usize).contains(&count) {
            return Err(format!("is computed from `count` {count}; write 1 to {MOST_BUCKETS}"));
        }
        let bounds: Vec<f64> = match self {
            Self::Products => {
                let next = |bound: &f64| Some(bound * step);
                std::iter::successors(Some(start), next).take(count).collect()
            }
            Self::Powers => (0..count).map(|at| start * step.powf(at as f64)).collect(),
            Self::Sums => (0..count).map(|at| start + step * at as f64).collect(),
        };
        if bounds.iter().any(|bound| bound.is_infinite()) {
            return Err(format!(
                "is computed from `count` {count}, whose last bound would be infinite; \
                 lower `count` or `{step_name}`"
            ));
        }
        match bounds.windows(2).find(|pair| pair[0] >= pair[1]) {
            None => Ok(bounds),
            Some(pair) => Err(format!(
                "is computed from `{step_name}` {step}, which is too small to change a bound of {:e}; raise it",
                pair[0]
            )),
        }
    }
}

impl<T: Into<Vec<f64>>> From<T> for Buckets {
    fn from(bounds: T) -> Self {
        Self(Rule::Listed(bounds.into()))
    }
}
