//! The settings of a Datadog target: the variables of Datadog's own libraries, and the variables of this crate.

use std::error::Error;
use std::time::Duration;

use meterkit_http::{
    Compression, Proxies, Proxy, ProxySettings, Secret, TransportSettings, proxy, transport,
};
use meterkit_pipeline::{IntoTarget, Target};
use meterkit_settings::{
    Reader, Setting, TargetDeclaration, ValueType, boolean, export_interval, host, settings, text,
    url, word,
};

use crate::agent::AgentAddress;
use crate::config::{self, DatadogConfig};
use crate::mode::Mode;
use crate::service::{self, ServiceTags};
use crate::site::Site;
use crate::target::DatadogTarget;

settings! {
    SETTINGS for Some("datadog");

    API_KEY: String = Setting::new("DD_API_KEY", ValueType::Token, api_key)
        .key("api_key")
        .meaning("the API key of the Datadog account");

    SITE: Site = Setting::new("DD_SITE", ValueType::Host, site)
        .key("site")
        .by_default("`datadoghq.com`")
        .meaning("the Datadog site of the account");

    ENV: String = text("DD_ENV")
        .key("env")
        .by_default("`deployment.environment.name` of the resource")
        .meaning("the tag `env`");

    SERVICE: String = text("DD_SERVICE")
        .key("service")
        .by_default("`service.name` of the resource")
        .meaning("the tag `service`");

    VERSION: String = text("DD_VERSION")
        .key("version")
        .by_default("`service.version` of the resource")
        .meaning("the tag `version`");

    TAGS: Vec<String> = Setting::new("DD_TAGS", ValueType::Tags, service::tags)
        .key("tags")
        .meaning("the tags of all metrics");

    HOSTNAME: String = text("DD_HOSTNAME")
        .key("hostname")
        .by_default("`host.name` of the resource, or the host of the agent")
        .meaning("the host of all metrics");

    AGENT_HOST: String = host("DD_AGENT_HOST")
        .key("agent_host")
        .by_default("`localhost`")
        .meaning("the host of the agent");

    DOGSTATSD_PORT: u16 = Setting::new("DD_DOGSTATSD_PORT", ValueType::PeerPort, port)
        .key("dogstatsd_port")
        .by_default("`8125`")
        .meaning("the UDP port of the agent");

    DOGSTATSD_URL: String = url("DD_DOGSTATSD_URL")
        .key("dogstatsd_url")
        .meaning("the address of the agent, such as `udp://host:8125` or `unix:///path`; takes precedence over host and port");

    MODE: Mode = word("METERKIT_DATADOG_MODE")
        .key("mode")
        .by_default("`api` with a key, else `agent`")
        .meaning("whether metrics go to the intake, to an agent, or as OTLP to the intake or an agent");

    ENDPOINT: String = url("METERKIT_DATADOG_ENDPOINT")
        .key("endpoint")
        .by_default("the intake of `DD_SITE`")
        .meaning("the URL that replaces the intake; for `api`, paths such as `/api/v2/series` are appended");

    SCOPE_TAGS: bool = boolean("METERKIT_DATADOG_SCOPE_TAGS")
        .key("scope_tags")
        .by_default("`false`")
        .meaning("whether metrics carry their scope as the tags `instrumentation_scope` and `instrumentation_scope_version`");

    INSTANCE_TAG: bool = boolean("METERKIT_DATADOG_INSTANCE_TAG")
        .key("instance_tag")
        .by_default("`true`")
        .meaning("whether metrics carry the tag `service.instance.id`, with a random id if the resource has none; it keeps the counts of processes apart");

    PROXY_HTTPS: Proxy = proxy("DD_PROXY_HTTPS")
        .key("proxy_https")
        .by_default("`HTTPS_PROXY`")
        .meaning("the proxy for an endpoint with `https`, such as the intake");

    PROXY_HTTP: Proxy = proxy("DD_PROXY_HTTP")
        .key("proxy_http")
        .by_default("`HTTP_PROXY`")
        .meaning("the proxy for an endpoint with `http`");

    PROXY_NO_PROXY: String = text("DD_PROXY_NO_PROXY")
        .key("proxy_no_proxy")
        .by_default("`NO_PROXY`")
        .meaning("the hosts that are reached without a proxy");

    COMPRESSION: Compression = transport::compression("METERKIT_DATADOG_COMPRESSION")
        .by_default("`zstd` if it is built in, else `gzip`");

    TIMEOUT: Duration = transport::timeout("METERKIT_DATADOG_TIMEOUT").by_default("`20000`");

    CERTIFICATE: String = transport::certificate("METERKIT_DATADOG_CERTIFICATE");

    CLIENT_KEY: String = transport::client_key("METERKIT_DATADOG_CLIENT_KEY");

    CLIENT_CERTIFICATE: String =
        transport::client_certificate("METERKIT_DATADOG_CLIENT_CERTIFICATE");

    EXTERNAL_DATA: String = text("DD_EXTERNAL_ENV")
        .key("external_env")
        .meaning("the data about the pod from Datadog's admission controller, for the agent");

    ENTITY_ID: String = text("DD_ENTITY_ID")
        .key("entity_id")
        .meaning("the id of the pod, which the agent receives as the tag `dd.internal.entity_id`");
}

const INTERVAL: Setting<Duration> = export_interval("METERKIT_DATADOG_INTERVAL", "datadog");

/// The declaration of the target that `OTEL_METRICS_EXPORTER=datadog` selects.
pub const TARGET: TargetDeclaration<Box<dyn IntoTarget>> = TargetDeclaration {
    name: "datadog",
    settings: SETTINGS,
    interval: &INTERVAL,
    sections: &["datadog"],
    read: |reader| Some(Box::new(DatadogConfig::read(reader))),
    read_section: |_, reader| {
        reader.refuse_others_than(SETTINGS);
        Some(Box::new(DatadogConfig::read(reader)))
    },
};

impl IntoTarget for DatadogConfig {
    fn target_name(&self) -> &str {
        &self.name
    }

    fn into_target(self: Box<Self>) -> Result<Box<dyn Target>, Box<dyn Error + Send + Sync>> {
        Ok(Box::new(DatadogTarget::new(*self)?))
    }
}

fn api_key(text: &str) -> Result<String, String> {
    let reason = "is empty, or contains white space or another illegal character; copy it again";
    config::key(text).map_err(|_| reason.to_owned())
}

fn site(text: &str) -> Result<Site, String> {
    text.parse().map_err(|error: crate::site::SiteError| error.to_string())
}

fn port(text: &str) -> Result<u16, String> {
    AgentAddress::port(text).ok_or_else(|| format!("write {}", ValueType::PeerPort))
}

impl DatadogConfig {
    /// Reads Datadog's variables and those of this crate. Problems are reported to `reader`.
    ///
    /// `METERKIT_DATADOG_MODE` sets the mode. If it is not set, the mode is `api` if `DD_API_KEY` is set, or else
    /// `agent` if `DD_DOGSTATSD_URL`, `DD_AGENT_HOST` or `DD_DOGSTATSD_PORT` is set. If none of them is set, that is
    /// a problem.
    ///
    /// - `api` and `otlp`: `DD_API_KEY`, `DD_SITE`, `METERKIT_DATADOG_ENDPOINT`, and the variables for proxies:
    ///   `DD_PROXY_HTTPS`, `DD_PROXY_HTTP`, `DD_PROXY_NO_PROXY`, or else the conventional ones, such as
    ///   `HTTPS_PROXY`. Without a key, `otlp` sends to the agent.
    /// - `agent`: `DD_DOGSTATSD_URL`, or else `DD_AGENT_HOST` and `DD_DOGSTATSD_PORT`; `DD_ENTITY_ID`,
    ///   `DD_EXTERNAL_ENV`.
    /// - All modes: `DD_ENV`, `DD_SERVICE`, `DD_VERSION`, `DD_TAGS`, `DD_HOSTNAME`, `METERKIT_DATADOG_SCOPE_TAGS`,
    ///   `METERKIT_DATADOG_INSTANCE_TAG`.
    ///
    /// ```
    /// use meterkit_datadog::{DatadogConfig, Mode};
    /// use meterkit_settings::Environment;
    ///
    /// let key = "0123456789abcdef0123456789abcdef";
    /// let environment = Environment::of([("DD_API_KEY", key), ("DD_SITE", "datadoghq.eu")]);
    /// assert_eq!(environment.read(DatadogConfig::read)?.mode(), Mode::Api);
    /// # Ok::<(), meterkit_settings::SettingsError>(())
    /// ```
    pub fn read(reader: &Reader<'_>) -> Self {
        let api_key = Secret::read(reader, &API_KEY);
        let has_key = reader.is_set(&API_KEY);
        let mode = reader.get(&MODE);
        let endpoint = reader.get_with(&ENDPOINT, config::endpoint);
        let site = reader.get(&SITE).unwrap_or_default();
        let has_agent = reader.first_set(&[&DOGSTATSD_URL, &AGENT_HOST, &DOGSTATSD_PORT]).is_some();
        let (agent, agent_host) = agent(reader);
        let service_tags = ServiceTags {
            env: reader.get(&ENV),
            service: reader.get(&SERVICE),
            version: reader.get(&VERSION),
            tags: reader.get(&TAGS).unwrap_or_default(),
        };
        let mode = match mode {
            Some(mode) => mode,
            None if has_key => Mode::Api,
            None if has_agent || reader.is_set(&MODE) => Mode::Agent,
            None => {
                let (host, url) = (reader.name(&AGENT_HOST), reader.name(&DOGSTATSD_URL));
                let remedy =
                    format!("set it for Datadog's intake, or {host} or {url} for an agent");
                reader.refuse(&API_KEY, format!("is not set, nor is an agent; {remedy}"));
                Mode::Agent
            }
        };
        if mode == Mode::Api {
            reader.needs(&API_KEY, &MODE, "set the key of your account");
        }
        if mode == Mode::Otlp && has_key && !reader.is_set(&ENDPOINT) && site.otlp_url().is_none() {
            let remedy = format!("use the mode `api`, or set {}", reader.name(&ENDPOINT));
            reader.refuse(&SITE, format!("Datadog has no OTLP intake there; {remedy}"));
        }
        let config = Self {
            api_key,
            site,
            endpoint,
            agent,
            agent_host,
            host: reader.get(&HOSTNAME),
            service_tags,
            scope_tags: reader.get(&SCOPE_TAGS).unwrap_or(false),
            instance_tag: reader.get(&INSTANCE_TAG).unwrap_or(true),
            external_data: reader.get(&EXTERNAL_DATA),
            entity_id: reader.get(&ENTITY_ID),
            ..Self::to(mode)
        };
        // No proxies in the mode `agent`: datagrams cannot pass through one.
        match mode {
            Mode::Agent => {
                let why = format!(
                    "metrics go to an agent in datagrams; unset it, or change {}",
                    MODE.name
                );
                let transport =
                    [&*COMPRESSION, &TIMEOUT, &CERTIFICATE, &CLIENT_KEY, &CLIENT_CERTIFICATE];
                reader.in_vain(&transport, &why);
                config
            }
            Mode::Api | Mode::Otlp => {
                let proxies = Proxies::read(reader, Some(&PROXIES));
                let mut hints = TRANSPORT.hints();
                if reader.is_set(&ENDPOINT) {
                    hints.endpoint = ENDPOINT.name;
                } else if mode == Mode::Otlp && !has_key {
                    hints.endpoint = AGENT_HOST.name;
                }
                let transport = TRANSPORT.read(reader).with_hints(hints);
                config.with_transport(transport.with_proxies(proxies))
            }
        }
    }
}

const PROXIES: ProxySettings =
    ProxySettings { https: PROXY_HTTPS, http: PROXY_HTTP, no_proxy: PROXY_NO_PROXY };

pub(crate) const TRANSPORT: TransportSettings = TransportSettings {
    package: "meterkit-datadog",
    proxy: None,
    compression: COMPRESSION,
    timeout: TIMEOUT,
    certificate: CERTIFICATE,
    client_key: CLIENT_KEY,
    client_certificate: CLIENT_CERTIFICATE,
    credentials: &["DD_API_KEY"],
    endpoint: "DD_SITE",
    protocol: "",
    paths: &[],
};

/// Reads the address of the agent, from the URL or else from host and port. Also returns its host.
fn agent(reader: &Reader<'_>) -> (AgentAddress, String) {
    let by_url = reader.is_set(&DOGSTATSD_URL);
    let address = reader.get_with(&DOGSTATSD_URL, |url| url.parse());
    // With a URL, host and port are not used and not checked.
    let host = match by_url {
        true => reader.get_with(&AGENT_HOST, |host| Ok::<_, String>(host.to_owned())),
        false => reader.get_with(&AGENT_HOST, |text| {
            let (url, port) = (reader.name(&DOGSTATSD_URL), reader.name(&DOGSTATSD_PORT));
            AgentAddress::bare_host(text, &url, &port)
        }),
    };
    let port = if by_url { None } else { reader.get(&DOGSTATSD_PORT) };
    let by_udp = || AgentAddress::udp(host.as_deref(), port);
    (address.unwrap_or_else(by_udp), host.clone().unwrap_or_else(|| "localhost".to_owned()))
}

#[cfg(test)]
mod tests;
