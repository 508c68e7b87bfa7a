//! Attributes of the pod, from variables that its manifest sets.

use super::surroundings::Surroundings;
use super::{Attribute, attribute};

/// The variable that Kubernetes sets in every pod.
const IN_A_POD: &str = "KUBERNETES_SERVICE_HOST";

/// The file that Kubernetes mounts if the pod has a service account.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

const NAMESPACE: &str = "k8s.namespace.name";

/// An attribute and the variables that may hold it. The first one that is set counts.
struct Source {
    key: &'static str,
    /// Variables that refer to this attribute wherever they are set.
    ours: &'static [&'static str],
    /// Variables that have other meanings outside of a pod.
    common: &'static [&'static str],
}

const SOURCES: [Source; 7] = [
    Source {
        key: "k8s.pod.name",
        ours: &["K8S_POD_NAME", "OTEL_RESOURCE_ATTRIBUTES_POD_NAME"],
        common: &["POD_NAME"],
    },
    Source {
        key: "k8s.pod.uid",
        ours: &["K8S_POD_UID", "OTEL_RESOURCE_ATTRIBUTES_POD_UID"],
        common: &["POD_UID"],
    },
    Source {
        key: NAMESPACE,
        ours: &["K8S_NAMESPACE_NAME", "K8S_NAMESPACE"],
        common: &["POD_NAMESPACE"],
    },
    Source {
        key: "k8s.node.name",
        ours: &["K8S_NODE_NAME", "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME"],
        common: &["NODE_NAME"],
    },
    Source {
        key: "k8s.container.name",
        ours: &["K8S_CONTAINER_NAME"],
        common: &["CONTAINER_NAME"],
    },
    Source { key: "k8s.deployment.name", ours: &["K8S_DEPLOYMENT_NAME"], common: &[] },
    Source { key: "k8s.cluster.name", ours: &["K8S_CLUSTER_NAME"], common: &[] },
];

pub(super) fn detect(around: &Surroundings<'_>) -> Vec<Attribute> {
    let is_pod = around.variable(IN_A_POD).is_some();
    let found = SOURCES.iter().filter_map(|source| {
        let common = source.common.iter().filter(|_| is_pod);
        let mut variables = source.ours.iter().chain(common);
        let value = variables.find_map(|name| around.variable(name)).or_else(|| {
            let is_in_file = is_pod && source.key == NAMESPACE;
            let text = is_in_file.then(|| around.file(NAMESPACE_FILE)).flatten()?;
            Some(text.trim().to_owned())
        })?;
        Some(attribute(source.key, value))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(variables: &[(&str, &str)], namespace_file: Option<&str>) -> Vec<(String, String)> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let file = |path: &std::path::Path| {
            namespace_file.filter(|_| path.ends_with("namespace")).map(str::to_owned)
        };
        let found = detect(&Surroundings::new(&variable, &file, &|_| None));
        found.into_iter().map(|(key, value)| (key, value.to_string())).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn variables_that_can_only_mean_a_pod_count_everywhere() {
        let all = [
            ("K8S_POD_NAME", "shop-5d9"),
            ("K8S_POD_UID", "275ecb36"),
            ("K8S_NAMESPACE_NAME", "prod"),
            ("K8S_NODE_NAME", "node-1"),
            ("K8S_CONTAINER_NAME", "app"),
            ("K8S_DEPLOYMENT_NAME", "shop"),
            ("K8S_CLUSTER_NAME", "west"),
        ];
        let expected = [
            ("k8s.pod.name", "shop-5d9"),
            ("k8s.pod.uid", "275ecb36"),
            ("k8s.namespace.name", "prod"),
            ("k8s.node.name", "node-1"),
            ("k8s.container.name", "app"),
            ("k8s.deployment.name", "shop"),
            ("k8s.cluster.name", "west"),
        ];
        assert_eq!(detected(&all, None), pairs(&expected));
    }

    #[test]
    fn variables_of_the_operator_count_everywhere() {
        let operator = [
            ("OTEL_RESOURCE_ATTRIBUTES_POD_NAME", "shop-1"),
            ("OTEL_RESOURCE_ATTRIBUTES_POD_UID", "u"),
            ("OTEL_RESOURCE_ATTRIBUTES_NODE_NAME", "n"),
        ];
        let expected = [("k8s.pod.name", "shop-1"), ("k8s.pod.uid", "u"), ("k8s.node.name", "n")];
        assert_eq!(detected(&operator, None), pairs(&expected));
    }

    #[test]
    fn variables_that_others_use_too_count_in_a_pod_only() {
        let common = [("POD_NAME", "shop-1"), ("NODE_NAME", "builder"), ("CONTAINER_NAME", "app")];
        assert_eq!(detected(&common, Some("prod")), []);
        let in_a_pod = [&common[..], &[("KUBERNETES_SERVICE_HOST", "10.0.0.1")]].concat();
        let expected = [
            ("k8s.pod.name", "shop-1"),
            ("k8s.node.name", "builder"),
            ("k8s.container.name", "app"),
        ];
        assert_eq!(detected(&in_a_pod, None), pairs(&expected));
    }

    #[test]
    fn the_first_variable_that_is_not_empty_counts() {
        let several = [
            ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
            ("K8S_POD_NAME", " "),
            ("OTEL_RESOURCE_ATTRIBUTES_POD_NAME", "from-operator"),
            ("POD_NAME", "from-manifest"),
        ];
        assert_eq!(detected(&several, None), pairs(&[("k8s.pod.name", "from-operator")]));
    }

    #[test]
    fn the_namespace_comes_from_the_service_account_when_no_variable_has_it() {
        let pod = [("KUBERNETES_SERVICE_HOST", "10.0.0.1")];
        assert_eq!(detected(&pod, Some("prod\n")), pairs(&[("k8s.namespace.name", "prod")]));
        let named = [pod[0], ("POD_NAMESPACE", "test")];
        assert_eq!(detected(&named, Some("prod")), pairs(&[("k8s.namespace.name", "test")]));
        assert_eq!(detected(&[], None), []);
    }
}
