//! The handle to installed metrics.

use std::time::Duration;

use meterkit_otel::MeterProvider;
use meterkit_pipeline::{FlushError, Health, Pipeline, Source};

use crate::builder::TelemetryBuilder;
use crate::runtime_metrics::Observations;
use crate::settings::{Environment, SettingsError};

/// The default deadline of [`Telemetry::flush`] and [`Telemetry::shutdown`].
const DEADLINE: Duration = Duration::from_secs(10);

/// The running collection and delivery of metrics, until [`shutdown`](Self::shutdown).
///
/// Keep it for the life of the program. Dropping it also flushes, but for at most one second, and logs what did not
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
#[must_use = "delivery stops when this value is dropped"]
pub struct Telemetry {
    /// Declared before the observations, so that it is dropped first and its last export still contains them.
    pub(crate) pipeline: Pipeline,
    pub(crate) provider: MeterProvider,
    pub(crate) observations: Observations,
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus_address: Option<std::net::SocketAddr>,
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus_url: Option<String>,
    /// The options of the scrape endpoint, if there is one.
    #[cfg(feature = "prometheus")]
    pub(crate) options: meterkit_prometheus::ExpositionOptions,
    /// The filter of scrapes.
    #[cfg(feature = "prometheus")]
    pub(crate) scrape_filter: meterkit_pipeline::TargetFilter,
}

impl Telemetry {
    /// Returns a builder with the settings of the environment. If no variable is set, metrics are served at
    /// `http://localhost:9464/metrics`. An empty variable counts as unset.
    ///
    #[doc = include_str!("settings/variables.md")]
    ///
    /// [`install`](TelemetryBuilder::install) warns about variables that have no effect: misspelled names, variables of
    /// a target that is not compiled in, and variables of OTLP without an endpoint. If the program has no `tracing`
    /// subscriber, the warnings go to standard error. [`settings::declarations`](crate::settings::declarations) returns
    /// this list as values.
    ///
    /// Follows OpenTelemetry's Environment Variable Specification with two exceptions. An invalid value is an error if
    /// it affects whether metrics are sent, their destination, or their protection; other invalid `OTEL_*` variables
    /// are ignored with a warning. The default target is `prometheus`, which sends nothing anywhere.
    ///
    /// # Errors
    ///
    /// Returns an error that lists every variable with an invalid value, together with that value and what is accepted.
    pub fn from_env() -> Result<TelemetryBuilder, SettingsError> {
        Self::from_environment(Environment::of_process())
    }

    /// Like [`from_env`](Self::from_env), with the variables of `environment` instead of those of this process.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`from_env`](Self::from_env).
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

    /// Like [`flush`](Self::flush), for programs without an async runtime.
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

    /// Exports once more and stops, within 10 s. Recording remains safe and cheap afterwards.
    ///
    /// There is only one shutdown, with one outcome. It continues if this future is dropped, and later or concurrent
    /// calls wait for it and return its outcome.
    ///
    /// Orchestrators end a program with SIGTERM, which by default kills it at once. Wait for the signal, so that the
    /// last recordings are still delivered:
    ///
    /// ```no_run
    /// use meterkit::Telemetry;
    /// # #[cfg(unix)]
    /// use tokio::signal::unix::{SignalKind, signal};
    ///
    /// # #[cfg(unix)]
    /// #[tokio::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     // First of all: from here on, the signal no longer kills the program.
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
    ///     // Shut down before stopping the service, while the data that callbacks read still exists. A receiver that
    ///     // is down is no reason to exit with an error: the log says what was not delivered.
    ///     let _ = telemetry.shutdown().await;
    ///     Ok(())
    /// }
    /// # #[cfg(not(unix))]
    /// # fn main() {}
    /// ```
    ///
    /// Works on any runtime and does not block the task's thread, because a separate thread waits.
    ///
    /// # Errors
    ///
    /// Returns an error that names the targets that failed and why, or says that the time ran out. Delivery stops in
    /// either case.
    pub async fn shutdown(&self) -> Result<(), FlushError> {
        self.shutdown_within(DEADLINE).await
    }

    /// Like [`shutdown`](Self::shutdown), within `deadline`.
    ///
    /// # Errors
    ///
    /// Returns an error that names the targets that failed and why, or says that the deadline passed. Delivery stops in
    /// either case.
    pub async fn shutdown_within(&self, deadline: Duration) -> Result<(), FlushError> {
        self.ended(self.pipeline.shutdown(deadline).await)
    }

    /// Like [`shutdown`](Self::shutdown), for programs without an async runtime.
    ///
    /// # Errors
    ///
    /// Returns an error that names the targets that failed and why, or says that the time ran out. Delivery stops in
    /// either case.
    pub fn shutdown_blocking(&self) -> Result<(), FlushError> {
        self.shutdown_blocking_within(DEADLINE)
    }

    /// Like [`shutdown_blocking`](Self::shutdown_blocking), within `deadline`.
    ///
    /// # Errors
    ///
    /// Returns an error that names the targets that failed and why, or says that the deadline passed. Delivery stops in
    /// either case.
    pub fn shutdown_blocking_within(&self, deadline: Duration) -> Result<(), FlushError> {
        self.ended(self.pipeline.shutdown_blocking(deadline))
    }

    fn ended(&self, outcome: Result<(), FlushError>) -> Result<(), FlushError> {
        // If the deadline passed, another caller may have given the shutdown more time, and the last export still needs
        // the observations.
        if !matches!(outcome, Err(FlushError::Deadline(_))) {
            self.observations.end();
        }
        outcome
    }

    /// Returns the state of collection and delivery, for an admin page ([`Health::to_json`]) or a line in a log.
    ///
    /// Do not use it for a readiness or liveness check: a service that works must not be restarted or cut off from its
    /// clients because a collector is down. Alert on the self-metrics instead.
    ///
    /// For each target, [`Health`] contains the last success, the last error, the number of failures since, and the
    /// outcome of its points; it also contains problems of the store. The same data is exported as metrics:
    /// `meterkit.target.last_success` and `otel.sdk.exporter.*`, by OpenTelemetry's Semantic Conventions for SDK
    /// metrics. Contains no secrets. This method visits every instrument, and also works after shutdown.
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
        self.pipeline.health()
    }

    /// Returns the address of the scrape endpoint, with the port that the system chose for port 0; `None` if there is
    /// no endpoint.
    #[cfg(feature = "prometheus")]
    pub fn prometheus_address(&self) -> Option<std::net::SocketAddr> {
        self.prometheus_address
    }

    /// Returns the URL of the scrape endpoint, such as `http://127.0.0.1:9464/metrics`; `None` if there is no endpoint.
    #[cfg(feature = "prometheus")]
    pub fn prometheus_url(&self) -> Option<&str> {
        self.prometheus_url.as_deref()
    }

    /// Returns the scrape for an application's own server, as a function and as a `tower::Service`. Names, labels and
    /// the [filter](TelemetryBuilder::filter) are those of the scrape endpoint. Without an endpoint, variables such as
    /// `METERKIT_PROMETHEUS_TRANSLATION` set them.
    #[cfg(feature = "prometheus")]
    pub fn scrape(&self) -> meterkit_prometheus::Scrape {
        let source = self.source().filtered(self.scrape_filter.clone());
        meterkit_prometheus::Scrape::new(source).options(self.options.clone())
    }

    /// Returns the page that shows metrics and health in a browser, for an application's own server: a
    /// `tower::Service`, to be mounted behind authentication. It uses the [filter](TelemetryBuilder::filter) of the
    /// scrape endpoint, which serves this page at `/`.
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

    /// Returns a source of snapshots of all metrics, for your own pull target.
    pub fn source(&self) -> Source {
        self.pipeline.source()
    }

    /// Returns the provider that implements OpenTelemetry's API. Pass it to libraries that take a meter provider
    /// instead of using the global one.
    pub fn provider(&self) -> &MeterProvider {
        &self.provider
    }
}
