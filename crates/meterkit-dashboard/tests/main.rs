//! All integration tests of this crate in one binary, which links once.

mod golden_files;
mod overview;
mod queries;

use meterkit_core::Catalog;

/// Returns the small catalog whose dashboards are checked in.
fn catalog() -> Catalog {
    Catalog::from_json(include_str!("golden/catalog.json")).unwrap()
}
