//! The settings of a Datadog target.

use std::fmt;
use std::time::Duration;

use http::Uri;
use meterkit_http::url::{self, UrlHints};
use meterkit_http::{Compression, Secret, Transport};
use meterkit_pipeline::Snapshot;

use crate::Format;
use crate::agent::AgentAddress;
use crate::instance::Instance;
use crate::mode::Mode;
use crate::service::ServiceTags;
use crate::settings::TRANSPORT;
use crate::site::Site;
use crate::tag::all_normal;

/// The settings of one target. `Debug` shows no credentials.
///
/// ```
/// use meterkit_datadog::{DatadogConfig, DatadogTarget, Site};
///
/// let config = DatadogConfig::api("0123456789abcdef0123456789abcdef")?
///     .with_site(Site::Eu1)
///     .with_tags(["team:catalog"]);
/// # #[cfg(feature = "tls")]
/// let target = DatadogTarget::new(config)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct DatadogConfig {
    pub(crate) name: String,
    pub(crate) mode: Mode,
    pub(crate) api_key: Option<Secret>,
    pub(crate) site: Site,
    /// In place of the site's.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) agent: AgentAddress,
    /// The host of the agent, for its OTLP port.
    pub(crate) agent_host: String,
    pub(crate) host: Option<String>,
    /// The tags of Datadog's variables.
    pub(crate) service_tags: ServiceTags,
    pub(crate) tags: Vec<String>,
    pub(crate) scope_tags: bool,
    pub(crate) instance_tag: bool,
    /// That of the target, which has these settings for itself.
    pub(crate) instance: Option<Instance>,
    pub(crate) format: Format,
    pub(crate) transport: Transport,
    /// What Datadog's admission controller says of the pod.
    pub(crate) external_data: Option<String>,
    /// The pod, as the agent knows it.
    pub(crate) entity_id: Option<String>,
}

/// How long the intake may take for one request. Datadog's own senders wait that long.
const TIMEOUT: Duration = Duration::from_secs(20);

const COMPRESSION: Compression =
    if cfg!(feature = "zstd") { Compression::Zstd } else { Compression::Gzip };

impl DatadogConfig {
    /// Straight to Datadog's intake, with an API key. Nothing is taken from the environment.
    ///
    /// # Errors
    ///
    /// When `api_key` can be none.
    pub fn api(api_key: &str) -> Result<Self, KeyError> {
        Ok(Self { api_key: Some(Secret::new(key(api_key)?)), ..Self::to(Mode::Api) })
    }

    /// By way of the agent at `address`. Nothing is taken from the environment.
    pub fn agent(address: AgentAddress) -> Self {
        Self { agent: address, ..Self::to(Mode::Agent) }
    }

    /// To Datadog's intake of OTLP, with an API key. Nothing is taken from the environment.
    ///
    /// # Errors
    ///
    /// When `api_key` can be none.
    pub fn otlp(api_key: &str) -> Result<Self, KeyError> {
        Ok(Self { api_key: Some(Secret::new(key(api_key)?)), ..Self::to(Mode::Otlp) })
    }

    /// To the OTLP port 4318 of the agent on `host`. Nothing is taken from the environment.
    pub fn otlp_of_agent(host: impl Into<String>) -> Self {
        Self { agent_host: host.into(), ..Self::to(Mode::Otlp) }
    }

    pub(crate) fn to(mode: Mode) -> Self {
        Self {
            name: "datadog".to_owned(),
            mode,
            api_key: None,
            site: Site::default(),
            endpoint: None,
            agent: AgentAddress::default(),
            agent_host: "localhost".to_owned(),
            host: None,
            service_tags: ServiceTags::default(),
            tags: Vec::new(),
            scope_tags: false,
            instance_tag: true,
            instance: None,
            format: Format::default(),
            transport: Transport::default()
                .with_compression(COMPRESSION)
                .with_timeout(TIMEOUT)
                .with_hints(TRANSPORT.hints()),
            external_data: None,
            entity_id: None,
        }
    }

    /// What the target is called in logs and self-metrics, to tell it from another one. `datadog` by default.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The installation that the account lives in; `datadoghq.com` by default. `DD_SITE` overrides.
    #[must_use]
    pub fn with_site(mut self, site: Site) -> Self {
        self.site = site;
        self
    }

    /// Sends to `url` in place of the site's intake: a relay, or a server that speaks the same. `/api/v2/series` and
    /// the like are added; for OTLP it is used as it is. `METERKIT_DATADOG_ENDPOINT` overrides.
    ///
    /// # Errors
    ///
    /// When requests cannot be sent to `url`.
    pub fn with_endpoint(mut self, url: &str) -> Result<Self, EndpointError> {
        let endpoint = endpoint(url);
        let error = |reason| EndpointError { url: url::shown(url), reason };
        self.endpoint = Some(endpoint.map_err(error)?);
        Ok(self)
    }

    /// The host that metrics are of, in place of `host.name` of the resource, or of the agent's. `DD_HOSTNAME` overrides.
    #[must_use]
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Tags of every metric, beside `env`, `service` and `version` of the resource. None by default. `DD_TAGS` adds
    /// some.
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.tags = all_normal(tags);
        self
    }

    /// Whether metrics also get the tags `instrumentation_scope` and `instrumentation_scope_version`: the name and
    /// version of their scope. Not by default. `METERKIT_DATADOG_SCOPE_TAGS` overrides.
    #[must_use]
    pub fn with_scope_tags(mut self, scope_tags: bool) -> Self {
        self.scope_tags = scope_tags;
        self
    }

    /// Whether metrics also get the tag `service.instance.id`: that of the resource, or else a random id of the target.
    /// They do by default. A tag of that key in `DD_TAGS` or [`with_tags`](Self::with_tags) wins.
    ///
    /// Datadog keeps one point for each second of a name, a host and a set of tags: without this tag, a second process
    /// of a host would replace the counts of the first. Switch it off where a host has one process with the same tags
    /// and series are what you pay for: with random ids, each start of a process makes new ones.
    /// `METERKIT_DATADOG_INSTANCE_TAG` overrides.
    #[must_use]
    pub fn with_instance_tag(mut self, instance_tag: bool) -> Self {
        self.instance_tag = instance_tag;
        self
    }

    /// How series are written; protobuf by default. Distributions are protobuf in any case.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Sets proxies, certificates, compression and timeout of requests to an intake or to an OTLP port; an agent is sent
    /// datagrams. What `transport` leaves unset stays as it is.
    ///
    /// The defaults are no proxies, the system's certificate authorities, no client certificate, zstd (gzip where zstd
    /// is not built in), and 20 s for a request. `DD_PROXY_HTTPS`, `DD_PROXY_HTTP` and `DD_PROXY_NO_PROXY` override the
    /// proxies, and after them `HTTPS_PROXY` and the like; `METERKIT_DATADOG_COMPRESSION`, `..._TIMEOUT`,
    /// `..._CERTIFICATE`, `..._CLIENT_CERTIFICATE` and `..._CLIENT_KEY` override the rest.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = transport.or(self.transport);
        self
    }

    /// How metrics get to Datadog.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn compression(&self) -> Compression {
        self.transport.compression().unwrap_or(COMPRESSION)
    }

    /// The tags of everything that is sent of `snapshot`.
    pub(crate) fn common_tags(&self, snapshot: &Snapshot) -> Vec<String> {
        let resource = |name: &str| snapshot.resource.get(name).map(|value| value.to_string());
        let mut tags = self.service_tags.of(resource);
        tags.extend(self.tags.iter().cloned());
        let own = self.instance.as_ref().and_then(|it| it.tag(snapshot, &tags));
        tags.extend(own);
        tags
    }

    /// The host that `snapshot` is of.
    pub(crate) fn host_of(&self, snapshot: &Snapshot) -> Option<String> {
        let of_resource = || snapshot.resource.get("host.name").map(|value| value.to_string());
        self.host.clone().or_else(of_resource)
    }
}

pub(crate) fn key(text: &str) -> Result<String, KeyError> {
    let text = text.trim_end_matches(['\r', '\n']);
    match text.chars().all(|c| c.is_ascii_graphic()) && !text.is_empty() {
        true => Ok(text.to_owned()),
        false => Err(KeyError),
    }
}

/// A URL to send to. `Debug` leaves out what may be secret in it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint(pub(crate) Uri);

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&url::shown(&self.0.to_string()))
    }
}

pub(crate) fn endpoint(text: &str) -> Result<Endpoint, String> {
    let hints = UrlHints {
        example: "https://metrics-relay.example.com",
        credentials: "remove them: the API key is what Datadog asks for",
        path: None,
    };
    url::parse(text, &hints).map(Endpoint)
}

/// A key that no request can carry. It is not shown.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Datadog API key is empty or holds white space or a character that no key has; copy it again"
)]
pub struct KeyError;

/// A URL that cannot be sent to. What may be secret in it is left out.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("Datadog endpoint `{url}` {reason}")]
pub struct EndpointError {
    pub(crate) url: String,
    pub(crate) reason: String,
}

meterkit_rules::debug_as_text!(KeyError, EndpointError);
