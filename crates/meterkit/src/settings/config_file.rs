//! Applies the file of `OTEL_CONFIG_FILE`, in OpenTelemetry's declarative configuration format.
//!
//! Specification: OpenTelemetry, section Configuration SDK.

use std::ffi::OsString;

use meterkit_core::{AttributeValue, ExemplarFilter, Kind, Temporality};
use meterkit_pipeline::{
    ConsoleTarget, IntoTarget, KeyFilter, Schedule, StreamDefaults, TargetFilter, Views,
};
use meterkit_settings::file::{
    CardinalityLimits, ConfigError, ConfigFile, Detection, FileFormat, MeterProvider,
    PeriodicReader, Plugin, PrometheusExporter, PullExporter, PullReader, PushExporter,
    ReaderConfig,
};
use meterkit_settings::{Environment, Position, Problem, Problems, Reader};

use super::table::{
    CONFIG_FILE, DEFAULT_HISTOGRAM_AGGREGATION, HistogramAggregation, not_compiled_in,
};
use super::targets::Known;
use crate::builder::ConfiguredTarget;
use crate::resource::ResourceDetector;

#[cfg(test)]
mod tests;

/// The settings of a file, as `install()` needs them.
#[derive(Debug, Default)]
pub(crate) struct Configured {
    pub(crate) is_disabled: bool,
    pub(crate) resource: Vec<(String, AttributeValue)>,
    pub(crate) detectors: Vec<ResourceDetector>,
    /// Which detected attributes are kept.
    pub(crate) detected: Option<KeyFilter>,
    pub(crate) views: Views,
    pub(crate) stream_defaults: StreamDefaults,
    pub(crate) exemplar_filter: Option<ExemplarFilter>,
    /// The push targets.
    pub(crate) targets: Vec<ConfiguredTarget>,
    /// The bucket type of all histograms.
    pub(crate) histograms: Option<HistogramAggregation>,
    /// The scrape endpoint.
    pub(crate) prometheus: Option<PrometheusExporter>,
    /// The filter of the scrape endpoint.
    pub(crate) prometheus_filter: Option<TargetFilter>,
    /// Parts of the file that have no effect.
    pub(crate) unused: Vec<String>,
}

/// Reads the file that the environment names. `lookup` returns the variables that the file refers to.
pub(super) fn read(
    environment: &Environment,
    problems: &Problems,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Option<Configured> {
    let reader = environment.reader(problems);
    let path = reader.get(&CONFIG_FILE)?;
    problems.name_file(&*path);
    let file = match ConfigFile::read(&path, lookup) {
        Ok(file) => file,
        Err(ConfigError::Invalid { problems: found, readable, .. }) => {
            found.into_iter().for_each(|problem| problems.add(problem));
            // The part that follows the schema is still checked, so that all problems are reported together.
            *readable?
        }
        Err(ConfigError::Read { source, .. }) => {
            let remedy = "name a file that this process may read";
            reader.refuse(&CONFIG_FILE, format!("{source}; {remedy}"));
            return None;
        }
        Err(other) => {
            reader.refuse(&CONFIG_FILE, other);
            return None;
        }
    };
    Some(Start { environment, problems, configured: Configured::default() }.configured(file))
}

/// The state of applying a file.
struct Start<'a> {
    environment: &'a Environment,
    problems: &'a Problems,
    configured: Configured,
}

impl Start<'_> {
    /// Applies a file that follows the schema.
    fn configured(mut self, file: ConfigFile) -> Configured {
        if file.file_format.is_newer() {
            let (format, known) = (file.file_format, FileFormat::KNOWN);
            let reason = format!("`{format}` is newer than `{known}`; write `{known}`");
            let position = Position { line: file.file_format_line, path: "file_format".to_owned() };
            let holds = "settings that only the newer version has are ignored";
            self.problems.warn(Problem::in_file(position, reason), holds);
            self.problems.expect_newer();
        }
        let configured = &mut self.configured;
        configured.is_disabled = file.is_disabled;
        configured.resource = file.resource.attributes;
        let schema_url = file.resource.schema_url;
        file.unused.into_iter().for_each(|position| self.problems.unused(position));
        if let Some(detection) = file.resource.detection {
            detect(detection, configured);
        }
        if let Some(MeterProvider { readers, views, exemplar_filter, .. }) = file.meter_provider {
            configured.views = views;
            configured.exemplar_filter = exemplar_filter;
            configured.stream_defaults = limits(&readers);
            for reader in readers {
                match reader {
                    ReaderConfig::Periodic(reader) => self.push(reader),
                    ReaderConfig::Pull(reader) => self.pull(reader),
                    _ => {}
                }
            }
        }
        let unused = self.problems.take_unused();
        let shown = unused.iter().map(|at| format!("{} (line {})", at.path, at.line));
        self.configured.unused.extend(shown);
        self.configured.unused.extend(schema_url.map(|_| "resource.schema_url".to_owned()));
        let filter = self.configured.exemplar_filter.filter(|_| cfg!(not(feature = "exemplars")));
        let no_exemplars = "meter_provider.exemplar_filter (needs feature `exemplars`)";
        self.configured.unused.extend(filter.map(|_| no_exemplars.to_owned()));
        self.configured
    }

    fn push(&mut self, reader: PeriodicReader) {
        let default = Schedule::default();
        let schedule = Schedule {
            interval: reader.interval.unwrap_or(default.interval),
            timeout: reader.timeout.unwrap_or(default.timeout),
        };
        let at = |name: &str| Position {
            line: reader.line,
            path: format!("{}.exporter.{name}", reader.path),
        };
        let target: Option<Box<dyn IntoTarget>> = match reader.exporter {
            PushExporter::Console(console) => {
                let temporality = console.temporality.unwrap_or(Temporality::Cumulative);
                let observed = console.observed_temporality.unwrap_or(temporality);
                let target = ConsoleTarget::stdout().with_temporality(temporality);
                Some(Box::new(target.with_observed_temporality(observed)))
            }
            PushExporter::Plugin(plugin) => self.plugin(&plugin),
            _ => {
                self.problems.add(Problem::in_file(at(""), "is not an exporter of meterkit"));
                None
            }
        };
        self.configured.targets.extend(target.map(|it| (it, Some(schedule), reader.filter)));
    }

    /// Reads the section of a target. Creates the target now, so that settings that make delivery impossible are
    /// reported as mistakes in the file.
    fn plugin(&mut self, plugin: &Plugin) -> Option<Box<dyn IntoTarget>> {
        let Some(target) = Known::of_section(&plugin.name).and_then(|known| known.declaration)
        else {
            self.problems.add(unknown(plugin));
            return None;
        };
        let before = self.problems.errors();
        let reader = Reader::of_section(&plugin.properties, self.environment, self.problems);
        let settings = (target.read_section)(&plugin.name, &reader);
        let aggregation = reader.with_schema().get(&DEFAULT_HISTOGRAM_AGGREGATION);
        let exponential = Some(HistogramAggregation::Exponential);
        if self.configured.histograms != exponential {
            self.configured.histograms = aggregation.or(self.configured.histograms);
        }
        if self.problems.errors() > before {
            return None;
        }
        match settings?.into_target() {
            Ok(target) => Some(Box::new(target)),
            Err(error) => {
                self.problems.add(plugin.properties.problem(error.to_string()));
                None
            }
        }
    }

    fn pull(&mut self, reader: PullReader) {
        let position = Position { line: reader.line, path: reader.path };
        let problem = |reason: String| self.problems.add(Problem::in_file(position, reason));
        match reader.exporter {
            PullExporter::Prometheus(_) if cfg!(not(feature = "prometheus")) => {
                problem(not_compiled_in("the exporter", "prometheus"));
            }
            PullExporter::Prometheus(_) if self.configured.prometheus.is_some() => {
                let reason = "defines a second scrape endpoint; only one is supported per process, so remove one of them";
                problem(reason.to_owned());
            }
            PullExporter::Prometheus(exporter) => {
                self.configured.prometheus = Some(exporter);
                self.configured.prometheus_filter = reader.filter;
            }
            PullExporter::Plugin(plugin) => self.problems.add(unknown(&plugin)),
            _ => problem("is not an exporter of meterkit".to_owned()),
        }
    }
}

fn detect(detection: Detection, configured: &mut Configured) {
    configured.detected = detection.attributes;
    for detector in detection.detectors {
        // The schema's detector `service` corresponds to our `service_instance`; the service name comes from the file's
        // attributes.
        let name = if detector.name == "service" { "service_instance" } else { &*detector.name };
        match ResourceDetector::ALL.iter().find(|known| known.name() == name) {
            Some(known) if configured.detectors.contains(known) => {}
            Some(known) => configured.detectors.push(*known),
            None => configured.unused.push(format!("{} (line {})", detector.path, detector.line)),
        }
    }
}

fn unknown(plugin: &Plugin) -> Problem {
    if let Some(reason) = Known::of_section(&plugin.name).and_then(Known::missing_because) {
        return plugin.properties.problem(reason);
    }
    let accepted = "write `otlp_http`, `otlp_grpc`, `datadog`, `grafana`, `pushgateway`, `cloudwatch`, `gcp` or `console` \
                    below `periodic`, or `prometheus/development` below `pull`";
    let name = &plugin.name;
    plugin.properties.problem(format!("exporter `{name}` is unknown; {accepted}"))
}

/// Returns the cardinality limits of the readers. Values are recorded once for all readers, so the largest limit
/// applies.
fn limits(readers: &[ReaderConfig]) -> StreamDefaults {
    let of = |reader: &ReaderConfig| match reader {
        ReaderConfig::Periodic(reader) => reader.cardinality_limits.clone(),
        ReaderConfig::Pull(reader) => reader.cardinality_limits.clone(),
        _ => CardinalityLimits::default(),
    };
    let limits: Vec<CardinalityLimits> = readers.iter().map(of).collect();
    KINDS.into_iter().fold(StreamDefaults::new(), |defaults, kind| {
        let said: Vec<_> = limits.iter().map(|limits| limits.of(kind)).collect();
        if said.iter().all(Option::is_none) {
            return defaults;
        }
        let largest = said.iter().map(|limit| limit.unwrap_or(DEFAULT_LIMIT)).max();
        defaults.cardinality_limit_of(kind, largest.unwrap_or(DEFAULT_LIMIT))
    })
}

/// The schema's limit for a reader that does not set one.
const DEFAULT_LIMIT: usize = 2000;

const KINDS: [Kind; 7] = [
    Kind::Counter,
    Kind::UpDownCounter,
    Kind::Gauge,
    Kind::Histogram,
    Kind::ObservableCounter,
    Kind::ObservableUpDownCounter,
    Kind::ObservableGauge,
];
