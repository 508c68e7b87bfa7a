//! The catalog: every scope and instrument of a program, with type, unit, description and labels.
//!
//! [`Registry::catalog`](crate::Registry::catalog) returns it. Write it to a file to document what a service exports;
//! [`testing::assert_catalog`](crate::testing::assert_catalog) fails when that file is out of date.
//!
//! ```
//! use meterkit::Registry;
//! use meterkit::catalog::Catalog;
//!
//! let registry = Registry::new();
//! let _requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build()?;
//!
//! let catalog: Catalog = registry.catalog();
//! assert!(catalog.to_markdown().contains("backstage.plugin.catalog.requests"));
//! # Ok::<(), meterkit::InstrumentError>(())
//! ```

#[cfg(feature = "catalog-json")]
pub use meterkit_core::CatalogError;
pub use meterkit_core::{Catalog, CatalogEntry, CatalogLabel, CatalogScope};
