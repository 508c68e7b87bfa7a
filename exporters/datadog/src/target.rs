//! The Datadog target, which supports all modes.

use meterkit_core::Temporality;
use meterkit_http::{CompressionError, TlsError};
use meterkit_otlp::{BuildError as OtlpError, EndpointError as OtlpEndpointError};
use meterkit_pipeline::{CheckFuture, Checked, ExportFuture, Snapshot, Target};

use crate::agent::{AgentConfig, AgentTarget, cgroup_inode, probe};
use crate::api::ApiTarget;
use crate::config::{DatadogConfig, EndpointError};
use crate::instance::Instance;
use crate::mode::Mode;
use crate::otlp::ByOtlp;
use crate::settings::TRANSPORT;
use crate::tag::tag;

/// Sends snapshots to Datadog. `OTEL_METRICS_EXPORTER=datadog` selects it.
///
/// - **`api`** sends to Datadog's intake. Counters become counts with the interval that they cover, up-down counters
///   and gauges become gauges, and histograms become distributions, whose percentiles Datadog computes over all
///   hosts. Counters and histograms without an increase are not sent. The API key is checked when the pipeline
///   starts.
/// - **`agent`** sends to an agent over DogStatsD; see [`AgentTarget`]. To let the agent add the tags of the
///   container, the target sends the resource attribute `container.id`, or else, on Linux, the inode of a control
///   group in a private namespace. It also sends `DD_ENTITY_ID` as the tag `dd.internal.entity_id`.
/// - **`otlp`** sends deltas to Datadog's OTLP intake, or to the OTLP port of an agent. `DD_ENV`, `DD_SERVICE`,
///   `DD_VERSION` and `DD_HOSTNAME` become the resource attributes from which Datadog reads them. Other tags become
///   attributes of each point.
///
/// A tag distinguishes processes with the same host and tags; see
/// [`with_instance_tag`](DatadogConfig::with_instance_tag).
///
/// # Failures
///
/// A failed delivery loses nothing: undelivered values are part of the next delta.
///
/// If Datadog refuses a payload because of its content, or repeatedly fails on it with 5xx while it accepts others,
/// the payload is divided until the points at fault are found. They are dropped if Datadog accepts other points of
/// the same export, counted in `otel.sdk.exporter.metric_data_point.exported` with `error.type=rejected`, and logged
/// once. The search takes at most 64 refusals: if points all over a payload are at fault, whole parts of it are
/// dropped. See [`Refusals`](meterkit_http::Refusals). A refused API key never causes points to be dropped.
#[derive(Debug)]
pub struct DatadogTarget {
    config: DatadogConfig,
    sender: Sender,
}

#[derive(Debug)]
enum Sender {
    Api(Box<ApiTarget>),
    Agent {
        /// Created with the first snapshot, which carries the resource.
        target: Option<Box<AgentTarget>>,
        cgroup_inode: Option<u64>,
    },
    Otlp(Box<ByOtlp>),
}

impl DatadogTarget {
    /// Creates a target with these settings. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the target could never send anything: TLS or the compression is not built in, certificates
    /// cannot be used, the endpoint is not a valid URL, the API key contains illegal characters, or the mode is
    /// `otlp` and the site has no OTLP intake.
    pub fn new(mut config: DatadogConfig) -> Result<Self, BuildError> {
        config.compression().built_in(TRANSPORT.package)?;
        // Each target gets its own instance, even if settings are cloned.
        config.instance = config.instance_tag.then(Instance::new);
        let sender = match config.mode {
            Mode::Api => Sender::Api(Box::new(ApiTarget::new(config.clone())?)),
            Mode::Agent => Sender::Agent { target: None, cgroup_inode: cgroup_inode() },
            Mode::Otlp => Sender::Otlp(Box::new(ByOtlp::new(&config)?)),
        };
        Ok(Self { config, sender })
    }

    /// Returns the settings of the target.
    pub fn config(&self) -> &DatadogConfig {
        &self.config
    }
}

/// Returns the settings of the agent target, including the attributes of the resource of `snapshot`.
fn agent(config: &DatadogConfig, snapshot: &Snapshot, cgroup_inode: Option<u64>) -> AgentConfig {
    let container = snapshot.resource.get("container.id").map(|value| value.to_string());
    let mut tags = config.common_tags(snapshot);
    // The agent uses its own host, unless one is set.
    tags.extend(config.host.iter().map(|host| format!("host:{host}")));
    tags.extend(config.entity_id.iter().filter_map(|id| tag("dd.internal.entity_id", id)));
    AgentConfig::new(config.agent.clone())
        .with_name(config.name.clone())
        .with_tags(tags)
        .with_scope_tags(config.scope_tags)
        .with_container_id(container)
        .with_cgroup_inode(cgroup_inode)
        .with_external_data(config.external_data.clone())
}

impl Target for DatadogTarget {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn endpoint(&self) -> String {
        match &self.sender {
            Sender::Api(target) => target.endpoint(),
            Sender::Agent { .. } => self.config.agent.to_string(),
            Sender::Otlp(by) => by.target.endpoint(),
        }
    }

    fn server(&self) -> Option<(String, u16)> {
        match &self.sender {
            Sender::Api(target) => target.server(),
            Sender::Agent { .. } => None,
            Sender::Otlp(by) => by.target.server(),
        }
    }

    fn temporality(&self) -> Temporality {
        Temporality::Delta
    }

    fn takes_summaries(&self) -> bool {
        matches!(self.sender, Sender::Otlp(_))
    }

    fn rejected(&self) -> u64 {
        match &self.sender {
            Sender::Api(target) => target.rejected(),
            Sender::Agent { target, .. } => target.as_ref().map_or(0, |target| target.rejected()),
            Sender::Otlp(by) => by.target.rejected(),
        }
    }

    fn is_partway(&self) -> bool {
        match &self.sender {
            Sender::Api(target) => target.is_partway(),
            Sender::Agent { target, .. } => {
                target.as_ref().is_some_and(|target| target.is_partway())
            }
            Sender::Otlp(by) => by.target.is_partway(),
        }
    }

    fn clock_skew(&self) -> Option<i64> {
        match &self.sender {
            Sender::Api(target) => target.clock_skew(),
            Sender::Agent { .. } => None,
            Sender::Otlp(by) => by.target.clock_skew(),
        }
    }

    fn check(&mut self) -> CheckFuture<'_> {
        let agent = &self.config.agent;
        match &mut self.sender {
            Sender::Api(target) => Box::pin(target.check()),
            Sender::Agent { .. } => Box::pin(async {
                probe(agent).await?;
                Ok(Checked::Unknown(
                    "an agent does not respond over DogStatsD; send a point (`meterkit check --send`), and look for it in Datadog"
                        .to_owned(),
                ))
            }),
            Sender::Otlp(by) => by.target.check(),
        }
    }

    fn is_checked_at_start(&self) -> bool {
        matches!(self.sender, Sender::Api(_))
    }

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        let config = &self.config;
        match &mut self.sender {
            Sender::Api(target) => Box::pin(target.export(snapshot)),
            Sender::Agent { target, cgroup_inode } => {
                let made = || AgentTarget::new(agent(config, snapshot, *cgroup_inode));
                target.get_or_insert_with(|| Box::new(made())).export(snapshot)
            }
            Sender::Otlp(by) => Box::pin(by.export(snapshot)),
        }
    }
}

/// The reason why a target cannot be created.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// TLS cannot be set up.
    #[error("Datadog endpoint `{endpoint}`: {problem}")]
    Tls {
        /// The URL of the intake, without parts that may be secret.
        endpoint: String,
        /// The problem.
        problem: TlsError,
    },
    /// The compression is not part of this build.
    #[error("Datadog {0}")]
    Compression(#[from] CompressionError),
    /// The endpoint is not a valid URL.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The API key contains characters that no HTTP header may hold.
    #[error("Datadog API key contains an illegal character; copy it again")]
    Key,
    /// The site has no OTLP intake.
    #[error("Datadog has no OTLP intake at `{0}`; use the mode `api`, or set an endpoint")]
    NoOtlpIntake(crate::Site),
    /// The underlying OTLP target cannot be created.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    /// The URL for OTLP is invalid.
    #[error(transparent)]
    OtlpEndpoint(#[from] OtlpEndpointError),
}

meterkit_rules::debug_as_text!(BuildError);

#[cfg(test)]
mod tests {
    use meterkit_core::Attributes;

    use super::*;
    use crate::agent::AgentAddress;
    use crate::tests::samples::{labels, snapshot};

    fn of(resource: Attributes) -> Snapshot {
        Snapshot { resource, ..snapshot(Vec::new()) }
    }

    #[test]
    fn an_agent_is_told_the_container_or_else_the_control_group() {
        let config = DatadogConfig::agent(AgentAddress::default());
        let expected = AgentConfig::new(AgentAddress::default());
        for inode in [None, Some(77)] {
            let unknown = agent(&config, &of(Attributes::empty()), inode);
            assert_eq!(unknown, expected.clone().with_cgroup_inode(inode));
            let known = agent(&config, &of(labels(&[("container.id", "0f3e")])), inode);
            let expected = expected.clone().with_container_id(Some("0f3e"));
            assert_eq!(known, expected.with_cgroup_inode(inode), "lines carry the id only");
        }
    }

    #[test]
    fn the_control_group_is_looked_up_when_the_target_is_made() {
        let config = DatadogConfig::agent(AgentAddress::default());
        let target = DatadogTarget::new(config).expect("a target");
        let Sender::Agent { cgroup_inode: found, .. } = target.sender else {
            panic!("{target:?}");
        };
        assert_eq!(found, cgroup_inode());
    }
}
