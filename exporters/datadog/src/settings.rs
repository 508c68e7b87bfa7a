//! What an operator can set of a Datadog target: the variables of Datadog's own libraries, and what only this one has.

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
        .meaning("the key of the account");

    SITE: Site = Setting::new("DD_SITE", ValueType::Host, site)
        .key("site")
        .by_default("`datadoghq.com`")
        .meaning("the installation that the account lives in");

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
        .meaning("tags of everything that is sent");

    HOSTNAME: String = text("DD_HOSTNAME")
        .key("hostname")
        .by_default("`host.name` of the resource, or the host of the agent")
        .meaning("the host that metrics are of");

    AGENT_HOST: String = host("DD_AGENT_HOST")
        .key("agent_host")
        .by_default("`localhost`")
        .meaning("where the agent listens, on UDP");

    DOGSTATSD_PORT: u16 = Setting::new("DD_DOGSTATSD_PORT", ValueType::PeerPort, port)
        .key("dogstatsd_port")
        .by_default("`8125`")
        .meaning("where the agent listens");

    DOGSTATSD_URL: String = url("DD_DOGSTATSD_URL")
        .key("dogstatsd_url")
        .meaning("where the agent listens, as `udp://host:8125` or `unix:///path`; wins over the two before");

    MODE: Mode = word("METERKIT_DATADOG_MODE")
        .key("mode")
        .by_default("`api` with a key, else `agent`")
        .meaning("whether metrics go to the intake, to an agent, or as OTLP to the intake or an agent");

    ENDPOINT: String = url("METERKIT_DATADOG_ENDPOINT")
        .key("endpoint")
        .by_default("that of `DD_SITE`")
        .meaning("where to send to instead; for `api`, `/api/v2/series` and the like are added");

    SCOPE_TAGS: bool = boolean("METERKIT_DATADOG_SCOPE_TAGS")
        .key("scope_tags")
        .by_default("`false`")
        .meaning("whether the scope becomes the tags `instrumentation_scope` and `instrumentation_scope_version`");

    INSTANCE_TAG: bool = boolean("METERKIT_DATADOG_INSTANCE_TAG")
        .key("instance_tag")
        .by_default("`true`")
        .meaning("whether `service.instance.id`, else a random id, is a tag that keeps the counts of processes apart");

    PROXY_HTTPS: Proxy = proxy("DD_PROXY_HTTPS")
        .key("proxy_https")
        .by_default("`HTTPS_PROXY`")
        .meaning("the proxy on the way to the intake");

    PROXY_HTTP: Proxy = proxy("DD_PROXY_HTTP")
        .key("proxy_http")
        .by_default("`HTTP_PROXY`")
        .meaning("the same for an endpoint with `http`");

    PROXY_NO_PROXY: String = text("DD_PROXY_NO_PROXY")
        .key("proxy_no_proxy")
        .by_default("`NO_PROXY`")
        .meaning("hosts that are reached without one");

    COMPRESSION: Compression = transport::compression("METERKIT_DATADOG_COMPRESSION")
        .by_default("`zstd` if it is built in, else `gzip`");

    TIMEOUT: Duration = transport::timeout("METERKIT_DATADOG_TIMEOUT").by_default("`20000`");

    CERTIFICATE: String = transport::certificate("METERKIT_DATADOG_CERTIFICATE");

    CLIENT_KEY: String = transport::client_key("METERKIT_DATADOG_CLIENT_KEY");

    CLIENT_CERTIFICATE: String =
        transport::client_certificate("METERKIT_DATADOG_CLIENT_CERTIFICATE");

    EXTERNAL_DATA: String = text("DD_EXTERNAL_ENV")
        .key("external_env")
        .meaning("what the admission controller says of the pod, for the agent");

    ENTITY_ID: String = text("DD_ENTITY_ID")
        .key("entity_id")
        .meaning("the pod's id, for the agent: the tag `dd.internal.entity_id`");
}

const INTERVAL: Setting<Duration> = export_interval("METERKIT_DATADOG_INTERVAL", "datadog");

/// The target as `OTEL_METRICS_EXPORTER` selects it.
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
    let reason = "is empty or holds white space or a character that no key has; copy it again";
    config::key(text).map_err(|_| reason.to_owned())
}

fn site(text: &str) -> Result<Site, String> {
    text.parse().map_err(|error: crate::site::SiteError| error.to_string())
}

fn port(text: &str) -> Result<u16, String> {
    AgentAddress::port(text).ok_or_else(|| format!("write {}", ValueType::PeerPort))
}

impl DatadogConfig {
    /// Reads Datadog's variables, and ours.
    ///
    /// The mode is that of `METERKIT_DATADOG_MODE`; else `api` when there is a `DD_API_KEY`; else `agent` when there is
    /// a `DD_DOGSTATSD_URL` or `DD_AGENT_HOST`; else a problem.
    ///
    /// - `api` and `otlp`: `DD_API_KEY`, `DD_SITE`, `METERKIT_DATADOG_ENDPOINT`, and the variables of proxies:
    ///   `DD_PROXY_HTTPS`, `DD_PROXY_HTTP`, `DD_PROXY_NO_PROXY`, then those that everyone reads. Without a key, `otlp`
    ///   goes to the agent.
    /// - `agent`: `DD_DOGSTATSD_URL`, else `DD_AGENT_HOST` and `DD_DOGSTATSD_PORT`; `DD_ENTITY_ID`, `DD_EXTERNAL_ENV`.
    /// - All: `DD_ENV`, `DD_SERVICE`, `DD_VERSION`, `DD_TAGS`, `DD_HOSTNAME`, `METERKIT_DATADOG_SCOPE_TAGS`,
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
            let remedy = format!("use `api`, or name one in {}", reader.name(&ENDPOINT));
            reader.refuse(&SITE, format!("Datadog has no intake of OTLP there; {remedy}"));
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
        // An agent is reached without a proxy.
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
                config.with_transport(TRANSPORT.read(reader).with_proxies(proxies))
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

/// Reads where the agent listens, and its host: the URL, else host and port.
fn agent(reader: &Reader<'_>) -> (AgentAddress, String) {
    let by_url = reader.is_set(&DOGSTATSD_URL);
    let address = reader.get_with(&DOGSTATSD_URL, |url| url.parse());
    // What does not count may be wrong.
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
