//! Installed metrics.

use std::time::Duration;

use meterkit_otel::MeterProvider;
use meterkit_pipeline::{FlushError, Health, Pipeline, Source};

use crate::builder::TelemetryBuilder;
use crate::env::EnvError;
use crate::runtime_metrics::Observations;

/// How long [`Telemetry::flush`] and [`Telemetry::shutdown`] take at most.
const DEADLINE: Duration = Duration::from_secs(10);

/// Metrics that are collected and delivered, until [`shutdown`](Self::shutdown).
///
/// Keep it for the life of the program: dropping it flushes too, but only for a second, and logs what it cut off.
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
    pub(crate) provider: MeterProvider,
    pub(crate) observations: Observations,
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus_address: Option<std::net::SocketAddr>,
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus_url: Option<String>,
    /// That of the scrape endpoint, if there is one.
    #[cfg(feature = "prometheus")]
    pub(crate) translation: meterkit_prometheus::Translation,
}

impl Telemetry {
    /// What the environment says. Nothing set: a scrape endpoint on `http://localhost:9464/metrics`. Empty means unset.
    ///
    #[doc = include_str!("env/variables.md")]
    ///
    /// A variable that begins with `METERKIT_` and is none of these is reported when the metrics are installed.
    /// [`env::variables`](crate::env::variables) gives the same as values.
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
        self.flush_blocking_within(DEADLINE)
    }

    /// Like [`flush_blocking`](Self::flush_blocking), within `deadline`.
    ///
    /// # Errors
    ///
    /// Which targets failed and why, or that the deadline passed.
    pub fn flush_blocking_within(&self, deadline: Duration) -> Result<(), FlushError> {
        self.pipeline.flush_blocking(deadline)
    }

    /// Exports once more and stops, within 10 s. Recording stays safe and cheap afterwards. The second call does
    /// nothing.
    ///
    /// Orchestrators end a program with SIGTERM, which by default kills it at once: wait for the signal, and what was
    /// recorded last still arrives.
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
    ///     // While what callbacks look at is still there; the service is stopped afterwards.
    ///     telemetry.shutdown().await?;
    ///     Ok(())
    /// }
    /// # #[cfg(not(unix))]
    /// # fn main() {}
    /// ```
    ///
    /// Works on any runtime, and in a task of it that must not block: what is waited for runs on a thread of its own.
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
        self.shutdown_blocking_within(DEADLINE)
    }

    /// Like [`shutdown_blocking`](Self::shutdown_blocking), within `deadline`.
    ///
    /// # Errors
    ///
    /// Which targets failed and why, or that the deadline passed. Delivery has stopped all the same.
    pub fn shutdown_blocking_within(&self, deadline: Duration) -> Result<(), FlushError> {
        let result = self.pipeline.shutdown_blocking(deadline);
        self.observations.end();
        result
    }

    /// How collection and delivery are doing: for a readiness check, an admin page, or a line in a log.
    ///
    /// Of each target when it last worked, its last error, how often it failed since, and what became of its points;
    /// beside them what is wrong in the store. The same is exported as metrics: `meterkit.target.last_success` and
    /// `otel.sdk.exporter.*`, by OpenTelemetry's Semantic Conventions for SDK metrics. Holds no secrets. Costs a look
    /// at each instrument, and works after the shutdown too.
    ///
    /// ```
    /// use meterkit::{ConsoleTarget, Registry, Telemetry};
    ///
    /// # fn main() -> Result<(), meterkit::Error> {
    /// let telemetry = Telemetry::builder()
    ///     .registry(Registry::new())
    ///     .console(ConsoleTarget::new(std::io::sink()))
    ///     .install()?;
    /// telemetry.flush_blocking()?;
    ///
    /// let health = telemetry.health();
    /// assert!(health.is_healthy());
    /// assert_eq!(health.targets[0].name, "console");
    /// println!("{health}"); // metrics: the target works …
    /// # telemetry.shutdown_blocking()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn health(&self) -> Health {
        self.pipeline.health()
    }

    /// The address of the scrape endpoint, with the port that the system chose for port 0. `None` without one.
    #[cfg(feature = "prometheus")]
    pub fn prometheus_address(&self) -> Option<std::net::SocketAddr> {
        self.prometheus_address
    }

    /// Where the scrape endpoint has the metrics, if there is one: `http://127.0.0.1:9464/metrics`, or `https`.
    #[cfg(feature = "prometheus")]
    pub fn prometheus_url(&self) -> Option<&str> {
        self.prometheus_url.as_deref()
    }

    /// Scrapes for the application's own server: as a function or as a `tower::Service`. Names are those of the scrape
    /// endpoint; without one, `METERKIT_PROMETHEUS_TRANSLATION` counts.
    #[cfg(feature = "prometheus")]
    pub fn scrape(&self) -> meterkit_prometheus::Scrape {
        meterkit_prometheus::Scrape::new(self.source()).translation(self.translation)
    }

    /// Snapshots, for a pull target of your own.
    pub fn source(&self) -> Source {
        self.pipeline.source()
    }

    /// Returns the provider behind OpenTelemetry's API. What other libraries record through it is kept and delivered as
    /// what is recorded with this library's types.
    pub fn provider(&self) -> &MeterProvider {
        &self.provider
    }
}
