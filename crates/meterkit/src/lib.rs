//! Metrics for Rust services made of plugins.
//!
//! A part of the program asks for its [`Meter`] and gets typed counters, gauges, histograms and callbacks. An operator
//! decides with environment variables where they go. Underneath is OpenTelemetry.
//!
//! ```no_run
//! use meterkit::{Meter, Telemetry};
//!
//! # fn main() -> Result<(), meterkit::Error> {
//! let telemetry = Telemetry::from_env()?.install()?; // nothing set: http://localhost:9464/metrics
//!
//! let meter = Meter::scoped("plugin", "catalog"); // backstage.plugin.catalog
//! let requests = meter.counter::<u64>("requests").unit("{request}").build()?;
//! requests.increment();
//!
//! telemetry.shutdown_blocking()?; // last flush, bounded by a deadline
//! # Ok(())
//! # }
//! ```
//!
//! Tests of code that records metrics need none of this: see [`testing`].
//!
//! # Feature flags
//!
//! - `prometheus` (default): the scrape endpoint, and the scrape as a function and as a `tower::Service`.
//!
//! A feature adds a target and changes nothing else. The console target is always there.
//!
//! # Minimum supported Rust version
//!
//! 1.85.

mod builder;
mod env;
mod error;
mod telemetry;
pub mod testing;

pub use meterkit_core::{
    AttributeError, AttributeValue, Attributes, CallbackGuard, Called, Catalogue, CatalogueEntry,
    CatalogueError, CatalogueLabel, CatalogueScope, Counter, CounterGroup, Data, Descriptor, Entry,
    Gauge, GaugeGroup, Group, GroupTimer, Histogram, HistogramGroup, HistogramPoint, InFlight,
    Instrument, InstrumentBuilder, InstrumentError, LabelKey, LabelRef, LabelValue, LabelVisitor,
    Labels, ManualClock, Meter, Metric, Metrics, Naming, NamingError, NamingPolicy, NumberPoint,
    ObservableGauge, Outcome, Polled, Registry, ScopeMetrics, ScopePatternError, ScopePatterns,
    Temporality, TimedFuture, Timer, UpDownCounter, UpDownCounterGroup, Value, Work,
};
#[doc(inline)]
pub use meterkit_macros::{LabelValue, Labels, Metrics};
pub use meterkit_pipeline::{
    Closed, ConsoleTarget, ExportError, ExportFuture, FlushError, Schedule, Snapshot, Source,
    StartError, Target,
};
#[cfg(feature = "prometheus")]
pub use meterkit_prometheus::{BindError, PrometheusServer, Scrape};

/// The crates of OpenTelemetry that this version is built on. A second version of them in one program has globals of its
/// own, and what is recorded there arrives nowhere: use these.
pub use {opentelemetry, opentelemetry_sdk};

pub use self::builder::TelemetryBuilder;
pub use self::env::{EnvError, EnvProblem};
pub use self::error::{Error, InstallError};
pub use self::telemetry::Telemetry;
