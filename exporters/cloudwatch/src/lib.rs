//! The CloudWatch target of `meterkit`: sends metrics over OTLP to the regional endpoint of AWS,
//! `https://monitoring.<region>.amazonaws.com/v1/metrics`, and signs each request with Signature Version 4.
//!
//! [`CloudWatchConfig`] holds the settings of `OTEL_METRICS_EXPORTER=cloudwatch`. Requests have the same content as
//! those of the OTLP target over HTTP.
//!
//! The credentials need the permission `cloudwatch:PutMetricData`. The first of these sources that has credentials is
//! used:
//!
//! 1. the variables `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, which Lambda sets;
//! 2. a web identity (`AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`), which EKS pods with a service account have;
//! 3. keys in the profile `AWS_PROFILE` of `~/.aws/credentials` and `~/.aws/config`;
//! 4. a single sign-on login of that profile;
//! 5. the container's endpoint (`AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `..._FULL_URI`): ECS, and EKS Pod Identity;
//! 6. the metadata service of the EC2 instance, version 2, unless `AWS_EC2_METADATA_DISABLED=true`.
//!
//! If a configured source fails, no further source is tried, because it may belong to another role. Roles and processes
//! in a profile (`role_arn`, `credential_process`) are not supported. Temporary credentials are fetched again five
//! minutes before they expire, and all credentials are fetched again after the endpoint rejected them. If the clock of
//! this machine differs from that of AWS by more than four minutes, requests are signed with the time of AWS.
//!
//! This target is tested with published vectors of Signature Version 4, and with local servers that verify signatures
//! and hand out credentials. **It has not been run against AWS itself.**
//!
//! ```
//! use meterkit_cloudwatch::CloudWatchConfig;
//!
//! let config = CloudWatchConfig::new("eu-west-1")?;
//! assert_eq!(config.endpoint(), "https://monitoring.eu-west-1.amazonaws.com/v1/metrics");
//! # Ok::<(), meterkit_cloudwatch::RegionError>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
mod credentials;
mod settings;
mod signature;
#[cfg(test)]
mod tests;

pub use self::config::{CloudWatchConfig, RegionError};
pub use self::settings::{SETTINGS, TARGET};
pub use meterkit_otlp::{
    Compression, CompressionError, EndpointError, Proxies, Proxy, ProxyError, ProxySettings,
    TemporalityPreference, Transport, TransportHints,
};
