//! What a file of OpenTelemetry's declarative configuration asks for: `OTEL_CONFIG_FILE`.
//!
//! By OpenTelemetry's specification, section Configuration SDK.

use std::ffi::OsString;

use meterkit_config::{
    CardinalityLimits, ConfigError, ConfigFile, Detection, MeterProvider, PeriodicReader, Plugin,
    Problem, PrometheusExporter, PullExporter, PullReader, PushExporter, Reader,
    TemporalityPreference,
};
use meterkit_core::{AttributeValue, Kind, Temporality};
use meterkit_pipeline::{KeyFilter, Schedule, StreamDefaults, VariableError, Views};

use super::declared::any_target::CONFIG_FILE;
use super::{Environment, select};
use crate::resource::ResourceDetector;

#[cfg(feature = "datadog")]
mod datadog;
#[cfg(feature = "grafana")]
mod grafana;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(any(feature = "datadog", feature = "grafana"))]
mod properties;
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

/// What the file asks for that the environment names, if it names one. `lookup` is for the variables that the file
/// names.
pub(super) fn read(
    env: &Environment,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Option<Configured> {
    let path = env.get(&CONFIG_FILE)?;
    let refuse = |reason: String| {
        env.refuse(VariableError::new(CONFIG_FILE.variable.name, &*path, reason));
    };
    let refuse_all = |problems: &[Problem]| problems.iter().for_each(|it| refuse(it.to_string()));
    match ConfigFile::read(&path, lookup) {
        Ok(file) => match configured(file, env) {
            Ok(configured) => return Some(configured),
            Err(problems) => refuse_all(&problems),
        },
        Err(ConfigError::Invalid { mut problems, readable, .. }) => {
            // What breaks the schema hides nothing else that is wrong.
            let others = readable.and_then(|file| configured(*file, env).err());
            problems.extend(others.into_iter().flatten());
            refuse_all(&problems);
        }
        Err(ConfigError::Read { source, .. }) => {
            refuse(format!("cannot be read ({source}); name a file that this process may read"));
        }
        Err(other) => refuse(other.to_string()),
    }
    None
}

/// What this library makes of a file that follows the schema.
fn configured(file: ConfigFile, env: &Environment) -> Result<Configured, Vec<Problem>> {
    let mut configured = Configured {
        is_disabled: file.is_disabled,
        resource: file.resource.attributes,
        unused: file.unused.iter().map(ToString::to_string).collect(),
        ..Configured::default()
    };
    let mut problems = Vec::new();
    if file.resource.schema_url.is_some() {
        configured.unused.push("resource.schema_url".to_owned());
    }
    if let Some(detection) = file.resource.detection {
        detect(detection, &mut configured);
    }
    if let Some(MeterProvider { readers, views, .. }) = file.meter_provider {
        configured.views = views;
        configured.stream_defaults = limits(&readers);
        for reader in readers {
            match reader {
                Reader::Periodic(reader) => push(reader, env, &mut configured, &mut problems),
                Reader::Pull(reader) => pull(reader, &mut configured, &mut problems),
                _ => {}
            }
        }
    }
    if problems.is_empty() { Ok(configured) } else { Err(problems) }
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

fn push(
    reader: PeriodicReader,
    #[cfg_attr(
        not(feature = "datadog"),
        allow(unused_variables, reason = "for Datadog's proxies")
    )]
    env: &Environment,
    configured: &mut Configured,
    problems: &mut Vec<Problem>,
) {
    let default = Schedule::default();
    let schedule = Schedule {
        interval: reader.interval.unwrap_or(default.interval),
        timeout: reader.timeout.unwrap_or(default.timeout),
    };
    let at = |name: &str| format!("{}.exporter.{name}", reader.path);
    match reader.exporter {
        PushExporter::Console(console) => {
            let temporality = temporality(console.temporality);
            configured.consoles.push((temporality, schedule));
        }
        #[cfg(feature = "otlp")]
        PushExporter::Otlp(exporter) => match otlp::config(&exporter) {
            Ok(config) => configured.otlp.push((config, schedule)),
            Err(reason) => {
                let path = at(otlp::name(exporter.protocol));
                problems.push(Problem::new(reader.line, path, reason));
            }
        },
        #[cfg(not(feature = "otlp"))]
        PushExporter::Otlp(_) => {
            let reason = "is not compiled in: switch on the feature `otlp` of meterkit";
            problems.push(Problem::new(reader.line, at("otlp_http"), reason));
        }
        #[cfg(feature = "datadog")]
        PushExporter::Plugin(plugin) if plugin.name == "datadog" => {
            match datadog::config(&plugin.properties, env) {
                Ok(config) => configured.datadog.push((config, schedule)),
                Err(found) => problems.extend(found),
            }
        }
        #[cfg(feature = "grafana")]
        PushExporter::Plugin(plugin) if plugin.name == "grafana" => {
            match grafana::config(&plugin.properties) {
                Ok(config) => configured.grafana.push((config, schedule)),
                Err(found) => problems.extend(found),
            }
        }
        PushExporter::Plugin(plugin) => problems.push(unknown(&plugin)),
        _ => problems.push(Problem::new(reader.line, at(""), "is no exporter of meterkit")),
    }
}

fn pull(reader: PullReader, configured: &mut Configured, problems: &mut Vec<Problem>) {
    let problem = |reason| Problem::new(reader.line, &*reader.path, reason);
    match reader.exporter {
        PullExporter::Prometheus(_) if cfg!(not(feature = "prometheus")) => {
            let reason = "is not compiled in: switch on the feature `prometheus` of meterkit";
            problems.push(problem(reason));
        }
        PullExporter::Prometheus(_) if configured.prometheus.is_some() => {
            let reason = "is a second scrape endpoint, of which a process has one; remove it";
            problems.push(problem(reason));
        }
        PullExporter::Prometheus(exporter) => {
            configured.prometheus = Some(exporter);
        }
        PullExporter::Plugin(plugin) => problems.push(unknown(&plugin)),
        _ => problems.push(problem("is no exporter of meterkit")),
    }
}

fn unknown(plugin: &Plugin) -> Problem {
    let is_ours = ["datadog", "grafana"].contains(&&*plugin.name);
    if let Some(reason) = select::missing(&plugin.name).filter(|_| is_ours) {
        return plugin.properties.problem(reason);
    }
    let accepted = "write `otlp_http`, `otlp_grpc`, `datadog`, `grafana` or `console` below `periodic`, or \
                    `prometheus/development` below `pull`";
    let name = &plugin.name;
    plugin.properties.problem(format!("exporter `{name}` is none of meterkit's; {accepted}"))
}

/// Without differences for up-down counters in any case.
fn temporality(preference: Option<TemporalityPreference>) -> Temporality {
    match preference {
        None | Some(TemporalityPreference::Cumulative) => Temporality::Cumulative,
        Some(_) => Temporality::Delta,
    }
}

/// How many series there may be where a reader says it: values are recorded once for all readers, so that the largest
/// limit counts.
fn limits(readers: &[Reader]) -> StreamDefaults {
    let of = |reader: &Reader| match reader {
        Reader::Periodic(reader) => reader.cardinality_limits.clone(),
        Reader::Pull(reader) => reader.cardinality_limits.clone(),
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
