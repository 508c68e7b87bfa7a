//! What receivers prefer: totals or differences, and which histograms.
//!
//! By OpenTelemetry's specification "Metrics Exporter - OTLP".

use meterkit_core::Temporality;
use meterkit_settings::words;

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
    /// `lowmemory`: counters and histograms as with `delta`, observable counters cumulative.
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

// The first is the word of the variable, the second that of a configuration file.
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
    fn other_names_are_told_which_exist() {
        let error = "low".parse::<TemporalityPreference>().expect_err("unknown").to_string();
        assert_eq!(error, "`low` is unknown; write `cumulative`, `delta` or `lowmemory`");
    }
}
