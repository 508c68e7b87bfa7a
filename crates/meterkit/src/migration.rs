//! How a program moves in from another library without breaking a dashboard.
//!
//! Each page has code side by side, and the settings that keep names, labels and types. The expositions are compared line by
//! line in this library's tests (`integration-tests/tests/ports`), with metrics like those of crates.io, reth, the Apollo
//! Router and rust-libp2p.
//!
//! A scrape without anything that the library adds:
//!
//! ```
//! use meterkit::Telemetry;
//! use meterkit::prometheus::{ExpositionOptions, PrometheusServer};
//!
//! let options = ExpositionOptions::new()
//!     .scope_info(false) // METERKIT_PROMETHEUS_SCOPE_INFO
//!     .target_info(false) // METERKIT_PROMETHEUS_TARGET_INFO
//!     .self_metrics(false) // METERKIT_PROMETHEUS_SELF_METRICS
//!     .start_times(false); // METERKIT_PROMETHEUS_START_TIMES
//! let builder = Telemetry::builder().prometheus(PrometheusServer::new().options(options));
//! ```

#[doc = include_str!("../guide/migration/metrics.md")]
pub mod from_metrics {}
#[doc = include_str!("../guide/migration/opentelemetry.md")]
pub mod from_opentelemetry {}
#[doc = include_str!("../guide/migration/prometheus.md")]
pub mod from_prometheus {}
#[doc = include_str!("../guide/migration/prometheus-client.md")]
pub mod from_prometheus_client {}
