//! The files of `examples/deploy`, by the programs that read them, and by what they promise each other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::{peer, yaml};
use serde_json::Value;

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/deploy");

/// Made by hand, as the page says.
const SECRETS: [&str; 1] = ["grafana-admin"];

fn deploy(path: &str) -> PathBuf {
    Path::new(DEPLOY).join(path)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}"))
}

/// Whether a program says that it has nothing to complain about, and all that it says.
fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn promtool_finds_nothing_wrong_with_what_prometheus_reads() {
    let Some(promtool) = peer::find("promtool") else {
        return;
    };
    for file in ["gateway.yaml", "kubernetes.yaml", "remote-write.yaml", "scrape.yaml"] {
        let path = deploy("prometheus").join(file);
        let (is_valid, said) = run(Command::new(&promtool).args(["check", "config"]).arg(path));
        // It checks the rules that the file names as well.
        assert!(is_valid && said.contains("2 rule files found"), "{file}: {said}");
    }
    for file in ["meterkit-alerts.rules.yml", "meterkit-recording.rules.yml"] {
        let path = deploy("prometheus/rules").join(file);
        let strictly = ["check", "rules", "--lint=all", "--lint-fatal"];
        let (is_valid, said) = run(Command::new(&promtool).args(strictly).arg(path));
        assert!(is_valid, "{file}: {said}");
    }
}

#[test]
fn the_collector_finds_nothing_wrong_with_what_it_reads() {
    let Some(collector) = peer::find("meterkit-otelcol") else {
        return;
    };
    let validate = |path: &Path| {
        let mut command = Command::new(&collector);
        command.arg("validate").arg(format!("--config=file:{}", path.display()));
        command.env("GRAFANA_OTLP_ENDPOINT", "https://otlp.example.com/otlp");
        run(command.env("GRAFANA_OTLP_AUTHORIZATION", "Basic c29tZW9uZQ=="))
    };
    for file in ["gateway.yaml", "grafana-cloud.yaml"] {
        let path = deploy("collector").join(file);
        let (is_valid, said) = validate(&path);
        let advice = "integration-tests/peers meterkit-otelcol builds a new one";
        assert!(is_valid, "{file}, if the collector is not an old one ({advice}): {said}");
        // One that let everything pass would be of no use.
        let wrong = std::fs::read_to_string(path).expect("it is read").replace("sizer", "size");
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join(file), wrong).expect("it is written");
        let (is_valid, said) = validate(&directory.path().join(file));
        assert!(!is_valid && said.contains("size"), "{file}: {said}");
    }
}

/// How many files of YAML are in a folder; each is one, or this panics.
fn yaml_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let counts = paths.map(|path| match path.extension().and_then(|it| it.to_str()) {
        None if path.is_dir() => yaml_files(&path),
        Some("yaml" | "yml") => usize::from(!yaml::read(&path).is_empty()),
        _ => 0,
    });
    counts.sum()
}

#[test]
fn every_file_can_be_read() {
    let count = yaml_files(Path::new(DEPLOY));
    assert!(count > 20, "{count}");
}

/// One service of a compose file: what it names is there, and it is open to this machine only.
fn check_service(name: &str, service: &Value, services: &BTreeSet<&str>, volumes: &BTreeSet<&str>) {
    if let Some(image) = service["image"].as_str() {
        check_image(image);
    }
    for other in list(&service["depends_on"]) {
        assert!(services.contains(text(other)), "{name} waits for {other}");
    }
    for mount in list(&service["volumes"]) {
        let (source, _) = text(mount).split_once(':').expect("a source and a place");
        if source.starts_with('.') {
            assert!(deploy("compose").join(source).exists(), "{name} mounts {source}");
        } else {
            assert!(volumes.contains(source), "{name} mounts {source}");
        }
    }
    for port in list(&service["ports"]) {
        assert!(text(port).starts_with("127.0.0.1:"), "{name} opens {port} to others");
    }
    for (variable, value) in service["environment"].as_object().into_iter().flatten() {
        let url = value.as_str().and_then(|it| it.strip_prefix("http://"));
        if let Some((host, _)) = url.and_then(|it| it.split_once(':')) {
            assert!(services.contains(host), "{variable} of {name}: {value}");
        }
    }
    if let Some(dockerfile) = service["build"]["dockerfile"].as_str() {
        let context = deploy("compose").join(text(&service["build"]["context"]));
        assert!(context.join("Cargo.lock").exists() && context.join(dockerfile).exists());
    }
}

/// A tag that does not mean another image tomorrow.
fn check_image(image: &str) {
    let tag = image.rsplit_once(':').map(|(_, tag)| tag);
    assert!(tag.is_some_and(|it| it.contains('.') && it != "latest"), "not pinned: {image}");
}

#[test]
fn compose_files_name_what_exists() {
    for overlay in [None, Some("compose.gateway.yaml"), Some("compose.mimir.yaml")] {
        let files = ["compose.yaml"].into_iter().chain(overlay);
        let files: Vec<_> =
            files.flat_map(|file| yaml::read(&deploy("compose").join(file))).collect();
        let keys = |key: &str| -> BTreeSet<&str> {
            let maps = files.iter().filter_map(|file| file[key].as_object());
            maps.flat_map(|map| map.keys().map(String::as_str)).collect()
        };
        let (services, volumes) = (keys("services"), keys("volumes"));
        assert!(services.len() >= 3, "{services:?}");
        for file in &files {
            for (name, service) in file["services"].as_object().expect("services") {
                check_service(name, service, &services, &volumes);
            }
        }
        for service in services {
            let has_image = |file: &Value| file["services"][service]["image"].is_string();
            assert!(files.iter().any(has_image), "{service} has no image");
        }
    }
}

/// What an overlay of Kubernetes consists of.
#[derive(Default)]
struct Manifests {
    objects: Vec<Value>,
    patches: Vec<Value>,
    /// Names and keys of config maps that are made from files.
    config_maps: BTreeSet<(String, String)>,
}

impl Manifests {
    /// Reads the kustomization in `folder`, and those that it names.
    fn add(&mut self, folder: &Path) {
        let kustomization = folder.join("kustomization.yaml");
        let [kustomization] = &yaml::read(&kustomization)[..] else {
            panic!("one document: {}", kustomization.display());
        };
        assert_eq!(kustomization["kind"], "Kustomization");
        for resource in list(&kustomization["resources"]) {
            let path = folder.join(text(resource));
            if path.is_dir() {
                self.add(&path);
            } else {
                self.objects.extend(yaml::read(&path));
            }
        }
        for patch in list(&kustomization["patches"]) {
            self.patches.extend(yaml::read(&folder.join(text(&patch["path"]))));
        }
        for generator in list(&kustomization["configMapGenerator"]) {
            for file in list(&generator["files"]) {
                let (key, path) = text(file)
                    .split_once('=')
                    .unwrap_or_else(|| (text(file).rsplit('/').next().unwrap_or(""), text(file)));
                let path = folder.join(path);
                assert!(path.is_file(), "{}", path.display());
                self.config_maps.insert((text(&generator["name"]).to_owned(), key.to_owned()));
            }
        }
    }

    /// All that run pods.
    fn workloads(&self) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(|object| object["spec"]["template"].is_object())
    }

    fn check_object(&self, object: &Value) {
        let [version, kind] = ["apiVersion", "kind"].map(|key| text(&object[key]));
        let name = text(&object["metadata"]["name"]);
        let expected = match kind {
            "Deployment" | "StatefulSet" => "apps/v1",
            "Role" | "RoleBinding" => "rbac.authorization.k8s.io/v1",
            "Namespace" | "Service" | "ServiceAccount" => "v1",
            _ => panic!("{kind} {name} is of no known kind"),
        };
        assert_eq!(version, expected, "{kind} {name}");
    }

    /// The service leads to ports of pods.
    fn check_service(&self, service: &Value) {
        let name = text(&service["metadata"]["name"]);
        let selector = service["spec"]["selector"].as_object().expect("a selector");
        let selected: Vec<_> = self
            .workloads()
            .filter(|it| {
                let labels = &it["spec"]["template"]["metadata"]["labels"];
                selector.iter().all(|(key, value)| labels[key] == *value)
            })
            .collect();
        let [workload] = selected[..] else {
            panic!("service {name} selects {} workloads", selected.len());
        };
        let names: Vec<_> = list(&workload["spec"]["template"]["spec"]["containers"])
            .flat_map(|container| list(&container["ports"]))
            .map(|port| &port["name"])
            .collect();
        for port in list(&service["spec"]["ports"]) {
            assert!(names.contains(&&port["targetPort"]), "service {name}: {port} of {names:?}");
        }
    }

    fn check_workload(&self, workload: &Value) {
        let name = text(&workload["metadata"]["name"]);
        let template = &workload["spec"]["template"];
        let labels = &template["metadata"]["labels"];
        let selector = workload["spec"]["selector"]["matchLabels"].as_object().expect("a selector");
        for (key, value) in selector {
            assert_eq!(labels[key], *value, "{name} does not select its own pods");
        }
        self.check_volumes(name, &template["spec"]);
        let claims = list(&workload["spec"]["volumeClaimTemplates"]);
        let volumes: BTreeSet<_> = list(&template["spec"]["volumes"])
            .map(|volume| text(&volume["name"]))
            .chain(claims.map(|claim| text(&claim["metadata"]["name"])))
            .collect();
        for container in list(&template["spec"]["containers"]) {
            check_image(text(&container["image"]));
            for mount in list(&container["volumeMounts"]) {
                assert!(volumes.contains(text(&mount["name"])), "{name} mounts {mount}");
            }
            let ports: Vec<_> = list(&container["ports"]).map(|port| &port["name"]).collect();
            for probe in ["readinessProbe", "livenessProbe"].map(|probe| &container[probe]) {
                for port in [&probe["httpGet"]["port"], &probe["tcpSocket"]["port"]] {
                    assert!(port.is_null() || ports.contains(&port), "{name} is probed at {port}");
                }
            }
            for secret in list(&container["env"]).map(|it| &it["valueFrom"]["secretKeyRef"]) {
                let is_known = |secret: &str| SECRETS.contains(&secret);
                assert!(secret["name"].as_str().is_none_or(is_known), "{name}: {secret}");
            }
        }
        let account = &template["spec"]["serviceAccountName"];
        let is_account =
            |it: &Value| it["kind"] == "ServiceAccount" && it["metadata"]["name"] == *account;
        assert!(account.is_null() || self.objects.iter().any(is_account), "{name}: {account}");
    }

    /// Config maps that volumes name exist, with these keys.
    fn check_volumes(&self, name: &str, pod: &Value) {
        for volume in list(&pod["volumes"]) {
            let projected = list(&volume["projected"]["sources"]).map(|it| &it["configMap"]);
            for map in projected.chain([&volume["configMap"]]).filter(|it| it.is_object()) {
                let map_name = text(&map["name"]);
                let is_map = |(it, _): &(String, String)| it == map_name;
                assert!(self.config_maps.iter().any(is_map), "{name} lacks {map_name}");
                for item in list(&map["items"]) {
                    let key = (map_name.to_owned(), text(&item["key"]).to_owned());
                    assert!(self.config_maps.contains(&key), "{name} lacks {key:?}");
                }
            }
        }
    }
}

#[test]
fn kubernetes_manifests_fit_together() {
    for (overlay, workloads) in [("scrape", 3), ("gateway", 4)] {
        let mut manifests = Manifests::default();
        manifests.add(&deploy("kubernetes").join(overlay));
        for object in &manifests.objects {
            manifests.check_object(object);
            if object["kind"] == "Service" {
                manifests.check_service(object);
            }
        }
        assert_eq!(manifests.workloads().count(), workloads, "{overlay}");
        for workload in manifests.workloads() {
            manifests.check_workload(workload);
        }
        for patch in &manifests.patches {
            let is_patched = |it: &&Value| {
                it["kind"] == patch["kind"] && it["metadata"]["name"] == patch["metadata"]["name"]
            };
            assert!(manifests.objects.iter().any(|it| is_patched(&it)), "{overlay}: {patch}");
            manifests.check_volumes(overlay, &patch["spec"]["template"]["spec"]);
        }
    }
}

#[test]
fn pods_tell_meterkit_where_they_run() {
    let documents = yaml::read(&deploy("kubernetes/scrape/catalog-service.yaml"));
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
    let prometheus = &yaml::read(&deploy("prometheus/kubernetes.yaml"))[0];
    let job = &prometheus["scrape_configs"][0];
    assert_eq!(job["relabel_configs"][0]["regex"], "metrics");
    let label = text(&job["kubernetes_sd_configs"][0]["selectors"][0]["label"]);
    let (key, value) = label.split_once('=').expect("a key and a value");
    assert_eq!(documents[0]["spec"]["template"]["metadata"]["labels"][key], value);
}
