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

/// The settings of a [`DatadogTarget`](crate::DatadogTarget). `Debug` shows no credentials.
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
    /// The endpoint that replaces the site's intake.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) agent: AgentAddress,
    /// The host of the agent, for its OTLP port.
    pub(crate) agent_host: String,
    pub(crate) host: Option<String>,
    /// The tags from Datadog's variables.
    pub(crate) service_tags: ServiceTags,
    pub(crate) tags: Vec<String>,
    pub(crate) scope_tags: bool,
    pub(crate) instance_tag: bool,
    /// The instance of the target that owns these settings.
    pub(crate) instance: Option<Instance>,
    pub(crate) format: Format,
    pub(crate) transport: Transport,
    /// The data about the pod from Datadog's admission controller.
    pub(crate) external_data: Option<String>,
    /// The id by which the agent knows the pod.
    pub(crate) entity_id: Option<String>,
}

/// The default timeout of one request, which is that of Datadog's own clients.
const TIMEOUT: Duration = Duration::from_secs(20);

const COMPRESSION: Compression =
    if cfg!(feature = "zstd") { Compression::Zstd } else { Compression::Gzip };

impl DatadogConfig {
    /// Creates settings that send to Datadog's intake, with an API key. Environment variables are not read.
    ///
    /// # Errors
    ///
    /// Returns an error if `api_key` is empty, or contains white space or other illegal characters.
    pub fn api(api_key: &str) -> Result<Self, KeyError> {
        Ok(Self { api_key: Some(Secret::new(key(api_key)?)), ..Self::to(Mode::Api) })
    }

    /// Creates settings that send to the agent at `address`, over DogStatsD. Environment variables are not read.
    pub fn agent(address: AgentAddress) -> Self {
        Self { agent: address, ..Self::to(Mode::Agent) }
    }

    /// Creates settings that send to Datadog's OTLP intake, with an API key. Environment variables are not read.
    ///
    /// # Errors
    ///
    /// Returns an error if `api_key` is empty, or contains white space or other illegal characters.
    pub fn otlp(api_key: &str) -> Result<Self, KeyError> {
        Ok(Self { api_key: Some(Secret::new(key(api_key)?)), ..Self::to(Mode::Otlp) })
    }

    /// Creates settings that send OTLP to port 4318 of the agent on `host`. Environment variables are not read.
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

    /// Sets the name of the target in logs and self-metrics, which tells several targets apart. The default is
    /// `datadog`.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the Datadog site of the account. The default is `datadoghq.com`. `DD_SITE` overrides this value.
    #[must_use]
    pub fn with_site(mut self, site: Site) -> Self {
        self.site = site;
        self
    }

    /// Sets a URL that replaces the site's intake, such as that of a relay or of a compatible server. Paths such as
    /// `/api/v2/series` are appended; for OTLP, the URL is used unchanged. `METERKIT_DATADOG_ENDPOINT` overrides this
    /// value.
    ///
    /// # Errors
    ///
    /// Returns an error if `url` cannot be used: not a URL, without scheme, or with credentials.
    pub fn with_endpoint(mut self, url: &str) -> Result<Self, EndpointError> {
        let endpoint = endpoint(url);
        let error = |reason| EndpointError { url: url::shown(url), reason };
        self.endpoint = Some(endpoint.map_err(error)?);
        Ok(self)
    }

    /// Sets the host of the metrics, in place of `host.name` of the resource or of the agent's host. `DD_HOSTNAME`
    /// overrides this value.
    #[must_use]
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Sets tags that are added to every metric, besides `env`, `service` and `version` of the resource. There are
    /// none by default. `DD_TAGS` adds further tags.
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.tags = all_normal(tags);
        self
    }

    /// Sets whether metrics carry the tags `instrumentation_scope` and `instrumentation_scope_version`, with the name
    /// and version of their scope. The default is `false`. `METERKIT_DATADOG_SCOPE_TAGS` overrides this value.
    #[must_use]
    pub fn with_scope_tags(mut self, scope_tags: bool) -> Self {
        self.scope_tags = scope_tags;
        self
    }

    /// Sets whether metrics carry the tag `service.instance.id`, with the value of the resource or else a random id
    /// of the target. The default is `true`. A tag with that key in `DD_TAGS` or [`with_tags`](Self::with_tags) takes
    /// precedence. `METERKIT_DATADOG_INSTANCE_TAG` overrides this value.
    ///
    /// Datadog keeps one point per second for each combination of name, host and tags. Without this tag, a second
    /// process on the same host would therefore replace the counts of the first. If a host runs only one process with
    /// the same tags, you can switch it off to save costs: with random ids, each start of a process creates new
    /// series.
    #[must_use]
    pub fn with_instance_tag(mut self, instance_tag: bool) -> Self {
        self.instance_tag = instance_tag;
        self
    }

    /// Sets the encoding of counts and gauges. The default is Protobuf. Distributions are always encoded as Protobuf.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Sets proxies, certificates, compression and timeout of HTTP requests. They have no effect on the mode `agent`,
    /// which sends datagrams. Settings that `transport` leaves unset keep their values.
    ///
    /// The defaults are no proxies, the system's certificate authorities, no client certificate, zstd (gzip if zstd
    /// is not built in), and 20 s for a request. `DD_PROXY_HTTPS`, `DD_PROXY_HTTP` and `DD_PROXY_NO_PROXY`, or else
    /// `HTTPS_PROXY` and similar variables, override the proxies. `METERKIT_DATADOG_COMPRESSION`, `..._TIMEOUT`,
    /// `..._CERTIFICATE`, `..._CLIENT_CERTIFICATE` and `..._CLIENT_KEY` override the rest.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = transport.or(self.transport);
        self
    }

    /// Returns the mode.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn compression(&self) -> Compression {
        self.transport.compression().unwrap_or(COMPRESSION)
    }

    /// Returns the tags of all points of `snapshot`.
    pub(crate) fn common_tags(&self, snapshot: &Snapshot) -> Vec<String> {
        let resource = |name: &str| snapshot.resource.get(name).map(|value| value.to_string());
        let mut tags = self.service_tags.of(resource);
        tags.extend(self.tags.iter().cloned());
        let own = self.instance.as_ref().and_then(|it| it.tag(snapshot, &tags));
        tags.extend(own);
        tags
    }

    /// Returns the host to which the points of `snapshot` belong.
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

/// The URL of an endpoint. `Debug` leaves out parts that may be secret.
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
        credentials: "remove them; Datadog uses the API key instead",
        path: None,
    };
    url::parse(text, &hints).map(Endpoint)
}

/// The error for an API key that no request can carry. It does not show the key.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Datadog API key is empty, or contains white space or another illegal character; copy it again"
)]
pub struct KeyError;

/// The error for an endpoint that is not a valid URL. It leaves out parts that may be secret.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("Datadog endpoint `{url}` {reason}")]
pub struct EndpointError {
    pub(crate) url: String,
    pub(crate) reason: String,
}

meterkit_rules::debug_as_text!(KeyError, EndpointError);
