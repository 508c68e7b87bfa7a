//! Metrics of the process, its allocator, the tokio runtime and tasks, for `meterkit`.
//!
//! Users of the `meterkit` crate switch them on with a line: `Telemetry::builder().with_process_metrics()` and
//! `with_tokio_metrics()`, or `METERKIT_RUNTIME_METRICS=process,tokio`; `with_jemalloc_metrics()` and
//! `with_mimalloc_metrics()`; `meterkit::tasks::observe(&monitor, "import")`. Each module lists what it observes:
//!
//! - `process`: CPU time, memory, threads, open files, page faults, disk bytes and uptime, by OpenTelemetry's semantic
//!   conventions.
//! - `tokio`: workers, tasks, the queue and the load of a tokio runtime.
//! - `jemalloc`, `mimalloc`: memory of the allocator.
//! - `tasks`: polls, delays and idle time of tokio tasks by name.
//!
//! Each has one callback, so that the system is asked once per collection.
//!
//! # Feature flags
//!
//! None is on by default.
//!
//! - `jemalloc`, `mimalloc`: the modules of those names. Each compiles its allocator, which is written in C.
//! - `process`: the module of that name.
//! - `tokio`: the module of that name.
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
