//! The Datadog target of `meterkit`. The target itself is not here yet: this is how it will call things.
//!
//! - [`metric_name`] and [`tag`]: names and tags as Datadog stores them.
//! - [`service_tags`]: the tags of everything that a process sends, from `DD_ENV`, `DD_SERVICE`, `DD_VERSION`, `DD_TAGS`
//!   and the resource.
//! - [`Site`]: the hosts of `DD_SITE`.
//!
//! Nothing here reads the process environment or opens a connection: variables come through a function.

mod name;
mod service;
mod site;
mod tag;

pub use meterkit_pipeline::VariableError;

pub use self::name::metric_name;
pub use self::service::service_tags;
pub use self::site::{Site, SiteError};
pub use self::tag::tag;
