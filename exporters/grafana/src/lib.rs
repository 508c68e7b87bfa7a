//! The Grafana target of `meterkit`: the OTLP gateway of Grafana Cloud, or Prometheus remote write to Grafana Cloud,
//! Mimir, Prometheus and VictoriaMetrics.
//!
//! - [`GrafanaTarget`] is what `OTEL_METRICS_EXPORTER=grafana` means; [`GrafanaConfig`] holds its settings.
//! - [`RemoteWriteTarget`] speaks Prometheus remote write 2.0 and 1.0, with a queue for outages. [`RemoteWriteConfig`]
//!   holds its settings, [`RemoteWriteCounts`] counts what became of the values.
//! - [`CloudOtlp`] and [`RemoteWrite`] say where to, and as whom.
//! - [`DashboardPublisher`] puts a dashboard into Grafana, and leaves alone one that a person changed;
//!   [`PublishConfig`] holds its settings.
//!
//! Nothing here reads the process environment: variables come through a function.
//!
//! # Features
//!
//! `tls` (on by default) is needed for `https`.

mod batch;
mod cloud;
mod config;
mod counts;
mod dialect;
mod error;
#[cfg(test)]
mod given;
mod grafana;
mod publish;
mod queue;
mod remote_write;
mod sender;
mod series;
mod spool;
mod target;
mod wire;

pub use meterkit_http::{
    Compression, CompressionError, HeaderError, Proxies, Secret, TlsError, Transport,
};
pub use meterkit_pipeline::VariableError;

#[doc(hidden)]
pub use self::batch::written;
pub use self::cloud::CloudOtlp;
pub use self::config::RemoteWriteConfig;
pub use self::counts::RemoteWriteCounts;
pub use self::error::BuildError;
pub use self::grafana::{GrafanaConfig, GrafanaTarget};
pub use self::publish::{DashboardPublisher, PublishConfig, PublishError, Published};
pub use self::remote_write::{Authentication, RemoteWrite, UrlError};
pub use self::target::RemoteWriteTarget;
