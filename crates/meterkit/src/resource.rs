//! What is found out about the program's surroundings, for the resource.

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

/// Finds out a part of the resource by itself: from files and variables of this machine. Only
/// [`Cloud`](Self::Cloud) asks a server, where it finds that there is one.
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
/// What differs after each start is off by default, since back ends that put the resource on every series begin all
/// series anew. Only the instance is on: without it, two processes of one service write the same series, each over the
/// values of the other. Where there is never more than one process, you can leave it out.
/// `METERKIT_RESOURCE_DETECTORS` selects by name: a comma list, `all` or `none`.
///
/// Names and values follow OpenTelemetry's Semantic Conventions for resources. Arguments and paths of the process are
/// left out: they may hold secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ResourceDetector {
    /// The cloud, by version 1.42 of the conventions:
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
    /// Where variables and firmware name no cloud, nothing is asked. All answers together may take one and a half
    /// seconds; what is not answered by then is left out. It was tested with made-up answers, not in the clouds themselves.
    Cloud,
    /// `container.id`. Docker, Podman, containerd and CRI-O, with control groups of version 1, and of version 2 where
    /// the container has files of its runtime mounted.
    Container,
    /// `host.name` and `host.arch`. In a container the name is the container's.
    Host,
    /// Attributes of the pod, for which its manifest sets variables:
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
    /// Those with `OTEL_` are set by OpenTelemetry's operator. Those that other software uses too, without `K8S_` or
    /// `OTEL_` before them, count only where `KUBERNETES_SERVICE_HOST` is set, as it is in every pod. In a manifest:
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
    /// `service.instance.id`: a random UUID, the same as long as the process runs. Set the attribute yourself where an
    /// instance has a name that stays, such as that of a pod of a stateful set.
    ServiceInstance,
}

impl ResourceDetector {
    /// All there are.
    pub const ALL: &'static [Self] = &[
        Self::Cloud,
        Self::Container,
        Self::Host,
        Self::Kubernetes,
        Self::Os,
        Self::Process,
        Self::ServiceInstance,
    ];

    /// Those that run unless something else is said.
    pub const DEFAULT: &'static [Self] =
        &[Self::Container, Self::Host, Self::Kubernetes, Self::Os, Self::ServiceInstance];

    /// The name, as in `METERKIT_RESOURCE_DETECTORS`.
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
    /// Makes these detectors find a part of the resource when [`install`](Self::install) is called, in place of those that
    /// were set before. [`Telemetry::from_env`](crate::Telemetry::from_env) uses those of `METERKIT_RESOURCE_DETECTORS`, or
    /// [`ResourceDetector::DEFAULT`]; [`Telemetry::builder`](crate::Telemetry::builder) uses
    /// [`ServiceInstance`](ResourceDetector::ServiceInstance) alone.
    ///
    /// Of attributes with one key, the later in this order wins: detected ones, `OTEL_RESOURCE_ATTRIBUTES`,
    /// `OTEL_SERVICE_NAME`, [`resource_attribute`](Self::resource_attribute).
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

/// What tells processes of one service apart.
pub(crate) const SERVICE_INSTANCE_ID: &str = "service.instance.id";

/// Key and value of an attribute of the resource.
pub(crate) type Attribute = (String, AttributeValue);

/// What these find out about this process and its machine.
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
    fn only_what_stays_the_same_and_the_instance_are_detected_by_default() {
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
