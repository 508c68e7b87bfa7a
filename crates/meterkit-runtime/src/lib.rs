//! Metrics of the process and of the tokio runtime, for `meterkit`.
//!
//! Users of the `meterkit` crate switch them on with a line: `Telemetry::builder().with_process_metrics()` and
//! `with_tokio_metrics()`, or `METERKIT_RUNTIME_METRICS=process,tokio`. What these observe, and the functions behind
//! them, stand here:
//!
//! - `process`: CPU time, memory, threads, open files, page faults, disk bytes and uptime, by OpenTelemetry's semantic
//!   conventions.
//! - `tokio`: workers, tasks, the queue and the load of a tokio runtime.
//!
//! Each has one callback, so that the system is asked once per collection.
//!
//! # Feature flags
//!
//! None is on by default.
//!
//! - `process`: the module of that name.
//! - `tokio`: the module of that name.

#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "tokio")]
pub mod tokio;
