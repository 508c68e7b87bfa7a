//! Encodes the two messages of remote write: `prometheus.WriteRequest` of 1.0 and `io.prometheus.write.v2.Request` of
//! 2.0.

use http::HeaderValue;
use meterkit_settings::words;

use crate::series::{Series, SeriesValue};

pub(crate) use RemoteWriteVersion as Version;

pub(crate) mod messages;
mod v1;
mod v2;
mod writer;

/// The version of the remote write protocol. `METERKIT_GRAFANA_REMOTE_WRITE_VERSION` selects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteWriteVersion {
    /// `1.0`, which supports neither native histograms nor start times.
    V1,
    /// `2.0`.
    V2,
}

words! {
    RemoteWriteVersion {
        V1 = "1.0" | "1",
        V2 = "2.0" | "2",
    }
}

impl RemoteWriteVersion {
    /// Returns the value of the header `Content-Type`.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::V1 => "application/x-protobuf",
            Self::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        })
    }

    /// Returns the value of the header `X-Prometheus-Remote-Write-Version`.
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::V1 => "0.1.0",
            Self::V2 => "2.0.0",
        })
    }
}

/// Encodes one request.
#[derive(Debug)]
pub(crate) enum Encoder {
    V1(v1::Encoder),
    V2(v2::Encoder),
}

impl Encoder {
    pub(crate) fn new(version: Version) -> Self {
        match version {
            Version::V1 => Self::V1(v1::Encoder::default()),
            Version::V2 => Self::V2(v2::Encoder::default()),
        }
    }

    /// Encodes a series. Returns the numbers of samples and of native histograms that it became.
    pub(crate) fn add(&mut self, series: &Series<'_>) -> (u64, u64) {
        match self {
            Self::V1(encoder) => (encoder.add(series), 0),
            Self::V2(encoder) => {
                encoder.add(series);
                let is_native = matches!(series.value, SeriesValue::Histogram(_));
                if is_native { (0, 1) } else { (1, 0) }
            }
        }
    }

    /// Returns the size of the request so far, in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::V1(encoder) => encoder.len(),
            Self::V2(encoder) => encoder.len(),
        }
    }

    /// Returns the encoded request.
    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::V1(encoder) => encoder.finish(),
            Self::V2(encoder) => encoder.finish(),
        }
    }
}
