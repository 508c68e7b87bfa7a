//! All integration tests of this crate, in one binary to save link time.

mod golden_files;
mod overview;
mod queries;

use meterkit_core::Catalog;
use serde_json::Value;

/// Returns the small catalog whose dashboards are checked in.
fn catalog() -> Catalog {
    Catalog::from_json(include_str!("golden/catalog.json")).unwrap()
}

/// Returns all panels of a classic dashboard, including the panels of collapsed rows.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let direct = dashboard["panels"].as_array().unwrap().iter();
    direct
        .flat_map(|it| std::iter::once(it).chain(it["panels"].as_array().into_iter().flatten()))
        .collect()
}
