//! Benchmarks of `meterkit` against other libraries.
//!
//! Each figure compares two sides in one run, round by round: [`comparison`]. What is measured lives in [`floor`]
//! (plain Rust), [`ours`], [`theirs`], [`pages`], [`targets`], [`scrape`], [`export`], [`datadog`] and [`remote_write`],
//! so that the benchmarks, which measure time, and the program `instructions`, which counts instructions, run the same
//! code.
//!
//! How to run them, and what their figures were: `README.md`.

mod api;
pub mod arguments;
pub mod comparison;
#[cfg(feature = "others")]
pub mod datadog;
pub mod export;
pub mod figures;
pub mod floor;
pub mod labels;
pub mod operation;
pub mod ours;
#[cfg(feature = "others")]
pub mod pages;
#[cfg(feature = "others")]
pub mod remote_write;
#[cfg(test)]
mod report;
pub mod scrape;
pub mod sink;
pub mod suite;
pub mod targets;
#[cfg(feature = "others")]
pub mod theirs;
