//! The operator's settings of a Google Cloud target.

use std::error::Error;
use std::time::Duration;

use meterkit_http::{Compression, Proxy, TransportSettings, proxy, transport};
use meterkit_otlp::TemporalityPreference;
use meterkit_pipeline::{IntoTarget, Target};
use meterkit_settings::{
    Reader, Setting, TargetDeclaration, ValueType, export_interval, settings, url, word,
};

use crate::config::GcpConfig;
use crate::target::GcpTarget;

settings! {
    SETTINGS for Some("gcp");

    PROJECT: String = Setting::new("METERKIT_GCP_PROJECT", ValueType::Text, project)
        .or(&["GOOGLE_CLOUD_PROJECT"])
        .key("project")
        .by_default("the resource's `gcp.project_id`, or the project of the credentials")
        .meaning("the id of the project that metrics go to");

    QUOTA_PROJECT: String = Setting::new("METERKIT_GCP_QUOTA_PROJECT", ValueType::Text, project)
        .or(&["GOOGLE_CLOUD_QUOTA_PROJECT"])
        .key("quota_project")
        .by_default("the project in a user's login")
        .meaning("the id of the project that is billed for requests");

    ENDPOINT: String = url("METERKIT_GCP_ENDPOINT")
        .key("endpoint")
        .by_default("`https://telemetry.googleapis.com/v1/metrics`")
        .meaning("the URL to send to, including the path");

    TEMPORALITY: TemporalityPreference = word("METERKIT_GCP_TEMPORALITY_PREFERENCE")
        .key("temporality_preference")
        .by_default("`cumulative`")
        .meaning(
            "whether counters and histograms are cumulative or deltas; with `lowmemory`, they are deltas except \
             for observable counters",
        );

    COMPRESSION: Compression =
        transport::compression_of("METERKIT_GCP_COMPRESSION", &["gzip", "none"])
            .by_default("`gzip`");

    TIMEOUT: Duration = transport::timeout("METERKIT_GCP_TIMEOUT").by_default("`10000`");

    CERTIFICATE: String = transport::certificate("METERKIT_GCP_CERTIFICATE");

    CLIENT_KEY: String = transport::client_key("METERKIT_GCP_CLIENT_KEY");

    CLIENT_CERTIFICATE: String = transport::client_certificate("METERKIT_GCP_CLIENT_CERTIFICATE");

    PROXY: Proxy = proxy("METERKIT_GCP_PROXY")
        .key("proxy")
        .by_default("`HTTPS_PROXY` or `HTTP_PROXY`")
        .meaning("the URL of the proxy on the way to Google");
}

const INTERVAL: Setting<Duration> = export_interval("METERKIT_GCP_INTERVAL", "gcp");

/// The declaration of the target, which `OTEL_METRICS_EXPORTER` selects by name.
pub const TARGET: TargetDeclaration<Box<dyn IntoTarget>> = TargetDeclaration {
    name: "gcp",
    settings: SETTINGS,
    interval: &INTERVAL,
    sections: &["gcp"],
    read: |reader| Some(Box::new(GcpConfig::read(reader))),
    read_section: |_, reader| {
        reader.refuse_others_than(SETTINGS);
        Some(Box::new(GcpConfig::read(reader)))
    },
};

impl IntoTarget for GcpConfig {
    fn target_name(&self) -> &str {
        "gcp"
    }

    fn into_target(self: Box<Self>) -> Result<Box<dyn Target>, Box<dyn Error + Send + Sync>> {
        Ok(Box::new(GcpTarget::new(*self)?))
    }
}

pub(crate) const TRANSPORT: TransportSettings = TransportSettings {
    package: "meterkit-gcp",
    proxy: Some(PROXY),
    compression: COMPRESSION,
    timeout: TIMEOUT,
    certificate: CERTIFICATE,
    client_key: CLIENT_KEY,
    client_certificate: CLIENT_CERTIFICATE,
    credentials: &["GOOGLE_APPLICATION_CREDENTIALS"],
    endpoint: "METERKIT_GCP_ENDPOINT",
    protocol: "",
    paths: &["/v1/metrics"],
};

/// Checks the id of a project. Old ids begin with the domain of their organization, as in `example.com:my-project`.
fn project(text: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c);
    match text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_allowed) {
        true => Ok(text.to_owned()),
        false => Err("is not a project id; write an id such as `my-project`".to_owned()),
    }
}

impl GcpConfig {
    /// Reads the variables `METERKIT_GCP_*`. The projects may be set with `GOOGLE_CLOUD_PROJECT` and
    /// `GOOGLE_CLOUD_QUOTA_PROJECT` instead.
    pub fn read(reader: &Reader<'_>) -> Self {
        let at = |url: &str| Self::at(url).map_err(|error| error.reason().to_owned());
        let mut config = reader.get_with(&ENDPOINT, at).unwrap_or_default();
        config.project = reader.get(&PROJECT);
        config.quota_project = reader.get(&QUOTA_PROJECT);
        let temporality = reader.get(&TEMPORALITY).unwrap_or_default();
        config.with_temporality(temporality).with_transport(TRANSPORT.read(reader))
    }
}

#[cfg(test)]
mod tests;
