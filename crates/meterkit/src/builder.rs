//! The builder that installs metrics.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use meterkit_core::{AttributeValue, ExemplarFilter, Naming, Registry, ScopePatterns};
#[cfg(all(feature = "dashboard", feature = "grafana"))]
use meterkit_grafana::PublishConfig;
#[cfg(feature = "sdk")]
use meterkit_otel::sdk::Mirror;
use meterkit_pipeline::{IntoTarget, KeyFilter, Schedule, StreamDefaults, TargetFilter, Views};
#[cfg(feature = "prometheus")]
use meterkit_prometheus::{PrometheusServer, Protection};
use meterkit_settings::warn_at_start;
#[cfg(feature = "sdk")]
use opentelemetry_sdk::metrics::{exporter::PushMetricExporter, reader::MetricReader};

use crate::error::InstallError;
use crate::mixed_versions;
use crate::resource::ResourceDetector;
use crate::runtime_metrics::RuntimeMetrics;
use crate::settings::{
    Environment, HistogramAggregation, Ignored, Problem, Settings, SettingsError,
};
use crate::telemetry::Telemetry;

mod check;
mod start;

/// Configures where metrics go and how they get there. Created by [`Telemetry::from_env`] or [`Telemetry::builder`].
///
/// Settings in code take precedence over the environment. Targets from both are used.
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
    callback_durations: Option<bool>,
    pub(crate) exemplar_filter: ExemplarFilter,
    pub(crate) resource: Vec<(String, AttributeValue)>,
    pub(crate) detectors: Vec<ResourceDetector>,
    schedule: Schedule,
    /// The export intervals of targets that have their own, by target name.
    intervals: BTreeMap<&'static str, Duration>,
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus: Option<PrometheusServer>,
    /// Credentials and TLS from variables, for an endpoint without its own.
    #[cfg(feature = "prometheus")]
    protection: Result<Protection, SettingsError>,
    /// The options that variables set, for a scrape without an endpoint and for an endpoint from a file.
    #[cfg(feature = "prometheus")]
    pub(crate) scrape: PrometheusServer,
    #[cfg(all(feature = "dashboard", feature = "grafana"))]
    publish: Option<PublishConfig>,
    pub(crate) targets: Vec<ConfiguredTarget>,
    /// The filters of targets, by target name.
    pub(crate) filters: BTreeMap<String, TargetFilter>,
    #[cfg(feature = "sdk")]
    mirror: Mirror,
    ignored: Vec<Ignored>,
    warnings: Vec<Problem>,
    pub(crate) runtime_metrics: RuntimeMetrics,
    pub(crate) views: Views,
    pub(crate) stream_defaults: StreamDefaults,
    /// The bucket type of all histograms, if a setting overrides it.
    pub(crate) histograms: Option<HistogramAggregation>,
    /// Which detected attributes are kept.
    pub(crate) detected: Option<KeyFilter>,
    /// Parts of the configuration file that have no effect.
    pub(crate) unused_in_file: Vec<String>,
    is_global: bool,
    /// The setting that disables metrics, if one does.
    pub(crate) disabled_by: Option<&'static str>,
}

/// A push target, with its own schedule and filter if it has them.
pub(crate) type ConfiguredTarget = (Box<dyn IntoTarget>, Option<Schedule>, Option<TargetFilter>);

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
            callback_durations: None,
            exemplar_filter: ExemplarFilter::default(),
            resource: Vec::new(),
            detectors: vec![ResourceDetector::ServiceInstance],
            schedule: Schedule::default(),
            intervals: BTreeMap::new(),
            #[cfg(feature = "prometheus")]
            prometheus: None,
            #[cfg(feature = "prometheus")]
            protection: Ok(Protection::default()),
            #[cfg(feature = "prometheus")]
            scrape: PrometheusServer::new(),
            #[cfg(all(feature = "dashboard", feature = "grafana"))]
            publish: None,
            targets: Vec::new(),
            filters: BTreeMap::new(),
            #[cfg(feature = "sdk")]
            mirror: Mirror::new(),
            ignored: Vec::new(),
            warnings: Vec::new(),
            runtime_metrics: RuntimeMetrics::default(),
            views: Views::default(),
            stream_defaults: StreamDefaults::default(),
            histograms: None,
            detected: None,
            unused_in_file: Vec::new(),
            is_global: true,
            disabled_by: None,
        }
    }

    pub(crate) fn from_environment(environment: Environment) -> Result<Self, SettingsError> {
        let settings = Settings::read(environment)?;
        let mut builder = Self::new();
        builder.disabled_by = settings.is_disabled.then_some("OTEL_SDK_DISABLED");
        builder.naming = settings.naming;
        builder.cardinality_limit = settings.cardinality_limit;
        builder.series_limit = settings.series_limit;
        builder.disabled_scopes = settings.disabled_scopes;
        builder.snapshot_max_age = settings.snapshot_max_age;
        builder.callback_budget = settings.callback_budget;
        builder.callback_durations = settings.callback_durations;
        builder.exemplar_filter = settings.exemplar_filter;
        builder.resource = settings.resource;
        builder.detectors = settings.resource_detectors;
        builder.schedule = settings.schedule;
        builder.intervals = settings.intervals;
        builder.filters = settings.filters;
        builder.ignored = settings.selection.unserved;
        builder.ignored.extend(settings.ignored);
        builder.warnings = settings.warnings;
        builder.targets = settings.targets.into_iter().map(|it| (it, None, None)).collect();
        builder.histograms = settings.histograms;
        #[cfg(feature = "prometheus")]
        {
            builder.prometheus = settings.prometheus;
            builder.protection = settings.protection;
            builder.scrape = settings.scrape;
        }
        #[cfg(all(feature = "dashboard", feature = "grafana"))]
        {
            builder.publish = settings.publish;
        }
        #[cfg(feature = "config")]
        if let Some(configured) = settings.configured {
            builder = builder.configured(configured);
        }
        Ok(builder.with_runtime_metrics(&settings.runtime_metrics))
    }

    /// Collects from `registry` instead of the global one. [`install`](Self::install) then leaves OpenTelemetry's
    /// global provider unchanged; [`Telemetry::provider`] returns the provider of `registry`.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self.is_global = false;
        self
    }

    /// Sets the service's name, `unknown_service:<program>` by default. Environment variable: `OTEL_SERVICE_NAME`.
    pub fn service_name(self, name: impl Into<String>) -> Self {
        self.resource_attribute("service.name", AttributeValue::from(name.into()))
    }

    /// Adds an attribute to the resource, in addition to those of `OTEL_RESOURCE_ATTRIBUTES`.
    pub fn resource_attribute(
        mut self,
        key: impl Into<String>,
        value: impl Into<AttributeValue>,
    ) -> Self {
        self.resource.push((key.into(), value.into()));
        self
    }

    /// Sets the root namespace, `backstage` by default. [`install`](Self::install) checks it. Environment variable:
    /// `METERKIT_NAMESPACE`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Sets the root namespace, and whether metric names begin with it and their scope. By default they do, and the
    /// namespace is `backstage`. Environment variables: `METERKIT_NAMESPACE` and `METERKIT_NAMING`.
    pub fn naming(mut self, naming: Naming) -> Self {
        self.naming = Some(naming);
        self
    }

    /// Sets the maximum number of series of an instrument without its own limit, 2000 by default. Environment variable:
    /// `METERKIT_CARDINALITY_LIMIT`.
    pub fn cardinality_limit(mut self, series: usize) -> Self {
        self.cardinality_limit = Some(series);
        self
    }

    /// Sets the maximum number of series of all labeled instruments together, 1,000,000 by default. Recordings with
    /// further label sets go to the overflow series of their instruments. Environment variable:
    /// `METERKIT_SERIES_LIMIT`.
    pub fn series_limit(mut self, series: usize) -> Self {
        self.series_limit = Some(series);
        self
    }

    /// Disables scopes, whose instruments then record and export nothing. No scope is disabled by default. Environment
    /// variable: `METERKIT_DISABLED_SCOPES`.
    pub fn disabled_scopes(mut self, scopes: ScopePatterns) -> Self {
        self.disabled_scopes = Some(scopes);
        self
    }

    /// Adds an attribute to every series of every instrument, including those of other libraries.
    ///
    /// If attributes have the same key, the later in this order takes precedence: resource, these attributes,
    /// attributes of a [scope](meterkit_core::Meter::attribute), attributes of an
    /// [instrument](meterkit_core::InstrumentBuilder::attribute), labels. [`install`](Self::install) checks the key.
    pub fn attribute(
        mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<AttributeValue>,
    ) -> Self {
        self.attributes.push((key.into(), value.into()));
        self
    }

    /// Sets the maximum age of the values that a scrape or an export shares with others, 100 ms by default. A higher
    /// age runs expensive callbacks less often. A push target never gets the same values for two exports. Environment
    /// variable: `METERKIT_SNAPSHOT_MAX_AGE`, in milliseconds.
    pub fn snapshot_max_age(mut self, age: Duration) -> Self {
        self.snapshot_max_age = Some(age);
        self
    }

    /// Sets how long a scrape or an export waits for a callback without its own
    /// [budget](meterkit_core::CallbackBuilder::budget), 1 s by default. Environment variable:
    /// `METERKIT_CALLBACK_BUDGET`, in milliseconds.
    pub fn callback_budget(mut self, budget: Duration) -> Self {
        self.callback_budget = Some(budget);
        self
    }

    /// Sets whether `meterkit.callback.duration` covers every callback. By default it covers only slow callbacks, from
    /// the first run that takes at least a tenth of the callback's budget. Environment variable:
    /// `METERKIT_CALLBACK_DURATIONS`.
    pub fn callback_durations(mut self, of_all: bool) -> Self {
        self.callback_durations = Some(of_all);
        self
    }

    /// Sets which measurements of counters and histograms may become exemplars in builds with the feature `exemplars`.
    /// By default these are measurements in a sampled span. Environment variable: `OTEL_METRICS_EXEMPLAR_FILTER`.
    ///
    /// Exemplars are recorded only while a target can send them: scrapes in OpenMetrics and in protobuf, OTLP, and
    /// remote write 2.0.
    pub fn exemplar_filter(mut self, filter: ExemplarFilter) -> Self {
        self.exemplar_filter = filter;
        self
    }

    /// Changes metrics on their way to the targets: renames or drops them, removes attributes, or chooses other
    /// buckets. Also applies to metrics of other libraries and to targets added with `exporter`. Readers added with
    /// `reader` see names and attributes unchanged. Configuration file: `views`.
    ///
    /// ```
    /// use meterkit::view::{Aggregation, View, ViewSelector, ViewStream, Views};
    /// use meterkit::{Registry, Telemetry};
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

    /// Sets the schedule of push targets without their own. By default they export every 60 s, and each attempt may
    /// take 30 s. Environment variables: `OTEL_METRIC_EXPORT_INTERVAL` and `OTEL_METRIC_EXPORT_TIMEOUT`.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Serves `/metrics` for Prometheus, like `OTEL_METRICS_EXPORTER=prometheus`. After
    /// [`from_env`](Telemetry::from_env), an endpoint without its own credentials and TLS uses those of the
    /// environment. [`install`](Self::install) warns about an endpoint that asks for credentials without TLS on an
    /// address that other machines can reach.
    #[cfg(feature = "prometheus")]
    pub fn prometheus(mut self, server: PrometheusServer) -> Self {
        self.prometheus = Some(server);
        self
    }

    /// Publishes a dashboard of all instruments, named after the service, to a Grafana: 15 s after the start, and again
    /// when the instruments change. Environment variables: `GRAFANA_URL` and `GRAFANA_SERVICE_ACCOUNT_TOKEN`, and
    /// `GRAFANA_FOLDER` for a folder.
    ///
    /// The dashboard shows what the targets receive, after [views](Self::views). It queries exponential histograms as
    /// native histograms if there is a target `otlp` or `grafana`, and otherwise by the counts and sums of scrapes.
    ///
    /// A dashboard that a person has changed is never overwritten. Instruments may be created on first use, so a
    /// process in its first hour also keeps a published dashboard that already has all of its panels and more; later it
    /// replaces that one too. If Grafana does not answer, a warning is logged and nothing else happens.
    #[cfg(all(feature = "dashboard", feature = "grafana"))]
    pub fn publish_dashboard(mut self, config: PublishConfig) -> Self {
        self.publish = Some(config);
        self
    }

    /// Makes all histograms exponential for all targets, whatever the code asks for, because each value is recorded
    /// only once. [Views](Self::views) that name buckets take precedence. A scrape has the counts and sums of such
    /// histograms, but no buckets. Environment variable:
    /// `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=base2_exponential_bucket_histogram`.
    pub fn exponential_histograms(mut self) -> Self {
        self.histograms = Some(HistogramAggregation::Exponential);
        self
    }

    /// Keeps the buckets that the code asks for even if Datadog is the only target. By default histograms are
    /// exponential in that case: Datadog has no buckets, and its percentiles are then accurate within 2 %. Environment
    /// variable: `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=explicit_bucket_histogram`.
    pub fn explicit_histograms(mut self) -> Self {
        self.histograms = Some(HistogramAggregation::Explicit);
        self
    }

    /// Adds a push target: the settings of a receiver, such as [`OtlpConfig`](crate::otlp::OtlpConfig), a
    /// [`ConsoleTarget`](crate::target::ConsoleTarget), or your own [target](crate::target::Target). Call this once per
    /// target; each has its own settings and credentials.
    ///
    /// The target uses the interval that the environment sets for its name, such as `METERKIT_OTLP_INTERVAL`, or the
    /// common [schedule](Self::schedule). [`install`](Self::install) fails if the target could never send.
    pub fn target(mut self, target: impl IntoTarget) -> Self {
        self.targets.push((Box::new(target), None, None));
        self
    }

    /// Adds a push target with its own schedule; otherwise like [`target`](Self::target).
    pub fn target_with(mut self, target: impl IntoTarget, schedule: Schedule) -> Self {
        self.targets.push((Box::new(target), Some(schedule), None));
        self
    }

    /// Sets which instruments the targets of this name receive, and which labels their series keep. A target receives
    /// everything by default. Environment variables: `METERKIT_<TARGET>_INSTRUMENTS` and `METERKIT_<TARGET>_LABELS`.
    /// Configuration file: `filter` of a reader.
    ///
    /// The name is the target's name in `OTEL_METRICS_EXPORTER`, or the name set in its configuration. The filter of
    /// `prometheus` also applies to `Telemetry::scrape` and `Telemetry::prometheus_collector`.
    ///
    /// Exporters of OpenTelemetry's SDK cannot be filtered; [`install`](Self::install) fails for them. Use
    /// [views](Self::views) instead, which apply to all targets.
    ///
    /// ```
    /// use meterkit::target::TargetFilter;
    /// use meterkit::view::KeyFilter;
    /// use meterkit::{Registry, Telemetry};
    ///
    /// let filter = TargetFilter {
    ///     instruments: KeyFilter::default().without(["tokio.*"]),
    ///     labels: KeyFilter::default().without(["user.id"]),
    /// };
    /// let builder = Telemetry::builder().registry(Registry::new()).filter("datadog", filter);
    /// # let _ = builder;
    /// ```
    pub fn filter(mut self, target: impl Into<String>, filter: TargetFilter) -> Self {
        self.filters.insert(target.into(), filter);
        self
    }

    /// Adds a reader of OpenTelemetry's SDK, which has its own schedule. The reader sees every instrument, including
    /// those of other libraries, without [views](Self::views). Needs the feature `sdk`.
    ///
    /// While there is a reader, the SDK keeps a copy of each instrument, and each value of a histogram is recorded
    /// twice.
    ///
    /// The exporter of `opentelemetry-prometheus` is such a reader. It adds all metrics to a `prometheus::Registry`,
    /// for programs that already serve one:
    ///
    /// ```ignore
    /// let served = prometheus::Registry::new();
    /// let exporter = opentelemetry_prometheus::exporter().with_registry(served.clone()).build()?;
    /// let telemetry = Telemetry::builder().reader(exporter).install()?;
    /// // `served.gather()` now returns these metrics beside its own.
    /// ```
    ///
    /// A `prometheus::Registry` accepts only one such exporter. It identifies collectors by their descriptions, and
    /// these exporters have none, so it rejects a second one as a duplicate. If you need two exporters, use two
    /// registries.
    #[cfg(feature = "sdk")]
    pub fn reader(mut self, reader: impl MetricReader) -> Self {
        self.mirror.reader(reader);
        self
    }

    /// Adds an exporter of OpenTelemetry's SDK as a push target. The common [schedule](Self::schedule) with its
    /// timeout, [views](Self::views) and [`health`](Telemetry::health) apply to it as to any other target. Needs the
    /// feature `sdk`.
    ///
    /// A batch that the exporter rejects is offered again, unchanged, at increasing intervals. After ten attempts or an
    /// hour the batch is dropped, counted in `meterkit.target.queue.dropped`, and logged as an error. Nothing else is
    /// collected for the exporter meanwhile, so that deltas survive an outage.
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
    /// The exporter may block, because it runs on its own thread, within a tokio runtime. As OpenTelemetry's
    /// specification requires for delta temporality, up-down counters are exported as cumulative values.
    #[cfg(feature = "sdk")]
    pub fn exporter(mut self, exporter: impl PushMetricExporter) -> Self {
        let target = self.mirror.exporter(exporter);
        self.target(target)
    }

    /// Starts collection and delivery, and logs one line per target.
    ///
    /// The [`MeterProvider`](crate::otel::MeterProvider) of the registry becomes OpenTelemetry's global one, so that
    /// metrics of other libraries reach the same targets. Libraries that create their instruments before this call need
    /// the provider earlier: see [`MeterProvider`](crate::otel::MeterProvider). If cargo runs the program, a warning
    /// points out a second version of `opentelemetry` in `Cargo.lock`.
    ///
    /// With `OTEL_SDK_DISABLED=true`, nothing is collected or sent.
    ///
    /// # Errors
    ///
    /// Returns an error if a port is in use, a certificate cannot be used, the namespace makes a name too long, the
    /// registry is already installed, or metrics of a tokio runtime are requested outside of a runtime. Nothing runs
    /// after an error.
    pub fn install(self) -> Result<Telemetry, InstallError> {
        if let Some(by) = self.disabled_by {
            return self.install_disabled(by);
        }
        for (variable, warning) in self.warnings_by_variable() {
            warn_at_start!(variable = variable; "{warning}");
        }
        if !self.unused_in_file.is_empty() {
            let unused = self.unused_in_file.join(", ");
            tracing::info!("settings of OTEL_CONFIG_FILE that metrics do not use: {unused}");
        }
        let is_global = self.is_global;
        let telemetry = self.start()?;
        mixed_versions::warn();
        if is_global {
            opentelemetry::global::set_meter_provider(telemetry.provider().clone());
        }
        Ok(telemetry)
    }
}

impl fmt::Debug for TelemetryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Show only the names: a target's own `Debug` output may contain secrets.
        let targets: Vec<_> = self.targets.iter().map(|(it, ..)| it.target_name()).collect();
        f.debug_struct("TelemetryBuilder")
            .field("targets", &targets)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}
