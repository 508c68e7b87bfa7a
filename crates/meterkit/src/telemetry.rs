//! Installed metrics.

use std::time::Duration;

use meterkit_otel::MeterProvider;
use meterkit_pipeline::{FlushError, Health, Pipeline, Source};

use crate::builder::TelemetryBuilder;
use crate::runtime_metrics::Observations;
use crate::settings::{Environment, Problem, SettingsError};

/// How long [`Telemetry::flush`] and [`Telemetry::shutdown`] take at most.
const DEADLINE: Duration = Duration::from_secs(10);

/// Running collection and delivery of metrics, until [`shutdown`](Self::shutdown).
///
/// Keep it for the life of the program. Dropping it flushes too, but takes one second at most, and logs what did not
/// finish in time.
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
    /// What was wrong with settings at the start.
    pub(crate) warnings: Vec<Problem>,
    pub(crate) provider: MeterProvider,
    pub(crate) observations: Observations,
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus_address: Option<std::net::SocketAddr>,
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus_url: Option<String>,
    /// That of the scrape endpoint, if there is one.
    #[cfg(feature = "prometheus")]
    pub(crate) options: meterkit_prometheus::ExpositionOptions,
    /// What scrapes receive.
    #[cfg(feature = "prometheus")]
    pub(crate) scrape_filter: meterkit_pipeline::TargetFilter,
}

impl Telemetry {
    /// Returns a builder with the settings of the environment. Without any, metrics are served at
    /// `http://localhost:9464/metrics`. An empty variable counts as unset.
    ///
    #[doc = include_str!("settings/variables.md")]
    ///
    /// [`install`](TelemetryBuilder::install) warns of variables that have no effect: misspelled names, those of a target
    /// that is not compiled in, and those of OTLP without an endpoint. If the program has no subscriber of `tracing`, the
    /// warnings go to standard error. [`settings::declarations`](crate::settings::declarations) returns this list as
    /// values.
    ///
    /// Follows OpenTelemetry's Environment Variable Specification with two exceptions. An unusable value is an error if
    /// it decides whether, where, to whom or how protected data goes; other `OTEL_*` variables are ignored with a
    /// warning. The default target is `prometheus`, which sends nothing anywhere.
    ///
    /// # Errors
    ///
    /// Lists every variable with an unusable value, with that value and what is accepted.
    pub fn from_env() -> Result<TelemetryBuilder, SettingsError> {
        Self::from_environment(Environment::of_process())
    }

    /// Like [`from_env`](Self::from_env), with the variables of `environment` instead of those of this process.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_environment(environment: Environment) -> Result<TelemetryBuilder, SettingsError> {
        TelemetryBuilder::from_environment(environment)
    }

    /// Returns a builder that ignores the environment and has no targets yet.
    pub fn builder() -> TelemetryBuilder {
        TelemetryBuilder::new()
    }

    /// Exports everything recorded so far to all push targets, within 10 s. During a shutdown, returns its outcome.
    ///
    /// # Errors
    ///
    /// Returns an error that names the targets that failed and why, or says that the time ran out.
    pub async fn flush(&self) -> Result<(), FlushError> {
        self.flush_within(DEADLINE).await
    }

    /// Like [`flush`](Self::flush), within `deadline`.
    ///
    /// # Errors
    ///
    /// Returns an error that names the targets that failed and why, or says that the deadline passed.
    pub async fn flush_within(&self, deadline: Duration) -> Result<(), FlushError> {
        self.pipeline.flush(deadline).await
    }

    /// Like [`flush`](Self::flush), for programs without a runtime.
    ///
    /// # Errors
    ///
    /// Returns an error that names the targets that failed and why, or says that the time ran out.
    pub fn flush_blocking(&self) -> Result<(), FlushError> {
        self.flush_blocking_within(DEADLINE)
    }

    /// Like [`flush_blocking`](Self::flush_blocking), within `deadline`.
    ///
    /// # Errors
    ///
    /// Returns an error that names the targets that failed and why, or says that the deadline passed.
    pub fn flush_blocking_within(&self, deadline: Duration) -> Result<(), FlushError> {
        self.pipeline.flush_blocking(deadline)
    }

    /// Exports once more and stops, within 10 s. Recording stays safe and cheap afterwards.
    ///
    /// There is one shutdown, with one outcome: it goes on if this future is dropped, and whoever calls this again, at
    /// the same time or later, waits for it and gets its outcome.
    ///
    /// Orchestrators end a program with SIGTERM, which by default kills it at once. Wait for the signal, so that what
    /// was recorded last still arrives:
    ///
    /// ```no_run
    /// use meterkit::Telemetry;
    /// # #[cfg(unix)]
    /// use tokio::signal::unix::{SignalKind, signal};
    ///
    /// # #[cfg(unix)]
    /// #[tokio::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     // First of all: from here on the signal no longer kills.
    ///     let (mut terminate, mut interrupt) =
    ///         (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    ///     let telemetry = Telemetry::from_env()?.install()?;
    ///
    ///     // … start the service …
    ///
    ///     tokio::select! {
    ///         _ = terminate.recv() => {}
    ///         _ = interrupt.recv() => {}
    ///     }
    ///     // While what callbacks look at is still there; the service is stopped afterwards. That a receiver is away is no
    ///     // reason to exit with an error: the log says what was not delivered.
    ///     let _ = telemetry.shutdown().await;
    ///     Ok(())
    /// }
    /// # #[cfg(not(unix))]
    /// # fn main() {}
    /// ```
    ///
    /// Works on any runtime, and does not block the task's thread: the waiting happens on a separate thread.
    ///
    /// # Errors
    ///
    /// Returns an error that names the targets that failed and why, or says that the time ran out. Delivery has stopped
    /// all the same.
    pub async fn shutdown(&self) -> Result<(), FlushError> {
        self.shutdown_within(DEADLINE).await
    }

    /// Like [`shutdown`](Self::shutdown), within `deadline`.
    ///
    /// # Errors
    ///
    /// Returns an error that names the targets that failed and why, or says that the deadline passed. Delivery has stopped
    /// all the same.
    pub async fn shutdown_within(&self, deadline: Duration) -> Result<(), FlushError> {
        self.ended(self.pipeline.shutdown(deadline).await)
    }

    /// Like [`shutdown`](Self::shutdown), for programs without a runtime.
    ///
    /// # Errors
    ///
    /// Returns an error that names the targets that failed and why, or says that the time ran out. Delivery has stopped
    /// all the same.
    pub fn shutdown_blocking(&self) -> Result<(), FlushError> {
        self.shutdown_blocking_within(DEADLINE)
    }

    /// Like [`shutdown_blocking`](Self::shutdown_blocking), within `deadline`.
    ///
    /// # Errors
    ///
    /// Returns an error that names the targets that failed and why, or says that the deadline passed. Delivery has stopped
    /// all the same.
    pub fn shutdown_blocking_within(&self, deadline: Duration) -> Result<(), FlushError> {
        self.ended(self.pipeline.shutdown_blocking(deadline))
    }

    fn ended(&self, outcome: Result<(), FlushError>) -> Result<(), FlushError> {
        // The last export, which is still to come if another caller gave the shutdown more time, has the observations.
        if !matches!(outcome, Err(FlushError::Deadline(_))) {
            self.observations.end();
        }
        outcome
    }

    /// Returns the state of collection and delivery, for an admin page ([`Health::to_json`]) or a line in a log.
    ///
    /// Do not wire it to a readiness or liveness check: a service that serves well must not be restarted, or cut off from its
    /// clients, because a collector is away. Alert on the self-metrics instead.
    ///
    /// For each target, [`Health`] has the last success, the last error, the number of failures since, and what became
    /// of its points; beside the targets, it has what is wrong in the store. The same is exported as metrics:
    /// `meterkit.target.last_success` and `otel.sdk.exporter.*`, by OpenTelemetry's Semantic Conventions for SDK
    /// metrics. Contains no secrets. Visits every instrument, and works after shutdown too.
    ///
    /// ```
    /// use meterkit::target::ConsoleTarget;
    /// use meterkit::{Registry, Telemetry};
    ///
    /// # fn main() -> Result<(), meterkit::Error> {
    /// let telemetry = Telemetry::builder()
    ///     .registry(Registry::new())
    ///     .target(ConsoleTarget::new(std::io::sink()))
    ///     .install()?;
    /// telemetry.flush_blocking()?;
    ///
    /// let health = telemetry.health();
    /// assert!(health.is_delivering());
    /// assert_eq!(health.targets[0].name, "console");
    /// println!("{health}"); // metrics: the target works …
    /// # telemetry.shutdown_blocking()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn health(&self) -> Health {
        let mut health = self.pipeline.health();
        health.settings = self.warnings.iter().map(ToString::to_string).collect();
        health
    }

    /// Returns the address of the scrape endpoint, with the port that the system chose for port 0. `None` if there is
    /// no endpoint.
    #[cfg(feature = "prometheus")]
    pub fn prometheus_address(&self) -> Option<std::net::SocketAddr> {
        self.prometheus_address
    }

    /// Returns the URL of the scrape endpoint, such as `http://127.0.0.1:9464/metrics`. `None` if there is no endpoint.
    #[cfg(feature = "prometheus")]
    pub fn prometheus_url(&self) -> Option<&str> {
        self.prometheus_url.as_deref()
    }

    /// Returns the scrape for an application's own server, as a function and as a `tower::Service`. Names, labels and the
    /// [filter](TelemetryBuilder::filter) are those of the scrape endpoint or, without an endpoint, those that variables
    /// such as `METERKIT_PROMETHEUS_TRANSLATION` set.
    #[cfg(feature = "prometheus")]
    pub fn scrape(&self) -> meterkit_prometheus::Scrape {
        let source = self.source().filtered(self.scrape_filter.clone());
        meterkit_prometheus::Scrape::new(source).options(self.options.clone())
    }

    /// Returns the page that shows metrics and health in a browser, for an application's own server: a `tower::Service`,
    /// to mount behind authentication. The [filter](TelemetryBuilder::filter) is that of the scrape endpoint, which has
    /// this page at `/`.
    #[cfg(feature = "prometheus")]
    pub fn page(&self) -> meterkit_prometheus::LivePage {
        let source = self.source().filtered(self.scrape_filter.clone());
        meterkit_prometheus::LivePage::new(source).options(self.options.clone())
    }

    /// Returns a collector for a `prometheus::Registry` that the application already serves. Metrics are filtered and
    /// names translated as at the scrape endpoint, or by `METERKIT_PROMETHEUS_TRANSLATION` if there is no endpoint.
    ///
    /// ```
    /// use meterkit::{Registry, Telemetry};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let served = prometheus::Registry::new();
    /// let telemetry = Telemetry::builder().registry(Registry::new()).install()?;
    /// served.register(Box::new(telemetry.prometheus_collector()))?;
    /// # telemetry.shutdown_blocking()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "prometheus-registry")]
    pub fn prometheus_collector(&self) -> meterkit_prometheus_registry::MetricsCollector {
        let source = self.source();
        #[cfg(feature = "prometheus")]
        let source = source.filtered(self.scrape_filter.clone());
        let collector = meterkit_prometheus_registry::MetricsCollector::new(source);
        #[cfg(feature = "prometheus")]
        let collector = collector.names(self.options.names());
        collector
    }

    /// Returns a source of snapshots with all metrics, for your own pull target.
    pub fn source(&self) -> Source {
        self.pipeline.source()
    }

    /// Returns the provider that implements OpenTelemetry's API. Pass it to libraries that take a meter provider
    /// instead of using the global one.
    pub fn provider(&self) -> &MeterProvider {
        &self.provider
    }
}
