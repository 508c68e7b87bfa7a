//! The push gateway target of `meterkit`: pushes the metrics of jobs to Prometheus' Pushgateway, which keeps them so
//! that Prometheus can scrape them after the job has ended.
//!
//! - [`PushgatewayConfig`] holds the settings of `OTEL_METRICS_EXPORTER=pushgateway`: the address, the group, the
//!   [`PushMethod`] and the [`PushFormat`].
//! - [`PushgatewayTarget`] pushes each snapshot, and [`PushgatewayGroup`] deletes the pushed metrics.
//!
//! # Features
//!
//! `tls` (default) is needed for `https`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
mod error;
mod format;
mod group;
mod labels;
mod method;
mod settings;
mod target;

pub use meterkit_http::{
    Authentication, Compression, CompressionError, HeaderError, Proxies, Proxy, ProxyError,
    ProxySettings, Secret, TlsError, Transport, TransportHints,
};

pub use self::config::PushgatewayConfig;
pub use self::error::{BuildError, GroupError, UrlError};
pub use self::format::PushFormat;
pub use self::group::PushgatewayGroup;
pub use self::method::PushMethod;
pub use self::settings::{SETTINGS, TARGET};
pub use self::target::PushgatewayTarget;
