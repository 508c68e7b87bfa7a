//! Serializes and compresses requests.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use meterkit_http::Compression;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use serde_json::Value;

/// A serialized request that is ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    /// Size before compression, in bytes.
    pub(crate) size: usize,
}

/// The encoding of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Protobuf,
    Json,
}

impl Body {
    /// Serializes and compresses `request` on a blocking thread, so that this does not delay other targets.
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

/// Removes `null` values, such as an unknown minimum, because the Collector refuses them.
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
