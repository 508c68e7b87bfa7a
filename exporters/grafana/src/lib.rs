//! The Grafana target of `meterkit`: sends metrics to the OTLP gateway of Grafana Cloud, or by Prometheus remote write
//! to Grafana Cloud, Mimir, Prometheus and VictoriaMetrics.
//!
//! - [`GrafanaConfig`] holds the settings of `OTEL_METRICS_EXPORTER=grafana`. It creates a target that sends OTLP or
//!   remote write.
//! - [`RemoteWriteTarget`] sends Prometheus remote write 2.0 or 1.0, with a queue for outages. [`RemoteWriteConfig`]
//!   holds its settings, including the [version](RemoteWriteVersion) and the form of
//!   [histograms](RemoteWriteHistograms). [`RemoteWriteCounts`] counts sent and lost values.
//! - [`CloudOtlp`] and [`RemoteWrite`] are destinations, with their credentials.
//! - [`DashboardPublisher`] saves a dashboard in Grafana, unless a person has changed it there. [`PublishConfig`]
//!   holds its settings.
//!
//! # Features
//!
//! - `tls` (default) is required for `https` endpoints.
//! - `zstd` adds compression with zstd, which compiles a C library.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod batch;
mod cloud;
mod config;
mod counts;
mod dialect;
mod error;
mod grafana;
mod histograms;
mod publish;
mod queue;
mod remote_write;
mod sender;
mod series;
mod settings;
mod spool;
mod target;
#[cfg(test)]
mod tests;
mod wire;

pub use meterkit_http::{
    Authentication, Compression, CompressionError, HeaderError, Proxies, Proxy, ProxyError,
    ProxySettings, Secret, TlsError, Transport, TransportHints,
};
pub use meterkit_otlp::EndpointError;

#[doc(hidden)]
pub use self::batch::written;
pub use self::cloud::CloudOtlp;
pub use self::config::RemoteWriteConfig;
pub use self::counts::RemoteWriteCounts;
pub use self::error::BuildError;
pub use self::grafana::GrafanaConfig;
pub use self::histograms::RemoteWriteHistograms;
pub use self::publish::{DashboardPublisher, PublishConfig, PublishError, Published};
pub use self::remote_write::{RemoteWrite, UrlError};
pub use self::settings::{SETTINGS, TARGET};
pub use self::target::RemoteWriteTarget;
pub use self::wire::RemoteWriteVersion;
