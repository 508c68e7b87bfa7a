//! The Kubernetes manifests of `examples/deploy`: that they fit together, what they are rendered to, and that
//! Kubernetes' schemas know it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::deploy::{self, altered, authority, list, run, settings, text};
use integration_tests::manifests::Manifests;
use integration_tests::{peer, yaml};
use serde_json::Value;
use tempfile::TempDir;

/// Each with the number of its workloads.
const OVERLAYS: [(&str, usize); 2] = [("scrape", 3), ("gateway", 4)];

/// Of Kubernetes: the oldest and the newest whose schemas are installed.
const VERSIONS: [&str; 2] = ["1.25", "1.37"];

/// What an overlay is rendered to.
struct Rendered {
    file: PathBuf,
    _directory: TempDir,
}

/// Renders an overlay of a copy of `examples/deploy`, or tells what is said against it.
fn render(kubectl: &Path, folder: &Path, overlay: &str) -> Result<Rendered, String> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("rendered.yaml");
    let mut command = Command::new(kubectl);
    // Nothing of this machine's user, who may have a cluster.
    command.env_clear().arg("kustomize").arg(folder.join("kubernetes").join(overlay));
    let (is_valid, said) = run(command.arg("--output").arg(&file));
    // A warning counts too.
    if is_valid && said.is_empty() {
        Ok(Rendered { file, _directory: directory })
    } else {
        Err(said)
    }
}

fn rendered(kubectl: &Path, overlay: &str) -> Rendered {
    render(kubectl, &deploy::path(""), overlay).unwrap_or_else(|said| panic!("{overlay}: {said}"))
}

/// Compares every object in a file with the schemas, which then may have no field that these do not know; or tells what
/// is said against one.
fn validate(program: &Path, file: &Path) -> Result<usize, String> {
    let mut command = Command::new(program);
    command.arg("--strict").args(VERSIONS.iter().flat_map(|it| ["-k", it])).arg(file);
    let (is_valid, said) = run(&mut command);
    // Of a kind that it does not know, it only warns.
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
fn both_overlays_are_what_kubernetes_knows() {
    let (Some(kubectl), Some(schema)) = (peer::find("kubectl"), peer::find("kubernetes-schema"))
    else {
        return;
    };
    for (overlay, _) in OVERLAYS {
        let rendered = rendered(&kubectl, overlay);
        let objects = validate(&schema, &rendered.file);
        let objects = objects.unwrap_or_else(|said| panic!("{overlay}: {said}"));
        assert!(objects > 10, "{overlay}: {objects}");
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
        // In a patch, once it is applied.
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
        let said = render(&kubectl, folder.path(), "gateway").err().expect(wrong);
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
        for object in &manifests.objects {
            let namespace = &object["metadata"]["namespace"];
            let is_namespace = object["kind"] == "Namespace";
            assert!(is_namespace || namespace == "catalog", "{overlay}: {}", object["metadata"]);
            // More than a MiB is refused.
            assert!(object.to_string().len() < 1 << 20, "{overlay}: {}", object["metadata"]);
        }
        let (_, pod) = manifests.container("catalog-service");
        assert_eq!(pod["terminationGracePeriodSeconds"], 30);

        let settings_of = |workload: &str| {
            let path = settings(&manifests.container(workload).0["args"]);
            manifests.mounted(workload, path.expect("it is told where they are"))
        };
        let file = if overlay == "gateway" { "gateway.yaml" } else { "kubernetes.yaml" };
        assert_eq!(settings_of("prometheus"), read("prometheus", file), "{overlay}");
        if overlay == "gateway" {
            assert_eq!(settings_of("collector"), read("collector", file));
        }
        for rules in ["meterkit-alerts.rules.yml", "meterkit-recording.rules.yml"] {
            let path = format!("/etc/prometheus/rules/{rules}");
            assert_eq!(manifests.mounted("prometheus", &path), read("prometheus/rules", rules));
        }
        for folder in ["dashboards", "datasources"] {
            let path = format!("/etc/grafana/provisioning/{folder}/meterkit.yaml");
            let source = format!("grafana/provisioning/{folder}");
            assert_eq!(manifests.mounted("grafana", &path), read(&source, "meterkit.yaml"));
        }
        let sources = deploy::path("grafana/provisioning/datasources/meterkit.yaml");
        service_port(&manifests, &yaml::read(&sources)[0]["datasources"][0]["url"]);
    }
}

fn read(folder: &str, file: &str) -> String {
    fs::read_to_string(deploy::path(folder).join(file)).expect("the file is there")
}

/// The port of a service that a URL leads to.
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
    // What the first overlay says of the pod stays.
    let (before, _) = scrape.container("catalog-service");
    for kept in list(&before["env"]).filter(|it| text(&it["name"]).starts_with("K8S_")) {
        assert_eq!(variable(text(&kept["name"])), Some(kept));
    }
    assert_eq!(value("OTEL_RESOURCE_ATTRIBUTES"), "service.instance.id=$(K8S_POD_NAME)");

    // The port of the Collector's service that leads to where it takes OTLP over HTTP.
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
    // Prometheus keeps the port of this name, and finds pods by this label.
    let ports: Vec<_> = list(&container["ports"]).map(|port| text(&port["name"])).collect();
    assert_eq!(ports, ["http", "metrics"]);
    let prometheus = &yaml::read(&deploy::path("prometheus/kubernetes.yaml"))[0];
    let job = &prometheus["scrape_configs"][0];
    assert_eq!(job["relabel_configs"][0]["regex"], "metrics");
    let label = text(&job["kubernetes_sd_configs"][0]["selectors"][0]["label"]);
    let (key, value) = label.split_once('=').expect("a key and a value");
    assert_eq!(documents[0]["spec"]["template"]["metadata"]["labels"][key], value);
}
