//! What receivers prefer: totals or differences, and which histograms.
//!
//! By OpenTelemetry's specification "Metrics Exporter - OTLP".

use std::fmt;
use std::str::FromStr;

use meterkit_core::Temporality;

/// Which metrics go out as totals and which as differences: `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`.
///
/// Gauges, and sums that also fall, are always sent as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TemporalityPreference {
    /// `cumulative`: everything since its series began. The default.
    #[default]
    Cumulative,
    /// `delta`: counters and histograms since what the receiver acknowledged last.
    Delta,
    /// `lowmemory`: here the same as `delta`.
    ///
    /// By the specification counters that are observed stay cumulative, since an SDK would have to keep their last
    /// values. The pipeline keeps one snapshot for all kinds alike, so leaving some out would save nothing.
    LowMemory,
}

impl TemporalityPreference {
    /// The name that the variable takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cumulative => "cumulative",
            Self::Delta => "delta",
            Self::LowMemory => "lowmemory",
        }
    }

    /// What the pipeline is asked for.
    pub(crate) fn temporality(self) -> Temporality {
        match self {
            Self::Cumulative => Temporality::Cumulative,
            Self::Delta | Self::LowMemory => Temporality::Delta,
        }
    }
}

impl fmt::Display for TemporalityPreference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In upper or lower case.
impl FromStr for TemporalityPreference {
    type Err = PreferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Cumulative, Self::Delta, Self::LowMemory]
            .into_iter()
            .find(|preference| preference.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| PreferenceError { text: text.to_owned(), accepted: TEMPORALITIES })
    }
}

/// Which kind of histogram a receiver prefers: `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`.
///
/// The target sends what it is given: this is for those who make the instruments, before anything is recorded. As
/// `meterkit` applies it, other than the default is for all histograms of all targets, also those that were told their
/// buckets in code; a view that names buckets wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HistogramAggregation {
    /// `explicit_bucket_histogram`: fixed buckets. The default.
    #[default]
    ExplicitBuckets,
    /// `base2_exponential_bucket_histogram`: buckets that follow the values.
    Base2Exponential,
}

impl HistogramAggregation {
    /// The name that the variable takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExplicitBuckets => "explicit_bucket_histogram",
            Self::Base2Exponential => "base2_exponential_bucket_histogram",
        }
    }
}

impl fmt::Display for HistogramAggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In upper or lower case.
impl FromStr for HistogramAggregation {
    type Err = PreferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::ExplicitBuckets, Self::Base2Exponential]
            .into_iter()
            .find(|aggregation| aggregation.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| PreferenceError { text: text.to_owned(), accepted: AGGREGATIONS })
    }
}

pub(crate) const TEMPORALITIES: &str = "`cumulative`, `delta` or `lowmemory`";
pub(crate) const AGGREGATIONS: &str =
    "`explicit_bucket_histogram` or `base2_exponential_bucket_histogram`";

/// The text is the name of no preference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is unknown; write {accepted}")]
pub struct PreferenceError {
    text: String,
    accepted: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_preference_is_read_by_its_name_in_any_case() {
        use TemporalityPreference::{Cumulative, Delta, LowMemory};
        for preference in [Cumulative, Delta, LowMemory] {
            assert_eq!(preference.to_string().parse(), Ok(preference));
            assert_eq!(preference.as_str().to_uppercase().parse(), Ok(preference));
        }
        for kind in [HistogramAggregation::ExplicitBuckets, HistogramAggregation::Base2Exponential]
        {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(kind.as_str().to_uppercase().parse(), Ok(kind));
        }
    }

    #[test]
    fn other_names_are_told_which_exist() {
        let error = "low".parse::<TemporalityPreference>().expect_err("unknown").to_string();
        assert_eq!(error, "`low` is unknown; write `cumulative`, `delta` or `lowmemory`");
        let error = "explicit".parse::<HistogramAggregation>().expect_err("unknown").to_string();
        assert_eq!(error, format!("`explicit` is unknown; write {AGGREGATIONS}"));
    }
}
