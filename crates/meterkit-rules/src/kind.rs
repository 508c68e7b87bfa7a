//! The kinds of instruments.

/// What an instrument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A sum that only rises.
    Counter,
    /// A sum that rises and falls.
    UpDownCounter,
    /// A value that is set.
    Gauge,
    /// A distribution of values.
    Histogram,
    /// A total that only rises, which callbacks report.
    ObservableCounter,
    /// A total that rises and falls, which callbacks report.
    ObservableUpDownCounter,
    /// A value that callbacks report.
    ObservableGauge,
    /// Quantiles that another library computes. No instrument of this library is one.
    Summary,
}

impl Kind {
    /// The kind in words, `up-down counter` for example.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "up-down counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::ObservableCounter => "observable counter",
            Self::ObservableUpDownCounter => "observable up-down counter",
            Self::ObservableGauge => "observable gauge",
            Self::Summary => "summary",
        }
    }
}
