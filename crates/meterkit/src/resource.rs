//! Detection of the program's surroundings, for the resource.

mod clouds;
mod container;
mod host;
mod kubernetes;
mod os;
mod process;
mod service_instance;
mod surroundings;

use std::fmt;

use meterkit_core::AttributeValue;

use self::surroundings::Surroundings;
use crate::builder::TelemetryBuilder;

/// A detector of resource attributes, which reads files and variables of this machine. Only [`Cloud`](Self::Cloud) asks
/// a server, and only if there is evidence of one.
///
/// | name | attributes | by default |
/// |---|---|---|
/// | `cloud` | `cloud.provider`, `cloud.platform`, `cloud.region` and others of AWS and Google Cloud: see [`Cloud`](Self::Cloud) | no |
/// | `container` | `container.id`, from the control groups of Linux | yes |
/// | `host` | `host.name`, `host.arch` | yes |
/// | `kubernetes` | `k8s.pod.name`, `k8s.pod.uid`, `k8s.namespace.name`, `k8s.node.name` and others, from variables of the [downward API](Self::Kubernetes) | yes |
/// | `os` | `os.type` | yes |
/// | `process` | `process.pid`, `process.executable.name` | no |
/// | `service_instance` | `service.instance.id`: a random UUID | yes |
///
/// Detectors whose values change with each start are off by default, because back ends that put the resource on every
/// series would start new series each time. The exception is the instance: without it, two processes of one service
/// write the same series and overwrite each other's values. You can leave it out if there is never more than one
/// process. `METERKIT_RESOURCE_DETECTORS` selects detectors by name: a comma-separated list, `all` or `none`.
///
/// Names and values follow OpenTelemetry's Semantic Conventions for resources. Arguments and paths of the process are
/// left out, because they may contain secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ResourceDetector {
    /// Attributes of the cloud, by version 1.42 of the conventions:
    ///
    /// | where | known by | attributes |
    /// |---|---|---|
    /// | AWS Lambda | `AWS_LAMBDA_FUNCTION_NAME` | `cloud.region`, `faas.*` |
    /// | ECS | `ECS_CONTAINER_METADATA_URI_V4`, and what that answers | `cloud.*`, `aws.ecs.*` |
    /// | EKS | a pod with an identity in AWS; the instance's metadata service, if pods may ask it | `cloud.*`, `host.*` |
    /// | EC2 | the machine's vendor; its metadata service, version 2 | `cloud.*`, `host.*` |
    /// | Cloud Run | `K_SERVICE` or `CLOUD_RUN_JOB`; the metadata server | `cloud.*`, `faas.*`, `gcp.cloud_run.*` |
    /// | GKE | the machine's product; the metadata server | `cloud.*`, `k8s.cluster.name`, `host.id` |
    /// | Compute Engine | the machine's product; the metadata server | `cloud.*`, `host.*`, `gcp.gce.*` |
    ///
    /// If variables and firmware indicate no cloud, no server is asked. All answers together may take one and a half
    /// seconds; attributes without an answer by then are left out. Tested with simulated answers, not in the clouds
    /// themselves.
    Cloud,
    /// `container.id`. Supports Docker, Podman, containerd and CRI-O: with version 1 of control groups, and with
    /// version 2 if the container has files of its runtime mounted.
    Container,
    /// `host.name` and `host.arch`. In a container, the name is that of the container.
    Host,
    /// Attributes of the pod, from variables that its manifest sets:
    ///
    /// | attribute | the first of these that is set |
    /// |---|---|
    /// | `k8s.pod.name` | `K8S_POD_NAME`, `OTEL_RESOURCE_ATTRIBUTES_POD_NAME`, `POD_NAME` |
    /// | `k8s.pod.uid` | `K8S_POD_UID`, `OTEL_RESOURCE_ATTRIBUTES_POD_UID`, `POD_UID` |
    /// | `k8s.namespace.name` | `K8S_NAMESPACE_NAME`, `K8S_NAMESPACE`, `POD_NAMESPACE`; else the service account's file |
    /// | `k8s.node.name` | `K8S_NODE_NAME`, `OTEL_RESOURCE_ATTRIBUTES_NODE_NAME`, `NODE_NAME` |
    /// | `k8s.container.name` | `K8S_CONTAINER_NAME`, `CONTAINER_NAME` |
    /// | `k8s.deployment.name` | `K8S_DEPLOYMENT_NAME` |
    /// | `k8s.cluster.name` | `K8S_CLUSTER_NAME` |
    ///
    /// OpenTelemetry's operator sets the variables with `OTEL_`. Variables without `K8S_` or `OTEL_` are also used by
    /// other software, so they count only if `KUBERNETES_SERVICE_HOST` is set, as it is in every pod. In a manifest:
    ///
    /// ```yaml
    /// env:
    ///   - name: K8S_POD_NAME
    ///     valueFrom: { fieldRef: { fieldPath: metadata.name } }
    /// ```
    Kubernetes,
    /// `os.type`.
    Os,
    /// `process.pid` and `process.executable.name`.
    Process,
    /// `service.instance.id`: a random UUID that is fixed for the life of the process. Set the attribute yourself if an
    /// instance has a permanent name, such as a pod of a stateful set.
    ServiceInstance,
}

impl ResourceDetector {
    /// All detectors.
    pub const ALL: &'static [Self] = &[
        Self::Cloud,
        Self::Container,
        Self::Host,
        Self::Kubernetes,
        Self::Os,
        Self::Process,
        Self::ServiceInstance,
    ];

    /// The detectors that run unless others are selected.
    pub const DEFAULT: &'static [Self] =
        &[Self::Container, Self::Host, Self::Kubernetes, Self::Os, Self::ServiceInstance];

    /// Returns the name, as in `METERKIT_RESOURCE_DETECTORS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Container => "container",
            Self::Host => "host",
            Self::Kubernetes => "kubernetes",
            Self::Os => "os",
            Self::Process => "process",
            Self::ServiceInstance => "service_instance",
        }
    }

    fn detect(self, around: &Surroundings<'_>) -> Vec<Attribute> {
        match self {
            Self::Cloud => clouds::detect(around),
            Self::Container => container::detect(around),
            Self::Host => host::detect(around),
            Self::Kubernetes => kubernetes::detect(around),
            Self::Os => os::detect(),
            Self::Process => process::detect(),
            Self::ServiceInstance => service_instance::detect(),
        }
    }
}

impl fmt::Display for ResourceDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TelemetryBuilder {
    /// Sets the detectors that run when [`install`](Self::install) is called, in place of those set before.
    /// [`Telemetry::from_env`](crate::Telemetry::from_env) uses those of `METERKIT_RESOURCE_DETECTORS`, or
    /// [`ResourceDetector::DEFAULT`]; [`Telemetry::builder`](crate::Telemetry::builder) uses only
    /// [`ServiceInstance`](ResourceDetector::ServiceInstance).
    ///
    /// If attributes have the same key, the later in this order takes precedence: detected attributes,
    /// `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME`, [`resource_attribute`](Self::resource_attribute).
    ///
    /// ```
    /// use meterkit::settings::ResourceDetector;
    /// use meterkit::{Registry, Telemetry};
    ///
    /// # fn main() -> Result<(), meterkit::Error> {
    /// let builder = Telemetry::builder().registry(Registry::new());
    /// let telemetry = builder.detect([ResourceDetector::Os, ResourceDetector::Process]).install()?;
    /// let resource = &telemetry.source().snapshot_blocking().resource;
    /// let pid = resource.get("process.pid").map(|pid| pid.to_string());
    /// assert_eq!(pid, Some(std::process::id().to_string()));
    /// # telemetry.shutdown_blocking()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn detect(mut self, detectors: impl IntoIterator<Item = ResourceDetector>) -> Self {
        self.detectors = detectors.into_iter().collect();
        self
    }
}

/// The attribute that distinguishes processes of one service.
pub(crate) const SERVICE_INSTANCE_ID: &str = "service.instance.id";

/// The key and value of a resource attribute.
pub(crate) type Attribute = (String, AttributeValue);

/// Returns what the detectors find out about this process and its machine.
pub(crate) fn detect(detectors: &[ResourceDetector]) -> Vec<Attribute> {
    let around = Surroundings::real();
    detectors.iter().flat_map(|detector| detector.detect(&around)).collect()
}

fn attribute(key: &str, value: impl Into<AttributeValue>) -> Attribute {
    (key.to_owned(), value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stable_attributes_and_the_instance_are_detected_by_default() {
        let twice = [detect(ResourceDetector::DEFAULT), detect(ResourceDetector::DEFAULT)];
        assert_eq!(twice[0], twice[1]);
        let changing = twice[0].iter().filter(|(key, _)| {
            ["process.", "service."].iter().any(|prefix| key.starts_with(prefix))
        });
        assert_eq!(changing.map(|(key, _)| &**key).collect::<Vec<_>>(), [SERVICE_INSTANCE_ID]);
    }

    #[test]
    fn no_detectors_detect_nothing() {
        assert_eq!(detect(&[]), []);
    }
}
