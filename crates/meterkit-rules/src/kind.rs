//! The kinds of instruments.

/// The kind of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A sum that only increases.
    Counter,
    /// A sum that increases and decreases.
    UpDownCounter,
    /// A value that can be set.
    Gauge,
    /// A distribution of values.
    Histogram,
    /// A total that only increases, reported by callbacks.
    ObservableCounter,
    /// A total that increases and decreases, reported by callbacks.
    ObservableUpDownCounter,
    /// A value reported by callbacks.
    ObservableGauge,
    /// Quantiles that another library computes. This library has no such instrument.
    Summary,
}

impl Kind {
    /// Returns the kind in words, for example `up-down counter`.
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
