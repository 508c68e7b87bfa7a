//! How metrics are installed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use meterkit_core::{AttributeValue, Naming, Registry, ScopePatterns};
#[cfg(feature = "datadog")]
use meterkit_datadog::DatadogConfig;
#[cfg(feature = "grafana")]
use meterkit_grafana::GrafanaConfig;
#[cfg(all(feature = "dashboard", feature = "grafana"))]
use meterkit_grafana::PublishConfig;
#[cfg(feature = "sdk")]
use meterkit_otel::sdk::Mirror;
#[cfg(feature = "otlp")]
use meterkit_otlp::OtlpConfig;
use meterkit_pipeline::{ConsoleTarget, KeyFilter, Schedule, StreamDefaults, Target, Views};
#[cfg(feature = "prometheus")]
use meterkit_prometheus::{PrometheusServer, Protection, Translation};
#[cfg(feature = "sdk")]
use opentelemetry_sdk::metrics::{exporter::PushMetricExporter, reader::MetricReader};

use crate::add_target::AddTarget;
use crate::env::{EnvError, Ignored, Settings, TargetName};
use crate::error::InstallError;
use crate::mixed_versions;
use crate::resource::ResourceDetector;
use crate::runtime_metrics::RuntimeMetrics;
use crate::telemetry::Telemetry;

mod start;

/// Where metrics go, and how: from [`Telemetry::from_env`] or [`Telemetry::builder`].
///
/// What is set in code wins over the environment. Targets add up.
#[must_use = "nothing runs until `install`"]
pub struct TelemetryBuilder {
    registry: Registry,
    naming: Option<Naming>,
    namespace: Option<String>,
    cardinality_limit: Option<usize>,
    series_limit: Option<usize>,
    disabled_scopes: Option<ScopePatterns>,
    attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    snapshot_max_age: Option<Duration>,
    callback_budget: Option<Duration>,
    pub(crate) resource: Vec<(String, AttributeValue)>,
    pub(crate) detectors: Vec<ResourceDetector>,
    schedule: Schedule,
    /// Of targets that have one of their own, by name.
    intervals: BTreeMap<&'static str, Duration>,
    console: Option<ConsoleTarget>,
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus: Option<PrometheusServer>,
    /// Of variables, for an endpoint that has none of its own.
    #[cfg(feature = "prometheus")]
    protection: Result<Protection, EnvError>,
    /// Of the scrape, where there is no endpoint.
    #[cfg(feature = "prometheus")]
    translation: Translation,
    #[cfg(feature = "datadog")]
    pub(crate) datadog: Vec<(DatadogConfig, Option<Schedule>)>,
    #[cfg(feature = "grafana")]
    pub(crate) grafana: Vec<(GrafanaConfig, Option<Schedule>)>,
    #[cfg(all(feature = "dashboard", feature = "grafana"))]
    publish: Option<PublishConfig>,
    #[cfg(feature = "otlp")]
    pub(crate) otlp: Vec<(OtlpConfig, Option<Schedule>)>,
    targets: Vec<AddTarget>,
    #[cfg(feature = "sdk")]
    mirror: Mirror,
    ignored: Vec<Ignored>,
    pub(crate) runtime_metrics: RuntimeMetrics,
    pub(crate) views: Views,
    pub(crate) stream_defaults: StreamDefaults,
    /// What is kept of what the detectors find.
    pub(crate) detected: Option<KeyFilter>,
    /// What a configuration file says in vain.
    pub(crate) unused_in_file: Vec<String>,
    is_global: bool,
    /// Who says so.
    pub(crate) disabled_by: Option<&'static str>,
}

impl TelemetryBuilder {
    pub(crate) fn new() -> Self {
        Self {
            registry: Registry::global().clone(),
            naming: None,
            namespace: None,
            cardinality_limit: None,
            series_limit: None,
            disabled_scopes: None,
            attributes: Vec::new(),
            snapshot_max_age: None,
            callback_budget: None,
            resource: Vec::new(),
            detectors: Vec::new(),
            schedule: Schedule::default(),
            intervals: BTreeMap::new(),
            console: None,
            #[cfg(feature = "prometheus")]
            prometheus: None,
            #[cfg(feature = "prometheus")]
            protection: Ok(Protection::default()),
            #[cfg(feature = "prometheus")]
            translation: Translation::default(),
            #[cfg(feature = "datadog")]
            datadog: Vec::new(),
            #[cfg(feature = "grafana")]
            grafana: Vec::new(),
            #[cfg(all(feature = "dashboard", feature = "grafana"))]
            publish: None,
            #[cfg(feature = "otlp")]
            otlp: Vec::new(),
            targets: Vec::new(),
            #[cfg(feature = "sdk")]
            mirror: Mirror::new(),
            ignored: Vec::new(),
            runtime_metrics: RuntimeMetrics::default(),
            views: Views::default(),
            stream_defaults: StreamDefaults::default(),
            detected: None,
            unused_in_file: Vec::new(),
            is_global: true,
            disabled_by: None,
        }
    }

    pub(crate) fn from_env() -> Result<Self, EnvError> {
        let settings = Settings::read(std::env::vars_os())?;
        let mut builder = Self::new();
        builder.disabled_by = settings.is_disabled.then_some("OTEL_SDK_DISABLED");
        builder.naming = settings.naming;
        builder.cardinality_limit = settings.cardinality_limit;
        builder.series_limit = settings.series_limit;
        builder.disabled_scopes = settings.disabled_scopes;
        builder.snapshot_max_age = settings.snapshot_max_age;
        builder.callback_budget = settings.callback_budget;
        builder.resource = settings.resource;
        builder.detectors = settings.resource_detectors;
        builder.schedule = settings.schedule;
        builder.intervals = settings.intervals;
        builder.ignored = settings.selection.unserved;
        builder.ignored.extend(settings.ignored);
        for target in settings.selection.targets {
            match target {
                TargetName::Console => builder.console = Some(ConsoleTarget::stdout()),
                #[cfg(feature = "prometheus")]
                TargetName::Prometheus => {
                    let mut server = PrometheusServer::new();
                    if let Some(host) = &settings.prometheus_host {
                        server = server.host(host.clone());
                    }
                    if let Some(port) = settings.prometheus_port {
                        server = server.port(port);
                    }
                    if let Some(translation) = settings.prometheus_translation {
                        server = server.translation(translation);
                    }
                    builder.prometheus = Some(server);
                }
                #[cfg(not(feature = "prometheus"))]
                TargetName::Prometheus => {}
                TargetName::Otlp | TargetName::Datadog | TargetName::Grafana => {}
            }
        }
        #[cfg(feature = "otlp")]
        builder.otlp.extend(settings.otlp.map(|config| (config, None)));
        #[cfg(feature = "datadog")]
        builder.datadog.extend(settings.datadog.map(|config| (config, None)));
        #[cfg(feature = "grafana")]
        builder.grafana.extend(settings.grafana.map(|config| (config, None)));
        #[cfg(all(feature = "dashboard", feature = "grafana"))]
        {
            builder.publish = settings.publish;
        }
        #[cfg(feature = "config")]
        if let Some(configured) = settings.configured {
            builder = builder.configured(configured);
        }
        #[cfg(feature = "prometheus")]
        {
            builder.protection = settings.protection;
            builder.translation = settings.prometheus_translation.unwrap_or_default();
        }
        Ok(builder.with_runtime_metrics(&settings.runtime_metrics))
    }

    /// Collects from `registry` instead of the global one, and leaves OpenTelemetry's global provider alone.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self.is_global = false;
        self
    }

    /// The service's name. `OTEL_SERVICE_NAME` sets it too; by default `unknown_service:<program>`.
    pub fn service_name(self, name: impl Into<String>) -> Self {
        self.resource_attribute("service.name", AttributeValue::from(name.into()))
    }

    /// An attribute of the resource. `OTEL_RESOURCE_ATTRIBUTES` sets them too.
    pub fn resource_attribute(
        mut self,
        key: impl Into<String>,
        value: impl Into<AttributeValue>,
    ) -> Self {
        self.resource.push((key.into(), value.into()));
        self
    }

    /// The root namespace. `backstage` by default; `METERKIT_NAMESPACE` sets it too. Checked by
    /// [`install`](Self::install).
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// The root namespace and whether metric names carry it and their scope. By default `backstage`, and they do;
    /// `METERKIT_NAMESPACE` and `METERKIT_NAMING` set it too.
    pub fn naming(mut self, naming: Naming) -> Self {
        self.naming = Some(naming);
        self
    }

    /// Series per instrument that names no limit of its own. 2000 by default; `METERKIT_CARDINALITY_LIMIT` sets it too.
    pub fn cardinality_limit(mut self, series: usize) -> Self {
        self.cardinality_limit = Some(series);
        self
    }

    /// Series of all labelled instruments together; further label sets go to the overflow series of their instruments.
    /// 1,000,000 by default; `METERKIT_SERIES_LIMIT` sets it too.
    pub fn series_limit(mut self, series: usize) -> Self {
        self.series_limit = Some(series);
        self
    }

    /// Scopes whose instruments record and export nothing. None by default; `METERKIT_DISABLED_SCOPES` sets it too.
    pub fn disabled_scopes(mut self, scopes: ScopePatterns) -> Self {
        self.disabled_scopes = Some(scopes);
        self
    }

    /// An attribute that every series has, of every instrument that is made with this library.
    ///
    /// Of attributes with one key, the later in this order wins: resource, these, those of a
    /// [scope](meterkit_core::Meter::attribute), those of an [instrument](meterkit_core::InstrumentBuilder::attribute),
    /// labels. Checked by [`install`](Self::install).
    pub fn attribute(
        mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<AttributeValue>,
    ) -> Self {
        self.attributes.push((key.into(), value.into()));
        self
    }

    /// How old the values of a scrape or an export may be. 1 s by default; `METERKIT_SNAPSHOT_MAX_AGE`, in
    /// milliseconds, sets it too.
    pub fn snapshot_max_age(mut self, age: Duration) -> Self {
        self.snapshot_max_age = Some(age);
        self
    }

    /// How long a scrape or an export waits for a callback that has no [budget](meterkit_core::CallbackBuilder::budget)
    /// of its own. 1 s by default; `METERKIT_CALLBACK_BUDGET`, in milliseconds, sets it too.
    pub fn callback_budget(mut self, budget: Duration) -> Self {
        self.callback_budget = Some(budget);
        self
    }

    /// Changes metrics on their way to the targets: other names, fewer attributes, other buckets, or none of them.
    /// Readers that were added with [`reader`](Self::reader) see names and attributes as they are. `views` in the file
    /// of `OTEL_CONFIG_FILE` does it too.
    ///
    /// ```
    /// use meterkit::{Aggregation, Registry, Telemetry, View, ViewSelector, ViewStream, Views};
    ///
    /// # fn main() -> Result<(), meterkit::Error> {
    /// let quiet = View {
    ///     selector: ViewSelector { instrument_name: Some("tokio.*".into()), ..Default::default() },
    ///     stream: ViewStream { aggregation: Some(Aggregation::Drop), ..Default::default() },
    /// };
    /// let builder = Telemetry::builder().registry(Registry::new());
    /// let telemetry = builder.views(Views::new(vec![quiet])).install()?;
    /// # telemetry.shutdown_blocking()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn views(mut self, views: Views) -> Self {
        self.views = views;
        self
    }

    /// When push targets are served that name no schedule of their own. Every 60 s, each attempt at most 30 s, by
    /// default; `OTEL_METRIC_EXPORT_INTERVAL` and `OTEL_METRIC_EXPORT_TIMEOUT` set it too.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Serves `/metrics` for Prometheus. `OTEL_METRICS_EXPORTER=prometheus` does it too. After
    /// [`from_env`](Telemetry::from_env), credentials and TLS of variables count for an endpoint that has none of its
    /// own. Credentials that are asked for without TLS, on an address that other machines reach, are a warning of
    /// [`install`](Self::install).
    #[cfg(feature = "prometheus")]
    pub fn prometheus(mut self, server: PrometheusServer) -> Self {
        self.prometheus = Some(server);
        self
    }

    /// Writes metrics to standard output, or wherever `console` says. `OTEL_METRICS_EXPORTER=console` does it too;
    /// `METERKIT_CONSOLE_INTERVAL` sets an interval for it alone.
    pub fn console(mut self, console: ConsoleTarget) -> Self {
        self.console = Some(console);
        self
    }

    /// Sends to an OTLP receiver: a collector, or a backend that speaks it. Any number of them, each with its own
    /// settings. `OTEL_METRICS_EXPORTER=otlp`, or an endpoint in `OTEL_EXPORTER_OTLP_ENDPOINT`, does it too;
    /// `METERKIT_OTLP_INTERVAL` sets an interval for them alone.
    ///
    /// An endpoint with `https` that cannot be used is an error of [`install`](Self::install).
    #[cfg(feature = "otlp")]
    pub fn otlp(mut self, config: OtlpConfig) -> Self {
        self.otlp.push((config, None));
        self
    }

    /// Sends to Datadog: to its intake, an agent, or an intake of OTLP. Any number of them, each with its own settings.
    /// `OTEL_METRICS_EXPORTER=datadog`, or a `DD_API_KEY`, `DD_AGENT_HOST`, `DD_DOGSTATSD_URL`,
    /// `METERKIT_DATADOG_MODE` or `METERKIT_DATADOG_ENDPOINT`, does it too; `METERKIT_DATADOG_INTERVAL` sets an
    /// interval for them alone.
    ///
    /// The key is checked in the background: one that is refused is an error in the log, and in
    /// [`Telemetry::health`].
    #[cfg(feature = "datadog")]
    pub fn datadog(mut self, config: DatadogConfig) -> Self {
        self.datadog.push((config, None));
        self
    }

    /// Sends to Grafana Cloud's OTLP gateway, or by Prometheus remote write to Grafana Cloud, Mimir, Prometheus or
    /// VictoriaMetrics. Any number of them, each with its own settings. `OTEL_METRICS_EXPORTER=grafana`, or a
    /// `GRAFANA_REMOTE_WRITE_URL`, `GRAFANA_CLOUD_API_KEY`, `GRAFANA_CLOUD_ZONE` or `GRAFANA_CLOUD_INSTANCE_ID`, does it
    /// too; `METERKIT_GRAFANA_INTERVAL` sets an interval for them alone.
    #[cfg(feature = "grafana")]
    pub fn grafana(mut self, config: GrafanaConfig) -> Self {
        self.grafana.push((config, None));
        self
    }

    /// Draws a dashboard of all instruments, named after the service, and puts it into a Grafana, 15 s after the start
    /// and again when there are others. `GRAFANA_URL` and `GRAFANA_SERVICE_ACCOUNT_TOKEN` do it too, and
    /// `GRAFANA_FOLDER` names a folder.
    ///
    /// In its first hour, a process leaves a dashboard of ours that shows all of its panels and more, as instruments
    /// may be made when they are first used. Later it replaces that too.
    ///
    /// It shows what the targets get, after [views](Self::views). Exponential histograms are asked for as native ones
    /// where there is a target `otlp` or `grafana`; without either, by the counts and sums that a scrape has.
    ///
    /// One that a person has changed is left alone. A Grafana that does not answer is a warning in the log, and no
    /// more.
    #[cfg(all(feature = "dashboard", feature = "grafana"))]
    pub fn publish_dashboard(mut self, config: PublishConfig) -> Self {
        self.publish = Some(config);
        self
    }

    /// Adds a push target of your own, served by the common schedule.
    pub fn target(self, target: impl Target) -> Self {
        self.add(target, None)
    }

    /// Adds a push target of your own with a schedule of its own.
    pub fn target_with(self, target: impl Target, schedule: Schedule) -> Self {
        self.add(target, Some(schedule))
    }

    /// Adds a reader of OpenTelemetry's ecosystem, with its own schedule. It sees every instrument as it is, including
    /// those of other libraries.
    ///
    /// The SDK keeps a copy of each instrument for it, and histograms record twice.
    ///
    /// The exporter of `opentelemetry-prometheus` is such a reader. It adds all metrics to a `prometheus::Registry`, for
    /// programs that serve one already:
    ///
    /// ```ignore
    /// let served = prometheus::Registry::new();
    /// let exporter = opentelemetry_prometheus::exporter().with_registry(served.clone()).build()?;
    /// let telemetry = Telemetry::builder().reader(exporter).install()?;
    /// // `served.gather()` now has the metrics of this library beside its own.
    /// ```
    ///
    /// A `prometheus::Registry` takes one such exporter. It refuses a second one as a duplicate, since it tells
    /// collectors apart by their descriptions, and these have none. Parts of a program that want one each need a registry
    /// each.
    #[cfg(feature = "sdk")]
    pub fn reader(mut self, reader: impl MetricReader) -> Self {
        self.mirror.reader(reader);
        self
    }

    /// Adds an exporter of OpenTelemetry's ecosystem as a push target, served by the common schedule: with its timeout,
    /// [views](Self::views) and health.
    ///
    /// A batch that the exporter refuses is offered again at later intervals, ten times or for an hour at most. Nothing
    /// is collected meanwhile, so that deltas survive an outage.
    ///
    /// ```no_run
    /// use meterkit::Telemetry;
    /// # use meterkit::opentelemetry_sdk::metrics::exporter::PushMetricExporter;
    ///
    /// # fn install(exporter: impl PushMetricExporter) -> Result<Telemetry, meterkit::InstallError> {
    /// // Such as `opentelemetry_otlp::MetricExporter::builder().with_http().build()?`.
    /// let telemetry = Telemetry::builder().exporter(exporter).install()?;
    /// # Ok(telemetry)
    /// # }
    /// ```
    ///
    /// It may block: it runs on a thread of its own, with a tokio runtime at hand. Of what can fall, OpenTelemetry's
    /// delta exporters get totals.
    #[cfg(feature = "sdk")]
    pub fn exporter(mut self, exporter: impl PushMetricExporter) -> Self {
        let target = self.mirror.exporter(exporter);
        self.target(target)
    }

    /// Starts everything, and makes [the provider](crate::MeterProvider) OpenTelemetry's global one, so that metrics of
    /// other libraries arrive at the same targets. Logs one line per target. Where cargo runs the program, it warns of a second version
    /// of `opentelemetry` in `Cargo.lock`.
    ///
    /// With `OTEL_SDK_DISABLED=true` nothing is collected and nothing is sent.
    ///
    /// # Errors
    ///
    /// A port in use, a certificate that cannot be used, a namespace that makes a name too long, a registry that is
    /// installed already, metrics of a tokio runtime outside of one. Nothing runs then.
    pub fn install(mut self) -> Result<Telemetry, InstallError> {
        if let Some(by) = self.disabled_by {
            return self.install_disabled(by);
        }
        for Ignored { variable, reason } in std::mem::take(&mut self.ignored) {
            tracing::warn!(variable = &*variable, "set, but {reason}");
        }
        if !self.unused_in_file.is_empty() {
            let unused = self.unused_in_file.join(", ");
            tracing::info!("metrics have no use for what OTEL_CONFIG_FILE says at {unused}");
        }
        let is_global = self.is_global;
        let telemetry = self.start()?;
        mixed_versions::warn();
        if is_global {
            opentelemetry::global::set_meter_provider(telemetry.provider().clone());
        }
        Ok(telemetry)
    }

    fn add(mut self, target: impl Target, schedule: Option<Schedule>) -> Self {
        self.targets.push(AddTarget::new(target, schedule));
        self
    }
}

impl fmt::Debug for TelemetryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: Vec<_> = self.targets.iter().map(|target| &target.name).collect();
        f.debug_struct("TelemetryBuilder")
            .field("targets", &targets)
            .field("console", &self.console)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}
