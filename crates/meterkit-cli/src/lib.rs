//! The command `meterkit`, for people who operate services or move them to meterkit.
//!
//! ```sh
//! cargo install meterkit-cli
//! meterkit compare before.txt http://localhost:9464/metrics
//! OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 meterkit check
//! ```
//!
//! The feature `targets`, which is on by default, adds support for all targets. The commands `check`, `settings`,
//! `dashboards`, `rules`, `names` and `validate` need it.
//!
//! [`run`] is the whole command. [`Comparison`] is the result of `meterkit compare`, for tests of a program:
//!
//! ```
//! use meterkit_cli::{Comparison, Inventory};
//!
//! let old = Inventory::read("# TYPE jobs_total counter\njobs_total 4\n")?;
//! let new = Inventory::read("# TYPE app_jobs_total counter\napp_jobs_total 4\n")?;
//! let comparison = Comparison::new(&old, &new)?;
//! assert_eq!(comparison.groups()[0].cause.as_str(), "prefix-added");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "targets")]
mod check;
mod command;
mod compare;
mod completion;
#[cfg(feature = "targets")]
mod dashboards;
mod http_get;
mod inventory;
#[cfg(feature = "targets")]
mod names;
#[cfg(feature = "targets")]
mod settings;
mod source;
#[cfg(feature = "targets")]
mod validate;

pub use self::command::{Exit, run};
pub use self::compare::{Cause, Comparison, Difference, Group, MixedError};
pub use self::inventory::{Inventory, ReadError};
