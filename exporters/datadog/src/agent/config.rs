//! Everything that an agent target can be told.

use std::time::Duration;

use super::address::AgentAddress;
use crate::points::Tagging;
use crate::tag::all_normal;

/// The settings of an [`AgentTarget`](crate::AgentTarget). Nothing is taken from the environment.
///
/// ```
/// use meterkit_datadog::{AgentAddress, AgentConfig, AgentTarget};
///
/// let address: AgentAddress = "unix:///var/run/datadog/dsd.socket".parse()?;
/// let config = AgentConfig::new(address).with_tags(["env:prod", "service:shop"]);
/// let target = AgentTarget::new(config);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    pub(super) name: String,
    pub(super) address: AgentAddress,
    pub(super) tagging: Tagging,
    pub(super) container_id: Option<String>,
    pub(super) cgroup_inode: Option<u64>,
    pub(super) external_data: Option<String>,
    pub(super) timeout: Duration,
}

impl AgentConfig {
    /// Metrics go to the agent at `address`.
    pub fn new(address: AgentAddress) -> Self {
        Self {
            name: "datadog".to_owned(),
            address,
            tagging: Tagging::default(),
            container_id: None,
            cgroup_inode: None,
            external_data: None,
            timeout: Duration::from_secs(5),
        }
    }

    /// What the target is called in logs and self-metrics. `datadog` by default.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Tags of every metric, after its own: those of [`ServiceTags`](crate::ServiceTags). None by default.
    ///
    /// Of several processes of a host, each needs a tag that the others do not have, as
    /// [`DatadogConfig::with_instance_tag`](crate::DatadogConfig::with_instance_tag) gives it.
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.tagging.common = all_normal(tags);
        self
    }

    /// Whether metrics also get the tags `instrumentation_scope` and `instrumentation_scope_version`: the name and
    /// version of their scope. Not by default.
    #[must_use]
    pub fn with_scope_tags(mut self, scope_tags: bool) -> Self {
        self.tagging.scopes = scope_tags;
        self
    }

    /// The container that the process runs in, so that an agent with `dogstatsd_origin_detection_client` adds its tags:
    /// the resource attribute `container.id`. None by default.
    #[must_use]
    pub fn with_container_id(mut self, id: Option<impl Into<String>>) -> Self {
        self.container_id = id.map(|id| field(&id.into())).filter(|id| !id.is_empty());
        self
    }

    /// The inode of the process's control group, by which an agent of version 7.51 or newer finds the container; sent
    /// when the container's id is not known. None by default; [`DatadogTarget`](crate::DatadogTarget) looks it up.
    #[must_use]
    pub fn with_cgroup_inode(mut self, inode: Option<u64>) -> Self {
        self.cgroup_inode = inode;
        self
    }

    /// What Datadog's admission controller knows of the pod: `DD_EXTERNAL_ENV`, as it is. None by default.
    #[must_use]
    pub fn with_external_data(mut self, data: Option<impl Into<String>>) -> Self {
        self.external_data = data.map(|data| field(&data.into())).filter(|data| !data.is_empty());
        self
    }

    /// How long a packet may wait until the socket's buffer has room for it. 5 s by default; the pipeline ends an
    /// export that takes longer than its own timeout as a whole.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Where metrics go to.
    pub fn address(&self) -> &AgentAddress {
        &self.address
    }
}

/// What can stand in a field of the protocol.
fn field(text: &str) -> String {
    text.trim().chars().filter(|c| *c != '|' && !c.is_control()).collect()
}
