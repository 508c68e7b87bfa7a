//! The Grafana target of `meterkit`. The target itself is not here yet: this is how it will find out where to send
//! to, and as whom.
//!
//! - [`CloudOtlp`]: the OTLP gateway of Grafana Cloud, from `GRAFANA_CLOUD_*`.
//! - [`RemoteWrite`]: Prometheus remote write to Grafana Cloud, Mimir or Prometheus, from `GRAFANA_REMOTE_WRITE_*`.
//! - [`Secret`]: a credential that no log shows.
//!
//! Nothing here reads the process environment or opens a connection: variables come through a function.

mod cloud;
mod remote_write;
mod variable;

pub use meterkit_http::Secret;
pub use meterkit_pipeline::VariableError;

pub use self::cloud::CloudOtlp;
pub use self::remote_write::{Authentication, RemoteWrite};
