//! The Google Cloud target of `meterkit`: sends metrics over OTLP to `https://telemetry.googleapis.com/v1/metrics`,
//! which stores them like those of Managed Service for Prometheus, and authenticates with application default
//! credentials.
//!
//! [`GcpConfig`] holds the settings of `OTEL_METRICS_EXPORTER=gcp`. Requests have the same content as those of the OTLP
//! target over HTTP, and the project as resource attribute `gcp.project_id` unless the resource has one.
//!
//! The credentials need the role `roles/telemetry.metricsWriter`. The first of these is used:
//!
//! 1. the file that `GOOGLE_APPLICATION_CREDENTIALS` names: the key of a service account, or a user's login;
//! 2. the login of `gcloud auth application-default login`, below `CLOUDSDK_CONFIG` or `~/.config/gcloud`;
//! 3. the service account of the machine, from the metadata server (`GCE_METADATA_HOST`): Compute Engine, GKE with
//!    Workload Identity, Cloud Run.
//!
//! Workload identity federation (`external_account`) and impersonation are not supported; the error for such
//! credentials names the file. A token is fetched again five minutes before it expires, and after the endpoint rejected
//! it.
//!
//! Google requires a location for each series: set the resource attribute `cloud.region` or `cloud.availability_zone`.
//! Names must consist of letters, digits and `_:./`, and begin with a letter.
//!
//! This target is tested with local servers that verify tokens and their refresh. **It has not been run against Google
//! Cloud itself.**
//!
//! ```
//! use meterkit_gcp::GcpConfig;
//!
//! let config = GcpConfig::new().with_project("my-project");
//! assert_eq!(config.endpoint(), "https://telemetry.googleapis.com/v1/metrics");
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
mod credentials;
mod settings;
mod target;
#[cfg(test)]
mod tests;

pub use self::config::GcpConfig;
pub use self::settings::{SETTINGS, TARGET};
pub use self::target::GcpTarget;
pub use meterkit_otlp::{
    BuildError, Compression, CompressionError, EndpointError, Proxies, Proxy, ProxyError,
    ProxySettings, TemporalityPreference, TlsError, Transport, TransportHints,
};
