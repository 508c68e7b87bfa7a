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
//! - [`Meter`] creates instruments: [`Counter`], [`UpDownCounter`], [`Gauge`], [`Histogram`], a
//!   [group](instrument::Group) of each for [`Labels`], and [`observable`] ones, whose values callbacks report.
//!   [`derive(Metrics)`](derive@Metrics) declares many of them as one struct. [`prelude`] has the names for that.
//! - [`Telemetry`] delivers what they record to [targets](target); [`Telemetry::from_env`] lists the variables, and
//!   [`settings`] has them as values.
//! - [`view`] changes metrics on their way to the targets.
//! - [`otel`] is OpenTelemetry's side: the meter provider for instruments of other libraries, and
//!   [`Meter::otel`](otel::OtelMeter::otel).
//! - `guide` explains one subject per page, such as testing, deploying, operating and migration.
//! - [`catalog`] lists all instruments, [`data`] is what a collection reads, and [`testing`] is for tests of code that
//!   records.
//!
//! # Attributes
//!
//! If attributes have the same key, the later in this order wins: the resource; those of all metrics
//! ([`TelemetryBuilder::attribute`]); those of a scope ([`Meter::attribute`]); those of an instrument
//! ([`InstrumentBuilder::attribute`](instrument::InstrumentBuilder::attribute)); labels. A label keeps its key to
//! itself, even on series that lack the label.
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
//! - `bb8`, `deadpool`, `r2d2`, `sqlx`: pools of the crate of that name can be observed with the module `pools`.
//! - `catalog-json`: the [catalog] as JSON, `Catalog::to_json` and `Catalog::from_json`, and files that end in `.json` in
//!   [`testing::assert_catalog`].
//! - `cloudwatch`: the module `cloudwatch` and its target: OTLP to CloudWatch in AWS, with signed requests.
//! - `config`: the module `config`, which reads OpenTelemetry's declarative configuration, and `OTEL_CONFIG_FILE`.
//! - `dashboard`: the module `dashboard`, which draws Grafana dashboards and writes Prometheus rules from the
//!   catalog.
//! - `datadog`: the module `datadog` and its target: the intake, an agent, or Datadog's OTLP intake.
//! - `declare`: the macro `declare!`, whose instruments are in the catalog, in dashboards and in the first scrape before
//!   they are first used.
//! - `exemplars`: counters and histograms keep some measurements with the span in which they were recorded, as
//!   `OTEL_METRICS_EXEMPLAR_FILTER` says, and send them as exemplars: see
//!   [`exemplar_filter`](TelemetryBuilder::exemplar_filter).
//! - `gcp`: the module `gcp` and its target: OTLP to Google Cloud, with application default credentials.
//! - `grafana`: the module `grafana` and its target: Prometheus remote write, or the OTLP gateway of Grafana Cloud.
//! - `metrics`: the module `metrics`, whose recorder brings what libraries record with the crate `metrics` into all targets.
//! - `jemalloc`, `mimalloc`: memory of the allocator of that name, switched on with `with_jemalloc_metrics` or
//!   `with_mimalloc_metrics` of [`TelemetryBuilder`].
//! - `otlp`: the module `otlp` and its target, over gRPC and HTTP.
//! - `pools`: the module `pools`, with which connection pools are observed; pools of further crates by its trait.
//! - `process` (default): metrics of the process, switched on with
//!   [`with_process_metrics`](TelemetryBuilder::with_process_metrics) or `METERKIT_RUNTIME_METRICS=process`.
//! - `prometheus` (default): the module `prometheus`: the scrape endpoint, and the scrape as a function and as a
//!   `tower::Service`.
//! - `prometheus-client`: the module `prometheus_client`, which brings registries of the crate `prometheus-client` into
//!   all targets.
//! - `prometheus-registry`: the module `prometheus_registry`, which brings registries of the crate `prometheus` into all
//!   targets, and metrics of this library into such registries.
//! - `prometheus-tls`: the scrape endpoint as HTTPS, and client certificates.
//! - `prometheus-zstd`: scrapes compressed with zstd for clients that accept it; builds a library in C.
//! - `pushgateway`: the module `pushgateway` and its target, for jobs that end before they are scraped.
//! - `reqwest`: the module `reqwest`, a middleware that measures the requests of an HTTP client.
//! - `sdk`: readers and exporters of OpenTelemetry's SDK, added with `reader` and `exporter` of [`TelemetryBuilder`].
//! - `tokio` (default): metrics of a tokio runtime, switched on with
//!   [`with_tokio_metrics`](TelemetryBuilder::with_tokio_metrics) or `METERKIT_RUNTIME_METRICS=tokio`.
//! - `tokio-metrics`: the module `tasks`, with which monitors of the crate `tokio-metrics` are observed.
//! - `tower`: the module `tower`, layers that measure the requests of an HTTP server, and the calls of gRPC servers and clients.
//!
//! A feature adds something and changes nothing else. The console target and [`testing`] are always there.
//!
//! # Minimum supported Rust version
//!
//! 1.85.

mod builder;
pub mod catalog;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "config")]
mod configured;
pub mod data;
mod error;
#[cfg(any(doc, doctest))]
pub mod guide;
pub mod instrument;
mod mixed_versions;
pub mod observable;
pub mod otel;
pub mod prelude;
#[cfg(all(feature = "dashboard", feature = "grafana"))]
mod publishing;
mod resource;
mod runtime_metrics;
pub mod settings;
mod start_line;
pub mod target;
#[cfg(feature = "tokio-metrics")]
pub mod tasks;
mod telemetry;
pub mod testing;
mod unmatched;
pub mod view;

#[cfg(feature = "declare")]
pub use meterkit_core::declare;
pub use meterkit_core::{
    CallbackGuard, Counter, CounterGroup, Gauge, GaugeGroup, Histogram, HistogramGroup,
    InstrumentError, LabelKey, LabelRef, LabelValue, LabelVisitor, Labels, Meter, Metrics,
    ObservableCounter, ObservableCounterGroup, ObservableGauge, ObservableGaugeGroup,
    ObservableUpDownCounter, ObservableUpDownCounterGroup, Registry, ScopeKind, UpDownCounter,
    UpDownCounterGroup, counter, gauge, histogram,
};
#[cfg(feature = "dashboard")]
#[doc(inline)]
pub use meterkit_dashboard as dashboard;
#[doc(inline)]
pub use meterkit_macros::{LabelValue, Labels, Metrics};

/// CloudWatch in AWS as a target, added with [`TelemetryBuilder::target`] or `OTEL_METRICS_EXPORTER=cloudwatch`.
///
/// ```
/// use meterkit::Telemetry;
/// use meterkit::cloudwatch::CloudWatchConfig;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let builder = Telemetry::builder().target(CloudWatchConfig::new("eu-west-1")?);
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "cloudwatch")]
#[doc(inline)]
pub use meterkit_cloudwatch as cloudwatch;
/// Datadog as a target, added with [`TelemetryBuilder::target`] or `OTEL_METRICS_EXPORTER=datadog`.
///
/// ```
/// use meterkit::Telemetry;
/// use meterkit::datadog::DatadogConfig;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let builder = Telemetry::builder().target(DatadogConfig::api("0123456789abcdef0123456789abcdef")?);
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "datadog")]
#[doc(inline)]
pub use meterkit_datadog as datadog;
/// Google Cloud as a target, added with [`TelemetryBuilder::target`] or `OTEL_METRICS_EXPORTER=gcp`.
///
/// ```
/// use meterkit::Telemetry;
/// use meterkit::gcp::GcpConfig;
///
/// let builder = Telemetry::builder().target(GcpConfig::new().with_project("my-project"));
/// ```
#[cfg(feature = "gcp")]
#[doc(inline)]
pub use meterkit_gcp as gcp;
/// Grafana as a target, added with [`TelemetryBuilder::target`] or `OTEL_METRICS_EXPORTER=grafana`.
///
/// ```
/// use meterkit::Telemetry;
/// use meterkit::grafana::{GrafanaConfig, RemoteWrite, RemoteWriteConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mimir = RemoteWrite::new("http://mimir:9009/api/v1/push")?;
/// let config = GrafanaConfig::remote_write(RemoteWriteConfig::new(mimir));
/// let builder = Telemetry::builder().target(config);
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "grafana")]
#[doc(inline)]
pub use meterkit_grafana as grafana;
/// OTLP receivers as targets, added with [`TelemetryBuilder::target`] or `OTEL_METRICS_EXPORTER=otlp`.
///
/// ```
/// use meterkit::Telemetry;
/// use meterkit::otlp::{OtlpConfig, Protocol};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = OtlpConfig::new(Protocol::HttpProtobuf, "http://collector:4318")?;
/// let builder = Telemetry::builder().target(config);
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "otlp")]
#[doc(inline)]
pub use meterkit_otlp as otlp;
/// Prometheus as a target, added with [`TelemetryBuilder::prometheus`] or `OTEL_METRICS_EXPORTER=prometheus`, and the
/// default of [`Telemetry::from_env`].
///
/// ```
/// use meterkit::Telemetry;
/// use meterkit::prometheus::PrometheusServer;
///
/// let builder = Telemetry::builder().prometheus(PrometheusServer::new().port(9100));
/// ```
#[cfg(feature = "prometheus")]
#[doc(inline)]
pub use meterkit_prometheus as prometheus;
/// Prometheus' Pushgateway as a target, for jobs that end before they are scraped, added with
/// [`TelemetryBuilder::target`] or `OTEL_METRICS_EXPORTER=pushgateway`.
///
/// ```
/// use meterkit::Telemetry;
/// use meterkit::pushgateway::PushgatewayConfig;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = PushgatewayConfig::new("http://pushgateway:9091")?.with_job("nightly-import")?;
/// let builder = Telemetry::builder().target(config);
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "pushgateway")]
#[doc(inline)]
pub use meterkit_pushgateway as pushgateway;

/// The facade of the crate `metrics`: what libraries record with it reaches every target.
///
/// ```no_run
/// use meterkit::Telemetry;
/// use meterkit::metrics::MetricsRecorder;
///
/// # fn main() -> Result<(), meterkit::Error> {
/// MetricsRecorder::global().install()?; // at the beginning: what is recorded earlier is lost
/// let telemetry = Telemetry::from_env()?.install()?;
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "metrics")]
#[doc(inline)]
pub use meterkit_metrics as metrics;
/// Metrics of connection pools, by OpenTelemetry's semantic conventions.
///
/// ```
/// # use meterkit::pools::ConnectionPool;
/// # fn observe(pool: &impl ConnectionPool) -> Result<(), meterkit::InstrumentError> {
/// let _observed = meterkit::pools::observe(pool, "orders")?; // a pool of sqlx, deadpool, bb8 or r2d2
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "pools")]
#[doc(inline)]
pub use meterkit_pools as pools;
/// Registries of the crate `prometheus-client`, added with [`TelemetryBuilder::prometheus_client_registry`].
#[cfg(feature = "prometheus-client")]
#[doc(inline)]
pub use meterkit_prometheus_client as prometheus_client;
/// Registries of the crate `prometheus`, added with [`TelemetryBuilder::prometheus_registry`]; the other way is
/// [`Telemetry::prometheus_collector`].
#[cfg(feature = "prometheus-registry")]
#[doc(inline)]
pub use meterkit_prometheus_registry as prometheus_registry;

/// HTTP client metrics for reqwest, by OpenTelemetry's semantic conventions.
#[cfg(feature = "reqwest")]
#[doc(inline)]
pub use meterkit_reqwest as reqwest;

/// HTTP server and gRPC metrics for tower, axum and tonic, by OpenTelemetry's semantic conventions.
#[cfg(feature = "tower")]
#[doc(inline)]
pub use meterkit_tower as tower;

/// OpenTelemetry's API in the version that this crate uses. A second version in the same program has its own globals,
/// and metrics recorded through those are lost, so use this one.
pub use opentelemetry;
/// OpenTelemetry's SDK in the version that this crate uses.
#[cfg(feature = "sdk")]
pub use opentelemetry_sdk;

pub use self::builder::TelemetryBuilder;
pub use self::error::{Error, InstallError};
pub use self::telemetry::Telemetry;
