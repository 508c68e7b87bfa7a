//! The form that histograms have in remote write.

use meterkit_settings::words;

/// The form that histograms have in remote write: `METERKIT_GRAFANA_REMOTE_WRITE_HISTOGRAMS`.
///
/// Remote write 1.0 has no native histograms: there, all histograms are classic ones, whatever is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteWriteHistograms {
    /// `as_recorded`: exponential histograms are native ones, histograms with fixed buckets classic ones.
    #[default]
    AsRecorded,
    /// `classic`: all are classic ones, with a series for each bucket, the sum and the count.
    Classic,
    /// `native`: all are native ones. Histograms with fixed buckets keep their boundaries, as custom buckets (schema
    /// -53).
    Native,
}

words! {
    RemoteWriteHistograms {
        AsRecorded = "as_recorded",
        Classic = "classic",
        Native = "native",
    }
}
