//! Benchmarks of `meterkit` against other libraries.
//!
//! Each figure compares two sides in one run, round by round: see [`comparison`]. The measured code is in [`floor`]
//! (plain Rust), [`ours`], [`theirs`], [`pages`], [`targets`], [`scrape`], [`export`], [`datadog`] and
//! [`remote_write`]. Both the benchmarks, which measure time, and the program `instructions`, which counts
//! instructions, run this code.
//!
//! `README.md` explains how to run the benchmarks, and lists their figures.

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
