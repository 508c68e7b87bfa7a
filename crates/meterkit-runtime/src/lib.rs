//! Metrics of the process, its allocator, the tokio runtime and tasks, for `meterkit`.
//!
//! Users of the `meterkit` crate enable these metrics with one line each:
//!
//! - process and runtime: `with_process_metrics()` and `with_tokio_metrics()` of `Telemetry::builder()`, or
//!   `METERKIT_RUNTIME_METRICS=process,tokio`;
//! - allocators: `with_jemalloc_metrics()` and `with_mimalloc_metrics()`;
//! - tasks: `meterkit::tasks::observe(&monitor, "import")`.
//!
//! Each module lists its metrics:
//!
//! - `process`: CPU time, memory, threads, open files, page faults, disk I/O and uptime, following OpenTelemetry's
//!   semantic conventions.
//! - `tokio`: workers, tasks, the queue and the load of a tokio runtime.
//! - `jemalloc`, `mimalloc`: memory of the allocator.
//! - `tasks`: polls, delays and idle time of tokio tasks by name.
//!
//! Each module uses one callback, so that it queries its source once per collection.
//!
//! # Feature flags
//!
//! No feature is enabled by default.
//!
//! - `jemalloc`, `mimalloc`: the modules `jemalloc` and `mimalloc`. Each feature compiles the allocator, which is
//!   written in C.
//! - `process`: the module `process`.
//! - `tokio`: the module `tokio`.
//! - `tokio-metrics`: the module `tasks`.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "jemalloc")]
pub mod jemalloc;
#[cfg(feature = "mimalloc")]
pub mod mimalloc;
#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "tokio-metrics")]
pub mod tasks;
#[cfg(feature = "tokio")]
pub mod tokio;
