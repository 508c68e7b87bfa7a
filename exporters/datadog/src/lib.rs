//! The Datadog target of `meterkit`: sends metrics to Datadog's intake, to an agent, or to Datadog's OTLP intake.
//!
//! - [`DatadogTarget`] is the target. [`DatadogConfig`] holds its settings, from code or from Datadog's variables.
//!   [`Mode`] selects one of the three destinations.
//! - [`AgentTarget`] is a target that supports agents only.
//! - [`Site`] is a Datadog site, such as `datadoghq.eu`, with its hosts.
//! - [`metric_name`] and [`tag()`] return names and tags as Datadog stores them. [`ServiceTags`] builds the tags of all
//!   metrics of a process from `DD_ENV`, `DD_SERVICE`, `DD_VERSION`, `DD_TAGS` and the resource.
//!
//! ```
//! use meterkit_datadog::{DatadogConfig, DatadogTarget};
//! use meterkit_settings::Environment;
//!
//! let environment = Environment::of([
//!     ("DD_API_KEY", "0123456789abcdef0123456789abcdef"),
//!     ("METERKIT_DATADOG_ENDPOINT", "http://localhost:8428/datadog"),
//! ]);
//! let target = DatadogTarget::new(environment.read(DatadogConfig::read)?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! `tls` (default) is required for `https`, and `zstd` (default) for zstd compression.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod agent;
mod api;
mod config;
mod instance;
mod mode;
mod name;
mod otlp;
mod payload;
mod points;
mod service;
mod settings;
mod site;
mod sketch;
mod stamp;
mod tag;
mod target;
#[cfg(test)]
mod tests;

pub use meterkit_http::{
    Compression, CompressionError, Proxies, Proxy, ProxyError, ProxySettings, TlsError, Transport,
    TransportHints,
};

pub use self::agent::{AgentAddress, AgentAddressError, AgentConfig, AgentTarget};
pub use self::config::{DatadogConfig, EndpointError, KeyError};
pub use self::mode::Mode;
pub use self::name::metric_name;
pub use self::payload::Format;
#[doc(hidden)]
pub use self::payload::written;
pub use self::service::ServiceTags;
pub use self::settings::{SETTINGS, TARGET};
pub use self::site::{Site, SiteError};
pub use self::tag::tag;
pub use self::target::{BuildError, DatadogTarget};
