//! Metrics for Rust services made of plugins.
//!
//! A part of the program asks for its [`Meter`] and gets typed counters, gauges, histograms and callbacks. An operator
//! decides with environment variables where they go. Metrics that other libraries record through OpenTelemetry's API go
//! the same way.
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
//! Labels are types, so that the compiler checks each call, and a set of enums and `bool`s is found without hashing:
//!
//! ```
//! use meterkit::{LabelValue, Labels, Registry};
//!
//! #[derive(Labels)]
//! struct Operation {
//!     kind: Kind,
//!     success: bool,
//! }
//!
//! #[derive(LabelValue)]
//! enum Kind {
//!     Create,
//!     Delete,
//! }
//!
//! # let meter = Registry::new().scoped("plugin", "catalog");
//! let operations = meter.counter_group::<Operation, u64>("entities.operations").build()?;
//! operations.with(Operation { kind: Kind::Create, success: true }).increment();
//! # let _ = Kind::Delete;
//! # Ok::<(), meterkit::InstrumentError>(())
//! ```
//!
//! # Where to look
//!
//! - [`Meter`] makes instruments: [`Counter`], [`UpDownCounter`], [`Gauge`], [`Histogram`], and a [`Group`] of each for
//!   [`Labels`]; and [`Observable`] ones, whose values [callbacks](CallbackBuilder) report.
//!   [`derive(Metrics)`](derive@Metrics) declares many of them as one struct.
//! - [`Telemetry`] delivers what they record; [`Telemetry::from_env`] lists the variables.
//! - [`MeterProvider`] is OpenTelemetry's meter provider, for instruments of other libraries;
//!   [`Meter::otel`](OtelMeter::otel) returns OpenTelemetry's meter of the same scope.
//! - [`Registry::catalog`] lists all instruments; [`testing`] is for tests of code that records.
//!
//! # Attributes
//!
//! If attributes have the same key, the later in this order wins: the resource; those of all metrics
//! ([`TelemetryBuilder::attribute`]); those of a scope ([`Meter::attribute`]); those of an instrument
//! ([`InstrumentBuilder::attribute`]); labels. A label keeps its key to itself, even on series that lack the label.
//!
//! # Numbers
//!
//! | recorded | what happens |
//! |---|---|
//! | a negative value, in a counter | dropped, counted in `meterkit.dropped`, logged once per instrument |
//! | NaN or an infinity | the same |
//! | more than an integer holds | the sum stops at the largest or smallest value |
//! | more than a float holds | the sum stops at the largest or smallest finite value |
//! | a `u64` above `i64::MAX` | kept and exported in full |
//! | a `u64` above 2^53, in a histogram | counted in the right bucket; the sum is a float and rounds |
//!
//! # Feature flags
//!
//! - `config`: the module `config`, which reads OpenTelemetry's declarative configuration, and `OTEL_CONFIG_FILE`.
//! - `dashboard`: the module `dashboard`, which draws Grafana dashboards and writes Prometheus rules from the
//!   catalog.
//! - `datadog`: the Datadog target: straight to the intake, by way of an agent, or as OTLP.
//! - `grafana`: the Grafana target: Prometheus remote write, or the OTLP gateway of Grafana Cloud.
//! - `otlp`: the OTLP target, over gRPC and HTTP.
//! - `process` (default): metrics of the process, switched on with
//!   [`with_process_metrics`](TelemetryBuilder::with_process_metrics) or `METERKIT_RUNTIME_METRICS=process`.
//! - `prometheus` (default): the scrape endpoint, and the scrape as a function and as a `tower::Service`.
//! - `prometheus-tls`: the scrape endpoint as HTTPS, and client certificates.
//! - `sdk` (default): readers and exporters of OpenTelemetry's SDK, added with [`reader`](TelemetryBuilder::reader) and
//!   [`exporter`](TelemetryBuilder::exporter). With `prometheus` alone, `opentelemetry_sdk` is not compiled.
//! - `tokio` (default): metrics of a tokio runtime, switched on with
//!   [`with_tokio_metrics`](TelemetryBuilder::with_tokio_metrics) or `METERKIT_RUNTIME_METRICS=tokio`.
//!
//! A feature adds something and changes nothing else. The console target and [`testing`] are always there.
//!
//! # Minimum supported Rust version
//!
//! 1.85.

mod add_target;
mod builder;
#[cfg(feature = "config")]
mod configured;
mod disabled_scopes;
pub mod env;
mod error;
mod mixed_versions;
#[cfg(all(feature = "dashboard", feature = "grafana"))]
mod publishing;
mod resource;
mod runtime_metrics;
mod telemetry;
pub mod testing;

#[cfg(feature = "config")]
#[doc(inline)]
pub use meterkit_config as config;
pub use meterkit_core::{
    AbsentSeries, AnyObservable, AttributeCallback, AttributeError, AttributeInstrument,
    AttributeMeter, AttributeObserver, AttributeValue, Attributes, BackgroundTask, ByAttributes,
    CallbackBuilder, CallbackGuard, CallbackOutput, Called, Catalog, CatalogEntry, CatalogError,
    CatalogLabel, CatalogScope, Counter, CounterGroup, CounterKind, CounterNumber, Data,
    Descriptor, Entry, ExponentialBuckets, ExponentialHistogramPoint, ExponentialLimits, Gauge,
    GaugeGroup, GaugeKind, GaugeNumber, Group, GroupTimer, Histogram, HistogramGroup,
    HistogramNumber, HistogramPoint, InFlight, Instrument, InstrumentBuilder, InstrumentError,
    Kind, LabelKey, LabelRef, LabelValue, LabelVisitor, Labels, ManualClock, Meter, Metric,
    Metrics, Naming, NamingError, NamingPolicy, Number, NumberPoint, NumberType, Observable,
    ObservableCounter, ObservableCounterGroup, ObservableGauge, ObservableGaugeGroup,
    ObservableKind, ObservableUpDownCounter, ObservableUpDownCounterGroup, Observer, Outcome,
    Polled, Registry, ScopeError, ScopeMetrics, ScopePatternError, ScopePatterns, SeriesId,
    SeriesObserver, Several, StoreHealth, Temporality, TimedFuture, Timer, Unlabeled,
    UpDownCounter, UpDownCounterGroup, UpDownCounterKind, UpDownNumber, Value, Work,
};
#[cfg(feature = "dashboard")]
#[doc(inline)]
pub use meterkit_dashboard as dashboard;
#[cfg(feature = "datadog")]
pub use meterkit_datadog::{
    AgentAddress, BuildError as DatadogError, DatadogConfig, DatadogTarget, Mode as DatadogMode,
    Site as DatadogSite,
};
#[cfg(feature = "grafana")]
pub use meterkit_grafana::{
    Authentication, BuildError as GrafanaError, CloudOtlp, DashboardPublisher, GrafanaConfig,
    GrafanaTarget, PublishConfig, PublishError, Published, RemoteWrite, RemoteWriteConfig,
    RemoteWriteCounts, Secret,
};
#[cfg(any(feature = "datadog", feature = "grafana", feature = "otlp"))]
pub use meterkit_http::{Compression, Proxies, Transport};
#[doc(inline)]
pub use meterkit_macros::{LabelValue, Labels, Metrics};
pub use meterkit_otel::{MeterProvider, OtelMeter};
#[cfg(feature = "otlp")]
pub use meterkit_otlp::{
    BuildError as OtlpError, HistogramAggregation, OtlpConfig, OtlpTarget, Protocol,
    TemporalityPreference,
};
pub use meterkit_pipeline::{
    Aggregation, Closed, ConsoleTarget, Endpoint, ExportError, ExportFuture, FlushError, Health,
    KeyFilter, NamePattern, Schedule, Snapshot, Source, StartError, Target, TargetError,
    TargetFailure, TargetHealth, TargetKind, TargetQueue, View, ViewSelector, ViewStream, Views,
};
#[cfg(feature = "prometheus")]
pub use meterkit_prometheus::{BindError, PrometheusServer, Scrape, ServerTls, Translation};

/// OpenTelemetry's API in the version that this crate uses. A second version in the same program has its own globals,
/// and metrics recorded through those are lost, so use this one.
pub use opentelemetry;
/// OpenTelemetry's SDK in the version that this crate uses.
#[cfg(feature = "sdk")]
pub use opentelemetry_sdk;

pub use self::builder::TelemetryBuilder;
pub use self::env::{EnvError, VariableError};
pub use self::error::{Error, InstallError};
pub use self::resource::ResourceDetector;
pub use self::telemetry::Telemetry;
