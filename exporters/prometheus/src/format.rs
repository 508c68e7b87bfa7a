//! The formats of a scrape.

use meterkit_rules::prometheus_name::Escaping;

/// A format in which metrics are exposed to scrapers.
///
/// Follows Prometheus' "Exposition formats" and "Content negotiation".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Prometheus' text format 0.0.4, which every scraper reads. The default.
    #[default]
    Text,
    /// Prometheus' text format 1.0.0: like 0.0.4, with quotes around names that need them.
    QuotedText,
    /// OpenMetrics' text format 0.0.1, which Prometheus 2 asks for.
    OldOpenMetrics,
    /// OpenMetrics' text format 1.0.0.
    OpenMetrics,
    /// Prometheus' protobuf format: metric families, each preceded by its length. The only format with native
    /// histograms.
    Protobuf,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 5] =
        [Self::Text, Self::QuotedText, Self::OldOpenMetrics, Self::OpenMetrics, Self::Protobuf];

    /// Returns the value of `Content-Type` for a body in this format whose names are escaped with `escaping`.
    pub fn content_type(self, escaping: Escaping) -> String {
        let content_type = match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::QuotedText => "text/plain; version=1.0.0; charset=utf-8",
            Self::OldOpenMetrics => "application/openmetrics-text; version=0.0.1; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        };
        // Most readers of the older formats do not know the parameter `escaping` and did not ask for a scheme.
        let is_old = matches!(self, Self::Text | Self::OldOpenMetrics);
        if is_old && matches!(escaping, Escaping::Underscores | Escaping::AllowUtf8) {
            return content_type.to_owned();
        }
        format!("{content_type}; escaping={}", escaping.as_str())
    }
}
