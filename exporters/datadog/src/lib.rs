//! The Datadog target of `meterkit`: sends metrics to Datadog's intake, to an agent, or to Datadog's OTLP intake.
//!
//! - [`DatadogTarget`] is the target, and [`DatadogConfig`] its settings, from code or from Datadog's variables.
//!   [`Mode`] is one of the three ways.
//! - [`AgentTarget`] is the target that only knows agents.
//! - [`Site`] is a Datadog site, such as `datadoghq.eu`, with its hosts.
//! - [`metric_name`] and [`tag`] return names and tags as Datadog stores them. [`service_tags`] returns the tags of
//!   everything that a process sends, from `DD_ENV`, `DD_SERVICE`, `DD_VERSION`, `DD_TAGS` and the resource.
//!
//! This crate does not read the process environment: `from_variables` takes a function that returns variables.
//!
//! ```
//! use meterkit_datadog::{DatadogConfig, DatadogTarget};
//!
//! let config = DatadogConfig::from_variables(|name| match name {
//!     "DD_API_KEY" => Some("0123456789abcdef0123456789abcdef".to_owned()),
//!     "METERKIT_DATADOG_ENDPOINT" => Some("http://localhost:8428/datadog".to_owned()),
//!     _ => None,
//! });
//! let target = DatadogTarget::new(config.expect("both are fine"))?;
//! # Ok::<(), meterkit_datadog::BuildError>(())
//! ```
//!
//! # Features
//!
//! `tls` (default) is needed for `https`, and `zstd` (default) for zstd compression.

mod agent;
mod api;
mod config;
mod instance;
mod mode;
mod name;
mod otlp;
mod payload;
mod points;
#[cfg(test)]
mod random;
#[cfg(test)]
mod samples;
mod service;
mod site;
mod sketch;
mod stamp;
mod tag;
mod target;

pub use meterkit_http::{
    Compression, CompressionError, Proxies, Proxy, ProxyError, ProxyVariables, TlsError, Transport,
};
pub use meterkit_pipeline::VariableError;

pub use self::agent::{AgentAddress, AgentAddressError, AgentConfig, AgentTarget};
pub use self::config::{DatadogConfig, EndpointError, KeyError};
pub use self::mode::{Mode, ModeError};
pub use self::name::metric_name;
pub use self::payload::Format;
#[doc(hidden)]
pub use self::payload::written;
pub use self::service::service_tags;
pub use self::site::{Site, SiteError};
pub use self::tag::tag;
pub use self::target::{BuildError, DatadogTarget};
