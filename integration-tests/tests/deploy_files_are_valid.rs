//! The files of `examples/deploy` for Prometheus, the Collector and Alloy, checked by the programs that read them,
//! where these are available.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use integration_tests::deploy::{self, altered, run};
use integration_tests::{peer, yaml};

#[test]
fn promtool_finds_nothing_wrong_with_what_prometheus_reads() {
    let Some(promtool) = peer::find("promtool") else {
        return;
    };
    // With the gateway, its rules are loaded as well.
    let rules = deploy::rule_files().len();
    for (file, rules) in [
        ("gateway.yaml", rules),
        ("kubernetes.yaml", rules - 1),
        ("remote-write.yaml", rules - 1),
        ("scrape.yaml", rules - 1),
    ] {
        let path = deploy::path("prometheus").join(file);
        let check = |path: &Path| run(Command::new(&promtool).args(["check", "config"]).arg(path));
        let (is_valid, said) = check(&path);
        // promtool also checks the rule files that the configuration names.
        let found = format!("{rules} rule files found");
        assert!(is_valid && said.contains(&found), "{file}: {said}");
        // A program that accepts everything would be useless.
        let wrong = altered(&format!("prometheus/{file}"), "scrape_interval", "scrape_intervals");
        let (is_valid, said) = check(&wrong.path().join("prometheus").join(file));
        assert!(!is_valid && said.contains("scrape_intervals"), "{file}: {said}");
    }
    for path in deploy::rule_files() {
        let strictly = ["check", "rules", "--lint=all", "--lint-fatal"];
        let check = |path: &Path| run(Command::new(&promtool).args(strictly).arg(path));
        let (is_valid, said) = check(&path);
        assert!(is_valid, "{}: {said}", path.display());
        let file = path.strip_prefix(deploy::path("")).expect("the file is below the folder");
        let wrong = altered(&file.to_string_lossy(), "expr:", "expression:");
        let (is_valid, said) = check(&wrong.path().join(file));
        assert!(!is_valid && said.contains("expression"), "{}: {said}", path.display());
    }
}

#[test]
fn promtool_takes_the_file_of_agents_in_agent_mode_which_has_no_rules() {
    let Some(promtool) = peer::find("promtool") else {
        return;
    };
    let check = |folder: &Path| {
        let path = folder.join("prometheus/agent.yaml");
        run(Command::new(&promtool).args(["check", "config", "--agent"]).arg(path))
    };
    let (is_valid, said) = check(&deploy::path(""));
    assert!(is_valid, "{said}");
    let rules = "rule_files: [rules/*.rules.yml]\nscrape_configs:";
    let wrong = altered("prometheus/agent.yaml", "scrape_configs:", rules);
    let (is_valid, said) = check(wrong.path());
    assert!(!is_valid && said.contains("rule_files"), "{said}");
}

#[test]
fn alerts_on_the_platform_fire_when_they_should_and_only_then() {
    let Some(promtool) = peer::find("promtool") else {
        return;
    };
    let check = |folder: &Path| {
        let tests = folder.join("prometheus/platform-rules/tests");
        let mut command = Command::new(&promtool);
        command.args(["test", "rules"]).arg(tests.join("alerting.test.yml"));
        run(command.arg(tests.join("gateway.test.yml")))
    };
    let (pass, said) = check(&deploy::path(""));
    assert!(pass && said.matches("SUCCESS").count() == 2, "{said}");
    for (file, right, wrong) in [
        ("gateway", "up{job=\"collector\"} == 0 or ", ""),
        ("gateway", " or absent(up{job=\"collector\"})", ""),
        ("gateway", "> 0.5", "> 0.99"),
        ("gateway", "[5m])) > 0", "[5m])) > 1000"),
        ("gateway", "for: 5m", "for: 1m"),
        ("alerting", "[5m])) > 0", "[5m])) > 1000"),
        ("alerting", "vector(1)", "vector(1) > 1"),
        ("alerting", "> 300", "> 3000"),
    ] {
        let file = format!("prometheus/platform-rules/{file}.rules.yml");
        let (pass, said) = check(altered(&file, right, wrong).path());
        assert!(!pass && said.contains("FAILED"), "{wrong}: {said}");
    }
}

/// Returns the components of a Grafana Alloy file, such as `discovery.relabel.pods`.
///
/// # Panics
///
/// Panics if brackets in the file are unbalanced.
fn components(text: &str) -> BTreeSet<String> {
    let mut components = BTreeSet::new();
    let mut open = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        if let (true, Some((component, label))) = (open.is_empty(), line.split_once(" \"")) {
            let label = label.strip_suffix("\" {").expect("a label and the start of a block");
            assert!(components.insert(format!("{component}.{label}")), "a second {line}");
        }
        // Strings contain no brackets here.
        for character in line.chars() {
            match character {
                '{' => open.push('}'),
                '[' => open.push(']'),
                '(' => open.push(')'),
                '}' | ']' | ')' => assert_eq!(open.pop(), Some(character), "{line}"),
                _ => {}
            }
        }
    }
    assert!(open.is_empty(), "{open:?} missing");
    components
}

/// No package registry has Alloy, so this checks names only: it finds missing and misspelled components.
#[test]
fn components_of_alloy_lead_to_each_other() {
    for (file, count) in [("scrape.alloy", 4), ("gateway.alloy", 3)] {
        let text =
            std::fs::read_to_string(deploy::path("alloy").join(file)).expect("the file exists");
        let components = components(&text);
        assert_eq!(components.len(), count, "{file}: {components:?}");
        let mut references = BTreeSet::new();
        for line in text.lines().filter(|line| !line.contains("//") && line.contains(" = ")) {
            let (_, value) = line.split_once(" = ").expect("a value");
            let value = value.trim().trim_start_matches('[').trim_end_matches(']');
            if value.starts_with(|it: char| it.is_ascii_lowercase())
                && value.contains('.')
                && !value.contains('(')
            {
                let (component, _) = value.rsplit_once('.').expect("a component and its export");
                assert!(components.contains(component), "{file}: {line}");
                references.insert(component.to_owned());
            }
        }
        // Every component except the first one is used by another.
        assert_eq!(references.len(), count - 1, "{file}: {references:?}");
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
        assert!(is_valid, "{file}, unless the collector is outdated ({advice}): {said}");
        let wrong = altered(&format!("collector/{file}"), "sizer", "size");
        let (is_valid, said) = validate(&wrong.path().join("collector").join(file));
        assert!(!is_valid && said.contains("size"), "{file}: {said}");
    }
}

/// The settings of the extension `azureauth` in the file for Azure. No Debian package has this extension.
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
        std::fs::write(&path, text).expect("the file can be written");
        let mut command = Command::new(&collector);
        command.arg("validate").arg(format!("--config=file:{}", path.display()));
        let url = "https://dce.example.com/dataCollectionRules/dcr-1/streams/Microsoft-OtelMetrics/otlp/v1/metrics";
        run(command.env("AZURE_OTLP_METRICS_ENDPOINT", url).env("AZURE_CLIENT_ID", "1"))
    };
    let path = deploy::path("collector").join("azure.yaml");
    let text = std::fs::read_to_string(path).expect("the file exists");
    let (is_valid, said) = validate(&text);
    assert!(
        !is_valid && said.contains("azureauth"),
        "the collector now has this extension: {said}"
    );
    let without = AZURE_AUTH.iter().fold(text, |text, part| {
        assert_eq!(text.matches(part).count(), 1, "{part}");
        text.replace(part, "")
    });
    let (is_valid, said) = validate(&without);
    assert!(is_valid, "{said}");
    let (is_valid, said) = validate(&without.replace("sizer", "size"));
    assert!(!is_valid && said.contains("size"), "{said}");
}

/// Returns the number of YAML files in a folder. Panics if a file is not valid YAML.
fn yaml_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("the folder exists");
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
