//! Detects two versions of `opentelemetry` in one program. Each version has its own globals, so metrics recorded with
//! the other version are not exported.
//!
//! A program cannot see the globals of a version that it was not built with. But cargo tells the programs that it runs
//! where their manifest is, and the `Cargo.lock` beside the manifest lists all versions, so `cargo run` and `cargo
//! test` can show the mistake to the developer. A program that cargo does not run reads no files for this.

use std::collections::BTreeSet;
use std::path::Path;

use meterkit_settings::{read_small_file, warn_at_start};

/// The maximum size of a `Cargo.lock` in bytes.
const MOST_BYTES: usize = 16 << 20;

/// The crate that owns the global provider.
const SHARED: &str = "opentelemetry";

/// The crate whose dependencies determine our version.
const OURS: &str = "meterkit-core";

/// Logs a warning for each version other than ours, if `Cargo.lock` is available.
pub(crate) fn warn() {
    let (Ok(directory), Ok(program)) =
        (std::env::var("CARGO_MANIFEST_DIR"), std::env::var("CARGO_PKG_NAME"))
    else {
        return;
    };
    if let Some(lock) = lock_of(Path::new(&directory)) {
        for other in others(&lock, &program) {
            let (version, used_by) = (other.version, other.used_by.join(", "));
            warn_at_start!(
                version = version, used_by = used_by;
                "Cargo.lock contains a second version of `opentelemetry`, {version}: metrics recorded with it are not \
                 exported; run `cargo tree -i {SHARED}@{version}` to see where it comes from"
            );
        }
    }
}

/// Returns the lock file of the workspace that contains the package.
fn lock_of(package: &Path) -> Option<String> {
    let read = |folder: &Path| read_small_file(&folder.join("Cargo.lock"), MOST_BYTES).ok();
    package.ancestors().find_map(|folder| String::from_utf8(read(folder)?).ok())
}

/// A version other than ours.
#[derive(Debug, PartialEq, Eq)]
struct Other<'a> {
    version: &'a str,
    /// The packages that depend on this version, with their own versions.
    used_by: Vec<String>,
}

/// One package of a lock file.
#[derive(Default)]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    /// Dependencies, each as `name`, or as `name version` where a name has several versions.
    dependencies: Vec<&'a str>,
}

/// Returns the versions other than ours that `program` is built with; empty if it is not built with this crate.
fn others<'a>(lock: &'a str, program: &str) -> Vec<Other<'a>> {
    let packages = packages(lock);
    let built_with = built_with(&packages, program);
    let users = |version: &str| -> Vec<&Package<'_>> {
        let is_user = |package: &&Package<'_>| {
            package.dependencies.iter().any(|entry| is_entry(entry, SHARED, version))
        };
        built_with.iter().map(|at| &packages[*at]).filter(is_user).collect()
    };
    let versions: Vec<&str> = built_with
        .iter()
        .map(|at| &packages[*at])
        .filter(|package| package.name == SHARED)
        .map(|package| package.version)
        .collect();
    let ours = versions.iter().find(|version| users(version).iter().any(|user| user.name == OURS));
    let Some(ours) = ours else {
        return Vec::new();
    };
    let others = versions.iter().filter(|version| *version != ours);
    others
        .map(|version| Other {
            version,
            used_by: users(version)
                .iter()
                .map(|it| format!("{} {}", it.name, it.version))
                .collect(),
        })
        .collect()
}

/// Returns the indices of `program` and the packages that it depends on, directly or indirectly.
fn built_with(packages: &[Package<'_>], program: &str) -> BTreeSet<usize> {
    let found = packages.iter().position(|package| package.name == program);
    let mut todo: Vec<usize> = found.into_iter().collect();
    let mut reached = BTreeSet::new();
    while let Some(at) = todo.pop() {
        if !reached.insert(at) {
            continue;
        }
        for entry in &packages[at].dependencies {
            let is_it = |package: &Package<'_>| is_entry(entry, package.name, package.version);
            todo.extend(packages.iter().position(is_it));
        }
    }
    reached
}

/// Returns whether an entry of a dependency list refers to this package.
fn is_entry(entry: &str, name: &str, version: &str) -> bool {
    let mut words = entry.split(' ');
    words.next() == Some(name) && words.next().is_none_or(|named| named == version)
}

/// Returns the packages in a lock file, in cargo's format: one key or one list entry per line.
fn packages(lock: &str) -> Vec<Package<'_>> {
    let mut packages: Vec<Package<'_>> = Vec::new();
    for line in lock.lines().map(str::trim) {
        if line == "[[package]]" {
            packages.push(Package::default());
        }
        let Some(package) = packages.last_mut() else {
            continue;
        };
        if let Some(name) = line.strip_prefix("name = ") {
            package.name = name.trim_matches('"');
        } else if let Some(version) = line.strip_prefix("version = ") {
            package.version = version.trim_matches('"');
        } else if let Some(entry) = line.strip_prefix('"') {
            package.dependencies.push(entry.trim_end_matches(',').trim_end_matches('"'));
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formats a package as cargo does.
    fn package(name: &str, version: &str, dependencies: &[&str]) -> String {
        let entries: String = dependencies.iter().map(|entry| format!(" \"{entry}\",\n")).collect();
        let source = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
        format!(
            "\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{source}\n\
             dependencies = [\n{entries}]\n"
        )
    }

    fn lock(packages: &[String]) -> String {
        format!("# @generated\nversion = 4\n{}", packages.concat())
    }

    fn with_two_versions(shop: &[&str]) -> String {
        lock(&[
            package("meterkit", "0.1.0", &["meterkit-core"]),
            package("meterkit-core", "0.1.0", &["opentelemetry 0.33.1"]),
            package("old-client", "2.4.0", &["opentelemetry 0.31.0"]),
            package("opentelemetry", "0.31.0", &[]),
            package("opentelemetry", "0.33.1", &[]),
            package("shop", "1.0.0", shop),
        ])
    }

    #[test]
    fn a_second_version_is_found_with_who_uses_it() {
        let lock = with_two_versions(&["meterkit", "old-client"]);
        let expected = Other { version: "0.31.0", used_by: vec!["old-client 2.4.0".to_owned()] };
        assert_eq!(others(&lock, "shop"), [expected]);
    }

    #[test]
    fn a_version_that_only_other_programs_of_the_workspace_use_is_no_trouble() {
        assert_eq!(others(&with_two_versions(&["meterkit"]), "shop"), []);
    }

    #[test]
    fn a_program_that_is_not_built_with_meterkit_is_ignored() {
        assert_eq!(others(&with_two_versions(&["old-client"]), "shop"), []);
        assert_eq!(others(&with_two_versions(&["meterkit", "old-client"]), "unknown"), []);
    }

    #[test]
    fn a_single_version_causes_no_warning() {
        let lock = lock(&[
            package("meterkit-core", "0.1.0", &["opentelemetry"]),
            package("opentelemetry", "0.33.1", &[]),
            package("shop", "1.0.0", &["meterkit-core", "opentelemetry"]),
        ]);
        assert_eq!(others(&lock, "shop"), []);
    }

    #[test]
    fn packages_that_need_each_other_and_texts_that_are_no_lock_file_do_no_harm() {
        let circle =
            lock(&[package("shop", "1.0.0", &["test"]), package("test", "1.0.0", &["shop"])]);
        assert_eq!(others(&circle, "shop"), []);
        for text in ["", "\"\"\"", "[[package]]", "[[package]]\nname = \"shop\"\n\"\n"] {
            assert_eq!(others(text, "shop"), [], "{text}");
        }
    }
}
