//! The OTLP target of `meterkit`: sends metrics over gRPC or HTTP to a Collector or a backend that accepts OTLP.
//!
//! - [`OtlpTarget`] is the target. No delta is lost during an outage.
//! - [`OtlpConfig`] holds its settings, from code or from `OTEL_EXPORTER_OTLP_*`. Each target has its own settings.
//! - [`Credentials`] authenticates each request, with expiring tokens or signatures.
//! - [`Losses`] counts the points that receivers rejected.
//!
//! ```
//! use meterkit_otlp::{OtlpConfig, OtlpTarget};
//! use meterkit_settings::Environment;
//!
//! let environment = Environment::of([
//!     ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example.com/otlp"),
//!     ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20MTIzOjQ1Ng%3D%3D"),
//! ]);
//! let config = environment.read(OtlpConfig::read)?;
//! assert_eq!(config.endpoint().to_string(), "http://collector.example.com/otlp/v1/metrics");
//! let target = OtlpTarget::new(config)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! `tls` (default) is needed for `https`, and `zstd` (default) for zstd compression.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod batch;
mod body;
mod config;
mod credentials;
mod encode;
mod endpoint;
mod finite;
mod grpc_reply;
mod grpc_sender;
mod http_sender;
mod losses;
mod protocol;
mod reply;
mod settings;
mod target;
mod temporality;

pub use self::config::OtlpConfig;
pub use self::credentials::{Cached, Credentials, CredentialsError, Expiring, HeadersFuture};
pub use self::endpoint::{Endpoint, EndpointError};
pub use self::losses::Losses;
pub use self::protocol::Protocol;
pub use self::settings::{SETTINGS, TARGET};
pub use self::target::{BuildError, OtlpTarget};
pub use self::temporality::TemporalityPreference;
pub use meterkit_http::{
    Compression, CompressionError, HeaderError, Headers, Proxies, Proxy, ProxyError, ProxySettings,
    Secret, TlsError, Transport, TransportHints,
};
