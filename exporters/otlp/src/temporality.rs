//! The temporality that the receiver prefers: cumulative or delta.
//!
//! Follows OpenTelemetry's specification "Metrics Exporter - OTLP".

use meterkit_core::Temporality;
use meterkit_settings::words;

/// Which metrics are cumulative and which are deltas: `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`.
///
/// Gauges and non-monotonic sums are not affected: their current values are always sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TemporalityPreference {
    /// `cumulative`: all values since the start of their series. The default.
    #[default]
    Cumulative,
    /// `delta`: counters and histograms since the last export that the receiver acknowledged.
    Delta,
    /// `lowmemory`: counters and histograms as with `delta`, but observable counters are cumulative.
    LowMemory,
}

impl TemporalityPreference {
    /// Returns the temporality of counters and histograms.
    pub(crate) fn temporality(self) -> Temporality {
        match self {
            Self::Cumulative => Temporality::Cumulative,
            Self::Delta | Self::LowMemory => Temporality::Delta,
        }
    }

    /// Returns the temporality of observable counters.
    pub(crate) fn observed(self) -> Temporality {
        match self {
            Self::Cumulative | Self::LowMemory => Temporality::Cumulative,
            Self::Delta => Temporality::Delta,
        }
    }
}

// `lowmemory` is the word of the environment variable, `low_memory` that of a configuration file.
words! {
    TemporalityPreference {
        Cumulative = "cumulative",
        Delta = "delta",
        LowMemory = "lowmemory" | "low_memory",
    }
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
    }

    #[test]
    fn the_error_for_an_unknown_name_lists_the_known_ones() {
        let error = "low".parse::<TemporalityPreference>().expect_err("unknown").to_string();
        assert_eq!(error, "`low` is unknown; write `cumulative`, `delta` or `lowmemory`");
    }
}
