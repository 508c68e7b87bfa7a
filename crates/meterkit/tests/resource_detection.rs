//! The resource: what is detected, and what takes precedence over it.

use meterkit::data::Attributes;
use meterkit::settings::ResourceDetector;
use meterkit::{Registry, Telemetry};
use meterkit_fakes::own_process::rerun;

/// Returns the resource of a program with the settings of the environment.
fn resource_by_environment() -> Attributes {
    let telemetry = Telemetry::from_env().unwrap().registry(Registry::new()).install().unwrap();
    let resource = telemetry.source().snapshot_blocking().resource.clone();
    telemetry.shutdown_blocking().unwrap();
    resource
}

fn text(resource: &Attributes, key: &str) -> Option<String> {
    resource.get(key).map(|value| value.to_string())
}

const NO_TARGET: (&str, &str) = ("OTEL_METRICS_EXPORTER", "none");

#[test]
fn host_and_system_are_detected_when_nothing_is_set_and_the_process_is_not() {
    let name = "host_and_system_are_detected_when_nothing_is_set_and_the_process_is_not";
    if rerun(name, &[NO_TARGET, ("K8S_POD_NAME", "shop-1")]).is_some() {
        return;
    }
    let resource = resource_by_environment();
    assert!(text(&resource, "host.name").is_some() && text(&resource, "host.arch").is_some());
    assert_eq!(
        text(&resource, "os.type").unwrap(),
        match std::env::consts::OS {
            "macos" => "darwin",
            other => other,
        }
    );
    assert_eq!(text(&resource, "k8s.pod.name").unwrap(), "shop-1");
    assert_eq!(text(&resource, "process.pid"), None);
    let id = text(&resource, "service.instance.id").unwrap();
    assert_eq!((id.len(), id.matches('-').count(), id.as_bytes()[14]), (36, 4, b'4'), "{id}");
    assert_eq!(text(&resource_by_environment(), "service.instance.id").unwrap(), id);
}

#[test]
fn the_variable_selects_detectors_by_name_in_any_case() {
    let name = "the_variable_selects_detectors_by_name_in_any_case";
    let variables = [NO_TARGET, ("METERKIT_RESOURCE_DETECTORS", " Process, os,,process")];
    if rerun(name, &variables).is_some() {
        return;
    }
    let resource = resource_by_environment();
    assert_eq!(text(&resource, "process.pid").unwrap(), std::process::id().to_string());
    assert!(text(&resource, "os.type").is_some());
    assert_eq!(text(&resource, "host.name"), None);
}

#[test]
fn all_detectors_or_none_can_be_selected() {
    let name = "all_detectors_or_none_can_be_selected";
    if std::env::var_os("METERKIT_RESOURCE_DETECTORS").is_none() {
        for list in ["all", "os,ALL", "none"] {
            rerun(name, &[NO_TARGET, ("METERKIT_RESOURCE_DETECTORS", list)]);
        }
        return;
    }
    let list = std::env::var("METERKIT_RESOURCE_DETECTORS").unwrap();
    let resource = resource_by_environment();
    for key in ["host.name", "os.type", "process.pid", "service.instance.id"] {
        assert_eq!(text(&resource, key).is_some(), list != "none", "{key} with {list}");
    }
    assert!(text(&resource, "service.name").is_some(), "the name is required, not detected");
    assert!(text(&resource, "telemetry.sdk.name").is_some());
}

#[test]
fn an_unknown_detector_is_an_error_that_lists_the_known_ones() {
    let name = "an_unknown_detector_is_an_error_that_lists_the_known_ones";
    if rerun(name, &[NO_TARGET, ("METERKIT_RESOURCE_DETECTORS", "host,weather")]).is_some() {
        return;
    }
    let text = Telemetry::from_env().unwrap_err().to_string();
    assert!(
        text.contains("METERKIT_RESOURCE_DETECTORS=`host,weather`: `weather` is unknown"),
        "{text}"
    );
    for detector in ResourceDetector::ALL {
        assert!(text.contains(&format!("`{detector}`")), "{detector}: {text}");
    }
}

#[test]
fn the_environment_wins_over_what_is_detected_and_code_over_both() {
    let name = "the_environment_wins_over_what_is_detected_and_code_over_both";
    let attributes = "service.name=listed,os.type=listed,host.arch=listed,k8s.pod.name=listed";
    let variables = [
        NO_TARGET,
        ("METERKIT_RESOURCE_DETECTORS", "all"),
        ("K8S_POD_NAME", "detected"),
        ("OTEL_RESOURCE_ATTRIBUTES", attributes),
        ("OTEL_SERVICE_NAME", "named"),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    let resource = resource_by_environment();
    for key in ["os.type", "host.arch", "k8s.pod.name"] {
        assert_eq!(text(&resource, key).unwrap(), "listed", "{key}");
    }
    assert_eq!(text(&resource, "service.name").unwrap(), "named");

    let builder = Telemetry::from_env().unwrap().registry(Registry::new());
    let builder = builder.service_name("coded").resource_attribute("os.type", "coded");
    let telemetry = builder.install().unwrap();
    let resource = &telemetry.source().snapshot_blocking().resource;
    assert_eq!(text(resource, "service.name").unwrap(), "coded");
    assert_eq!(text(resource, "os.type").unwrap(), "coded");
    assert_eq!(text(resource, "host.arch").unwrap(), "listed");
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn code_that_names_detectors_wins_over_the_variable() {
    let name = "code_that_names_detectors_wins_over_the_variable";
    if rerun(name, &[NO_TARGET, ("METERKIT_RESOURCE_DETECTORS", "all")]).is_some() {
        return;
    }
    let builder = Telemetry::from_env().unwrap().registry(Registry::new());
    let telemetry = builder.detect([ResourceDetector::Os]).install().unwrap();
    let resource = &telemetry.source().snapshot_blocking().resource;
    assert!(text(resource, "os.type").is_some());
    assert_eq!((text(resource, "host.name"), text(resource, "process.pid")), (None, None));
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn a_builder_without_the_environment_detects_only_the_instance_by_default() {
    let keys = |builder: meterkit::TelemetryBuilder| {
        let telemetry = builder.registry(Registry::new()).install().unwrap();
        let snapshot = telemetry.source().snapshot_blocking();
        telemetry.shutdown_blocking().unwrap();
        let keys = snapshot.resource.iter().map(|(key, _)| key.to_owned());
        keys.filter(|key| !key.starts_with("telemetry.")).collect::<Vec<_>>()
    };
    assert_eq!(keys(Telemetry::builder()), ["service.instance.id", "service.name"]);
    assert_eq!(keys(Telemetry::builder().detect([])), ["service.name"]);
    let told = Telemetry::builder().detect([ResourceDetector::Process]);
    let expected = ["process.executable.name", "process.pid", "service.name"];
    assert_eq!(keys(told), expected);
}

#[test]
#[cfg(feature = "config")]
fn a_file_that_names_no_detectors_leaves_the_instance_to_be_generated() {
    let name = "a_file_that_names_no_detectors_leaves_the_instance_to_be_generated";
    if std::env::var_os("OTEL_CONFIG_FILE").is_some() {
        let resource = resource_by_environment();
        let given = std::env::var("GIVEN").ok();
        let id = text(&resource, "service.instance.id").unwrap();
        assert!(given.map_or(id.len() == 36, |given| id == given), "{id}");
        assert_eq!(text(&resource, "host.name"), None);
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for (at, given) in [None, Some("web-7")].into_iter().enumerate() {
        let path = directory.path().join(format!("{at}.yaml"));
        let attribute = given.map_or(String::new(), |given| {
            format!(
                "resource:\n  attributes:\n    - {{name: service.instance.id, value: {given}}}\n"
            )
        });
        std::fs::write(&path, format!("file_format: \"1.0\"\n{attribute}")).unwrap();
        let mut variables = vec![("OTEL_CONFIG_FILE", path.to_str().unwrap())];
        variables.extend(given.map(|given| ("GIVEN", given)));
        rerun(name, &variables);
    }
}
