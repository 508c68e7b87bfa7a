//! The Kubernetes manifests of `examples/deploy`: they fit together, are rendered as intended, and match Kubernetes'
//! schemas.

use std::fs;
use std::path::Path;
use std::process::Command;

use integration_tests::deploy::{self, altered, authority, list, run, settings, text};
use integration_tests::kustomize::{render, rendered};
use integration_tests::manifests::Manifests;
use integration_tests::{peer, yaml};
use serde_json::Value;

/// The overlays, each with its number of workloads.
const OVERLAYS: [(&str, usize); 5] =
    [("scrape", 4), ("gateway", 5), ("agent", 2), ("operator", 1), ("operator/gateway", 0)];

/// The oldest and the newest version of Kubernetes whose schemas are installed.
const VERSIONS: [&str; 2] = ["1.25", "1.37"];

/// Compares every object in a file with the schemas, and rejects fields that the schemas lack. Returns the number of
/// objects, or an error message.
fn validate(program: &Path, file: &Path) -> Result<usize, String> {
    let mut command = Command::new(program);
    command.arg("--strict").args(VERSIONS.iter().flat_map(|it| ["-k", it])).arg(file);
    let (is_valid, said) = run(&mut command);
    // For an unknown kind, the program only warns.
    let objects = yaml::read(file).len();
    let passed = |version: &&str| {
        let end = format!(" against version {version}");
        said.lines().filter(|it| it.contains(" passed for ") && it.ends_with(&end)).count()
    };
    if is_valid && VERSIONS.iter().all(|version| passed(version) == objects) {
        Ok(objects)
    } else {
        let against = said.lines().filter(|it| !it.contains(" passed for "));
        Err(against.collect::<Vec<_>>().join("\n"))
    }
}

#[test]
fn kubernetes_manifests_fit_together() {
    for (overlay, workloads) in OVERLAYS {
        let manifests = Manifests::written(&deploy::path("kubernetes").join(overlay));
        manifests.check();
        assert_eq!(manifests.workloads().count(), workloads, "{overlay}");
    }
}

#[test]
fn every_overlay_matches_the_kubernetes_schemas() {
    let (Some(kubectl), Some(schema)) = (peer::find("kubectl"), peer::find("kubernetes-schema"))
    else {
        return;
    };
    for overlay in ["service", "scrape", "gateway", "agent"] {
        let rendered = rendered(&kubectl, overlay);
        let objects = validate(&schema, &rendered.file);
        let objects = objects.unwrap_or_else(|said| panic!("{overlay}: {said}"));
        assert!(objects > 10 || overlay == "service", "{overlay}: {objects}");
    }
}

#[test]
fn a_manifest_that_is_wrong_is_refused() {
    let (Some(kubectl), Some(schema)) = (peer::find("kubectl"), peer::find("kubernetes-schema"))
    else {
        return;
    };
    let service = "service/catalog-service.yaml";
    for (file, right, wrong, named) in [
        (service, "replicas: 3", "replicas: three", "spec.replicas"),
        (service, "containerPort: 8080", "containrPort: 8080", "containerPort"),
        (service, "readinessProbe:", "readynessProbe:", "readynessProbe"),
        (service, "apps/v1", "apps/v2", "apps/v2"),
        // An error in a patch shows once the patch is applied.
        ("gateway/push.yaml", "value: http://", "valeu: http://", "valeu"),
        ("gateway/receive.yaml", "- --web.enable-otlp-receiver", "- {web: otlp}", "args"),
    ] {
        let folder = altered(&format!("kubernetes/{file}"), right, wrong);
        let overlay = file.split('/').next().expect("a folder");
        let rendered = render(&kubectl, folder.path(), overlay).unwrap_or_else(|it| panic!("{it}"));
        let said = validate(&schema, &rendered.file).expect_err(wrong);
        assert!(said.contains(named), "{wrong}: {said}");
    }
}

#[test]
fn a_kustomization_that_is_wrong_is_not_rendered() {
    let Some(kubectl) = peer::find("kubectl") else {
        return;
    };
    for (file, right, wrong, named) in [
        ("gateway/kustomization.yaml", "patches:", "patchs:", "patchs"),
        ("gateway/kustomization.yaml", "push.yaml", "pull.yaml", "pull.yaml"),
        ("gateway/push.yaml", "name: catalog-service", "name: catalog", "catalog"),
    ] {
        let folder = altered(&format!("kubernetes/{file}"), right, wrong);
        let said = render(&kubectl, folder.path(), "gateway").expect_err(wrong);
        assert!(said.contains(named), "{wrong}: {said}");
    }
}

#[test]
fn what_is_rendered_fits_together() {
    let Some(kubectl) = peer::find("kubectl") else {
        return;
    };
    for (overlay, workloads) in OVERLAYS {
        let rendered = rendered(&kubectl, overlay);
        let manifests = Manifests::rendered(&rendered.file);
        manifests.check();
        assert_eq!(manifests.workloads().count(), workloads, "{overlay}");
        // Every replica of the service reports where it runs, and which replica it is.
        if overlay != "operator/gateway" {
            let (container, pod) = manifests.container("catalog-service");
            assert_eq!(pod["terminationGracePeriodSeconds"], 30, "{overlay}");
            let variable = |name| list(&container["env"]).find(|it| it["name"] == name);
            let attributes = variable("OTEL_RESOURCE_ATTRIBUTES").expect(overlay);
            assert_eq!(attributes["value"], "service.instance.id=$(K8S_POD_NAME)", "{overlay}");
        }
        for object in &manifests.objects {
            let namespace = &object["metadata"]["namespace"];
            let is_namespace = object["kind"] == "Namespace";
            assert!(is_namespace || namespace == "catalog", "{overlay}: {}", object["metadata"]);
            // Kubernetes rejects config maps of more than a MiB.
            assert!(object.to_string().len() < 1 << 20, "{overlay}: {}", object["metadata"]);
        }
    }
}

#[test]
fn every_workload_reads_the_settings_of_its_overlay() {
    let Some(kubectl) = peer::find("kubectl") else {
        return;
    };
    for overlay in ["scrape", "gateway"] {
        let rendered = rendered(&kubectl, overlay);
        let manifests = Manifests::rendered(&rendered.file);
        let settings_of = |workload: &str| {
            let path = settings(&manifests.container(workload).0["args"]);
            manifests.mounted(workload, path.expect("the arguments name the settings"))
        };
        assert_eq!(settings_of("alertmanager"), read("alertmanager", "alertmanager.yaml"));
        let file = if overlay == "gateway" { "gateway.yaml" } else { "kubernetes.yaml" };
        assert_eq!(settings_of("prometheus"), read("prometheus", file), "{overlay}");
        if overlay == "gateway" {
            assert_eq!(settings_of("collector"), read("collector", file));
        }
        for rules in deploy::rule_files() {
            let rules = rules.strip_prefix(deploy::path("prometheus")).expect("in the folder");
            if overlay == "scrape" && rules.ends_with("gateway.rules.yml") {
                continue;
            }
            let rules = rules.to_str().expect("the path is valid UTF-8");
            let path = format!("/etc/prometheus/{rules}");
            assert_eq!(manifests.mounted("prometheus", &path), read("prometheus", rules));
        }
        for folder in ["dashboards", "datasources"] {
            let path = format!("/etc/grafana/provisioning/{folder}/meterkit.yaml");
            let source = format!("grafana/provisioning/{folder}");
            assert_eq!(manifests.mounted("grafana", &path), read(&source, "meterkit.yaml"));
        }
        let sources = deploy::path("grafana/provisioning/datasources/meterkit.yaml");
        service_port(&manifests, &yaml::read(&sources)[0]["datasources"][0]["url"]);
        let prometheus = &yaml::read(&deploy::path("prometheus").join(file))[0];
        let alertmanagers = &prometheus["alerting"]["alertmanagers"][0]["static_configs"][0];
        let alertmanager = format!("http://{}", text(&alertmanagers["targets"][0]));
        service_port(&manifests, &alertmanager.into());
    }
}

#[test]
fn agents_have_no_rules_and_each_has_a_label_of_its_own() {
    let Some(kubectl) = peer::find("kubectl") else {
        return;
    };
    let rendered = rendered(&kubectl, "agent");
    let manifests = Manifests::rendered(&rendered.file);
    let (container, pod) = manifests.container("prometheus");
    assert!(list(&container["args"]).any(|it| it == "--agent"), "{container}");
    let path = settings(&container["args"]).expect("the arguments name the settings");
    assert_eq!(manifests.mounted("prometheus", path), read("prometheus", "agent.yaml"));
    assert!(!pod.to_string().contains("rules"), "{pod}");
    let labels =
        &yaml::read(&deploy::path("prometheus/agent.yaml"))[0]["global"]["external_labels"];
    assert_eq!(labels["__replica__"], "${POD_NAME}");
    let name = list(&container["env"]).find(|it| it["name"] == "POD_NAME").expect("a variable");
    assert_eq!(name["valueFrom"]["fieldRef"]["fieldPath"], "metadata.name");
}

/// The labels for the location of a replica are the same for every method of collection.
#[test]
fn series_say_where_their_replica_runs_whichever_way_they_take() {
    let promoted = &yaml::read(&deploy::path("prometheus/gateway.yaml"))[0]["otlp"];
    let promoted = list(&promoted["promote_resource_attributes"]);
    let mut promoted: Vec<_> = promoted.map(|it| text(it).replace('.', "_")).collect();
    promoted.sort();
    assert_eq!(promoted, ["k8s_namespace_name", "k8s_node_name", "k8s_pod_name"]);
    let with_instance = |mut labels: Vec<String>| {
        labels.sort();
        labels.dedup();
        assert_eq!(labels, ["instance", "k8s_namespace_name", "k8s_node_name", "k8s_pod_name"]);
    };
    for file in ["agent.yaml", "kubernetes.yaml"] {
        let settings = &yaml::read(&deploy::path("prometheus").join(file))[0];
        let relabelings = list(&settings["scrape_configs"][0]["relabel_configs"]);
        let labels = relabelings.filter_map(|it| it["target_label"].as_str().map(str::to_owned));
        with_instance(labels.collect());
    }
    let alloy = read("alloy", "scrape.alloy");
    let labels = alloy.lines().filter_map(|line| line.trim().strip_prefix("target_label"));
    with_instance(labels.map(|it| it.trim_matches([' ', '=', '"']).to_owned()).collect());
}

fn read(folder: &str, file: &str) -> String {
    fs::read_to_string(deploy::path(folder).join(file)).expect("the file exists")
}

/// Returns the port of a service that a URL leads to.
fn service_port<'a>(manifests: &'a Manifests, url: &Value) -> &'a Value {
    let (name, port) = authority(url);
    let port: Value = port.parse().expect("a number");
    let is_service = |it: &&Value| it["kind"] == "Service" && it["metadata"]["name"] == name;
    let services = manifests.objects.iter().filter(is_service);
    let mut ports = services.flat_map(|it| list(&it["spec"]["ports"]));
    let found = ports.find(|it| it["port"] == port);
    found.unwrap_or_else(|| panic!("no service has this port: {url}"))
}

#[test]
fn behind_the_gateway_replicas_push_and_nobody_scrapes_them() {
    let Some(kubectl) = peer::find("kubectl") else {
        return;
    };
    let [scrape, gateway] = ["scrape", "gateway"].map(|overlay| {
        let rendered = rendered(&kubectl, overlay);
        Manifests::rendered(&rendered.file)
    });
    let ports = |manifests: &Manifests| -> Vec<_> {
        let (container, _) = manifests.container("catalog-service");
        list(&container["ports"]).map(|port| port["containerPort"].clone()).collect()
    };
    assert_eq!(ports(&scrape), [8080, 9464]);
    assert_eq!(ports(&gateway), [8080]);

    let (container, _) = gateway.container("catalog-service");
    let variable = |name: &str| list(&container["env"]).find(|it| it["name"] == name);
    let value = |name: &str| variable(name).map_or(&Value::Null, |it| &it["value"]);
    assert_eq!(variable("OTEL_EXPORTER_PROMETHEUS_HOST"), None);
    assert_eq!(value("OTEL_METRICS_EXPORTER"), "otlp");
    // The patch must keep what the first overlay says about the pod.
    let (before, _) = scrape.container("catalog-service");
    for kept in list(&before["env"]).filter(|it| text(&it["name"]).starts_with("K8S_")) {
        assert_eq!(variable(text(&kept["name"])), Some(kept));
    }
    assert_eq!(value("OTEL_RESOURCE_ATTRIBUTES"), "service.instance.id=$(K8S_POD_NAME)");

    // The port of the Collector's service that leads to its OTLP receiver over HTTP.
    let endpoint = value("OTEL_EXPORTER_OTLP_ENDPOINT");
    assert_eq!(authority(endpoint).0, "collector");
    assert_eq!(service_port(&gateway, endpoint)["targetPort"], "otlp-http");
    let collector = &yaml::read(&deploy::path("collector/gateway.yaml"))[0];
    let listens = &collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"];
    let (container, _) = gateway.container("collector");
    let container_port = list(&container["ports"]).find(|it| it["name"] == "otlp-http");
    let container_port = &container_port.expect("the port of the service")["containerPort"];
    assert_eq!(*listens, format!("0.0.0.0:{container_port}"));
    service_port(&gateway, &collector["exporters"]["otlp_http"]["endpoint"]);

    let takes_otlp = |manifests: &Manifests| {
        let (container, _) = manifests.container("prometheus");
        list(&container["args"]).any(|it| it == "--web.enable-otlp-receiver")
    };
    assert!(takes_otlp(&gateway) && !takes_otlp(&scrape));
}

#[test]
fn pods_tell_meterkit_where_they_run() {
    let documents = yaml::read(&deploy::path("kubernetes/service/catalog-service.yaml"));
    let container = &documents[0]["spec"]["template"]["spec"]["containers"][0];
    let told: Vec<_> = list(&container["env"])
        .filter_map(|variable| {
            let path = variable["valueFrom"]["fieldRef"]["fieldPath"].as_str()?;
            Some((text(&variable["name"]), path))
        })
        .collect();
    let expected = [
        ("K8S_POD_NAME", "metadata.name"),
        ("K8S_POD_UID", "metadata.uid"),
        ("K8S_NAMESPACE_NAME", "metadata.namespace"),
        ("K8S_NODE_NAME", "spec.nodeName"),
    ];
    assert_eq!(told, expected);
    // Prometheus keeps only the port with this name, and finds pods by this label.
    let ports: Vec<_> = list(&container["ports"]).map(|port| text(&port["name"])).collect();
    assert_eq!(ports, ["http", "metrics"]);
    let prometheus = &yaml::read(&deploy::path("prometheus/kubernetes.yaml"))[0];
    let job = &prometheus["scrape_configs"][0];
    assert_eq!(job["relabel_configs"][0]["regex"], "metrics");
    let label = text(&job["kubernetes_sd_configs"][0]["selectors"][0]["label"]);
    let (key, value) = label.split_once('=').expect("a key and a value");
    assert_eq!(documents[0]["spec"]["template"]["metadata"]["labels"][key], value);
}
