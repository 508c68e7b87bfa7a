//! The form of histograms in remote write.

use meterkit_settings::words;

/// The form of histograms in remote write. `METERKIT_GRAFANA_REMOTE_WRITE_HISTOGRAMS` selects it.
///
/// Remote write 1.0 does not support native histograms: all histograms are classic there, regardless of this setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteWriteHistograms {
    /// `as_recorded`: exponential histograms are sent as native histograms, histograms with fixed buckets as classic
    /// ones.
    #[default]
    AsRecorded,
    /// `classic`: all histograms are sent as classic ones, with a series for each bucket, the sum and the count.
    Classic,
    /// `native`: all histograms are sent as native ones. Histograms with fixed buckets keep their boundaries, as
    /// custom buckets (schema -53).
    Native,
}

words! {
    RemoteWriteHistograms {
        AsRecorded = "as_recorded",
        Classic = "classic",
        Native = "native",
    }
}
