//! ARCHITECTURE names tests for each promise of the guide. They must exist and run, and every promise must have one.

use std::fs;
use std::path::{Path, PathBuf};

/// The section of ARCHITECTURE that contains the table.
const HELD_BY: &str = "What holds each promise";

/// The page of the guide with a promise per bullet.
const PAGE: &str = "crates/meterkit/guide/promises.md";

/// A row of the table.
struct Row<'a> {
    promise: &'a str,
    /// The tests, in the form `crate/file.rs::test`.
    tests: Vec<&'a str>,
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the lines below a heading, up to the next heading of that level.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, below) = text.split_once(&format!("\n## {heading}\n")).expect(heading);
    below.split_once("\n## ").map_or(below, |(section, _)| section)
}

/// Returns the bold text at the beginning of each bullet, without a full stop.
fn promises(section: &str) -> Vec<&str> {
    let bold = section.split("\n- **").skip(1).map(|bullet| bullet.split_once("**"));
    bold.map(|it| it.expect("the end of the bold text").0.trim_end_matches('.')).collect()
}

/// Returns the rows of the table in a section, without its head.
fn rows(section: &str) -> Vec<Row<'_>> {
    let lines = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = lines.skip(1).map(|line| line.split_once(" | ").expect("two cells"));
    rows.map(|(promise, tests)| Row { promise, tests: quoted(tests) }).collect()
}

/// Returns the texts between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Adds the Rust sources below a directory, except cargo's build output.
fn add_sources(directory: &Path, sources: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{error}"));
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() && !path.ends_with("target") {
            add_sources(&path, sources);
        } else if path.extension().is_some_and(|it| it == "rs") {
            sources.push(path);
        }
    }
}

/// Returns the problem with a test in the table, if there is one.
fn problem(test: &str, sources: &[PathBuf]) -> Option<String> {
    let Some((file, name)) = test.split_once("::") else {
        return Some("is not of the form `crate/file.rs::test`".to_owned());
    };
    // `ends_with` compares whole components.
    let found: Vec<_> = sources.iter().filter(|path| path.ends_with(file)).collect();
    let [path] = found[..] else {
        return Some(format!("names {} files", found.len()));
    };
    in_source(&read(path), name)
}

/// Returns the problem with the test of this name in a source, if there is one.
fn in_source(source: &str, name: &str) -> Option<String> {
    let Some((above, _)) = source.split_once(&format!("fn {name}(")) else {
        return Some("is not in that file".to_owned());
    };
    // The attributes are between the end of the previous item and the name.
    let attributes = above.rsplit("\n\n").next().unwrap_or_default();
    if !(attributes.contains("#[test]") || attributes.contains("#[tokio::test")) {
        return Some("is not a test".to_owned());
    }
    attributes.contains("#[ignore").then(|| "is ignored, so nothing runs it".to_owned())
}

#[test]
fn each_promise_names_tests_that_exist_and_run() {
    let architecture = read(&workspace().join("ARCHITECTURE.md"));
    let rows = rows(section(&architecture, HELD_BY));
    assert!(!rows.is_empty(), "the table is gone");
    let mut sources = Vec::new();
    for directory in ["crates", "exporters", "examples", "integration-tests"] {
        add_sources(&workspace().join(directory), &mut sources);
    }
    let mut problems = Vec::new();
    for row in &rows {
        if row.tests.is_empty() {
            problems.push(format!("{}: no test holds it", row.promise));
        }
        let wrong = |test: &&str| Some(format!("{test} {}", problem(test, &sources)?));
        problems.extend(row.tests.iter().filter_map(wrong));
    }
    assert!(problems.is_empty(), "\"{HELD_BY}\" in ARCHITECTURE.md:\n{}", problems.join("\n"));
}

#[test]
fn each_bullet_of_the_guide_has_a_row() {
    let (page, architecture) =
        (read(&workspace().join(PAGE)), read(&workspace().join("ARCHITECTURE.md")));
    let rows = rows(section(&architecture, HELD_BY));
    let promises = promises(&page);
    assert!(promises.len() > 10, "the bullets look different: {promises:?}");
    let is_held = |promise: &str| rows.iter().any(|row| row.promise == promise);
    let missing: Vec<_> = promises.into_iter().filter(|promise| !is_held(promise)).collect();
    assert!(
        missing.is_empty(),
        "\"{HELD_BY}\" in ARCHITECTURE.md has no row that begins with the bold text of these \
         bullets of {PAGE}:\n{}",
        missing.join("\n")
    );
}

#[test]
fn a_function_that_does_not_run_as_a_test_is_found() {
    let source = "
#[test]
fn holds() {}

#[tokio::test(flavor = \"multi_thread\")]
#[ignore = \"takes an hour\"]
async fn sleeps() {}

fn helps() {}
";
    assert_eq!(in_source(source, "holds"), None);
    assert_eq!(in_source(source, "sleeps").as_deref(), Some("is ignored, so nothing runs it"));
    assert_eq!(in_source(source, "helps").as_deref(), Some("is not a test"));
    assert_eq!(in_source(source, "hold").as_deref(), Some("is not in that file"));
}
