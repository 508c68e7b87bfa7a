//! Metrics for Rust services made of plugins.
//!
//! Each part of a program gets a [`Meter`] with typed counters, gauges, histograms and callbacks. An operator chooses with
//! environment variables where the metrics go. Metrics that other libraries record through OpenTelemetry's API take the
//! same path.
//!
//! ```no_run
//! use meterkit::{LabelValue, Labels, Meter, Telemetry};
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
//! # fn main() -> Result<(), meterkit::Error> {
//! let telemetry = Telemetry::from_env()?.install()?; // nothing set: http://localhost:9464/metrics
//!
//! let meter = Meter::scoped("plugin", "catalog"); // backstage.plugin.catalog
//! let operations = meter.counter_group::<Operation, u64>("entities.operations").build()?;
//! operations.with(Operation { kind: Kind::Create, success: true }).increment();
//!
//! telemetry.shutdown_blocking()?; // exports once more, within 10 s
//! # let _ = Kind::Delete;
//! # Ok(())
//! # }
//! ```
//!
//! # The guide
//!
//! The module [`guide`] has a page for each subject:
//!
//! - [Getting started](guide::getting_started), [concepts](guide::concepts), [instruments](guide::instruments),
//!   [labels](guide::labels), [observables](guide::observables), [plugins](guide::plugins), [testing](guide::testing)
//! - [Deploying](guide::deploying), a page for each target, with the receiver's side of the configuration;
//!   [settings](guide::settings), [security](guide::security)
//! - [Operating](guide::operating), [dashboards and alerts](guide::dashboards), [troubleshooting](guide::troubleshooting)
//! - [What you can count on](guide::promises), [delivery guarantees](guide::delivery), [performance](guide::performance)
//! - [Servers, clients and pools](guide::http), [OpenTelemetry](guide::open_telemetry),
//!   [other metrics libraries](guide::neighbors), and [migration](guide::migration) from them
//!
//! # Where to look in the API
//!
//! - [`Meter`] creates instruments: [`Counter`], [`UpDownCounter`], [`Gauge`], [`Histogram`], a
//!   [group](instrument::Group) of each for [`Labels`], and [`observable`] ones, whose values callbacks report.
//!   [`derive(Metrics)`](derive@Metrics) declares many of them as one struct. [`prelude`] has the names for that.
//! - [`Telemetry`] delivers to [targets](target) what instruments record. [`Telemetry::from_env`] reads the variables, and
//!   [`settings`] has them as values.
//! - [`view`] changes metrics on their way to the targets.
//! - [`otel`] is OpenTelemetry's side: the meter provider for instruments of other libraries, and
//!   [`Meter::otel`](otel::OtelMeter::otel).
//! - [`testing`] is for tests of code that records. [`catalog`] lists all instruments, and [`data`] is what a collection
//!   reads.
//!
//! # Attributes
//!
//! If attributes have the same key, the later in this order wins:
//!
//! 1. the resource
//! 2. attributes of all metrics ([`TelemetryBuilder::attribute`])
//! 3. attributes of a scope ([`Meter::attribute`])
//! 4. attributes of an instrument ([`InstrumentBuilder::attribute`](instrument::InstrumentBuilder::attribute))
//! 5. labels
//!
//! A label keeps its key to itself, even on series that lack the label.
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
//! | feature | adds |
//! |---|---|
//! | `prometheus` (default) | the target [Prometheus](guide::deploying::prometheus): module `prometheus`, a scrape endpoint, and the scrape as a function and as a `tower::Service` |
//! | `prometheus-tls` | HTTPS and client certificates for the scrape endpoint |
//! | `prometheus-zstd` | scrapes compressed with zstd for clients that accept it; builds a library in C |
//! | `otlp` | the target [OTLP](guide::deploying::otlp) over gRPC and HTTP: module `otlp` |
//! | `datadog` | the target [Datadog](guide::deploying::datadog): module `datadog`, for the intake, an agent, or Datadog's OTLP intake |
//! | `grafana` | the target [Grafana](guide::deploying::grafana): module `grafana`, Prometheus remote write or Grafana Cloud's OTLP gateway |
//! | `pushgateway` | the target [Pushgateway](guide::deploying::pushgateway): module `pushgateway`, for jobs that end before they are scraped |
//! | `cloudwatch` | the target [CloudWatch](guide::deploying::clouds) in AWS: module `cloudwatch`, OTLP with signed requests |
//! | `gcp` | the target [Google Cloud](guide::deploying::clouds): module `gcp`, OTLP with application default credentials |
//! | `sdk` | readers and exporters of OpenTelemetry's SDK: `reader` and `exporter` of [`TelemetryBuilder`] |
//! | `declare` | the macro `declare!`, whose instruments are in the catalog, in dashboards and in the first scrape before they are first used |
//! | `config` | [a configuration file](guide::deploying::configuration_file), `OTEL_CONFIG_FILE`: module `config` |
//! | `dashboard` | [Grafana dashboards and Prometheus rules](guide::dashboards) from the catalog: module `dashboard` |
//! | `exemplars` | [exemplars](TelemetryBuilder::exemplar_filter): measurements of counters and histograms with their span |
//! | `catalog-json` | the [catalog] as JSON: `Catalog::to_json`, `Catalog::from_json`, and files that end in `.json` in [`testing::assert_catalog`] |
//! | `process` (default) | metrics of the process: [`with_process_metrics`](TelemetryBuilder::with_process_metrics), or `METERKIT_RUNTIME_METRICS=process` |
//! | `tokio` (default) | metrics of a tokio runtime: [`with_tokio_metrics`](TelemetryBuilder::with_tokio_metrics), or `METERKIT_RUNTIME_METRICS=tokio` |
//! | `tokio-metrics` | tasks by name, by monitors of the crate `tokio-metrics`: module `tasks` |
//! | `jemalloc`, `mimalloc` | memory of the allocator: `with_jemalloc_metrics` and `with_mimalloc_metrics` of [`TelemetryBuilder`] |
//! | `tower` | layers that measure [HTTP servers, gRPC servers and gRPC clients](guide::http): module `tower` |
//! | `reqwest` | a middleware that measures [HTTP clients](guide::http): module `reqwest` |
//! | `bb8`, `deadpool`, `r2d2`, `sqlx` | [connection pools](guide::http) of the crate of that name: module `pools` |
//! | `pools` | the module `pools` alone, for pools of other crates by its trait |
//! | `metrics` | what libraries record with [the crate `metrics`](guide::neighbors): module `metrics` |
//! | `prometheus-client` | registries of [the crate `prometheus-client`](guide::neighbors): module `prometheus_client` |
//! | `prometheus-registry` | registries of [the crate `prometheus`](guide::neighbors), in both directions: module `prometheus_registry` |
//!
//! A feature adds something and changes nothing else. The console target and [`testing`] are always there.
//!
//! # Minimum supported Rust version
//!
//! 1.85.

#![cfg_attr(docsrs, feature(doc_cfg))]

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
/// The README of the crate, so that its code is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
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
