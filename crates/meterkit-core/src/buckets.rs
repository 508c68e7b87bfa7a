//! Buckets of histograms.

mod boundaries;
mod computed;

use std::fmt;
use std::sync::LazyLock;

pub use self::boundaries::Boundaries;
pub use self::computed::Buckets;
use crate::error::InstrumentError;
use crate::store::exponential::MAX_SCALE;

/// The lowest scale that can be asked for: at this one, two buckets hold all normal numbers of a sign.
const MIN_SCALE: i32 = -10;

/// How many buckets a sign may have at most: 128 KiB of them.
const MOST_BUCKETS: u32 = 16_384;

/// How fine an exponential histogram may be, and how large. 160 buckets and scale 20 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "catalog-json", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "OpenTelemetry has these two")]
pub struct ExponentialLimits {
    /// How many buckets positive values may have, and how many negative ones: 2 to 16,384.
    pub max_size: u32,
    /// The scale to begin with: -10 to 20. It falls when values lie too far apart for so many buckets.
    pub max_scale: i32,
}

impl ExponentialLimits {
    /// What is wrong with them, and what would be right.
    pub(crate) fn problem(self) -> Option<String> {
        let Self { max_size, max_scale } = self;
        if !(2..=MOST_BUCKETS).contains(&max_size) {
            return Some(format!(
                "may be {max_size} at most; allow 2 to {MOST_BUCKETS}, 160 is usual"
            ));
        }
        (!(MIN_SCALE..=MAX_SCALE).contains(&max_scale)).then(|| {
            format!("have scale {max_scale}; begin with {MIN_SCALE} to {MAX_SCALE}, 20 is usual")
        })
    }
}

impl Default for ExponentialLimits {
    fn default() -> Self {
        Self { max_size: 160, max_scale: MAX_SCALE }
    }
}

/// As the catalog has them.
impl fmt::Display for ExponentialLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exponential, up to {} buckets and scale {}", self.max_size, self.max_scale)
    }
}

/// How an instrument sorts its values into buckets. By default at the boundaries of OpenTelemetry, which are made for
/// milliseconds.
#[derive(Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "OpenTelemetry has these two")]
pub enum HistogramBuckets {
    /// At these boundaries, which rise; none for instruments that are not histograms.
    Explicit(Boundaries),
    /// By their size alone.
    Exponential(ExponentialLimits),
}

impl HistogramBuckets {
    /// Returns the buckets of an instrument that has none.
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

    /// Returns the width of the bucket for a value that is not negative.
    pub(crate) fn width_at(&self, value: f64) -> f64 {
        /// A usual width of exponential buckets, relative to their values.
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

    /// Checks that a histogram of this name can have these buckets.
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

    /// Returns what is wrong with buckets that were asked for, and what would be right.
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

/// As clashes show them.
impl fmt::Debug for HistogramBuckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit(bounds) => fmt::Debug::fmt(bounds, f),
            Self::Exponential(limits) => write!(f, "({limits})"),
        }
    }
}

/// Seconds, as the semantic conventions advise for the duration of requests. For longer ones, minutes, hours or days.
const SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// OpenTelemetry's default, made for milliseconds.
const DEFAULT: [f64; 15] = [
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0,
    10000.0,
];

/// Powers of four from 1 KiB to 1 GiB.
const BYTES: [f64; 11] = {
    let mut bounds = [0.0; 11];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = (1024_u64 << (2 * at)) as f64;
        at += 1;
    }
    bounds
};

/// The boundaries that a histogram of `unit` gets when it names none.
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
    fn limits_that_cannot_be_used_are_told_what_would_be_right() {
        for (max_size, max_scale, words) in [
            (0, 20, "may be 0 at most; allow 2 to 16384"),
            (1, 20, "may be 1 at most"),
            (16_385, 20, "may be 16385 at most"),
            (160, 21, "have scale 21; begin with -10 to 20"),
            (160, -11, "have scale -11"),
        ] {
            let text = ExponentialLimits { max_size, max_scale }.problem().expect(words);
            assert!(text.contains(words), "{text}");
        }
        for (max_size, max_scale) in [(2, -10), (160, 20), (16_384, 0)] {
            assert_eq!(ExponentialLimits { max_size, max_scale }.problem(), None);
        }
    }
}
