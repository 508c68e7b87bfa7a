//! Metrics of tokio tasks by name, as measured by monitors of the crate `tokio-metrics`.
//!
//! ```ignore
//! let monitor = tokio_metrics::TaskMonitor::new();
//! let _observed = meterkit::tasks::observe(&monitor, "import")?;
//! tokio::spawn(monitor.instrument(import()));
//! ```
//!
//! [`meterkit_runtime::tasks`] lists the metrics.

pub use meterkit_runtime::tasks::{observe, observe_in};
