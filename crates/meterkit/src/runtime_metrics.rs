//! Switches on metrics of the program itself and of registries of other libraries, and ends them with the pipeline.

use std::sync::Mutex;

use meterkit_core::{CallbackGuard, Registry, Unpoisoned};
#[cfg(feature = "prometheus-registry")]
use meterkit_prometheus_registry::prometheus::Registry as PrometheusRegistry;
#[cfg(feature = "tokio")]
use tokio::runtime::Handle;

use crate::builder::TelemetryBuilder;
use crate::error::InstallError;
use crate::settings;

impl TelemetryBuilder {
    /// Observes the process by OpenTelemetry's semantic conventions: CPU time, memory, threads, open files, page
    /// faults, disk bytes and uptime. Off by default. Environment variable: `METERKIT_RUNTIME_METRICS=process`.
    ///
    /// [`meterkit_runtime::process`] lists the metrics.
    ///
    /// ```no_run
    /// use meterkit::Telemetry;
    ///
    /// # fn main() -> Result<(), meterkit::Error> {
    /// let telemetry = Telemetry::from_env()?.with_process_metrics().install()?;
    /// # telemetry.shutdown_blocking()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "process")]
    pub fn with_process_metrics(mut self) -> Self {
        let observe = |registry: &Registry| Ok(meterkit_runtime::process::observe(registry)?);
        self.runtime_metrics.process = Some(Box::new(observe));
        self
    }

    /// Observes the tokio runtime in which [`install`](Self::install) is called: workers, their load, tasks and the
    /// queue. Off by default. Environment variable: `METERKIT_RUNTIME_METRICS=tokio`.
    ///
    /// [`meterkit_runtime::tokio`] lists the metrics. `install` fails if it is called outside of a runtime.
    #[cfg(feature = "tokio")]
    pub fn with_tokio_metrics(self) -> Self {
        self.with_metrics_of_current("`with_tokio_metrics()`")
    }

    /// Observes the tokio runtime of `handle`. Only one runtime is observed: the last call of this method or
    /// [`with_tokio_metrics`](Self::with_tokio_metrics) counts.
    #[cfg(feature = "tokio")]
    pub fn with_tokio_metrics_of(mut self, handle: Handle) -> Self {
        let observe =
            move |registry: &Registry| Ok(meterkit_runtime::tokio::observe(registry, &handle)?);
        self.runtime_metrics.tokio = Some(Box::new(observe));
        self
    }

    /// Observes the memory of jemalloc, for programs that use it as their allocator. Off by default.
    ///
    /// [`meterkit_runtime::jemalloc`] lists the metrics.
    #[cfg(feature = "jemalloc")]
    pub fn with_jemalloc_metrics(mut self) -> Self {
        let observe = |registry: &Registry| Ok(meterkit_runtime::jemalloc::observe(registry)?);
        self.runtime_metrics.others.push(Box::new(observe));
        self
    }

    /// Observes the memory of mimalloc, for programs that use it as their allocator. Off by default.
    ///
    /// [`meterkit_runtime::mimalloc`] lists the metrics.
    #[cfg(feature = "mimalloc")]
    pub fn with_mimalloc_metrics(mut self) -> Self {
        let observe = |registry: &Registry| Ok(meterkit_runtime::mimalloc::observe(registry)?);
        self.runtime_metrics.others.push(Box::new(observe));
        self
    }

    /// Includes the metrics that the application records with the crate `prometheus` in scrapes and exports, until
    /// shutdown. May be called for several registries. See
    /// [`prometheus_registry::import`](crate::prometheus_registry::import).
    ///
    /// ```
    /// use meterkit::{Registry, Telemetry};
    /// use prometheus::{IntCounter, register_int_counter_with_registry};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let theirs = prometheus::Registry::new(); // or `prometheus::default_registry().clone()`
    /// let jobs = register_int_counter_with_registry!("jobs_total", "Jobs.", theirs)?;
    /// let builder = Telemetry::builder().registry(Registry::new()).prometheus_registry(theirs);
    /// let telemetry = builder.install()?;
    /// jobs.inc();
    /// # telemetry.shutdown_blocking()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "prometheus-registry")]
    pub fn prometheus_registry(mut self, registry: PrometheusRegistry) -> Self {
        self.runtime_metrics
            .others
            .push(Box::new(move |ours| Ok(meterkit_prometheus_registry::import(ours, registry))));
        self
    }

    /// Includes the metrics that the application records with the crate `prometheus-client` in scrapes and exports,
    /// until shutdown. May be called for several registries. See
    /// [`prometheus_client::import`](crate::prometheus_client::import).
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use meterkit::{Registry, Telemetry};
    /// use prometheus_client::metrics::counter::Counter;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut theirs = prometheus_client::registry::Registry::default();
    /// let jobs: Counter = Counter::default();
    /// theirs.register("jobs", "Jobs", jobs.clone());
    /// let builder = Telemetry::builder().registry(Registry::new());
    /// let telemetry = builder.prometheus_client_registry(Arc::new(theirs)).install()?;
    /// jobs.inc();
    /// # telemetry.shutdown_blocking()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "prometheus-client")]
    pub fn prometheus_client_registry(
        mut self,
        registry: impl Into<meterkit_prometheus_client::SharedRegistry>,
    ) -> Self {
        let registry = registry.into();
        self.runtime_metrics
            .others
            .push(Box::new(move |ours| Ok(meterkit_prometheus_client::import(ours, registry))));
        self
    }

    #[cfg(feature = "tokio")]
    fn with_metrics_of_current(mut self, asked_by: &'static str) -> Self {
        let observe = move |registry: &Registry| {
            let current = Handle::try_current();
            let handle = current.map_err(|_| InstallError::NoTokioRuntime { asked_by })?;
            Ok(meterkit_runtime::tokio::observe(registry, &handle)?)
        };
        self.runtime_metrics.tokio = Some(Box::new(observe));
        self
    }

    /// Adds the metrics that the environment selects, as far as they are compiled in.
    pub(crate) fn with_runtime_metrics(self, names: &[settings::RuntimeMetrics]) -> Self {
        names.iter().fold(self, |builder, name| match name {
            #[cfg(feature = "process")]
            settings::RuntimeMetrics::Process => builder.with_process_metrics(),
            #[cfg(feature = "tokio")]
            settings::RuntimeMetrics::Tokio => {
                builder.with_metrics_of_current("METERKIT_RUNTIME_METRICS=tokio")
            }
            #[cfg(not(all(feature = "process", feature = "tokio")))]
            _ => builder,
        })
    }
}

/// The metrics of the program itself to observe.
#[derive(Default)]
pub(crate) struct RuntimeMetrics {
    process: Option<Observe>,
    tokio: Option<Observe>,
    /// Metrics of allocators, and of registries of other libraries.
    others: Vec<Observe>,
}

/// Registers callbacks that report the metrics to a registry.
type Observe = Box<dyn FnOnce(&Registry) -> Result<CallbackGuard, InstallError> + Send>;

impl RuntimeMetrics {
    pub(crate) fn observe(self, registry: &Registry) -> Result<Observations, InstallError> {
        let observers = [self.process, self.tokio].into_iter().flatten().chain(self.others);
        let guards: Result<_, _> = observers.map(|observe| observe(registry)).collect();
        Ok(Observations(Mutex::new(guards?)))
    }
}

/// The callbacks that are registered as long as the pipeline runs.
#[derive(Debug, Default)]
pub(crate) struct Observations(Mutex<Vec<CallbackGuard>>);

impl Observations {
    /// Unregisters all callbacks.
    pub(crate) fn end(&self) {
        self.0.lock().unpoisoned().clear();
    }
}
