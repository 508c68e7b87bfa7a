//! The guide's configuration of receivers: what Prometheus and the Collector would read, by these programs if there are any.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::deploy::run;
use integration_tests::peer;

/// Returns the blocks of YAML in the guide that begin with one of these keys, each with the page that it is on.
fn blocks(keys: &[&str]) -> Vec<(PathBuf, String)> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/meterkit/guide");
    let mut blocks = Vec::new();
    for folder in [guide.clone(), guide.join("deploying")] {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let page = entry.expect("an entry").path();
            if page.extension().is_some_and(|it| it == "md") {
                let text = fs::read_to_string(&page).expect("a page");
                let yaml = text.split("```yaml\n").skip(1).filter_map(|it| it.split("```").next());
                let wanted = yaml.filter(|text| keys.iter().any(|key| text.starts_with(key)));
                blocks.extend(wanted.map(|text| (page.clone(), text.to_owned())));
            }
        }
    }
    blocks
}

#[test]
fn promtool_finds_nothing_wrong_with_what_the_guide_tells_prometheus() {
    let Some(promtool) = peer::find("promtool") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("prometheus.yaml");
    let check = |text: &str| {
        fs::write(&file, text).expect("the file can be written");
        // Secrets and certificates of the examples do not exist.
        run(Command::new(&promtool).args(["check", "config", "--syntax-only"]).arg(&file))
    };
    let blocks = blocks(&["scrape_configs:", "otlp:", "storage:"]);
    assert!(blocks.len() >= 7, "{blocks:?}");
    for (page, text) in blocks {
        let (is_valid, said) = check(&text);
        assert!(is_valid, "{}: {said}\n{text}", page.display());
    }
    let (is_valid, said) = check("scrape_configs:\n  - job: shop\n");
    assert!(!is_valid && said.contains("job"), "{said}");
}

#[test]
fn a_collector_takes_what_the_guide_tells_it() {
    let Some(collector) = peer::find("meterkit-otelcol") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("collector.yaml");
    let blocks = blocks(&["receivers:"]);
    assert_eq!(blocks.len(), 1, "{blocks:?}");
    for (page, text) in blocks {
        // The Collector of the tests lacks the exporter `debug`, and has `file`.
        let debug = "  debug: { verbosity: detailed }\n";
        assert!(text.contains(debug), "{text}");
        let text =
            text.replace(debug, "  file: { path: metrics.json }\n").replace("[debug]", "[file]");
        let check = |text: &str| {
            fs::write(&file, text).expect("the file can be written");
            run(Command::new(&collector).args(["validate", "--config"]).arg(&file))
        };
        let (is_valid, said) = check(&text);
        assert!(is_valid, "{}: {said}", page.display());
        let (is_valid, said) = check(&text.replace("receivers: [otlp]", "receivers: [otel]"));
        assert!(!is_valid && said.contains("otel"), "{said}");
    }
}
