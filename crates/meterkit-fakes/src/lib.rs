//! Helpers that the tests of several crates share.
//!
//! - Fixtures: [`catalog()`], [`label_sets`], [`many_sizes`].
//! - Readers of recorded data: [`readings`] of a registry, [`snapshots`] of a pipeline, [`log_lines`],
//!   [`open_metrics`].
//! - Checks that hold for every declared setting: [`settings_table`].
//! - Control over execution: [`gate`] for callbacks, [`scripted_target`] for targets, [`spans`] to record in,
//!   [`own_process`] for tests that need a process of their own.
//! - Fake receivers (feature `servers`), which answer as a test specifies and keep what they received: [`otlp`],
//!   [`remote_write`], [`datadog`], [`pushgateway`], and [`raw`] for a server that misbehaves. All are built on
//!   [`server`]; [`tls`] has certificates.
//!
//! A crate's unit tests cannot pass their own types to this crate, which was built against another copy of that crate.
//! Integration tests have no such limit.

#[cfg(feature = "servers")]
pub mod datadog;
pub mod gate;
pub mod label_sets;
pub mod log_lines;
pub mod many_sizes;
pub mod open_metrics;
#[cfg(feature = "servers")]
pub mod otlp;
pub mod own_process;
#[cfg(feature = "servers")]
pub mod pushgateway;
#[cfg(feature = "servers")]
pub mod raw;
pub mod readings;
#[cfg(feature = "servers")]
pub mod receiver;
#[cfg(feature = "servers")]
pub mod remote_write;
pub mod scripted_target;
#[cfg(feature = "servers")]
pub mod server;
pub mod settings_table;
pub mod snapshots;
pub mod spans;
#[cfg(feature = "servers")]
pub mod tls;

mod catalog;
mod dice;
mod rounds;

pub use self::catalog::{catalog, catalog_pipeline, catalog_with_clock};
pub use self::dice::Dice;
pub use self::rounds::rounds;
