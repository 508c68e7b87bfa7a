//! Compares the metrics that a program declares with those in a file that is checked in.

#[cfg(feature = "catalog-json")]
mod entries;
mod lines;

use std::path::Path;
use std::{env, fs};

use crate::catalog::Catalog;

/// If this variable is set to anything but `0` or an empty text, the file is written instead of compared.
const UPDATE: &str = "METERKIT_UPDATE_CATALOG";

/// Asserts that a catalog equals the one in `file`, so that nobody renames a metric by accident: dashboards and alerts
/// that use the old name would silently stop working.
///
/// A `file` that ends in `.json` contains `Catalog::to_json`, which needs the feature `catalog-json`; any other file
/// contains [`Catalog::to_markdown`]. A relative path is relative to the package, where `cargo test` runs. If the
/// environment has `METERKIT_UPDATE_CATALOG=1`, the file is written instead: use this to create the file, and to accept
/// a change.
///
/// ```no_run
/// use meterkit::Registry;
/// use meterkit::testing::assert_catalog;
///
/// // In a test. The program's own function creates the metrics, with a registry of the test.
/// let registry = Registry::new();
/// let _requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build()?;
///
/// assert_catalog(&registry.catalog(), "metrics.md");
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
///
/// # Panics
///
/// Panics if the catalogs differ. The message names each metric that is gone, new or changed, and says how to accept
/// the change. Also panics if the file cannot be read or written.
#[track_caller]
pub fn assert_catalog(catalog: &Catalog, file: impl AsRef<Path>) {
    let file = file.as_ref();
    let is_update = env::var_os(UPDATE).is_some_and(|value| !value.is_empty() && value != "0");
    let outcome = if is_update { write(catalog, file) } else { compare(catalog, file) };
    if let Err(problem) = outcome {
        panic!("{problem}");
    }
}

fn write(catalog: &Catalog, file: &Path) -> Result<(), String> {
    let text = text(catalog, file)?;
    // Do not touch a file that is already correct, so that its time stamp triggers no rebuild.
    if fs::read_to_string(file).is_ok_and(|known| known == text) {
        return Ok(());
    }
    fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    eprintln!("{UPDATE}: wrote {}", file.display());
    Ok(())
}

fn compare(catalog: &Catalog, file: &Path) -> Result<(), String> {
    let shown = file.display();
    let text = text(catalog, file)?;
    let known = fs::read_to_string(file).map_err(|error| {
        format!("cannot read {shown}: {error}\nTo write it:\n  {UPDATE}=1 cargo test")
    })?;
    #[cfg(feature = "catalog-json")]
    let differences = if is_json(file) {
        let known = Catalog::from_json(&known).map_err(|error| {
            format!("{shown} is {error}\nTo write it again:\n  {UPDATE}=1 cargo test")
        })?;
        entries::differences(&known.entries, &catalog.entries)
    } else {
        lines::differences(&known, &text)
    };
    #[cfg(not(feature = "catalog-json"))]
    let differences = lines::differences(&known, &text);
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the metrics differ from those in {shown}:\n{differences}\
         If the change is intended, update the dashboards and alerts that use these metrics, and accept it:\n  \
         {UPDATE}=1 cargo test"
    ))
}

/// Returns the catalog in the format of `file`.
fn text(catalog: &Catalog, file: &Path) -> Result<String, String> {
    if !is_json(file) {
        return Ok(catalog.to_markdown());
    }
    #[cfg(feature = "catalog-json")]
    return Ok(catalog.to_json());
    #[cfg(not(feature = "catalog-json"))]
    Err(format!(
        "{} needs the feature `catalog-json` of meterkit: enable it in [dev-dependencies], or write a `.md` file",
        file.display()
    ))
}

fn is_json(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}
