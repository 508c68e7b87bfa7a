//! The operator's settings of a CloudWatch target.

use std::error::Error;
use std::time::Duration;

use meterkit_http::{Compression, Proxy, TransportSettings, proxy, transport};
use meterkit_otlp::{OtlpTarget, TemporalityPreference};
use meterkit_pipeline::{IntoTarget, Target};
use meterkit_settings::{
    Reader, Setting, TargetDeclaration, ValueType, export_interval, settings, url, word,
};

use crate::config::{self, CloudWatchConfig};

settings! {
    SETTINGS for Some("cloudwatch");

    REGION: String = Setting::new("METERKIT_CLOUDWATCH_REGION", ValueType::Text, region)
        .or(&["AWS_REGION", "AWS_DEFAULT_REGION"])
        .key("region")
        .meaning("the AWS region, such as `eu-west-1`");

    ENDPOINT: String = url("METERKIT_CLOUDWATCH_ENDPOINT")
        .key("endpoint")
        .by_default("`https://monitoring.<region>.amazonaws.com/v1/metrics`")
        .meaning("the URL to send to, including the path");

    TEMPORALITY: TemporalityPreference = word("METERKIT_CLOUDWATCH_TEMPORALITY_PREFERENCE")
        .key("temporality_preference")
        .by_default("`cumulative`")
        .meaning(
            "whether counters and histograms are cumulative or deltas; with `lowmemory`, they are deltas except \
             for observable counters",
        );

    COMPRESSION: Compression =
        transport::compression_of("METERKIT_CLOUDWATCH_COMPRESSION", &["gzip", "none"])
            .by_default("`gzip`");

    TIMEOUT: Duration = transport::timeout("METERKIT_CLOUDWATCH_TIMEOUT").by_default("`10000`");

    CERTIFICATE: String = transport::certificate("METERKIT_CLOUDWATCH_CERTIFICATE");

    CLIENT_KEY: String = transport::client_key("METERKIT_CLOUDWATCH_CLIENT_KEY");

    CLIENT_CERTIFICATE: String =
        transport::client_certificate("METERKIT_CLOUDWATCH_CLIENT_CERTIFICATE");

    PROXY: Proxy = proxy("METERKIT_CLOUDWATCH_PROXY")
        .key("proxy")
        .by_default("`HTTPS_PROXY` or `HTTP_PROXY`")
        .meaning("the URL of the proxy on the way to AWS");
}

const INTERVAL: Setting<Duration> = export_interval("METERKIT_CLOUDWATCH_INTERVAL", "cloudwatch");

/// The declaration of the target, which `OTEL_METRICS_EXPORTER` selects by name.
pub const TARGET: TargetDeclaration<Box<dyn IntoTarget>> = TargetDeclaration {
    name: "cloudwatch",
    settings: SETTINGS,
    interval: &INTERVAL,
    sections: &["cloudwatch"],
    read,
    read_section: |_, reader| {
        reader.refuse_others_than(SETTINGS);
        read(reader)
    },
};

fn read(reader: &Reader<'_>) -> Option<Box<dyn IntoTarget>> {
    let config = CloudWatchConfig::read(reader)?;
    Some(Box::new(config))
}

impl IntoTarget for CloudWatchConfig {
    fn target_name(&self) -> &str {
        "cloudwatch"
    }

    fn into_target(self: Box<Self>) -> Result<Box<dyn Target>, Box<dyn Error + Send + Sync>> {
        Ok(Box::new(OtlpTarget::new(self.into_otlp())?))
    }
}

pub(crate) const TRANSPORT: TransportSettings = TransportSettings {
    package: "meterkit-cloudwatch",
    proxy: Some(PROXY),
    compression: COMPRESSION,
    timeout: TIMEOUT,
    certificate: CERTIFICATE,
    client_key: CLIENT_KEY,
    client_certificate: CLIENT_CERTIFICATE,
    credentials: &["AWS_ACCESS_KEY_ID"],
    endpoint: "METERKIT_CLOUDWATCH_ENDPOINT",
    protocol: "",
    paths: &["/v1/metrics"],
};

fn region(text: &str) -> Result<String, String> {
    match config::is_region(text) {
        true => Ok(text.to_owned()),
        false => Err("is not an AWS region; write a region such as `eu-west-1`".to_owned()),
    }
}

impl CloudWatchConfig {
    /// Reads the variables `METERKIT_CLOUDWATCH_*`. The region may be set with `AWS_REGION` or `AWS_DEFAULT_REGION`
    /// instead. Returns `None` if there are problems, such as a missing region.
    pub fn read(reader: &Reader<'_>) -> Option<Self> {
        if !reader.is_set(&REGION) {
            reader.refuse(&REGION, "is not set; write the AWS region, such as `eu-west-1`");
        }
        let region = reader.get(&REGION);
        let of_url = |url: &str| {
            let region = region.as_deref().unwrap_or_default();
            Self::at(region, url).map_err(|error| error.reason().to_owned())
        };
        let elsewhere = reader.get_with(&ENDPOINT, of_url);
        let temporality = reader.get(&TEMPORALITY).unwrap_or_default();
        let transport = TRANSPORT.read(reader);
        let config = match elsewhere {
            Some(config) => config,
            None => Self::new(region.as_deref()?).ok()?,
        };
        region?;
        Some(config.with_temporality(temporality).with_transport(transport))
    }
}

#[cfg(test)]
mod tests;
