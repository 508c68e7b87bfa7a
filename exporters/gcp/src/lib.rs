//! The Google Cloud target of `meterkit`: sends metrics by OTLP to `https://telemetry.googleapis.com/v1/metrics`, which
//! writes them as Managed Service for Prometheus does, and authenticates with application default credentials.
//!
//! [`GcpConfig`] holds the settings of `OTEL_METRICS_EXPORTER=gcp`. What is sent is what the OTLP target sends over HTTP,
//! with the project as `gcp.project_id` in the resource unless that has one.
//!
//! The credentials need the role `roles/telemetry.metricsWriter`. They are the first of these:
//!
//! 1. the file that `GOOGLE_APPLICATION_CREDENTIALS` names: the key of a service account, or a user's login;
//! 2. the login of `gcloud auth application-default login`, below `CLOUDSDK_CONFIG` or `~/.config/gcloud`;
//! 3. the service account of the machine, from the metadata server (`GCE_METADATA_HOST`): Compute Engine, GKE with
//!    Workload Identity, Cloud Run.
//!
//! Workload identity federation (`external_account`) and impersonation are not supported: the error names the file and
//! says so. A token is fetched again five minutes before it expires, and after the endpoint rejected it.
//!
//! Google needs a location for each series: set the resource attribute `cloud.region`, or `cloud.availability_zone`.
//! Names must consist of letters, digits and `_:./`, and begin with a letter.
//!
//! Tested against local servers that verify tokens and their refresh. **It has not been run against Google Cloud itself.**
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
