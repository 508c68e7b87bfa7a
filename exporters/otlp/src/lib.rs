//! The OTLP target of `meterkit`: sends metrics over gRPC or HTTP, to a Collector or to a backend that accepts OTLP.
//!
//! - [`OtlpTarget`] is the target. Its deltas survive outages.
//! - [`OtlpConfig`] holds its settings, from code or from `OTEL_EXPORTER_OTLP_*`. Two targets share none of them.
//! - [`Losses`] counts what receivers rejected.
//!
//! This crate does not read the process environment: `from_variables` takes a function that returns variables.
//!
//! ```
//! use meterkit_otlp::{OtlpConfig, OtlpTarget};
//!
//! let config = OtlpConfig::from_variables(|name| match name {
//!     "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://collector.example.com/otlp".to_owned()),
//!     "OTEL_EXPORTER_OTLP_HEADERS" => Some("Authorization=Basic%20MTIzOjQ1Ng%3D%3D".to_owned()),
//!     _ => None,
//! });
//! let config = config.expect("both are fine");
//! assert_eq!(config.endpoint().to_string(), "http://collector.example.com/otlp/v1/metrics");
//! let target = OtlpTarget::new(config)?;
//! # Ok::<(), meterkit_otlp::BuildError>(())
//! ```
//!
//! # Features
//!
//! `tls` (default) is needed for `https`, and `zstd` (default) for zstd compression.

mod batch;
mod body;
mod config;
mod encode;
mod endpoint;
mod finite;
mod grpc_sender;
mod http_sender;
mod losses;
mod protocol;
mod reply;
mod target;
mod temporality;
mod variable;

pub use self::config::OtlpConfig;
pub use self::endpoint::{Endpoint, EndpointError, is_insecure};
pub use self::losses::Losses;
pub use self::protocol::{Protocol, ProtocolError};
pub use self::target::{BuildError, OtlpTarget};
pub use self::temporality::{HistogramAggregation, PreferenceError, TemporalityPreference};
pub use meterkit_http::{
    Compression, CompressionError, HeaderError, Proxies, Proxy, ProxyError, ProxyVariables,
    TlsError, Transport,
};
pub use meterkit_pipeline::VariableError;
