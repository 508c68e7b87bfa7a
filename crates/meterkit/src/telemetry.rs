//! Installed metrics.

use std::time::Duration;

use meterkit_pipeline::{FlushError, Pipeline, Source};
use opentelemetry_sdk::metrics::SdkMeterProvider;

use crate::builder::TelemetryBuilder;
use crate::env::EnvError;
use crate::runtime_metrics::Observations;

/// How long [`Telemetry::flush`] and [`Telemetry::shutdown`] take at most.
const DEADLINE: Duration = Duration::from_secs(10);

/// Metrics that are collected and delivered, until [`shutdown`](Self::shutdown).
///
/// Keep it for the life of the program: dropping it flushes too, but only for a second.
///
/// ```no_run
/// use meterkit::{Meter, Telemetry};
///
/// # fn main() -> Result<(), meterkit::Error> {
/// let telemetry = Telemetry::from_env()?.install()?;
/// Meter::scoped("plugin", "catalog").counter::<u64>("starts").build()?.increment();
/// telemetry.shutdown_blocking()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropped at once, it stops delivering"]
pub struct Telemetry {
    /// Before the observations: dropped first, so that its last export has them.
    pub(crate) pipeline: Pipeline,
    pub(crate) observations: Observations,
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus_address: Option<std::net::SocketAddr>,
}

impl Telemetry {
    /// What the environment says. Nothing set: a scrape endpoint on `http://localhost:9464/metrics`. Empty means unset.
    ///
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `OTEL_METRICS_EXPORTER` | `prometheus` | comma list of targets, in any case |
    /// | `OTEL_SDK_DISABLED` | `false` | nothing is collected, nothing is sent |
    /// | `OTEL_SERVICE_NAME` | `unknown_service:<program>` | `service.name`; wins over the next one |
    /// | `OTEL_RESOURCE_ATTRIBUTES` | | `key=value` pairs, values percent-decoded |
    /// | `OTEL_METRIC_EXPORT_INTERVAL` | `60000` | milliseconds between two exports of a push target |
    /// | `OTEL_METRIC_EXPORT_TIMEOUT` | `30000` | milliseconds that one attempt may take; 0 for no limit |
    /// | `METERKIT_CONSOLE_INTERVAL` | as above | the interval of the console target alone |
    /// | `OTEL_EXPORTER_PROMETHEUS_HOST` | `localhost` | host name or address to listen on |
    /// | `OTEL_EXPORTER_PROMETHEUS_PORT` | `9464` | port to listen on; 0 lets the system choose |
    /// | `METERKIT_NAMESPACE` | `backstage` | what all scopes begin with |
    /// | `METERKIT_NAMING` | `prefixed` | `scope` leaves metric names without their scope |
    /// | `METERKIT_CARDINALITY_LIMIT` | `2000` | series per instrument that names no limit of its own |
    /// | `METERKIT_SERIES_LIMIT` | `1000000` | series of all labelled instruments together |
    /// | `METERKIT_DISABLED_SCOPES` | | comma list of scopes that record and export nothing: `plugin.techdocs,core.*` |
    /// | `METERKIT_SNAPSHOT_MAX_AGE` | `1000` | milliseconds that the values of a scrape or export may be old |
    /// | `METERKIT_CALLBACK_BUDGET` | `1000` | milliseconds that a scrape or export waits for a callback that has no budget of its own |
    /// | `METERKIT_RUNTIME_METRICS` | | comma list of what is observed of the program itself: `process`, `tokio` |
    ///
    /// By OpenTelemetry's Environment Variable Specification, but for two things: a value that cannot be used is an
    /// error rather than ignored, and the default target is `prometheus`, which bothers nobody.
    ///
    /// # Errors
    ///
    /// All variables that cannot be used, each with its value and what is accepted.
    pub fn from_env() -> Result<TelemetryBuilder, EnvError> {
        TelemetryBuilder::from_env()
    }

    /// A builder that does not look at the environment and has no targets yet.
    pub fn builder() -> TelemetryBuilder {
        TelemetryBuilder::new()
    }

    /// Exports everything recorded so far to all push targets, within 10 s.
    ///
    /// # Errors
    ///
    /// Which targets failed and why, or that the time passed.
    pub async fn flush(&self) -> Result<(), FlushError> {
        self.flush_within(DEADLINE).await
    }

    /// Like [`flush`](Self::flush), within `deadline`.
    ///
    /// # Errors
    ///
    /// Which targets failed and why, or that the deadline passed.
    pub async fn flush_within(&self, deadline: Duration) -> Result<(), FlushError> {
        self.pipeline.flush(deadline).await
    }

    /// Like [`flush`](Self::flush), for programs without a runtime.
    ///
    /// # Errors
    ///
    /// Which targets failed and why, or that the time passed.
    pub fn flush_blocking(&self) -> Result<(), FlushError> {
        self.pipeline.flush_blocking(DEADLINE)
    }

    /// Exports once more and stops, within 10 s. Recording stays safe and cheap afterwards.
    ///
    /// # Errors
    ///
    /// Which targets failed and why, or that the time passed. Delivery has stopped all the same.
    pub async fn shutdown(&self) -> Result<(), FlushError> {
        self.shutdown_within(DEADLINE).await
    }

    /// Like [`shutdown`](Self::shutdown), within `deadline`.
    ///
    /// # Errors
    ///
    /// Which targets failed and why, or that the deadline passed. Delivery has stopped all the same.
    pub async fn shutdown_within(&self, deadline: Duration) -> Result<(), FlushError> {
        let result = self.pipeline.shutdown(deadline).await;
        self.observations.end();
        result
    }

    /// Like [`shutdown`](Self::shutdown), for programs without a runtime.
    ///
    /// # Errors
    ///
    /// Which targets failed and why, or that the time passed. Delivery has stopped all the same.
    pub fn shutdown_blocking(&self) -> Result<(), FlushError> {
        let result = self.pipeline.shutdown_blocking(DEADLINE);
        self.observations.end();
        result
    }

    /// The address of the scrape endpoint, with the port that the system chose for port 0. `None` without one.
    #[cfg(feature = "prometheus")]
    pub fn prometheus_address(&self) -> Option<std::net::SocketAddr> {
        self.prometheus_address
    }

    /// Scrapes for the application's own server: as a function or as a `tower::Service`.
    #[cfg(feature = "prometheus")]
    pub fn scrape(&self) -> meterkit_prometheus::Scrape {
        meterkit_prometheus::Scrape::new(self.source())
    }

    /// Snapshots, for a pull target of your own.
    pub fn source(&self) -> Source {
        self.pipeline.source()
    }

    /// The provider behind OpenTelemetry's own API.
    pub fn provider(&self) -> &SdkMeterProvider {
        self.pipeline.provider()
    }
}
