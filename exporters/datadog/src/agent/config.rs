//! The settings of an agent target.

use std::time::Duration;

use super::address::AgentAddress;
use crate::points::Tagging;
use crate::tag::all_normal;

/// The settings of an [`AgentTarget`](crate::AgentTarget). Environment variables are not read.
///
/// ```
/// use meterkit_datadog::{AgentAddress, AgentConfig, AgentTarget};
///
/// let address: AgentAddress = "udp://10.0.0.7:8125".parse()?;
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
    /// Creates settings with the defaults for the agent at `address`.
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

    /// Sets the name of the target in logs and self-metrics. The default is `datadog`.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets tags that are added to every metric after its own tags, such as those of
    /// [`ServiceTags`](crate::ServiceTags). By default, no tags are added.
    ///
    /// If several processes run on a host, each needs a distinct tag.
    /// [`DatadogConfig::with_instance_tag`](crate::DatadogConfig::with_instance_tag) adds one.
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.tagging.common = all_normal(tags);
        self
    }

    /// Sets whether metrics carry the tags `instrumentation_scope` and `instrumentation_scope_version`, with the name
    /// and version of their scope. The default is `false`.
    #[must_use]
    pub fn with_scope_tags(mut self, scope_tags: bool) -> Self {
        self.tagging.scopes = scope_tags;
        self
    }

    /// Sets the id of the container in which the process runs, usually the resource attribute `container.id`. An
    /// agent with `dogstatsd_origin_detection_client` then adds the tags of the container. By default, no id is sent.
    #[must_use]
    pub fn with_container_id(mut self, id: Option<impl Into<String>>) -> Self {
        self.container_id = id.map(|id| field(&id.into())).filter(|id| !id.is_empty());
        self
    }

    /// Sets the inode of the process's control group, by which an agent of version 7.51 or newer finds the container.
    /// It is sent only if the container id is not set. By default, no inode is sent;
    /// [`DatadogTarget`](crate::DatadogTarget) looks it up.
    #[must_use]
    pub fn with_cgroup_inode(mut self, inode: Option<u64>) -> Self {
        self.cgroup_inode = inode;
        self
    }

    /// Sets the data about the pod from Datadog's admission controller: the unchanged value of `DD_EXTERNAL_ENV`.
    /// By default, no such data is sent.
    #[must_use]
    pub fn with_external_data(mut self, data: Option<impl Into<String>>) -> Self {
        self.external_data = data.map(|data| field(&data.into())).filter(|data| !data.is_empty());
        self
    }

    /// Sets how long a packet may wait for room in the socket's buffer, and how long connecting may take. The default
    /// is 5 s. Independently of this, the pipeline's timeout limits an export as a whole.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns the address of the agent.
    pub fn address(&self) -> &AgentAddress {
        &self.address
    }
}

/// Removes the characters that a field of the protocol cannot hold.
fn field(text: &str) -> String {
    text.trim().chars().filter(|c| *c != '|' && !c.is_control()).collect()
}
