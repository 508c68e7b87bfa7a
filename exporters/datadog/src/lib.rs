//! The Datadog target of `meterkit`.
//!
//! - [`metric_name`] and [`tag`]: names and tags as Datadog stores them.
//! - [`service_tags`]: the tags of everything that a process sends, from `DD_ENV`, `DD_SERVICE`, `DD_VERSION`, `DD_TAGS`
//!   and the resource.
//! - [`Site`]: the hosts of `DD_SITE`.
//!
//! - [`AgentTarget`]: sends metrics to a Datadog Agent, over UDP or a Unix socket.
//!
//! Nothing here reads the process environment: variables come through a function.

mod agent;
mod name;
mod service;
mod site;
mod tag;

pub use meterkit_pipeline::VariableError;

pub use self::agent::{AgentAddress, AgentAddressError, AgentConfig, AgentTarget};
pub use self::name::metric_name;
pub use self::service::service_tags;
pub use self::site::{Site, SiteError};
pub use self::tag::tag;
