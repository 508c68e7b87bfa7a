//! A catalog is compared with a file that is checked in, or written to the file when the environment says so.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use meterkit::Registry;
use meterkit::catalog::Catalog;
use meterkit::testing::assert_catalog;
use meterkit_fakes::own_process::rerun;

const UPDATE: [(&str, &str); 1] = [("METERKIT_UPDATE_CATALOG", "1")];

fn catalog(counters: &[&'static str]) -> Catalog {
    let registry = Registry::new();
    for name in counters.iter().copied() {
        let _ = registry.scoped("plugin", "catalog").counter::<u64>(name).build().unwrap();
    }
    registry.catalog()
}

/// Returns the path of a file that does not exist.
fn no_file(name: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if file.exists() {
        fs::remove_file(&file).unwrap();
    }
    file
}

/// Returns the message of the failed assertion.
#[track_caller]
fn failure(catalog: &Catalog, file: &Path) -> String {
    let outcome = catch_unwind(AssertUnwindSafe(|| assert_catalog(catalog, file)));
    *outcome.expect_err("it fails").downcast::<String>().expect("a message")
}

#[test]
fn a_renamed_metric_fails_with_both_names_and_how_to_accept_it() {
    if rerun("a_renamed_metric_fails_with_both_names_and_how_to_accept_it", &[]).is_some() {
        return;
    }
    let before = catalog(&["requests", "kept"]);
    let now = catalog(&["calls", "kept"]);
    for (name, text) in [("renamed.json", before.to_json()), ("renamed.md", before.to_markdown())] {
        let file = no_file(name);
        fs::write(&file, &text).unwrap();
        assert_catalog(&before, &file);

        let message = failure(&now, &file);
        let first = format!("the metrics differ from those in {}:\n", file.display());
        assert!(message.starts_with(&first), "{message}");
        assert!(message.ends_with("\n  METERKIT_UPDATE_CATALOG=1 cargo test"), "{message}");
        let (gone, new) = match name {
            "renamed.json" => ("  gone: ", "  new: "),
            _ => ("  - | `", "  + | `"),
        };
        for line in [
            format!("{gone}backstage.plugin.catalog.requests"),
            format!("{new}backstage.plugin.catalog.calls"),
        ] {
            assert!(message.lines().any(|it| it.starts_with(&line)), "{line}: {message}");
        }
        assert!(!message.contains("kept"), "{message}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text, "the file stays as it is");
    }
}

#[test]
fn json_that_a_formatter_went_over_is_the_same_catalog() {
    if rerun("json_that_a_formatter_went_over_is_the_same_catalog", &[]).is_some() {
        return;
    }
    let catalog = catalog(&["requests"]);
    let file = no_file("formatted.json");
    fs::write(&file, catalog.to_json().replace('\n', "\r\n").replace("  ", "\t")).unwrap();
    assert_catalog(&catalog, &file);
}

#[test]
fn a_file_that_is_missing_or_broken_fails_and_says_how_to_write_it() {
    if rerun("a_file_that_is_missing_or_broken_fails_and_says_how_to_write_it", &[]).is_some() {
        return;
    }
    let catalog = catalog(&["requests"]);
    let file = no_file("missing.md");
    let message = failure(&catalog, &file);
    assert!(message.starts_with(&format!("cannot read {}: ", file.display())), "{message}");
    assert!(message.contains("METERKIT_UPDATE_CATALOG=1"), "{message}");
    assert!(!file.exists());

    let file = no_file("broken.json");
    fs::write(&file, "{").unwrap();
    let message = failure(&catalog, &file);
    assert!(message.contains("not a catalog of metrics as JSON: "), "{message}");
    assert!(message.contains("METERKIT_UPDATE_CATALOG=1"), "{message}");
}

#[test]
fn the_variable_makes_the_file_be_written_and_rewritten() {
    if rerun("the_variable_makes_the_file_be_written_and_rewritten", &UPDATE).is_some() {
        return;
    }
    for name in ["updated.json", "updated.md"] {
        let file = no_file(name);
        for catalog in [catalog(&["requests"]), catalog(&["calls"])] {
            assert_catalog(&catalog, &file);
            let expected = match name {
                "updated.json" => catalog.to_json(),
                _ => catalog.to_markdown(),
            };
            assert_eq!(fs::read_to_string(&file).unwrap(), expected);
        }
    }
    let nowhere = no_file("updated.md").join("metrics.md");
    let message = failure(&catalog(&["requests"]), &nowhere);
    assert!(message.starts_with(&format!("cannot write {}: ", nowhere.display())), "{message}");
}

#[test]
fn a_variable_of_zero_compares() {
    if rerun("a_variable_of_zero_compares", &[("METERKIT_UPDATE_CATALOG", "0")]).is_some() {
        return;
    }
    let file = no_file("zero.md");
    assert!(failure(&catalog(&["requests"]), &file).starts_with("cannot read "));
}
