//! The two messages of remote write: `prometheus.WriteRequest` of 1.0 and `io.prometheus.write.v2.Request` of 2.0.

use http::HeaderValue;

use crate::series::Series;

pub(crate) mod messages;
mod v1;
mod v2;
mod writer;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

impl Version {
    /// The header `Content-Type`.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::V1 => "application/x-protobuf",
            Self::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        })
    }

    /// The header `X-Prometheus-Remote-Write-Version`.
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::V1 => "0.1.0",
            Self::V2 => "2.0.0",
        })
    }
}

/// Writes one request.
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

    pub(crate) fn add(&mut self, series: &Series<'_>) {
        match self {
            Self::V1(encoder) => encoder.add(series),
            Self::V2(encoder) => encoder.add(series),
        }
    }

    /// How long the request is so far.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::V1(encoder) => encoder.len(),
            Self::V2(encoder) => encoder.len(),
        }
    }

    /// The request.
    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::V1(encoder) => encoder.finish(),
            Self::V2(encoder) => encoder.finish(),
        }
    }
}
