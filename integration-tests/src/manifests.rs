//! Kubernetes manifests, as written and as rendered, and checks that they fit together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::deploy::{check_image, list, text};
use crate::yaml;

/// Secrets that are created by hand, as the README explains.
const SECRETS: [&str; 1] = ["grafana-admin"];

/// The objects of a Kubernetes overlay.
#[derive(Debug, Default)]
pub struct Manifests {
    /// All objects. Config maps that are made from files are included only if they were rendered.
    pub objects: Vec<Value>,
    patches: Vec<Value>,
    /// The contents of config maps, by name and key.
    config_maps: BTreeMap<String, BTreeMap<String, String>>,
}

impl Manifests {
    /// Reads the kustomization in `folder`, and those that it refers to.
    ///
    /// # Panics
    ///
    /// Panics if a file that the kustomization refers to is missing or invalid.
    pub fn written(folder: &Path) -> Self {
        let mut manifests = Self::default();
        manifests.add(folder);
        manifests
    }

    /// Reads the result of rendering a kustomization.
    ///
    /// # Panics
    ///
    /// Panics if the file does not contain manifests.
    pub fn rendered(file: &Path) -> Self {
        let objects = yaml::read(file);
        let maps = objects.iter().filter(|object| object["kind"] == "ConfigMap");
        let config_maps = maps
            .map(|map| {
                let data = map["data"].as_object().expect("a config map has data").iter();
                let texts = data.map(|(key, it)| (key.clone(), text(it).to_owned())).collect();
                (text(&map["metadata"]["name"]).to_owned(), texts)
            })
            .collect();
        Self { objects, config_maps, ..Self::default() }
    }

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
                let read = fs::read_to_string(&path);
                let read = read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let map = self.config_maps.entry(text(&generator["name"]).to_owned()).or_default();
                map.insert(key.to_owned(), read);
            }
        }
    }

    /// Returns all objects that run pods.
    pub fn workloads(&self) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(|object| object["spec"]["template"].is_object())
    }

    /// Returns the only container of the workload `name`, and its pod.
    ///
    /// # Panics
    ///
    /// Panics if there is no such workload, or if it has several containers.
    pub fn container(&self, name: &str) -> (&Value, &Value) {
        let workload = self.workloads().find(|it| it["metadata"]["name"] == name);
        let pod = &workload.unwrap_or_else(|| panic!("no {name}"))["spec"]["template"]["spec"];
        let [container] = &list(&pod["containers"]).collect::<Vec<_>>()[..] else {
            panic!("not one container: {pod}");
        };
        (container, pod)
    }

    /// Returns the file at a path in the workload `name`, from a config map that is mounted there.
    ///
    /// # Panics
    ///
    /// Panics if there is no such workload, or no file at this path.
    pub fn mounted(&self, name: &str, path: &str) -> &str {
        let (container, pod) = self.container(name);
        let found = list(&container["volumeMounts"]).find_map(|mount| {
            let path = path.strip_prefix(text(&mount["mountPath"]))?.strip_prefix('/')?;
            let volume = list(&pod["volumes"]).find(|it| it["name"] == mount["name"])?;
            config_maps(volume).find_map(|map| {
                let item = list(&map["items"]).find(|it| it["path"] == path);
                let key = match item {
                    None if map["items"].is_null() => path,
                    item => text(&item?["key"]),
                };
                self.config_maps.get(text(&map["name"]))?.get(key)
            })
        });
        found.unwrap_or_else(|| panic!("{name} has nothing at {path}"))
    }

    /// Checks that every reference leads to an existing object.
    ///
    /// # Panics
    ///
    /// Panics if a reference leads nowhere.
    pub fn check(&self) {
        for object in &self.objects {
            self.check_object(object);
            if object["kind"] == "Service" {
                self.check_service(object);
            }
        }
        for workload in self.workloads() {
            self.check_workload(workload);
        }
        for patch in &self.patches {
            let is_patched = |it: &&Value| {
                it["kind"] == patch["kind"] && it["metadata"]["name"] == patch["metadata"]["name"]
            };
            assert!(self.objects.iter().any(|it| is_patched(&it)), "{patch}");
            self.check_volumes("a patch", &patch["spec"]["template"]["spec"]);
        }
    }

    fn check_object(&self, object: &Value) {
        let [version, kind] = ["apiVersion", "kind"].map(|key| text(&object[key]));
        let name = text(&object["metadata"]["name"]);
        let expected = match kind {
            "Deployment" | "StatefulSet" => "apps/v1",
            "PodMonitor" | "PrometheusRule" | "ServiceMonitor" => "monitoring.coreos.com/v1",
            "Role" | "RoleBinding" => "rbac.authorization.k8s.io/v1",
            "ConfigMap" | "Namespace" | "Service" | "ServiceAccount" => "v1",
            _ => panic!("{kind} {name} is of no known kind"),
        };
        assert_eq!(version, expected, "{kind} {name}");
        for other in
            list(&object["subjects"]).chain([&object["roleRef"]]).filter(|it| it.is_object())
        {
            let is_other =
                |it: &Value| it["kind"] == other["kind"] && it["metadata"]["name"] == other["name"];
            assert!(self.objects.iter().any(is_other), "{kind} {name}: {other}");
        }
    }

    /// Checks that the service leads to ports of pods.
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
            check_references(name, &container["env"]);
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

    /// Checks that the config maps of volumes exist, with the keys that the volumes use.
    fn check_volumes(&self, name: &str, pod: &Value) {
        for volume in list(&pod["volumes"]) {
            for map in config_maps(volume) {
                let map_name = text(&map["name"]);
                let Some(texts) = self.config_maps.get(map_name) else {
                    panic!("{name} lacks {map_name}");
                };
                for item in list(&map["items"]) {
                    assert!(texts.contains_key(text(&item["key"])), "{name} lacks {item}");
                }
            }
        }
    }
}

/// Returns the config maps that a volume contains.
fn config_maps(volume: &Value) -> impl Iterator<Item = &Value> {
    let projected = list(&volume["projected"]["sources"]).map(|it| &it["configMap"]);
    projected.chain([&volume["configMap"]]).filter(|it| it.is_object())
}

/// Checks that `$(NAME)` refers to an earlier variable: Kubernetes does not expand other references.
fn check_references(name: &str, variables: &Value) {
    let mut known = BTreeSet::new();
    for variable in list(variables) {
        let value = variable["value"].as_str().unwrap_or("");
        for reference in value.split("$(").skip(1) {
            let reference = reference.split(')').next().unwrap_or("");
            assert!(known.contains(reference), "{name}: {variable} of {known:?}");
        }
        known.insert(text(&variable["name"]));
    }
}
