//! The buckets of histograms.

mod boundaries;
mod computed;

use std::fmt;
use std::sync::LazyLock;

pub use self::boundaries::Boundaries;
pub use self::computed::Buckets;
use crate::error::InstrumentError;
use crate::store::exponential::MAX_SCALE;

/// The lowest scale that can be configured. At this scale, two buckets hold all normal numbers of one sign.
const MIN_SCALE: i32 = -10;

/// The highest number of buckets per sign that can be configured. Their counts take 128 KiB.
const MOST_BUCKETS: u32 = 16_384;

/// The maximum number and resolution of the buckets of an exponential histogram. The default is 160 buckets and scale
/// 20.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "catalog-json", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "OpenTelemetry has these two")]
pub struct ExponentialLimits {
    /// The maximum number of buckets for positive values, and the same for negative values: 2 to 16,384.
    pub max_size: u32,
    /// The scale at the start: -10 to 20. It falls when the values are too far apart for `max_size` buckets.
    pub max_scale: i32,
}

impl ExponentialLimits {
    /// Returns what is wrong with the limits, and which values are valid.
    pub(crate) fn problem(self) -> Option<String> {
        let Self { max_size, max_scale } = self;
        if !(2..=MOST_BUCKETS).contains(&max_size) {
            return Some(format!(
                "have `max_size` {max_size}; choose 2 to {MOST_BUCKETS} (default 160)"
            ));
        }
        (!(MIN_SCALE..=MAX_SCALE).contains(&max_scale)).then(|| {
            format!("have `max_scale` {max_scale}; choose {MIN_SCALE} to {MAX_SCALE} (default 20)")
        })
    }
}

impl Default for ExponentialLimits {
    fn default() -> Self {
        Self { max_size: 160, max_scale: MAX_SCALE }
    }
}

/// Formats the limits as the catalog shows them.
impl fmt::Display for ExponentialLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exponential, up to {} buckets and scale {}", self.max_size, self.max_scale)
    }
}

/// How a histogram sorts its values into buckets. The default is OpenTelemetry's list of boundaries, which is meant for
/// milliseconds.
#[derive(Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "OpenTelemetry has these two")]
pub enum HistogramBuckets {
    /// Buckets between these boundaries, in rising order. The list is empty for instruments that are not histograms.
    Explicit(Boundaries),
    /// Base-2 exponential buckets, which adapt to the values.
    Exponential(ExponentialLimits),
}

impl HistogramBuckets {
    /// Returns the value for an instrument that is not a histogram: no boundaries.
    pub(crate) fn none() -> &'static Self {
        static NONE: LazyLock<HistogramBuckets> =
            LazyLock::new(|| HistogramBuckets::Explicit(Vec::new().into()));
        &NONE
    }

    pub(crate) fn bounds(&self) -> &[f64] {
        match self {
            Self::Explicit(bounds) => bounds,
            Self::Exponential(_) => &[],
        }
    }

    pub(crate) fn exponential(&self) -> Option<ExponentialLimits> {
        match self {
            Self::Explicit(_) => None,
            Self::Exponential(limits) => Some(*limits),
        }
    }

    /// Returns the width of the bucket that a non-negative value falls into.
    pub(crate) fn width_at(&self, value: f64) -> f64 {
        /// A typical width of exponential buckets, relative to the value.
        const EXPONENTIAL: f64 = 0.044;

        match self {
            Self::Explicit(bounds) => {
                let at = bounds.bucket(value);
                let lower = at.checked_sub(1).map_or(0.0, |below| bounds[below]);
                bounds.get(at).map_or(f64::INFINITY, |upper| upper - lower)
            }
            Self::Exponential(_) => value * EXPONENTIAL,
        }
    }

    /// Checks whether the histogram `name` can have these buckets.
    pub(crate) fn check(&self, name: &str) -> Result<(), InstrumentError> {
        let name = name.to_owned();
        match (self, self.problem()) {
            (_, None) => Ok(()),
            (Self::Explicit(_), Some(problem)) => Err(InstrumentError::Buckets { name, problem }),
            (Self::Exponential(_), Some(problem)) => {
                Err(InstrumentError::ExponentialBuckets { name, problem })
            }
        }
    }

    /// Returns what is wrong with the requested buckets, and what would be right.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Self::Explicit(bounds) => meterkit_rules::buckets::problem(bounds),
            Self::Exponential(limits) => limits.problem(),
        }
    }
}

impl Default for HistogramBuckets {
    fn default() -> Self {
        Self::Explicit(DEFAULT.as_slice().into())
    }
}

/// Formats the buckets as the error for a clash shows them.
impl fmt::Debug for HistogramBuckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit(bounds) => fmt::Debug::fmt(bounds, f),
            Self::Exponential(limits) => write!(f, "({limits})"),
        }
    }
}

/// In seconds, as the semantic conventions recommend for the duration of requests.
const SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// OpenTelemetry's default, meant for milliseconds.
const DEFAULT: [f64; 15] = [
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0,
    10000.0,
];

/// Powers of four, from 1 KiB to 1 GiB.
const BYTES: [f64; 11] = {
    let mut bounds = [0.0; 11];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = (1024_u64 << (2 * at)) as f64;
        at += 1;
    }
    bounds
};

/// Returns the boundaries of a histogram with this unit whose code chooses none.
pub(crate) fn default_for(unit: &str) -> Boundaries {
    let seconds_in = |scale: f64| {
        let scaled: Vec<f64> = SECONDS.iter().map(|bound| (bound * scale).round()).collect();
        scaled.into()
    };
    match unit {
        "s" | "min" | "h" | "d" => SECONDS.as_slice().into(),
        "us" => seconds_in(1e6),
        "ns" => seconds_in(1e9),
        "By" => BYTES.as_slice().into(),
        _ => DEFAULT.as_slice().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_bytes_have_scales_of_their_own() {
        assert_eq!(default_for("s")[0], 0.005);
        assert_eq!(default_for("By")[..3], [1024.0, 4096.0, 16384.0]);
        assert_eq!(default_for("By")[10], (1_u64 << 30) as f64);
        assert_eq!(default_for("ms").len(), 15);
    }

    #[test]
    fn limits_that_cannot_be_used_are_refused_with_the_valid_range() {
        for (max_size, max_scale, words) in [
            (0, 20, "have `max_size` 0; choose 2 to 16384"),
            (1, 20, "have `max_size` 1;"),
            (16_385, 20, "have `max_size` 16385;"),
            (160, 21, "have `max_scale` 21; choose -10 to 20"),
            (160, -11, "have `max_scale` -11;"),
        ] {
            let text = ExponentialLimits { max_size, max_scale }.problem().expect(words);
            assert!(text.contains(words), "{text}");
        }
        for (max_size, max_scale) in [(2, -10), (160, 20), (16_384, 0)] {
            assert_eq!(ExponentialLimits { max_size, max_scale }.problem(), None);
        }
    }
}
