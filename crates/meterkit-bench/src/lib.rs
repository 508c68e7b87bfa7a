//! Benchmarks of `meterkit` against other libraries.
//!
//! Each figure compares two sides in one run, round by round: [`comparison`]. What is measured lives in [`floor`]
//! (plain Rust), [`ours`], [`theirs`], [`targets`], [`scrape`], [`export`], [`datadog`] and [`remote_write`], so that
//! the benchmarks, which measure time, and the program `instructions`, which counts instructions, run the same code.
//!
//! How to run them, and what their figures were: `README.md`.

pub mod arguments;
pub mod comparison;
pub mod datadog;
pub mod export;
pub mod floor;
pub mod labels;
pub mod operation;
pub mod ours;
pub mod remote_write;
pub mod scrape;
pub mod sink;
pub mod suite;
pub mod targets;
pub mod theirs;
