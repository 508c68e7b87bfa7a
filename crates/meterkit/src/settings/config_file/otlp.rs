//! `otlp_http` and `otlp_grpc` of a file, as the OTLP target takes them.

use std::path::Path;

use meterkit_config as file;
use meterkit_otlp::{
    Compression, HistogramAggregation, OtlpConfig, OtlpTarget, Protocol, TemporalityPreference,
    Transport,
};
use meterkit_settings::read_small_file;

/// What the file calls an exporter of this protocol.
pub(super) fn name(protocol: file::Protocol) -> &'static str {
    if protocol == file::Protocol::Grpc { "otlp_grpc" } else { "otlp_http" }
}

/// The target's settings, or why there can be no target that has them.
pub(super) fn config(exporter: &file::OtlpExporter) -> Result<OtlpConfig, String> {
    let protocol = match exporter.protocol {
        file::Protocol::Grpc => Protocol::Grpc,
        file::Protocol::HttpJson => Protocol::HttpJson,
        _ => Protocol::HttpProtobuf,
    };
    let mut config = match &exporter.endpoint {
        None => OtlpConfig::local(protocol),
        Some(url) => OtlpConfig::new(protocol, &with_scheme(url, protocol, &exporter.tls))
            .map_err(|error| error.to_string().replace(IN_CODE, "put them into `headers`"))?,
    };
    for (name, value) in exporter.headers.iter() {
        config = config.with_header(name, value).map_err(|error| error.to_string())?;
    }
    let mut transport = Transport::default();
    if let Some(path) = &exporter.tls.ca_file {
        transport = transport.with_certificate_authorities(pem("tls.ca_file", path)?);
    }
    if let (Some(certificate), Some(key)) = (&exporter.tls.cert_file, &exporter.tls.key_file) {
        let (certificate, key) = (pem("tls.cert_file", certificate)?, pem("tls.key_file", key)?);
        transport = transport.with_client_certificate(certificate, key);
    }
    transport = match exporter.compression {
        Some(file::Compression::Gzip) => transport.with_compression(Compression::Gzip),
        Some(file::Compression::Zstd) => transport.with_compression(Compression::Zstd),
        _ => transport,
    };
    if let Some(timeout) = exporter.timeout {
        transport = transport.with_timeout(timeout);
    }
    config = config.with_transport(transport);
    config = match exporter.temporality {
        Some(file::TemporalityPreference::Delta) => {
            config.with_temporality(TemporalityPreference::Delta)
        }
        Some(file::TemporalityPreference::LowMemory) => {
            config.with_temporality(TemporalityPreference::LowMemory)
        }
        _ => config,
    };
    if exporter.default_histogram_aggregation == Some(file::HistogramAggregation::Exponential) {
        let aggregation = HistogramAggregation::Base2Exponential;
        config = config.with_default_histogram_aggregation(aggregation);
    }
    // What could never be sent is a mistake in the file.
    OtlpTarget::new(config.clone()).map_err(|error| error.to_string())?;
    Ok(config)
}

/// Where credentials go, as the target says it to code.
const IN_CODE: &str = "send them as a header `Authorization`";

/// No list of certificates is longer.
const MAX_PEM: usize = 1 << 20;

/// gRPC has endpoints without a scheme.
fn with_scheme(url: &str, protocol: Protocol, tls: &file::Tls) -> String {
    match protocol {
        Protocol::Grpc if !url.contains("://") => {
            let scheme = if tls.insecure == Some(true) { "http" } else { "https" };
            format!("{scheme}://{url}")
        }
        _ => url.to_owned(),
    }
}

fn pem(property: &str, path: &Path) -> Result<Vec<u8>, String> {
    read_small_file(path, MAX_PEM).map_err(|error| {
        format!(
            "{property} `{}` {error}; name a PEM file that this process may read",
            path.display()
        )
    })
}
