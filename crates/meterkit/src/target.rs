//! Targets: where metrics are delivered, when, and whether delivery works.
//!
//! Each backend has its own module, such as [`prometheus`](crate::prometheus); the [console](ConsoleTarget) is here. To
//! deliver metrics to another destination, implement [`Target`] and add it with
//! [`TelemetryBuilder::target`](crate::TelemetryBuilder::target): it gets a [`Snapshot`](crate::data::Snapshot) per
//! interval, and appears in [`Health`] and in the self-metrics like any other target.
//!
//! ```
//! use meterkit::data::Snapshot;
//! use meterkit::target::{ExportFuture, Target};
//! use meterkit::{Registry, Telemetry};
//!
//! #[derive(Debug)]
//! struct CountTarget;
//!
//! impl Target for CountTarget {
//!     fn name(&self) -> &str {
//!         "count"
//!     }
//!
//!     fn endpoint(&self) -> String {
//!         "standard error".to_owned()
//!     }
//!
//!     fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
//!         Box::pin(async move {
//!             eprintln!("{} metrics", snapshot.len());
//!             Ok(())
//!         })
//!     }
//! }
//!
//! let builder = Telemetry::builder().registry(Registry::new()).target(CountTarget);
//! # builder.install()?.shutdown_blocking()?;
//! # Ok::<(), meterkit::Error>(())
//! ```

pub use meterkit_core::StoreHealth;
pub use meterkit_pipeline::{
    Cause, CheckFuture, Checked, Closed, ConsoleTarget, Endpoint, ExportError, ExportFuture,
    FlushError, Health, IntoTarget, Probe, Schedule, Source, StartError, Stop, Target, TargetCheck,
    TargetError, TargetFailure, TargetFilter, TargetHealth, TargetKind, TargetQueue,
};
