//! The files of `examples/deploy`, and what their checks share.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::yaml;

/// A file or folder of `examples/deploy`; of no name, all of it.
pub fn path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/deploy").join(path)
}

/// A copy of `examples/deploy` in which one file says `wrong` wherever it says `right`.
///
/// # Panics
///
/// The file does not say `right`, or cannot be copied.
pub fn altered(file: &str, right: &str, wrong: &str) -> TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    copy_folder(&path(""), copy.path());
    let altered = copy.path().join(file);
    let text = fs::read_to_string(&altered).expect("the file is there");
    assert!(text.contains(right), "{file} does not say {right}");
    fs::write(altered, text.replace(right, wrong)).expect("the copy can be written");
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("the folder is there") {
        let entry = entry.expect("the folder can be read");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target);
        } else {
            fs::copy(source, target).expect("a file can be copied");
        }
    }
}

/// A file of `examples/deploy` with other texts in place of some.
///
/// # Panics
///
/// The file does not have one of the texts.
pub fn with(file: &str, changes: &[(&str, &str)]) -> String {
    let text = fs::read_to_string(path(file)).expect("the file is there");
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{file} does not say {from}");
        text.replace(from, to)
    })
}

/// The alerts in a file of rules: their names, and their labels as they are written.
///
/// # Panics
///
/// The file cannot be read.
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

/// The files of rules that Prometheus has: those that are generated, and those about what carries the metrics.
///
/// # Panics
///
/// The folders cannot be read.
pub fn rule_files() -> Vec<PathBuf> {
    let folders = ["prometheus/rules", "prometheus/platform-rules"].map(path);
    let entries = folders.iter().flat_map(|it| fs::read_dir(it).expect("the folder is there"));
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut files: Vec<_> =
        paths.filter(|it| it.to_string_lossy().ends_with(".rules.yml")).collect();
    files.sort();
    files
}

/// Whether a program says that it has nothing to complain about, and all that it says.
///
/// # Panics
///
/// The program cannot be started.
pub fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The items of a list; none when there is no list.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What a text says.
///
/// # Panics
///
/// It is no text.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}"))
}

/// Checks that an image has a tag that does not mean another image tomorrow.
///
/// # Panics
///
/// It has not.
pub fn check_image(image: &str) {
    let tag = image.rsplit_once(':').map(|(_, tag)| tag);
    assert!(tag.is_some_and(|it| it.contains('.') && it != "latest"), "not pinned: {image}");
}

/// The host and the port of a URL, as they are written.
///
/// # Panics
///
/// It is not `http://HOST:PORT`, with or without a path.
pub fn authority(url: &Value) -> (&str, &str) {
    let authority = text(url).strip_prefix("http://").and_then(|it| it.split('/').next());
    let parts = authority.and_then(|it| it.split_once(':'));
    parts.unwrap_or_else(|| panic!("not of this network: {url}"))
}

/// The path that a command is told to read its settings from: `--config=PATH` or `--config.file=PATH`, with one dash or
/// two.
pub fn settings(arguments: &Value) -> Option<&str> {
    list(arguments).filter_map(Value::as_str).find_map(|argument| {
        let (option, path) = argument.trim_start_matches('-').split_once('=')?;
        ["config", "config.file"].contains(&option).then_some(path)
    })
}
