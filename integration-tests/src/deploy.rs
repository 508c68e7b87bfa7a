//! The files of `examples/deploy`, and helpers for their checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::yaml;

/// Returns the path of a file or folder of `examples/deploy`. An empty name stands for the folder itself.
pub fn path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/deploy").join(path)
}

/// Copies `examples/deploy`, and replaces `right` by `wrong` in one file.
///
/// # Panics
///
/// Panics if the file does not contain `right`, or cannot be copied.
pub fn altered(file: &str, right: &str, wrong: &str) -> TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    copy_folder(&path(""), copy.path());
    let altered = copy.path().join(file);
    let text = fs::read_to_string(&altered).expect("the file exists");
    assert!(text.contains(right), "{file} does not say {right}");
    fs::write(altered, text.replace(right, wrong)).expect("the copy can be written");
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder can be created");
    for entry in fs::read_dir(from).expect("the folder exists") {
        let entry = entry.expect("the folder can be read");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target);
        } else {
            fs::copy(source, target).expect("a file can be copied");
        }
    }
}

/// Returns a file of `examples/deploy` after these replacements.
///
/// # Panics
///
/// Panics if the file does not contain one of the texts.
pub fn with(file: &str, changes: &[(&str, &str)]) -> String {
    let text = fs::read_to_string(path(file)).expect("the file exists");
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{file} does not say {from}");
        text.replace(from, to)
    })
}

/// Returns the alerts in a rule file: their names, and their labels as they are written.
///
/// # Panics
///
/// Panics if the file cannot be read.
pub fn alerts(file: &Path) -> Vec<(String, BTreeMap<String, String>)> {
    let files = yaml::read(file);
    let groups = files.iter().flat_map(|it| list(&it["groups"]));
    let rules = groups.flat_map(|group| list(&group["rules"]));
    let alerts = rules.filter_map(|rule| {
        let labels = rule["labels"].as_object().into_iter().flatten();
        let labels = labels.map(|(key, value)| (key.clone(), text(value).to_owned()));
        Some((rule["alert"].as_str()?.to_owned(), labels.collect()))
    });
    alerts.collect()
}

/// Returns Prometheus' rule files: the generated ones, and those about the delivery of metrics.
///
/// # Panics
///
/// Panics if the folders cannot be read.
pub fn rule_files() -> Vec<PathBuf> {
    let folders = ["prometheus/rules", "prometheus/platform-rules"].map(path);
    let entries = folders.iter().flat_map(|it| fs::read_dir(it).expect("the folder exists"));
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut files: Vec<_> =
        paths.filter(|it| it.to_string_lossy().ends_with(".rules.yml")).collect();
    files.sort();
    files
}

/// Runs a program. Returns whether it succeeded, and everything that it printed.
///
/// # Panics
///
/// Panics if the program cannot be started.
pub fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// Returns the items of a list, or nothing if the value is not a list.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Returns the text of a value.
///
/// # Panics
///
/// Panics if the value is not text.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}"))
}

/// Checks that an image has a tag that always means the same image.
///
/// # Panics
///
/// Panics if the image has no such tag.
pub fn check_image(image: &str) {
    let tag = image.rsplit_once(':').map(|(_, tag)| tag);
    assert!(tag.is_some_and(|it| it.contains('.') && it != "latest"), "not pinned: {image}");
}

/// Returns the host and the port of a URL, as they are written.
///
/// # Panics
///
/// Panics if the URL is not `http://HOST:PORT`, with or without a path.
pub fn authority(url: &Value) -> (&str, &str) {
    let authority = text(url).strip_prefix("http://").and_then(|it| it.split('/').next());
    let parts = authority.and_then(|it| it.split_once(':'));
    parts.unwrap_or_else(|| panic!("not of this network: {url}"))
}

/// Returns the path of the settings file in a command's arguments: `--config=PATH` or `--config.file=PATH`, with one or
/// two dashes.
pub fn settings(arguments: &Value) -> Option<&str> {
    list(arguments).filter_map(Value::as_str).find_map(|argument| {
        let (option, path) = argument.trim_start_matches('-').split_once('=')?;
        ["config", "config.file"].contains(&option).then_some(path)
    })
}
