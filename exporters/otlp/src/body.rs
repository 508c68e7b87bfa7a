//! Requests as bytes.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use meterkit_http::Compression;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use serde_json::Value;

/// A request that can be sent.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    /// How long it is before compression.
    pub(crate) size: usize,
}

/// How requests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Protobuf,
    Json,
}

impl Body {
    /// Writes and compresses `request`, on a thread where that holds up no other target.
    pub(crate) async fn write(
        request: Arc<ExportMetricsServiceRequest>,
        format: Format,
        compression: Compression,
    ) -> io::Result<Self> {
        let written = tokio::task::spawn_blocking(move || {
            let plain = match format {
                Format::Protobuf => request.encode_to_vec(),
                Format::Json => {
                    let mut json = serde_json::to_value(&*request)?;
                    remove_nulls(&mut json);
                    serde_json::to_vec(&json)?
                }
            };
            let size = plain.len();
            let bytes = compression.compress(plain)?.into();
            Ok(Self { bytes, size })
        });
        written.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// The Collector refuses `null`, which an unknown minimum would be.
fn remove_nulls(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(remove_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}
