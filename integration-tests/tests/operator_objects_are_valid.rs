//! The objects of `examples/deploy` for the Prometheus operator: they match its definitions, the manifests and the
//! rules.

use std::fs;
use std::path::Path;
use std::process::Command;

use integration_tests::deploy::{self, altered, list, run, text};
use integration_tests::kustomize::{render, rendered};
use integration_tests::manifests::Manifests;
use integration_tests::{peer, yaml};
use serde_json::Value;

/// Returns the objects of the Prometheus operator, as rendered.
fn objects(kubectl: &Path, folder: &Path, overlay: &str) -> Vec<Value> {
    let rendered = render(kubectl, folder, overlay).unwrap_or_else(|said| panic!("{said}"));
    let mut objects = yaml::read(&rendered.file);
    objects.retain(|it| it["apiVersion"] == "monitoring.coreos.com/v1");
    objects
}

/// Checks objects against the operator's own definitions.
fn validate(program: &Path, objects: &[Value]) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new(program);
    for (number, object) in objects.iter().enumerate() {
        let file = folder.path().join(format!("object-{number}.json"));
        fs::write(&file, object.to_string()).expect("the file can be written");
        command.arg(file);
    }
    run(&mut command)
}

#[test]
fn the_prometheus_operator_knows_its_objects_and_refuses_wrong_ones() {
    let (Some(kubectl), Some(operator)) =
        (peer::find("kubectl"), peer::find("prometheus-operator-schema"))
    else {
        return;
    };
    for overlay in ["operator", "operator/gateway"] {
        let all = objects(&kubectl, &deploy::path(""), overlay);
        assert_eq!(all.len(), 2, "{overlay}");
        let (is_valid, said) = validate(&operator, &all);
        assert!(is_valid, "{overlay}: {said}");
    }
    let monitor = "operator/pod-monitor.yaml";
    for (file, right, wrong, named) in [
        (monitor, "interval: 15s", "intervals: 15s", "intervals"),
        (monitor, "interval: 15s", "interval: 15 s", "interval"),
        (monitor, "targetLabel: instance", "target_label: instance", "target_label"),
        (monitor, "kind: PodMonitor", "kind: PodsMonitor", "PodsMonitor"),
        ("operator/gateway/service-monitor.yaml", "endpoints:", "endpoint:", "endpoints"),
        ("operator/rules.yaml", "expr: 'up", "expression: 'up", "expr"),
        ("operator/gateway/rules.yaml", "for: 5m", "for: 5 minutes", "for"),
    ] {
        let folder = altered(&format!("kubernetes/{file}"), right, wrong);
        let (overlay, _) = file.rsplit_once('/').expect("a folder");
        let all = objects(&kubectl, folder.path(), overlay);
        let (is_valid, said) = validate(&operator, &all);
        assert!(!is_valid && said.contains(named), "{wrong}: {said}");
    }
}

#[test]
fn monitors_of_the_operator_find_what_they_scrape_under_the_jobs_of_the_rules() {
    let Some(kubectl) = peer::find("kubectl") else {
        return;
    };
    let find = |all: Vec<Value>, kind: &str| {
        all.into_iter().find(|it| it["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
    };
    let root = deploy::path("");
    let overlay = rendered(&kubectl, "operator");
    let manifests = Manifests::rendered(&overlay.file);
    let monitor = find(objects(&kubectl, &root, "operator"), "PodMonitor");
    let label = text(&monitor["spec"]["jobLabel"]);
    let service = manifests.workloads().next().expect("the service");
    let pod = &service["spec"]["template"];
    assert_eq!(pod["metadata"]["labels"][label], "catalog-service");
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"]);
    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
    let ports = &pod["spec"]["containers"][0]["ports"];
    assert!(list(ports).any(|it| it["name"] == endpoint["port"]), "{ports}");
    // The same labels as in the configuration for a Prometheus without the operator.
    let prometheus = &yaml::read(&deploy::path("prometheus/kubernetes.yaml"))[0];
    let mut targets: Vec<_> = list(&prometheus["scrape_configs"][0]["relabel_configs"])
        .filter_map(|it| {
            Some((it["target_label"].as_str()?.to_owned(), it["source_labels"].clone()))
        })
        .collect();
    let mut relabeled: Vec<_> = list(&endpoint["relabelings"])
        .map(|it| (text(&it["targetLabel"]).to_owned(), it["sourceLabels"].clone()))
        .collect();
    targets.sort_by(|a, b| a.0.cmp(&b.0));
    relabeled.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(relabeled, targets);

    let gateway = rendered(&kubectl, "gateway");
    let manifests = Manifests::rendered(&gateway.file);
    let monitor = find(objects(&kubectl, &root, "operator/gateway"), "ServiceMonitor");
    let labels = &monitor["spec"]["selector"]["matchLabels"];
    let is_service = |it: &&Value| it["kind"] == "Service" && it["metadata"]["labels"] == *labels;
    let service = manifests.objects.iter().find(is_service).expect("the service of the gateway");
    assert_eq!(service["metadata"]["labels"][text(&monitor["spec"]["jobLabel"])], "collector");
    let port = &monitor["spec"]["endpoints"][0]["port"];
    assert!(list(&service["spec"]["ports"]).any(|it| it["name"] == *port), "{port}");
}
