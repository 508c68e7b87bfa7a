//! The tables of variables in the guide and in the documentation of `Telemetry::from_env`, and the text form.

use std::path::{Path, PathBuf};
use std::{env, fs};

use super::*;

/// Set this variable to write the tables instead of comparing them.
const UPDATE: &str = "METERKIT_UPDATE_VARIABLES";

const BEGIN: &str = "<!-- variables -->\n";
const END: &str = "<!-- end of variables -->\n";

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the documentation without the target that exists only in tests.
fn documented() -> String {
    meterkit_settings::documentation(declarations().filter(|it| it.target != Some("acme")))
}

#[track_caller]
fn compare(path: &str, actual: &str, expected: &str) {
    if env::var_os(UPDATE).is_some() && actual != expected {
        fs::write(at(path), expected).expect(path);
        return;
    }
    assert_eq!(
        actual, expected,
        "{path} is out of date; run {UPDATE}=1 cargo test -p meterkit --lib"
    );
}

#[test]
fn the_documentation_of_from_env_has_the_table() {
    let path = "src/settings/variables.md";
    compare(path, &fs::read_to_string(at(path)).expect(path), &documented());
}

#[test]
fn the_guide_has_the_table() {
    let path = "guide/settings.md";
    let text = fs::read_to_string(at(path)).expect(path);
    let (before, rest) = text.split_once(BEGIN).expect("the page has a place for variables");
    let (_, after) = rest.split_once(END).expect("variables in the page have an end");
    compare(path, &text, &format!("{before}{BEGIN}\n{}\n{END}{after}", documented()));
}

#[test]
fn each_setting_has_a_row_with_all_its_names() {
    let text = documentation();
    for setting in declarations() {
        let names: Vec<_> = setting.names().map(|name| format!("`{name}`")).collect();
        let file = setting.file_name().map(|name| format!("`{name}`"));
        let is_its = |row: &&str| row.starts_with(&format!("| {}", names[0]));
        let row = text.lines().find(is_its).unwrap_or_else(|| panic!("{names:?}"));
        let accepted = format!(" | {} |", setting.value_type);
        let end = format!(" {} | {} |", setting.default, setting.meaning).replace("  ", " ");
        assert!(names.iter().chain(&file).all(|name| row.contains(name)), "{row}");
        assert!(row.contains(&accepted) && row.ends_with(&end), "{row}");
    }
}
