//! What the tests of several crates share.
//!
//! - Fixtures: [`catalog()`], [`label_sets`], [`many_sizes`].
//! - Readers of what was recorded: [`readings`] of a registry, [`snapshots`] of a pipeline, [`log_lines`].
//! - Control over what runs: [`gate`] for callbacks, [`scripted_target`] for targets, [`own_process`] for tests that need a
//!   process to themselves.
//!
//! Only integration tests can use it: in a crate's unit tests, the types of that crate are not the ones this crate knows.

pub mod gate;
pub mod label_sets;
pub mod log_lines;
pub mod many_sizes;
pub mod own_process;
pub mod readings;
pub mod scripted_target;
pub mod snapshots;

mod catalog;

pub use self::catalog::{catalog, catalog_pipeline, catalog_with_clock};
