//! `meter_provider`: readers and views.

use std::time::Duration;

use meterkit_core::{ExemplarFilter, Kind};
use meterkit_pipeline::{TargetFilter, Views};

use crate::file::exporter::{self, PullExporter, PushExporter};
use crate::file::key_filter;
use crate::file::report::Report;
use crate::file::schema::At;
use crate::file::view;

/// The readers and views of a file.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct MeterProvider {
    /// The readers.
    pub readers: Vec<ReaderConfig>,
    /// The views, which change metrics before the readers receive them.
    pub views: Views,
    /// The measurements that may become exemplars; `None` for the default.
    pub exemplar_filter: Option<ExemplarFilter>,
}

/// A reader of metrics.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ReaderConfig {
    /// Exports metrics at an interval.
    Periodic(PeriodicReader),
    /// Waits for metrics to be pulled.
    Pull(PullReader),
}

/// A reader that exports metrics at an interval.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PeriodicReader {
    /// The line in the file.
    pub line: usize,
    /// The path in the file.
    pub path: String,
    /// The time between two exports; `None` for one minute.
    pub interval: Option<Duration>,
    /// The time that one export may take; `None` for 30 seconds, `Duration::MAX` for no limit.
    pub timeout: Option<Duration>,
    /// The exporter.
    pub exporter: PushExporter,
    /// The metrics and labels that the exporter receives; `None` for everything.
    pub filter: Option<TargetFilter>,
    /// The maximum number of series per instrument.
    pub cardinality_limits: CardinalityLimits,
}

/// A reader whose metrics are pulled, for example by scrapes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PullReader {
    /// The line in the file.
    pub line: usize,
    /// The path in the file.
    pub path: String,
    /// The exporter.
    pub exporter: PullExporter,
    /// The metrics and labels that the exporter receives; `None` for everything.
    pub filter: Option<TargetFilter>,
    /// The maximum number of series per instrument.
    pub cardinality_limits: CardinalityLimits,
}

/// The maximum number of series per instrument, by instrument kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardinalityLimits {
    default: Option<usize>,
    kinds: Vec<(Kind, usize)>,
}

impl CardinalityLimits {
    /// Returns the limit for kinds that the file does not mention.
    pub fn default_limit(&self) -> Option<usize> {
        self.default
    }

    /// Returns the limit for instruments of this kind.
    pub fn of(&self, kind: Kind) -> Option<usize> {
        let own = self.kinds.iter().find(|(known, _)| *known == kind);
        own.map(|(_, limit)| *limit).or(self.default)
    }
}

/// The instrument kinds by their names in the file.
pub(crate) const KINDS: [(&str, Kind); 7] = [
    ("counter", Kind::Counter),
    ("gauge", Kind::Gauge),
    ("histogram", Kind::Histogram),
    ("observable_counter", Kind::ObservableCounter),
    ("observable_gauge", Kind::ObservableGauge),
    ("observable_up_down_counter", Kind::ObservableUpDownCounter),
    ("up_down_counter", Kind::UpDownCounter),
];

pub(crate) fn read(at: At<'_>, report: &mut Report) -> Option<MeterProvider> {
    let mut fields = at.fields(report)?;
    let readers = fields.need("readers", report);
    let readers = readers.map(|at| at.items(1, report)).unwrap_or_default();
    let readers = readers.into_iter().filter_map(|item| reader(item, report)).collect();
    let views = fields.take("views").map(|at| at.items(1, report)).unwrap_or_default();
    let views = views.into_iter().filter_map(|item| view::read(item, report)).collect();
    let filters = ExemplarFilter::NAMES.map(|name| (name, ExemplarFilter::from_name(name)));
    let exemplar_filter = fields.take("exemplar_filter");
    let exemplar_filter = exemplar_filter.and_then(|at| at.choice(&filters, report)).flatten();
    fields.ignore(&["meter_configurator/development"], report);
    fields.end(report);
    Some(MeterProvider { readers, views, exemplar_filter })
}

fn reader(at: At<'_>, report: &mut Report) -> Option<ReaderConfig> {
    let (name, at) = at.only("periodic:", report)?;
    match name {
        "periodic" => periodic(at, report).map(ReaderConfig::Periodic),
        "pull" => pull(at, report).map(ReaderConfig::Pull),
        _ if report.is_newer => {
            at.unused(report);
            None
        }
        _ => {
            report.problem(at.line, at.path, "is not a reader; write `periodic` or `pull`");
            None
        }
    }
}

fn periodic(at: At<'_>, report: &mut Report) -> Option<PeriodicReader> {
    let (line, path) = (at.line, at.path.clone());
    let mut fields = at.fields(report)?;
    let interval = fields.take("interval").and_then(|at| at.milliseconds(1, report));
    let timeout = fields.take("timeout").and_then(|at| at.timeout(report));
    let exporter = fields.need("exporter", report);
    let exporter = exporter.and_then(|at| exporter::push(at, report));
    let limits = fields.take("cardinality_limits").and_then(|at| limits(at, report));
    let filter = fields.take("filter").and_then(|at| filter(at, report));
    fields.ignore(&["max_export_batch_size/development", "producers"], report);
    fields.end(report);
    let cardinality_limits = limits.unwrap_or_default();
    let exporter = exporter?;
    Some(PeriodicReader { line, path, interval, timeout, exporter, filter, cardinality_limits })
}

fn pull(at: At<'_>, report: &mut Report) -> Option<PullReader> {
    let (line, path) = (at.line, at.path.clone());
    let mut fields = at.fields(report)?;
    let exporter = fields.need("exporter", report);
    let exporter = exporter.and_then(|at| exporter::pull(at, report));
    let limits = fields.take("cardinality_limits").and_then(|at| limits(at, report));
    let filter = fields.take("filter").and_then(|at| filter(at, report));
    fields.ignore(&["producers"], report);
    fields.end(report);
    let cardinality_limits = limits.unwrap_or_default();
    Some(PullReader { line, path, exporter: exporter?, filter, cardinality_limits })
}

/// Reads a filter, which is an extension: OpenTelemetry's schema has only views.
fn filter(at: At<'_>, report: &mut Report) -> Option<TargetFilter> {
    let mut fields = at.fields(report)?;
    let mut keys = |key, report: &mut Report| {
        let keys = fields.take(key).and_then(|at| key_filter::read(at, report));
        keys.unwrap_or_default()
    };
    let (instruments, labels) = (keys("instruments", report), keys("labels", report));
    fields.end(report);
    Some(TargetFilter { instruments, labels })
}

fn limits(at: At<'_>, report: &mut Report) -> Option<CardinalityLimits> {
    let mut fields = at.fields(report)?;
    let default = fields.take("default").and_then(|at| at.count(report));
    let mut kinds = Vec::new();
    for (key, kind) in KINDS {
        if let Some(limit) = fields.take(key).and_then(|at| at.count(report)) {
            kinds.push((kind, limit));
        }
    }
    fields.end(report);
    Some(CardinalityLimits { default, kinds })
}
