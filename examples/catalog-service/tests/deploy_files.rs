//! The dashboards, rules and provisioning files in `examples/deploy` are generated from the catalog of this service,
//! and the operator's `PrometheusRule`s contain the same rules as Prometheus' files.
//!
//! `METERKIT_UPDATE_DEPLOY=1 cargo test -p catalog-service --test main deploy_files` regenerates them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use meterkit::dashboard::{Dashboard, Provisioning, Rules};

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");

/// The folders that contain generated files only.
const FOLDERS: [&str; 3] = ["grafana/mimir", "grafana/provisioning", "prometheus/rules"];

/// Returns all generated files by their paths within `examples/deploy`.
fn generated() -> BTreeMap<PathBuf, String> {
    let catalog = catalog_service::catalog().expect("the metrics can be created");
    let dashboard = Dashboard::new("catalog-service").of(&catalog).with_self_metrics();
    let prometheus = Provisioning::new("http://prometheus:9090").dashboard(&dashboard).files();
    // Mimir uses Prometheus' dashboards: only the data source differs.
    let mut mimir = Provisioning::new("http://mimir:9009/prometheus").files();
    mimir.retain(|(path, _)| path.starts_with("datasources/"));
    // The same rules serve each step of the page: they support scrapes and pushes. The gateway has its own rules.
    let rules = Rules::of(&catalog).job("catalog-service");
    let rules = rules.availability(0.999).expect("a share");
    let rules = rules.latency(Duration::from_millis(250), 0.99).expect("a share").files();
    let texts = rules.iter().map(|(_, text)| text.as_str());
    let gateway = Path::new(DEPLOY).join("prometheus/platform-rules/gateway.rules.yml");
    let gateway = fs::read_to_string(gateway).expect("the rules of the gateway exist");
    let objects = [
        ("kubernetes/operator/rules.yaml", prometheus_rule("catalog-service", texts)),
        ("kubernetes/operator/gateway/rules.yaml", prometheus_rule("collector", [&*gateway])),
    ];
    let folders = FOLDERS.into_iter().zip([mimir, prometheus, rules]);
    folders
        .flat_map(|(folder, files)| {
            files.into_iter().map(move |(path, text)| (Path::new(folder).join(path), text))
        })
        .chain(objects.map(|(path, text)| (PathBuf::from(path), text)))
        .collect()
}

/// Returns an object of the Prometheus operator with the groups of these rule files.
fn prometheus_rule<'a>(name: &str, files: impl IntoIterator<Item = &'a str>) -> String {
    let mut object = format!(
        "# Generated from the rule files in examples/deploy/prometheus by a test of catalog-service; do not edit.\n\
         apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: {name}\nspec:\n  groups:\n"
    );
    for file in files {
        let (_, groups) = file.split_once("groups:\n").expect("a rule file has groups");
        for line in groups.lines() {
            object += &format!("{}{line}\n", if line.is_empty() { "" } else { "  " });
        }
    }
    object
}

/// Returns the files below a folder, by their paths within `examples/deploy`.
fn present(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(DEPLOY).join(folder)).into_iter().flatten();
    entries
        .flat_map(|entry| {
            let path = folder.join(entry.expect("the folder can be read").file_name());
            if Path::new(DEPLOY).join(&path).is_dir() { present(&path) } else { vec![path] }
        })
        .collect()
}

#[test]
fn the_generated_files_are_up_to_date() {
    let generated = generated();
    let update = std::env::var("METERKIT_UPDATE_DEPLOY").is_ok_and(|value| value == "1");
    let mut wrong = Vec::new();
    for (path, text) in &generated {
        let file = Path::new(DEPLOY).join(path);
        if fs::read_to_string(&file).is_ok_and(|present| present == *text) {
            continue;
        }
        if update {
            fs::create_dir_all(file.parent().expect("the file is in a folder"))
                .expect("the folder can be created");
            fs::write(&file, text).expect("the file can be written");
        } else {
            wrong.push(path.clone());
        }
    }
    let left_over = FOLDERS.into_iter().flat_map(|folder| present(Path::new(folder)));
    wrong.extend(left_over.filter(|path| !generated.contains_key(path)));
    assert!(
        wrong.is_empty(),
        "these files are out of date, or no longer generated: {wrong:?}; \
         METERKIT_UPDATE_DEPLOY=1 regenerates files that are out of date; delete the others"
    );
}

/// The slim image lacks them, and then every target that uses https fails to start.
#[test]
fn the_image_has_certificate_authorities() {
    let dockerfile = Path::new(DEPLOY).join("Dockerfile");
    let dockerfile = fs::read_to_string(dockerfile).expect("the Dockerfile exists");
    let (_, run) = dockerfile
        .rsplit_once("\nFROM ")
        .expect("the Dockerfile has a stage for the build and one for running");
    let (before, after) = run.split_once("COPY ").expect("the program is copied");
    assert!(before.contains("--no-install-recommends ca-certificates"), "{before}");
    assert!(before.contains("rm -rf /var/lib/apt/lists/*") && after.contains("ENTRYPOINT"));
}
