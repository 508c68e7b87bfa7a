//! The settings of the Grafana target, and of the dashboard that is published to Grafana.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use meterkit_http::{
    AuthenticationSettings, Compression, Proxies, Proxy, Transport, TransportSettings, proxy,
    transport, url,
};
use meterkit_pipeline::{IntoTarget, Target};
use meterkit_settings::{
    Declaration, Reader, Setting, TargetDeclaration, ValueType, count, export_interval, interval,
    password, settings, text, token, url, username, word,
};

use crate::Secret;
use crate::cloud::{CloudOtlp, instance_id_problem, zone_problem};
use crate::config::RemoteWriteConfig;
use crate::grafana::GrafanaConfig;
use crate::histograms::RemoteWriteHistograms;
use crate::publish::PublishConfig;
use crate::remote_write::{self, RemoteWrite};
use crate::wire::RemoteWriteVersion;

settings! {
    SETTINGS for Some("grafana");

    CLOUD_ZONE: String = Setting::new("GRAFANA_CLOUD_ZONE", ValueType::Text, zone)
        .key("cloud_zone")
        .meaning("the zone of the Grafana Cloud stack, such as `prod-eu-west-2`");

    CLOUD_INSTANCE_ID: String =
        Setting::new("GRAFANA_CLOUD_INSTANCE_ID", ValueType::Number, instance_id)
            .key("cloud_instance_id")
            .meaning("the instance id of the stack");

    CLOUD_API_KEY: String = token("GRAFANA_CLOUD_API_KEY")
        .key("cloud_api_key")
        .meaning("a token that may write metrics to the stack");

    REMOTE_WRITE_URL: String = url("GRAFANA_REMOTE_WRITE_URL")
        .key("remote_write_url")
        .meaning("the URL of the remote write receiver");

    REMOTE_WRITE_USERNAME: String = username("GRAFANA_REMOTE_WRITE_USERNAME")
        .key("remote_write_username")
        .meaning("the user name for the remote write receiver");

    REMOTE_WRITE_PASSWORD: String = password("GRAFANA_REMOTE_WRITE_PASSWORD")
        .key("remote_write_password")
        .meaning("the password for the remote write receiver");

    REMOTE_WRITE_BEARER_TOKEN: String = token("GRAFANA_REMOTE_WRITE_BEARER_TOKEN")
        .key("remote_write_bearer_token")
        .meaning("a bearer token, instead of user name and password");

    REMOTE_WRITE_TENANT: String =
        Setting::new("GRAFANA_REMOTE_WRITE_TENANT", ValueType::Text, tenant)
            .key("remote_write_tenant")
            .meaning("the tenant, for a receiver such as Mimir");

    REMOTE_WRITE_VERSION: RemoteWriteVersion = word("METERKIT_GRAFANA_REMOTE_WRITE_VERSION")
        .key("remote_write_version")
        .by_default("`2.0`")
        .meaning("the newest version of remote write to send; `2.0` falls back to 1.0 if the receiver does not support it");

    REMOTE_WRITE_HISTOGRAMS: RemoteWriteHistograms =
        word("METERKIT_GRAFANA_REMOTE_WRITE_HISTOGRAMS")
            .key("remote_write_histograms")
            .by_default("`as_recorded`")
            .meaning("the form of histograms in remote write 2.0: as recorded (exponential histograms native, others classic), all classic, or all native (fixed buckets as custom buckets)");

    QUEUE_BYTES: usize = count("METERKIT_GRAFANA_QUEUE_BYTES")
        .key("queue_bytes")
        .by_default("`67108864`")
        .meaning("the most memory, in bytes, for the queue of remote write requests that wait while the receiver is down");

    QUEUE_AGE: Duration = interval("METERKIT_GRAFANA_QUEUE_AGE")
        .key("queue_age")
        .by_default("`7200000`")
        .meaning("the greatest age of values in the queue");

    SPOOL_DIR: String = text("METERKIT_GRAFANA_SPOOL_DIR")
        .key("spool_dir")
        .meaning("a directory for a copy of the queue, which then survives a crash; without it, the queue is in memory only");

    COMPRESSION: Compression = transport::compression("METERKIT_GRAFANA_COMPRESSION")
        .by_default("`gzip`")
        .meaning("how requests to Grafana Cloud are compressed; remote write always uses snappy");

    TIMEOUT: Duration = transport::timeout("METERKIT_GRAFANA_TIMEOUT").by_default("`10000`");

    CERTIFICATE: String = transport::certificate("METERKIT_GRAFANA_CERTIFICATE");

    CLIENT_KEY: String = transport::client_key("METERKIT_GRAFANA_CLIENT_KEY");

    CLIENT_CERTIFICATE: String =
        transport::client_certificate("METERKIT_GRAFANA_CLIENT_CERTIFICATE");

    PROXY: Proxy = proxy("METERKIT_GRAFANA_PROXY")
        .key("proxy")
        .by_default("`HTTPS_PROXY` or `HTTP_PROXY`")
        .meaning("the URL of the proxy for requests to the receiver");

    GRAFANA_URL: String = url("GRAFANA_URL")
        .beside_file()
        .meaning("the address of the Grafana to publish a dashboard of all instruments to; needs feature `dashboard` too");

    SERVICE_ACCOUNT_TOKEN: String = token("GRAFANA_SERVICE_ACCOUNT_TOKEN")
        .beside_file()
        .meaning("the token of a service account that may write dashboards to this Grafana");

    FOLDER: String = text("GRAFANA_FOLDER")
        .beside_file()
        .by_default("the folder `General`")
        .meaning("the folder in which the dashboard is created");
}

const INTERVAL: Setting<Duration> = export_interval("METERKIT_GRAFANA_INTERVAL", "grafana");

/// The declaration of the target that `OTEL_METRICS_EXPORTER=grafana` selects.
pub const TARGET: TargetDeclaration<Box<dyn IntoTarget>> = TargetDeclaration {
    name: "grafana",
    settings: SETTINGS,
    interval: &INTERVAL,
    sections: &["grafana"],
    read,
    read_section: |_, reader| {
        reader.refuse_others_than(SETTINGS);
        read(reader)
    },
};

fn read(reader: &Reader<'_>) -> Option<Box<dyn IntoTarget>> {
    let config = GrafanaConfig::read(reader)?;
    Some(Box::new(config))
}

impl IntoTarget for GrafanaConfig {
    fn target_name(&self) -> &str {
        "grafana"
    }

    fn into_target(self: Box<Self>) -> Result<Box<dyn Target>, Box<dyn Error + Send + Sync>> {
        Ok((*self).into_target()?)
    }
}

pub(crate) const TRANSPORT: TransportSettings = TransportSettings {
    package: "meterkit-grafana",
    proxy: Some(PROXY),
    compression: COMPRESSION,
    timeout: TIMEOUT,
    certificate: CERTIFICATE,
    client_key: CLIENT_KEY,
    client_certificate: CLIENT_CERTIFICATE,
    credentials: &["GRAFANA_REMOTE_WRITE_PASSWORD", "GRAFANA_REMOTE_WRITE_BEARER_TOKEN"],
    endpoint: "GRAFANA_REMOTE_WRITE_URL",
    protocol: "",
    paths: &["/api/v1/write", "/api/v1/push", "/api/prom/push"],
};

const AUTHENTICATION: AuthenticationSettings = AuthenticationSettings {
    username: REMOTE_WRITE_USERNAME,
    password: REMOTE_WRITE_PASSWORD,
    bearer_token: REMOTE_WRITE_BEARER_TOKEN,
};

/// The settings that select Grafana Cloud as the destination.
const CLOUD: [&Declaration; 3] =
    [&CLOUD_ZONE.declaration(), &CLOUD_INSTANCE_ID.declaration(), &CLOUD_API_KEY.declaration()];

/// The settings that select remote write as the destination.
const RECEIVER: [&Declaration; 5] = [
    &REMOTE_WRITE_URL.declaration(),
    &REMOTE_WRITE_USERNAME.declaration(),
    &REMOTE_WRITE_PASSWORD.declaration(),
    &REMOTE_WRITE_BEARER_TOKEN.declaration(),
    &REMOTE_WRITE_TENANT.declaration(),
];

fn zone(text: &str) -> Result<String, String> {
    zone_problem(text).map_or_else(|| Ok(text.to_owned()), Err)
}

fn instance_id(text: &str) -> Result<String, String> {
    instance_id_problem(text).map_or_else(|| Ok(text.to_owned()), Err)
}

fn tenant(text: &str) -> Result<String, String> {
    match text.chars().all(|c| c.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => {
            let reason = "a tenant consists of ASCII characters without white space; write, for example, `team-a`";
            Err(reason.to_owned())
        }
    }
}

impl GrafanaConfig {
    /// Reads the settings of the target `grafana`.
    ///
    /// - `GRAFANA_CLOUD_ZONE`, `GRAFANA_CLOUD_INSTANCE_ID` and `GRAFANA_CLOUD_API_KEY` select the OTLP gateway of
    ///   Grafana Cloud; see [`CloudOtlp`].
    /// - `GRAFANA_REMOTE_WRITE_URL` and the variables that start with `GRAFANA_REMOTE_WRITE_` select remote write;
    ///   see [`RemoteWriteConfig::read`].
    /// - `METERKIT_GRAFANA_PROXY` and similar variables set the transport; see
    ///   [`with_transport`](Self::with_transport).
    ///
    /// Returns `None` if there is no destination. A missing destination is reported as a problem to `reader`, and so
    /// are settings for both destinations.
    pub fn read(reader: &Reader<'_>) -> Option<Self> {
        let (by_cloud, by_remote_write) = (reader.first_set(&CLOUD), reader.first_set(&RECEIVER));
        if let (Some(cloud), Some(remote_write)) = (by_cloud, by_remote_write) {
            let remedy = "keep only the settings for Grafana Cloud, or only those for remote write";
            reader.conflict(remote_write, cloud, remedy);
        }
        let cloud = CloudOtlp::read(reader).map(Self::cloud);
        let remote_write = RemoteWriteConfig::read(reader).map(Self::remote_write);
        if by_cloud.or(by_remote_write).is_none() {
            let [zone, id, key] = CLOUD.map(|setting| reader.name(setting));
            let remedy =
                format!("set it for remote write, or {zone}, {id} and {key} for Grafana Cloud");
            reader.refuse(&REMOTE_WRITE_URL, format!("is not set, nor is {key}; {remedy}"));
        }
        if remote_write.is_some() && reader.is_set(&COMPRESSION) {
            reader.refuse(&COMPRESSION, "remote write always uses snappy; unset it");
        }
        Some(cloud.or(remote_write)?.with_transport(TRANSPORT.read(reader)))
    }
}

impl CloudOtlp {
    /// Reads `GRAFANA_CLOUD_ZONE`, `GRAFANA_CLOUD_INSTANCE_ID` and `GRAFANA_CLOUD_API_KEY`.
    ///
    /// Returns `None` if all are unset. Also returns `None`, and reports each problem to `reader`, if only some of
    /// them are set, the zone cannot be part of a host name, the instance id is not a number, or the key contains
    /// characters that no header may hold.
    pub fn read(reader: &Reader<'_>) -> Option<Self> {
        let present = reader.first_set(&CLOUD)?;
        reader.needs(&CLOUD_ZONE, present, "write the zone of the stack, such as `prod-eu-west-2`");
        reader.needs(&CLOUD_INSTANCE_ID, present, "write the instance id, a number");
        reader.needs(&CLOUD_API_KEY, present, "write a token that has the scope `metrics:write`");
        let zone = reader.get(&CLOUD_ZONE);
        let instance_id = reader.get(&CLOUD_INSTANCE_ID);
        let api_key = Secret::read(reader, &CLOUD_API_KEY);
        Some(Self::new(zone?, instance_id?, api_key?))
    }
}

impl RemoteWriteConfig {
    /// Reads the settings of remote write. Returns `None` if no receiver is set.
    ///
    /// - The receiver; see [`RemoteWrite::read`].
    /// - `METERKIT_GRAFANA_REMOTE_WRITE_VERSION` and `METERKIT_GRAFANA_REMOTE_WRITE_HISTOGRAMS`.
    /// - The queue: `METERKIT_GRAFANA_QUEUE_BYTES`, `METERKIT_GRAFANA_QUEUE_AGE` (in milliseconds) and
    ///   `METERKIT_GRAFANA_SPOOL_DIR`.
    pub fn read(reader: &Reader<'_>) -> Option<Self> {
        let (bytes, age) = (reader.get(&QUEUE_BYTES), reader.get(&QUEUE_AGE));
        let version = reader.get(&REMOTE_WRITE_VERSION);
        let histograms = reader.get(&REMOTE_WRITE_HISTOGRAMS);
        let spool = reader.get(&SPOOL_DIR).map(PathBuf::from);
        let config = Self::new(RemoteWrite::read(reader)?);
        let (default_bytes, default_age) = config.queue();
        let config = config.with_queue(bytes.unwrap_or(default_bytes), age.unwrap_or(default_age));
        let version = version.unwrap_or(config.version);
        let histograms = histograms.unwrap_or(config.histograms);
        Some(Self { spool, version, histograms, ..config })
    }
}

impl RemoteWrite {
    /// Reads `GRAFANA_REMOTE_WRITE_URL`, the credentials from `GRAFANA_REMOTE_WRITE_USERNAME` and `_PASSWORD` or from
    /// `_BEARER_TOKEN`, and the tenant from `_TENANT`.
    ///
    /// Returns `None` if all are unset, or if the URL is missing or invalid. These problems are reported to `reader`:
    /// a missing or invalid URL, a user name without password or the reverse, both kinds of credentials, and values
    /// that no header may hold.
    pub fn read(reader: &Reader<'_>) -> Option<Self> {
        let present = reader.first_set(&RECEIVER)?;
        let remedy = "write the URL of the receiver, or unset the other";
        reader.needs(&REMOTE_WRITE_URL, present, remedy);
        let (name, password) =
            (reader.name(&REMOTE_WRITE_USERNAME), reader.name(&REMOTE_WRITE_PASSWORD));
        let credentials = format!("set {name} and {password} instead");
        let url = reader.get_with(&REMOTE_WRITE_URL, |text| {
            url::parse(text, &remote_write::hints(&credentials))
        });
        let authentication = AUTHENTICATION.read(reader);
        let tenant = reader.get(&REMOTE_WRITE_TENANT);
        Some(Self { url: url?, authentication, tenant })
    }
}

impl PublishConfig {
    /// Reads `GRAFANA_URL`, `GRAFANA_SERVICE_ACCOUNT_TOKEN` and, optionally, `GRAFANA_FOLDER`, the title of a folder.
    ///
    /// Returns `None` if neither of the first two is set. Also returns `None`, and reports each problem to `reader`,
    /// if only one of them is set, the URL is invalid, or the token contains characters that no header may hold.
    /// Proxies are read from the conventional variables, such as `HTTPS_PROXY`.
    pub fn read(reader: &Reader<'_>) -> Option<Self> {
        let remedy = "write the address of Grafana, such as `https://grafana.example.com`";
        reader.needs(&GRAFANA_URL, &SERVICE_ACCOUNT_TOKEN, remedy);
        let remedy = "write the token of a service account with the role Editor";
        reader.needs(&SERVICE_ACCOUNT_TOKEN, &GRAFANA_URL, remedy);
        let credentials = format!("set {} to a token instead", reader.name(&SERVICE_ACCOUNT_TOKEN));
        let url: Option<Uri> =
            reader.get_with(&GRAFANA_URL, |text| Self::read_url(text, &credentials));
        let token = Secret::read(reader, &SERVICE_ACCOUNT_TOKEN);
        let folder = reader.get(&FOLDER);
        let proxies = Transport::default().with_proxies(Proxies::read(reader, None));
        let config = Self::of(url?, token?).with_transport(proxies);
        Some(folder.into_iter().fold(config, Self::with_folder))
    }
}

#[cfg(all(test, feature = "tls", feature = "zstd"))]
mod tests;
