//! `exporter`: where metrics go.

mod plugin;
mod prometheus;

use meterkit_core::Temporality;

use crate::file::report::Report;
use crate::file::schema::At;

pub use self::plugin::Plugin;
pub use self::prometheus::PrometheusExporter;

/// Where a periodic reader sends metrics.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PushExporter {
    /// `console`: standard output.
    Console(ConsoleExporter),
    /// Anything else, `otlp_http` or `datadog` for example, as the file has it.
    Plugin(Plugin),
}

/// How metrics are fetched from a pull reader.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PullExporter {
    /// `prometheus/development`, or `prometheus`: a scrape endpoint.
    Prometheus(PrometheusExporter),
    /// Anything else, as the file has it.
    Plugin(Plugin),
}

/// What is printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsoleExporter {
    /// Whether values are totals or deltas; `None` for totals.
    pub temporality: Option<Temporality>,
    /// Whether the values of observable counters are totals or deltas; `None` for those of all other sums.
    pub observed_temporality: Option<Temporality>,
}

pub(crate) fn push(at: At<'_>, report: &mut Report) -> Option<PushExporter> {
    let (name, at) = at.only("console:", report)?;
    match name {
        "console" => console(at, report).map(PushExporter::Console),
        "prometheus" | "prometheus/development" => {
            at.problem(report, "is for readers that are pulled from; put it below `pull`");
            None
        }
        name => plugin::read(name, at, report).map(PushExporter::Plugin),
    }
}

pub(crate) fn pull(at: At<'_>, report: &mut Report) -> Option<PullExporter> {
    let (name, at) = at.only("prometheus/development:", report)?;
    match name {
        "prometheus" | "prometheus/development" => {
            prometheus::read(at, report).map(PullExporter::Prometheus)
        }
        "otlp_http" | "otlp_grpc" | "console" => {
            at.problem(report, "is for readers that send; put it below `periodic`");
            None
        }
        name => plugin::read(name, at, report).map(PullExporter::Plugin),
    }
}

fn console(at: At<'_>, report: &mut Report) -> Option<ConsoleExporter> {
    let preferences = [
        ("cumulative", (Temporality::Cumulative, None)),
        ("delta", (Temporality::Delta, None)),
        ("low_memory", (Temporality::Delta, Some(Temporality::Cumulative))),
    ];
    let aggregations =
        [("explicit_bucket_histogram", false), ("base2_exponential_bucket_histogram", true)];
    let mut fields = at.fields_or_nothing(report)?;
    let temporality = fields.take("temporality_preference");
    let temporality = temporality.and_then(|at| at.choice(&preferences, report));
    if let Some(at) = fields.take("default_histogram_aggregation") {
        // Which buckets are shown has no meaning for a console.
        if at.choice(&aggregations, report) == Some(true) {
            at.unused(report);
        }
    }
    fields.end(report);
    let (temporality, observed_temporality) = temporality.unzip();
    Some(ConsoleExporter { temporality, observed_temporality: observed_temporality.flatten() })
}
