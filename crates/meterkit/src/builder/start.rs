//! Starts a pipeline with the settings of a builder.

use std::collections::BTreeMap;

use meterkit_core::{ExponentialLimits, HistogramBuckets, Registry};
#[cfg(all(feature = "dashboard", feature = "grafana"))]
use meterkit_grafana::DashboardPublisher;
use meterkit_otel::MeterProvider;
#[cfg(feature = "prometheus")]
use meterkit_pipeline::Source;
use meterkit_pipeline::{Pipeline, Schedule, Target, TargetFilter};
#[cfg(feature = "prometheus")]
use meterkit_prometheus::ExpositionOptions;
use meterkit_settings::warn_at_start;

use super::TelemetryBuilder;
use crate::error::InstallError;
#[cfg(all(feature = "dashboard", feature = "grafana"))]
use crate::publishing::{self, Drawing};
use crate::resource;
use crate::runtime_metrics::Observations;
use crate::settings::{self, HistogramAggregation};
use crate::start_line::{self, StartLine};
use crate::telemetry::Telemetry;
use crate::unmatched::Patterns;

#[cfg(feature = "prometheus")]
const NO_BUCKETS: &str = "histograms are exponential, and values are recorded once for all targets, so the scrape endpoint \
                          has their counts and sums but no buckets";

/// Targets whose receivers distinguish processes only by the resource.
const SHARED: [&str; 2] = ["otlp", "grafana"];

const NO_INSTANCE: &str = "the resource has no `service.instance.id`, so processes of this service write the same series; set \
                           it, or add `service_instance` to METERKIT_RESOURCE_DETECTORS";

const EXPONENTIAL_FOR_DATADOG: &str = "Datadog is the only target, so all histograms are exponential, and its percentiles are accurate within 2 %; set \
     OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=explicit_bucket_histogram to keep the buckets of the code";

const EXPLICIT_FOR_DATADOG: &str = "histograms have explicit buckets, so Datadog's percentiles are estimates that are off by 18 % or more with the default \
     buckets; exponential histograms are accurate within 2 %: set \
     OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=base2_exponential_bucket_histogram";

const NO_FILTER_FOR_EXPORTERS: &str = "exporters of OpenTelemetry's SDK cannot be filtered; remove the filter for \
                                       `exporter`, or use views, which apply to all targets";

impl TelemetryBuilder {
    /// Returns whether Datadog is the only target, as far as is known at startup.
    fn is_datadog_alone(&self) -> bool {
        #[cfg(feature = "sdk")]
        if self.mirror.has_readers() {
            return false;
        }
        #[cfg(feature = "prometheus")]
        if self.prometheus.is_some() {
            return false;
        }
        let mut names = self.targets.iter().map(|(target, ..)| target.target_name());
        !self.targets.is_empty() && names.all(|name| name == "datadog")
    }

    /// Starts the pipeline with the settings of the builder.
    pub(super) fn start(self) -> Result<Telemetry, InstallError> {
        let is_datadog_alone = self.is_datadog_alone();
        let pipeline = Pipeline::builder(self.registry.clone());
        let pipeline = pipeline.ok_or(InstallError::AlreadyInstalled)?.warnings(self.warnings());
        // If a key is set more than once, the last value is used.
        let keeps = |key: &str| self.detected.as_ref().is_none_or(|filter| filter.keeps(key));
        let detected = resource::detect(&self.detectors);
        let detected: Vec<_> = detected.into_iter().filter(|(key, _)| keeps(key)).collect();
        let attributes = detected.into_iter().chain(self.resource).collect();
        let resource = settings::resource(attributes);
        #[cfg(all(feature = "dashboard", feature = "grafana"))]
        let service_name =
            resource.get("service.name").map(|value| value.to_string()).unwrap_or_default();
        let has_instance = resource.get(resource::SERVICE_INSTANCE_ID).is_some();
        let mut pipeline = pipeline.resource(resource);
        let naming = match self.namespace {
            Some(namespace) => Some(self.naming.unwrap_or_default().with_namespace(&namespace)?),
            None => self.naming,
        };
        if let Some(naming) = naming {
            self.registry.set_naming(naming)?;
        }
        if let Some(limit) = self.cardinality_limit {
            self.registry.set_cardinality_limit(limit);
        }
        if let Some(limit) = self.series_limit {
            self.registry.set_series_limit(limit);
        }
        let has_disabled_scopes = self.disabled_scopes.is_some();
        if let Some(scopes) = self.disabled_scopes {
            tracing::info!(scopes = %scopes, "scopes disabled");
            self.registry.set_disabled_scopes(scopes);
        }
        if !self.attributes.is_empty() {
            self.registry.set_attributes(self.attributes)?;
        }
        let observations = self.runtime_metrics.observe(&self.registry)?;
        if let Some(budget) = self.callback_budget {
            self.registry.set_callback_budget(budget);
        }
        if let Some(of_all) = self.callback_durations {
            self.registry.set_callback_durations(of_all);
        }
        if let Some(age) = self.snapshot_max_age {
            pipeline = pipeline.snapshot_max_age(age);
        }
        #[cfg(feature = "sdk")]
        {
            pipeline = self.mirror.attach(pipeline);
        }
        let provider = MeterProvider::new(self.registry.clone());
        let schedule_of = |target: &str| {
            let interval = self.intervals.get(target).copied().unwrap_or(self.schedule.interval);
            Schedule { interval, ..self.schedule }
        };
        let aggregation = self.histograms.unwrap_or(match is_datadog_alone {
            true => HistogramAggregation::Exponential,
            false => HistogramAggregation::Explicit,
        });
        let mut stream_defaults = self.stream_defaults;
        if aggregation == HistogramAggregation::Exponential {
            let buckets = HistogramBuckets::Exponential(ExponentialLimits::default());
            stream_defaults = stream_defaults.histogram(buckets);
            #[cfg(feature = "prometheus")]
            if self.prometheus.is_some() {
                warn_at_start!("{NO_BUCKETS}");
            }
        }
        match (is_datadog_alone, self.histograms) {
            (true, None) => tracing::info!("{EXPONENTIAL_FOR_DATADOG}"),
            (true, Some(HistogramAggregation::Explicit)) => {
                tracing::info!("{EXPLICIT_FOR_DATADOG}");
            }
            _ => {}
        }
        let filters = Filters::new(self.filters)?;
        let targets = self.targets.into_iter().map(|(target, schedule, filter)| {
            let target = target.into_target().map_err(InstallError::Target)?;
            let schedule = schedule.unwrap_or_else(|| schedule_of(target.name()));
            let filter = filters.of(target.name(), filter);
            Ok((target, schedule, filter))
        });
        let targets = targets.collect::<Result<Vec<_>, InstallError>>()?;
        let is_shared = |target: &&(Box<dyn Target>, _, _)| SHARED.contains(&target.0.name());
        if let Some((target, ..)) = targets.iter().find(is_shared).filter(|_| !has_instance) {
            warn_at_start!("target `{}`: {NO_INSTANCE}", target.name());
        }
        #[cfg(all(feature = "dashboard", feature = "grafana"))]
        let histograms = publishing::histograms(targets.iter().map(|(target, ..)| target.name()));
        #[cfg(all(feature = "dashboard", feature = "grafana"))]
        if let Some(config) = self.publish {
            let publisher = DashboardPublisher::new(config)
                .map_err(|error| InstallError::Target(error.into()))?;
            let (registry, views) = (self.registry.clone(), self.views.clone());
            let drawing = Drawing { registry, views, histograms, title: service_name };
            pipeline = pipeline.service(publishing::publish(drawing, publisher));
        }
        let names = targets.iter().map(|(target, ..)| target.name());
        filters.warn_of_unknown(names);
        #[cfg(feature = "prometheus")]
        let scrape_filter = filters.of("prometheus", None);
        let used = targets.iter().map(|(target, _, filter)| (target.name(), filter));
        #[cfg(feature = "prometheus")]
        let used = used.chain([("prometheus", &scrape_filter)]);
        let used = used.filter(|(_, filter)| **filter != TargetFilter::default());
        let used = used.map(|(name, filter)| (name.to_owned(), filter.clone()));
        let patterns = Patterns {
            registry: self.registry.clone(),
            views: self.views.clone(),
            filters: used.collect(),
        };
        if has_disabled_scopes || !patterns.filters.is_empty() {
            pipeline = pipeline.service(patterns.watch());
        }
        pipeline = pipeline.views(self.views).stream_defaults(stream_defaults);
        pipeline = pipeline.exemplar_filter(self.exemplar_filter);
        let mut lines = Vec::new();
        for (target, schedule, filter) in targets {
            lines.push(StartLine::new(&*target, schedule));
            pipeline = pipeline.filtered_target(target, schedule, filter);
        }
        #[cfg(feature = "prometheus")]
        let (prometheus, options) = match self.prometheus {
            None => (None, self.scrape.exposition_options().clone()),
            Some(server) => {
                let bound = server.protection(self.protection?).bind()?;
                let (address, url) = (bound.address(), bound.url());
                let options = bound.exposition_options().clone();
                let filter = scrape_filter.clone();
                let serve = |source: Source, stop| bound.serve(source.filtered(filter), stop);
                pipeline = pipeline.service(serve);
                (Some((address, url)), options)
            }
        };
        #[cfg(feature = "declare")]
        self.registry.make_declared();
        let pipeline = pipeline.start()?;
        #[cfg(feature = "prometheus")]
        if let Some((_, url)) = &prometheus {
            // Registers the endpoint in `health()` now rather than at its first scrape.
            meterkit_prometheus::endpoint(&pipeline.source(), url);
        }
        start_line::log(&pipeline.health().targets, lines);
        Ok(Telemetry {
            pipeline,
            provider,
            observations,
            #[cfg(feature = "prometheus")]
            prometheus_address: prometheus.as_ref().map(|(address, _)| *address),
            #[cfg(feature = "prometheus")]
            prometheus_url: prometheus.map(|(_, url)| url),
            #[cfg(feature = "prometheus")]
            options,
            #[cfg(feature = "prometheus")]
            scrape_filter,
        })
    }

    /// Returns a `Telemetry` that collects from an empty registry. Marks the real registry as one that nothing reads.
    pub(super) fn install_disabled(self, by: &str) -> Result<Telemetry, InstallError> {
        self.registry.expect_listener(false);
        tracing::info!("metrics are disabled by {by}");
        let pipeline = Pipeline::builder(Registry::new()).ok_or(InstallError::AlreadyInstalled)?;
        Ok(Telemetry {
            pipeline: pipeline.warnings(self.warnings()).start()?,
            provider: MeterProvider::new(self.registry),
            observations: Observations::default(),
            #[cfg(feature = "prometheus")]
            prometheus_address: None,
            #[cfg(feature = "prometheus")]
            prometheus_url: None,
            #[cfg(feature = "prometheus")]
            options: ExpositionOptions::new(),
            #[cfg(feature = "prometheus")]
            scrape_filter: TargetFilter::default(),
        })
    }
}

/// The filters of targets, by name.
struct Filters(BTreeMap<String, TargetFilter>);

impl Filters {
    fn new(filters: BTreeMap<String, TargetFilter>) -> Result<Self, InstallError> {
        // The SDK aggregates the exporter's metrics itself.
        match cfg!(feature = "sdk") && filters.contains_key("exporter") {
            true => Err(InstallError::Target(NO_FILTER_FOR_EXPORTERS.into())),
            false => Ok(Self(filters)),
        }
    }

    /// Returns the filter of the target with this name: the one set in code, or else `own`.
    fn of(&self, name: &str, own: Option<TargetFilter>) -> TargetFilter {
        self.0.get(name).cloned().or(own).unwrap_or_default()
    }

    /// Warns about filters whose target names must be misspelled. A target that lacks its filter receives everything.
    fn warn_of_unknown<'a>(&self, running: impl Iterator<Item = &'a str> + Clone) {
        let is_unknown = |name: &&String| {
            !settings::is_known_target(name) && !running.clone().any(|it| it == **name)
        };
        for name in self.0.keys().filter(is_unknown) {
            warn_at_start!("no target is called `{name}`: the filter for it has no effect");
        }
    }
}
