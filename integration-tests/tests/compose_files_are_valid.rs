//! The compose files of `examples/deploy` refer to existing things, and Docker Compose resolves them as intended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::deploy::{self, altered, authority, check_image, list, run, settings, text};
use integration_tests::{peer, yaml};
use serde_json::Value;

/// Returns the configuration that Docker Compose derives from `compose.yaml` and overlays in a copy of
/// `examples/deploy`, or its error message. Docker Compose contacts no daemon.
fn merged<'a>(
    program: &Path,
    folder: &Path,
    overlays: impl IntoIterator<Item = &'a str>,
) -> Result<Value, String> {
    with_variables(program, folder, overlays, &[("GRAFANA_ADMIN_PASSWORD", "secret")])
}

fn with_variables<'a>(
    program: &Path,
    folder: &Path,
    overlays: impl IntoIterator<Item = &'a str>,
    variables: &[(&str, &str)],
) -> Result<Value, String> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = directory.path().join("merged.json");
    let mut command = Command::new(program);
    // An empty environment: neither Docker's nor Compose's settings of this machine's user apply.
    command.env_clear().envs(variables.iter().copied());
    for file in ["compose.yaml"].into_iter().chain(overlays) {
        command.arg("--file").arg(folder.join("compose").join(file));
    }
    command.args(["config", "--format", "json", "--output"]).arg(&output);
    let (is_valid, said) = run(&mut command);
    // A warning is an error, too.
    if !is_valid || !said.is_empty() {
        return Err(said);
    }
    let json = fs::read(output).expect("Docker Compose has written its output");
    Ok(serde_json::from_slice(&json).expect("it is JSON"))
}

/// Returns the file or folder that is mounted into a service at `place`. It must exist and be mounted read-only.
fn mounted(name: &str, service: &Value, place: &str) -> PathBuf {
    let mounts: Vec<_> = list(&service["volumes"]).filter(|it| it["target"] == place).collect();
    let [mount] = mounts[..] else {
        panic!("{name} has {} mounts at {place}", mounts.len());
    };
    assert!(mount["type"] == "bind" && mount["read_only"] == true, "{name}: {mount}");
    canonical(Path::new(text(&mount["source"])))
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the settings file in the arguments of a service.
fn settings_of(name: &str, service: &Value) -> PathBuf {
    let path = settings(&service["command"]).unwrap_or_else(|| panic!("{name}: {service}"));
    mounted(name, service, path)
}

/// Checks what all steps have in common.
fn check_merged(services: &serde_json::Map<String, Value>) {
    let mut open = BTreeMap::new();
    for (name, service) in services {
        check_image(text(&service["image"]));
        // Services must restart after a crash, and after a reboot of the machine.
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        for mount in list(&service["volumes"]).filter(|it| it["type"] == "bind") {
            mounted(name, service, text(&mount["target"]));
        }
        for port in list(&service["ports"]) {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name} opens {port} to others");
            open.insert(name.as_str(), text(&port["published"]));
        }
    }
    let mut expected = BTreeMap::from([
        ("alertmanager", "9093"),
        ("catalog-service", "8080"),
        ("grafana", "3000"),
        ("prometheus", "9090"),
    ]);
    if services["catalog-service"]["scale"] == 3 {
        expected.remove("catalog-service");
    }
    assert_eq!(open, expected);
    // Longer than 10 s for the last export plus 10 s for requests in progress.
    assert_eq!(services["catalog-service"]["stop_grace_period"], "30s");
    assert_eq!(
        mounted("prometheus", &services["prometheus"], "/etc/prometheus/rules"),
        canonical(&deploy::path("prometheus/rules"))
    );
    assert_eq!(
        mounted("prometheus", &services["prometheus"], "/etc/prometheus/platform-rules"),
        canonical(&deploy::path("prometheus/platform-rules"))
    );
    assert_eq!(
        settings_of("alertmanager", &services["alertmanager"]),
        canonical(&deploy::path("alertmanager/alertmanager.yaml"))
    );
    let alerting = &yaml::read(&settings_of("prometheus", &services["prometheus"]))[0]["alerting"];
    let alertmanager = &alerting["alertmanagers"][0]["static_configs"][0]["targets"];
    assert_eq!(*alertmanager, serde_json::json!(["alertmanager:9093"]));
}

#[test]
fn docker_compose_resolves_each_step_as_the_page_says() {
    let Some(program) = peer::find("docker-compose") else {
        return;
    };
    let steps = [
        (None, None, "scrape.yaml", "provisioning"),
        (Some("compose.gateway.yaml"), Some("collector"), "gateway.yaml", "provisioning"),
        (Some("compose.mimir.yaml"), Some("mimir"), "remote-write.yaml", "mimir"),
    ];
    for (overlay, added, prometheus_settings, data_source) in steps {
        let merged = merged(&program, &deploy::path(""), overlay);
        let merged = merged.unwrap_or_else(|said| panic!("{overlay:?}: {said}"));
        let services = merged["services"].as_object().expect("services");
        check_merged(services);
        let mut names =
            BTreeSet::from(["alertmanager", "catalog-service", "grafana", "prometheus"]);
        names.extend(added);
        assert_eq!(services.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);

        let prometheus = &services["prometheus"];
        let expected = deploy::path("prometheus").join(prometheus_settings);
        assert_eq!(settings_of("prometheus", prometheus), canonical(&expected), "{overlay:?}");
        let is_pushed = added == Some("collector");
        let receives = list(&prometheus["command"]).any(|it| it == "--web.enable-otlp-receiver");
        assert_eq!(receives, is_pushed, "{overlay:?}");
        let exporter = &services["catalog-service"]["environment"]["OTEL_METRICS_EXPORTER"];
        assert_eq!(exporter, if is_pushed { "otlp" } else { "prometheus" }, "{overlay:?}");
        let expected = deploy::path("grafana").join(data_source).join("datasources");
        let place = "/etc/grafana/provisioning/datasources";
        assert_eq!(mounted("grafana", &services["grafana"], place), canonical(&expected));
        let source = &yaml::read(&expected.join("meterkit.yaml"))[0]["datasources"][0]["url"];
        assert!(services.contains_key(authority(source).0), "{overlay:?}: {source}");
    }
}

#[test]
fn three_replicas_fit_into_each_step_and_each_has_a_target_of_its_own() {
    let Some(program) = peer::find("docker-compose") else {
        return;
    };
    for overlay in [None, Some("compose.gateway.yaml"), Some("compose.mimir.yaml")] {
        let overlays = overlay.into_iter().chain(["compose.replicas.yaml"]);
        let merged = merged(&program, &deploy::path(""), overlays);
        let merged = merged.unwrap_or_else(|said| panic!("{overlay:?}: {said}"));
        let services = merged["services"].as_object().expect("services");
        check_merged(services);
        assert_eq!(services["catalog-service"]["scale"], 3);
        let settings = yaml::read(&settings_of("prometheus", &services["prometheus"]));
        let job =
            list(&settings[0]["scrape_configs"]).find(|it| it["job_name"] == "catalog-service");
        if overlay == Some("compose.gateway.yaml") {
            assert_eq!(job, None);
        } else {
            // A static target would reach another replica with each scrape.
            let discovery = &job.expect("a job")["dns_sd_configs"][0];
            assert_eq!(discovery["names"], serde_json::json!(["catalog-service"]));
            assert_eq!((&discovery["type"], &discovery["port"]), (&"A".into(), &9464.into()));
        }
    }
}

#[test]
fn overlays_of_the_first_step_read_their_own_settings() {
    let Some(program) = peer::find("docker-compose") else {
        return;
    };
    let step = |overlay| {
        merged(&program, &deploy::path(""), Some(overlay)).expect("the configuration is valid")
    };

    let services = &step("compose.gateway.yaml")["services"];
    let path = settings_of("collector", &services["collector"]);
    assert_eq!(path, canonical(&deploy::path("collector/gateway.yaml")));
    let collector = &yaml::read(&path)[0];
    let listens = &collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"];
    let (_, port) = text(listens).rsplit_once(':').expect("an address and a port");
    assert_eq!(authority(&collector["exporters"]["otlp_http"]["endpoint"]).0, "prometheus");
    let endpoint = &services["catalog-service"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"];
    assert_eq!(*endpoint, format!("http://collector:{port}"));

    let services = &step("compose.mimir.yaml")["services"];
    let path = settings_of("mimir", &services["mimir"]);
    assert_eq!(path, canonical(&deploy::path("mimir/mimir.yaml")));
    let port = &yaml::read(&path)[0]["server"]["http_listen_port"];
    let sends = &yaml::read(&settings_of("prometheus", &services["prometheus"]))[0]["remote_write"];
    assert_eq!(sends[0]["url"], format!("http://mimir:{port}/api/v1/push"));
    // Mimir identifies redundant servers by these labels.
    let prometheus = &yaml::read(&settings_of("prometheus", &services["prometheus"]))[0];
    let labels = &prometheus["global"]["external_labels"];
    assert!(labels["cluster"].is_string());
    let replica = text(&labels["__replica__"]);
    let variable = replica.strip_prefix("${").and_then(|it| it.strip_suffix('}')).expect(replica);
    assert!(services["prometheus"]["environment"][variable].is_string(), "{replica}");
    let mimir = &yaml::read(&path)[0];
    assert_eq!(mimir["distributor"]["ha_tracker"]["enable_ha_tracker"], true);
    assert_eq!(mimir["limits"]["accept_ha_samples"], true);
    assert_eq!(mimir["limits"]["out_of_order_time_window"], "30m");
}

#[test]
fn docker_compose_refuses_what_is_wrong() {
    let Some(program) = peer::find("docker-compose") else {
        return;
    };
    let step_1 = "compose.yaml";
    for (file, right, wrong, named) in [
        (step_1, "stop_grace_period:", "stop_grace_periods:", "stop_grace_periods"),
        (step_1, "stop_grace_period: 30s", "stop_grace_period: a while", "stop_grace_period"),
        (step_1, "127.0.0.1:8080:8080", "127.0.0.1:8080:http", "http"),
        ("compose.gateway.yaml", "depends_on: [collector]", "depends_on: [gateway]", "gateway"),
        ("compose.mimir.yaml", "- mimir:/data", "- mimirs:/data", "mimirs"),
    ] {
        let folder = altered(&format!("compose/{file}"), right, wrong);
        let overlay = Some(file).filter(|it| *it != step_1);
        let said = merged(&program, folder.path(), overlay).expect_err(wrong);
        assert!(said.contains(named), "{wrong}: {said}");
    }
    let said = with_variables(&program, &deploy::path(""), None, &[]).expect_err("no password");
    assert!(said.contains("set GRAFANA_ADMIN_PASSWORD"), "{said}");
}

/// Checks a service of a compose file: its references exist, and its ports are open to this machine only.
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
            assert!(deploy::path("compose").join(source).exists(), "{name} mounts {source}");
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
        let context = deploy::path("compose").join(text(&service["build"]["context"]));
        assert!(context.join("Cargo.lock").exists() && context.join(dockerfile).exists());
    }
}

#[test]
fn compose_files_name_what_exists() {
    let overlays = ["compose.gateway.yaml", "compose.mimir.yaml", "compose.replicas.yaml"];
    for overlay in overlays.into_iter().map(Some).chain([None]) {
        let files = ["compose.yaml"].into_iter().chain(overlay);
        let files: Vec<_> =
            files.flat_map(|file| yaml::read(&deploy::path("compose").join(file))).collect();
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
