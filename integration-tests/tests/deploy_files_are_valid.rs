//! The files of `examples/deploy`: those of Prometheus and the Collector, by the programs that read them.

use std::path::Path;
use std::process::Command;

use integration_tests::deploy::{self, altered, run};
use integration_tests::{peer, yaml};

#[test]
fn promtool_finds_nothing_wrong_with_what_prometheus_reads() {
    let Some(promtool) = peer::find("promtool") else {
        return;
    };
    for file in ["gateway.yaml", "kubernetes.yaml", "remote-write.yaml", "scrape.yaml"] {
        let path = deploy::path("prometheus").join(file);
        let check = |path: &Path| run(Command::new(&promtool).args(["check", "config"]).arg(path));
        let (is_valid, said) = check(&path);
        // It checks the rules that the file names as well.
        assert!(is_valid && said.contains("2 rule files found"), "{file}: {said}");
        // One that let everything pass would be of no use.
        let wrong = altered(&format!("prometheus/{file}"), "scrape_interval", "scrape_intervals");
        let (is_valid, said) = check(&wrong.path().join("prometheus").join(file));
        assert!(!is_valid && said.contains("scrape_intervals"), "{file}: {said}");
    }
    for file in ["meterkit-alerts.rules.yml", "meterkit-recording.rules.yml"] {
        let path = deploy::path("prometheus/rules").join(file);
        let strictly = ["check", "rules", "--lint=all", "--lint-fatal"];
        let check = |path: &Path| run(Command::new(&promtool).args(strictly).arg(path));
        let (is_valid, said) = check(&path);
        assert!(is_valid, "{file}: {said}");
        let wrong = altered(&format!("prometheus/rules/{file}"), "expr:", "expression:");
        let (is_valid, said) = check(&wrong.path().join("prometheus/rules").join(file));
        assert!(!is_valid && said.contains("expression"), "{file}: {said}");
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
        let path = deploy::path("collector").join(file);
        let (is_valid, said) = validate(&path);
        let advice = "integration-tests/peers meterkit-otelcol builds a new one";
        assert!(is_valid, "{file}, if the collector is not an old one ({advice}): {said}");
        let wrong = altered(&format!("collector/{file}"), "sizer", "size");
        let (is_valid, said) = validate(&wrong.path().join("collector").join(file));
        assert!(!is_valid && said.contains("size"), "{file}: {said}");
    }
}

/// What the file for Azure has of the extension `azureauth`, which no package of Debian has.
const AZURE_AUTH: [&str; 3] = [
    "extensions:\n  azureauth:\n    managed_identity:\n      client_id: ${env:AZURE_CLIENT_ID}\n    scopes: \
     [https://monitor.azure.com/.default]\n",
    "    auth:\n      authenticator: azureauth\n",
    "  extensions: [azureauth]\n",
];

#[test]
fn the_collector_finds_nothing_wrong_with_what_it_reads_for_azure_but_for_its_extension() {
    let Some(collector) = peer::find("meterkit-otelcol") else {
        return;
    };
    let validate = |text: &str| {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("azure.yaml");
        std::fs::write(&path, text).expect("room for it");
        let mut command = Command::new(&collector);
        command.arg("validate").arg(format!("--config=file:{}", path.display()));
        let url = "https://dce.example.com/dataCollectionRules/dcr-1/streams/Microsoft-OtelMetrics/otlp/v1/metrics";
        run(command.env("AZURE_OTLP_METRICS_ENDPOINT", url).env("AZURE_CLIENT_ID", "1"))
    };
    let path = deploy::path("collector").join("azure.yaml");
    let text = std::fs::read_to_string(path).expect("the file is there");
    let (is_valid, said) = validate(&text);
    assert!(!is_valid && said.contains("azureauth"), "the collector has it by now: {said}");
    let without = AZURE_AUTH.iter().fold(text, |text, part| {
        assert_eq!(text.matches(part).count(), 1, "{part}");
        text.replace(part, "")
    });
    let (is_valid, said) = validate(&without);
    assert!(is_valid, "{said}");
    let (is_valid, said) = validate(&without.replace("sizer", "size"));
    assert!(!is_valid && said.contains("size"), "{said}");
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
    let count = yaml_files(&deploy::path(""));
    assert!(count > 20, "{count}");
}
