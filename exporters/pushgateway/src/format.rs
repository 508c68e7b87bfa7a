//! The format of pushes.

use meterkit_prometheus::{Escaping, Format};
use meterkit_settings::words;

/// The format of pushes: `METERKIT_PUSHGATEWAY_FORMAT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PushFormat {
    /// `text`: Prometheus' text format, which every gateway and every scraper of a gateway supports.
    #[default]
    Text,
    /// `protobuf`: Prometheus' protobuf format, with native histograms and start times. The gateway returns the buckets
    /// of native histograms only to scrapers that ask for protobuf.
    Protobuf,
}

words! {
    PushFormat {
        Text = "text",
        Protobuf = "protobuf",
    }
}

impl PushFormat {
    pub(crate) fn of_scrapes(self) -> Format {
        match self {
            Self::Text => Format::Text,
            Self::Protobuf => Format::Protobuf,
        }
    }

    pub(crate) fn content_type(self) -> String {
        self.of_scrapes().content_type(Escaping::Underscores)
    }
}
