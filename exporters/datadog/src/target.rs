//! The Datadog target, in any of its modes.

use meterkit_core::Temporality;
use meterkit_http::{CompressionError, TlsError};
use meterkit_otlp::{BuildError as OtlpError, EndpointError as OtlpEndpointError};
use meterkit_pipeline::{CheckFuture, Checked, ExportFuture, Snapshot, Target};

use crate::agent::{AgentConfig, AgentTarget, cgroup_inode};
use crate::api::ApiTarget;
use crate::config::{DatadogConfig, EndpointError};
use crate::instance::Instance;
use crate::mode::Mode;
use crate::otlp::ByOtlp;
use crate::settings::TRANSPORT;
use crate::tag::tag;

/// Sends snapshots to Datadog: `OTEL_METRICS_EXPORTER=datadog`.
///
/// - **`api`** sends to Datadog's intake. Counters become counts with the interval that they cover, up-down counters
///   and gauges become gauges, and histograms real distributions, with percentiles that Datadog computes over all
///   hosts. Of a series to which nothing was added, nothing is sent. The key is checked when the pipeline starts.
/// - **`agent`** sends to an agent over DogStatsD: see [`AgentTarget`]. So that the agent adds the container's tags, it
///   is told the resource attribute `container.id`, else on Linux the inode of the control group if that is in a
///   namespace of its own, and `DD_ENTITY_ID` as the tag `dd.internal.entity_id`.
/// - **`otlp`** sends differences to Datadog's intake of OTLP, or to an agent's. `DD_ENV`, `DD_SERVICE`, `DD_VERSION`
///   and `DD_HOSTNAME` become the attributes of the resource that Datadog reads them from, other tags attributes of
///   each point.
///
/// Processes that have the same host and tags are told apart by a tag: see
/// [`with_instance_tag`](DatadogConfig::with_instance_tag).
///
/// A delivery that fails loses nothing: what was not delivered is a part of the next difference. A payload that Datadog
/// refuses for its content, or fails on with 5xx for a while although it accepts others, is tried in halves, down to
/// the points that are at fault. These are dropped if it accepts others of the same export, counted in
/// `otel.sdk.exporter.metric_data_point.exported` with `error.type=rejected`, and logged once. That takes 64 refusals at
/// most: where many points all over a payload are at fault, its parts are dropped whole. See
/// [`Refusals`](meterkit_http::Refusals). A key that is refused is no reason to drop any.
#[derive(Debug)]
pub struct DatadogTarget {
    config: DatadogConfig,
    sender: Sender,
}

#[derive(Debug)]
enum Sender {
    Api(Box<ApiTarget>),
    Agent {
        /// Made with the first snapshot, which knows the resource.
        target: Option<Box<AgentTarget>>,
        cgroup_inode: Option<u64>,
    },
    Otlp(Box<ByOtlp>),
}

impl DatadogTarget {
    /// A target with these settings. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When it could never send: encryption or a compression that is not built in, a URL that is none, or a site
    /// without the intake of OTLP that is asked for.
    pub fn new(mut config: DatadogConfig) -> Result<Self, BuildError> {
        config.compression().built_in(TRANSPORT.package)?;
        // Each target has one of its own, also where settings are cloned.
        config.instance = config.instance_tag.then(Instance::new);
        let sender = match config.mode {
            Mode::Api => Sender::Api(Box::new(ApiTarget::new(config.clone())?)),
            Mode::Agent => Sender::Agent { target: None, cgroup_inode: cgroup_inode() },
            Mode::Otlp => Sender::Otlp(Box::new(ByOtlp::new(&config)?)),
        };
        Ok(Self { config, sender })
    }

    /// Its settings.
    pub fn config(&self) -> &DatadogConfig {
        &self.config
    }
}

/// The settings of the agent target, with what the resource of `snapshot` says.
fn agent(config: &DatadogConfig, snapshot: &Snapshot, cgroup_inode: Option<u64>) -> AgentConfig {
    let container = snapshot.resource.get("container.id").map(|value| value.to_string());
    let mut tags = config.common_tags(snapshot);
    // The agent knows its host, which is another one's where someone says so.
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
        match &mut self.sender {
            Sender::Api(target) => Box::pin(target.check()),
            Sender::Agent { .. } => Box::pin(std::future::ready(Ok(Checked::Unknown(
                "an agent gives no answers over DogStatsD; send a point, and look for it in Datadog"
                    .to_owned(),
            )))),
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

/// Why a target cannot be made.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Encryption cannot be set up.
    #[error("Datadog endpoint `{endpoint}`: {problem}")]
    Tls {
        /// Where it was to send to.
        endpoint: String,
        /// The problem.
        problem: TlsError,
    },
    /// The compression is not part of this build.
    #[error("Datadog {0}")]
    Compression(#[from] CompressionError),
    /// The endpoint cannot be sent to.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The key can stand in no request.
    #[error("Datadog API key holds a character that no key has; copy it again")]
    Key,
    /// Datadog has no intake of OTLP at this site.
    #[error("Datadog has no intake of OTLP at `{0}`; use the mode `api`, or name an endpoint")]
    NoOtlpIntake(crate::Site),
    /// The OTLP target below cannot be made.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    /// The URL for OTLP cannot be sent to.
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
            assert_eq!(known, expected.with_cgroup_inode(inode), "lines have the id alone");
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
