//! `exporter`: the destination of metrics.

mod plugin;
mod prometheus;

use meterkit_core::Temporality;

use crate::file::report::Report;
use crate::file::schema::At;

pub use self::plugin::Plugin;
pub use self::prometheus::PrometheusExporter;

/// The exporter of a periodic reader.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PushExporter {
    /// `console`: standard output.
    Console(ConsoleExporter),
    /// Any other exporter, for example `otlp_http` or `datadog`, as it is written in the file.
    Plugin(Plugin),
}

/// The exporter of a pull reader.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PullExporter {
    /// `prometheus/development` or `prometheus`: a scrape endpoint.
    Prometheus(PrometheusExporter),
    /// Any other exporter, as it is written in the file.
    Plugin(Plugin),
}

/// The settings of the console exporter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsoleExporter {
    /// Whether values are cumulative or deltas; `None` for cumulative.
    pub temporality: Option<Temporality>,
    /// The temporality of observable counters, where it differs from `temporality`; `None` if it is the same.
    pub observed_temporality: Option<Temporality>,
}

pub(crate) fn push(at: At<'_>, report: &mut Report) -> Option<PushExporter> {
    let (name, at) = at.only("console:", report)?;
    match name {
        "console" => console(at, report).map(PushExporter::Console),
        "prometheus" | "prometheus/development" => {
            at.problem(report, "is a pull exporter; put it below `pull`");
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
            at.problem(report, "is a push exporter; put it below `periodic`");
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
        // The kind of histogram buckets makes no difference to the console.
        if at.choice(&aggregations, report) == Some(true) {
            at.unused(report);
        }
    }
    fields.end(report);
    let (temporality, observed_temporality) = temporality.unzip();
    Some(ConsoleExporter { temporality, observed_temporality: observed_temporality.flatten() })
}
