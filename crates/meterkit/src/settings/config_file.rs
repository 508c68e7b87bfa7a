//! What a file of OpenTelemetry's declarative configuration asks for: `OTEL_CONFIG_FILE`.
//!
//! By OpenTelemetry's specification, section Configuration SDK.

use std::ffi::OsString;

use meterkit_config::{
    CardinalityLimits, ConfigError, ConfigFile, Detection, FileFormat, MeterProvider,
    PeriodicReader, Plugin, PrometheusExporter, PullExporter, PullReader, PushExporter,
    Reader as MetricReader,
};
use meterkit_core::{AttributeValue, Kind, Temporality};
use meterkit_pipeline::{KeyFilter, Schedule, StreamDefaults, Views};
#[cfg(any(feature = "datadog", feature = "grafana"))]
use meterkit_settings::Declaration;
use meterkit_settings::{Environment, Position, Problem, Problems, Reader, Section};

use super::table::{CONFIG_FILE, not_compiled_in};
use super::targets::TargetName;
use crate::resource::ResourceDetector;

#[cfg(test)]
mod tests;

/// What a file asks for, as `install()` takes it.
#[derive(Debug, Default)]
pub(crate) struct Configured {
    pub(crate) is_disabled: bool,
    pub(crate) resource: Vec<(String, AttributeValue)>,
    pub(crate) detectors: Vec<ResourceDetector>,
    /// Which attributes of theirs are kept.
    pub(crate) detected: Option<KeyFilter>,
    pub(crate) views: Views,
    pub(crate) stream_defaults: StreamDefaults,
    pub(crate) consoles: Vec<(Temporality, Schedule)>,
    /// The scrape endpoint.
    pub(crate) prometheus: Option<PrometheusExporter>,
    #[cfg(feature = "otlp")]
    pub(crate) otlp: Vec<(meterkit_otlp::OtlpConfig, Schedule)>,
    #[cfg(feature = "datadog")]
    pub(crate) datadog: Vec<(meterkit_datadog::DatadogConfig, Schedule)>,
    #[cfg(feature = "grafana")]
    pub(crate) grafana: Vec<(meterkit_grafana::GrafanaConfig, Schedule)>,
    /// What stands in the file and has no effect.
    pub(crate) unused: Vec<String>,
}

/// Returns what the file asks for that the environment names. `lookup` is for the variables that the file names.
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
            for problem in found {
                let position = Position { line: problem.line, path: problem.path };
                problems.add(Problem::in_file(position, problem.reason));
            }
            // What breaks the schema hides nothing else that is wrong.
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

/// What a file makes of a start.
struct Start<'a> {
    environment: &'a Environment,
    problems: &'a Problems,
    configured: Configured,
}

impl Start<'_> {
    /// Takes over a file that follows the schema.
    fn configured(mut self, file: ConfigFile) -> Configured {
        if file.file_format.is_newer() {
            let (format, known) = (file.file_format, FileFormat::KNOWN);
            let reason = format!("`{format}` is newer than `{known}`; write `{known}`");
            let position = Position { line: file.file_format_line, path: "file_format".to_owned() };
            let holds = "what only a newer version has is ignored";
            self.problems.warn(Problem::in_file(position, reason), holds);
            self.problems.expect_newer();
        }
        let configured = &mut self.configured;
        configured.is_disabled = file.is_disabled;
        configured.resource = file.resource.attributes;
        configured.unused = file.unused.iter().map(ToString::to_string).collect();
        if file.resource.schema_url.is_some() {
            configured.unused.push("resource.schema_url".to_owned());
        }
        if let Some(detection) = file.resource.detection {
            detect(detection, configured);
        }
        if let Some(MeterProvider { readers, views, .. }) = file.meter_provider {
            configured.views = views;
            configured.stream_defaults = limits(&readers);
            for reader in readers {
                match reader {
                    MetricReader::Periodic(reader) => self.push(reader),
                    MetricReader::Pull(reader) => self.pull(reader),
                    _ => {}
                }
            }
        }
        let unused = self.problems.take_unused();
        let shown = unused.iter().map(|at| format!("{} (line {})", at.path, at.line));
        self.configured.unused.extend(shown);
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
        match reader.exporter {
            PushExporter::Console(console) => {
                let temporality = console.temporality.unwrap_or(Temporality::Cumulative);
                self.configured.consoles.push((temporality, schedule));
            }
            #[cfg(feature = "otlp")]
            PushExporter::Plugin(plugin) if ["otlp_http", "otlp_grpc"].contains(&&*plugin.name) => {
                use meterkit_otlp::{OtlpConfig, OtlpTarget};
                let made = |config| OtlpTarget::new(config).map(drop);
                let read = |reader: &Reader<'_>| OtlpConfig::read_section(&plugin.name, reader);
                let config = self.section(&plugin.properties, read, made);
                self.configured.otlp.extend(config.map(|config| (config, schedule)));
            }
            #[cfg(feature = "datadog")]
            PushExporter::Plugin(plugin) if plugin.name == "datadog" => {
                use meterkit_datadog::{DatadogConfig, DatadogTarget, SETTINGS};
                let made = |config| DatadogTarget::new(config).map(drop);
                let read = |reader: &Reader<'_>| {
                    refuse_unknown(reader, SETTINGS);
                    Some(DatadogConfig::read(reader))
                };
                let config = self.section(&plugin.properties, read, made);
                self.configured.datadog.extend(config.map(|config| (config, schedule)));
            }
            #[cfg(feature = "grafana")]
            PushExporter::Plugin(plugin) if plugin.name == "grafana" => {
                use meterkit_grafana::{GrafanaConfig, SETTINGS};
                let made = |config: GrafanaConfig| config.into_target().map(drop);
                let read = |reader: &Reader<'_>| {
                    refuse_unknown(reader, SETTINGS);
                    GrafanaConfig::read(reader)
                };
                let config = self.section(&plugin.properties, read, made);
                self.configured.grafana.extend(config.map(|config| (config, schedule)));
            }
            PushExporter::Plugin(plugin) => self.problems.add(unknown(&plugin)),
            _ => self.problems.add(Problem::in_file(at(""), "is no exporter of meterkit")),
        }
    }

    /// Reads the section of a target. What could never be sent is a mistake in the file, so the target is made once.
    #[cfg_attr(
        not(any(feature = "datadog", feature = "grafana", feature = "otlp")),
        expect(dead_code, reason = "only these have sections of their own")
    )]
    fn section<C: Clone, E: std::fmt::Display>(
        &self,
        section: &Section,
        read: impl FnOnce(&Reader<'_>) -> Option<C>,
        made: impl FnOnce(C) -> Result<(), E>,
    ) -> Option<C> {
        let before = self.problems.errors();
        let reader = Reader::of_section(section, self.environment, self.problems);
        let config = read(&reader);
        if self.problems.errors() > before {
            return None;
        }
        let config = config?;
        match made(config.clone()) {
            Ok(()) => Some(config),
            Err(error) => {
                self.problems.add(section.problem(error.to_string()));
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
                let reason =
                    "defines a second scrape endpoint; a process has one, so remove one of them";
                problem(reason.to_owned());
            }
            PullExporter::Prometheus(exporter) => self.configured.prometheus = Some(exporter),
            PullExporter::Plugin(plugin) => self.problems.add(unknown(&plugin)),
            _ => problem("is no exporter of meterkit".to_owned()),
        }
    }
}

/// Reports what stands in the section of a target and is none of its settings.
#[cfg(any(feature = "datadog", feature = "grafana"))]
fn refuse_unknown(reader: &Reader<'_>, settings: &[Declaration]) {
    let known: Vec<_> = settings.iter().filter_map(|setting| setting.key).collect();
    reader.refuse_unknown(&known, &[]);
}

fn detect(detection: Detection, configured: &mut Configured) {
    configured.detected = detection.attributes;
    for detector in detection.detectors {
        // The schema's `service` is what we call an instance: the name comes with the file's own attributes.
        let name = if detector.name == "service" { "service_instance" } else { &*detector.name };
        match ResourceDetector::ALL.iter().find(|known| known.name() == name) {
            Some(known) if configured.detectors.contains(known) => {}
            Some(known) => configured.detectors.push(*known),
            None => configured.unused.push(format!("{} (line {})", detector.path, detector.line)),
        }
    }
}

fn unknown(plugin: &Plugin) -> Problem {
    let ours = match &*plugin.name {
        "otlp_http" | "otlp_grpc" => Some(TargetName::Otlp),
        "datadog" => Some(TargetName::Datadog),
        "grafana" => Some(TargetName::Grafana),
        _ => None,
    };
    if let Some(reason) = ours.and_then(TargetName::missing) {
        return plugin.properties.problem(reason);
    }
    let accepted = "write `otlp_http`, `otlp_grpc`, `datadog`, `grafana` or `console` below `periodic`, or \
                    `prometheus/development` below `pull`";
    let name = &plugin.name;
    plugin.properties.problem(format!("exporter `{name}` is none of meterkit's; {accepted}"))
}

/// How many series there may be where a reader says it: values are recorded once for all readers, so that the largest
/// limit counts.
fn limits(readers: &[MetricReader]) -> StreamDefaults {
    let of = |reader: &MetricReader| match reader {
        MetricReader::Periodic(reader) => reader.cardinality_limits.clone(),
        MetricReader::Pull(reader) => reader.cardinality_limits.clone(),
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

/// By the schema, of a reader that says nothing.
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
