//! The console target, which writes metrics as lines of text for people.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use meterkit_core::{
    Attributes, Data, Descriptor, ExponentialHistogramPoint, Temporality, Unpoisoned, Value,
};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::export_error::ExportError;
use crate::snapshot::Snapshot;
use crate::target::{CheckFuture, Checked, ExportFuture, Target};

/// A target that writes each snapshot as text, one line per point. Selected by `OTEL_METRICS_EXPORTER=console`.
///
/// A page whose export timed out is still written to the end. With delta temporality, the next page then repeats its
/// values.
///
/// ```text
/// # 2026-03-01T12:00:00Z, 2 points
/// backstage.plugin.catalog.queue.length 12 {item}
/// backstage.plugin.catalog.requests{route="/entities"} 3
/// ```
pub struct ConsoleTarget {
    out: Arc<Mutex<dyn Write + Send>>,
    /// The page that is being written, even if its export has timed out: a stuck pipe must not block more than one
    /// thread.
    writing: Option<JoinHandle<io::Result<()>>>,
    temporality: Temporality,
    observed: Option<Temporality>,
}

impl ConsoleTarget {
    /// Creates a target that writes to standard output.
    pub fn stdout() -> Self {
        Self::new(io::stdout())
    }

    /// Creates a target that writes to `out`.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        let (out, temporality) = (Arc::new(Mutex::new(out)), Temporality::Cumulative);
        Self { out, writing: None, temporality, observed: None }
    }

    /// Sets whether sums and histograms are written as cumulative totals or as deltas since the last written page.
    /// Cumulative by default.
    #[must_use]
    pub fn with_temporality(mut self, temporality: Temporality) -> Self {
        self.temporality = temporality;
        self
    }

    /// Sets the temporality of observable counters. By default, the temporality of all other sums.
    #[must_use]
    pub fn with_observed_temporality(mut self, temporality: Temporality) -> Self {
        self.observed = Some(temporality);
        self
    }
}

impl fmt::Debug for ConsoleTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleTarget")
            .field("temporality", &self.temporality)
            .finish_non_exhaustive()
    }
}

impl Target for ConsoleTarget {
    fn name(&self) -> &str {
        "console"
    }

    fn endpoint(&self) -> String {
        "standard output".to_owned()
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }

    fn check(&mut self) -> CheckFuture<'_> {
        Box::pin(std::future::ready(Ok(Checked::Accepted(
            "writes every snapshot as text".to_owned(),
        ))))
    }

    fn observed_temporality(&self) -> Temporality {
        self.observed.unwrap_or(self.temporality)
    }

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        let text = page(snapshot);
        let Self { out, writing, .. } = self;
        let out = out.clone();
        Box::pin(async move {
            if let Some(earlier) = writing {
                // The result is ignored: the export that wrote this page has already timed out.
                let _ = earlier.await;
            }
            // A full pipe blocks, so do not write on the thread that all targets share.
            let page = writing.insert(spawn_blocking(move || {
                let mut out = out.lock().unpoisoned();
                out.write_all(text.as_bytes()).and_then(|()| out.flush())
            }));
            let written = page.await;
            *writing = None;
            match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(ExportError::retryable(error.to_string())),
                Err(error) => Err(ExportError::retryable(error.to_string())),
            }
        })
    }
}

fn page(snapshot: &Snapshot) -> String {
    let time = humantime::format_rfc3339_seconds(snapshot.time);
    let mut page = format!("# {time}, {} points\n", snapshot.len());
    for metric in snapshot.scopes.iter().flat_map(|scope| &scope.metrics) {
        let mut line = |attributes: &Attributes, values: String, buckets: String| {
            let Descriptor { name, unit, .. } = &*metric.descriptor;
            let space = if unit.is_empty() { "" } else { " " };
            let labels = labels(attributes);
            page.push_str(&format!("{name}{labels} {values}{space}{unit}{buckets}\n"));
        };
        match &metric.data {
            Data::Gauge(points) | Data::Sum { points, .. } => {
                points.each().for_each(|it| line(&it.attributes, number(it.value), String::new()));
            }
            Data::Histogram { points, bounds, .. } => {
                for point in points {
                    let values = distribution(point.count, point.sum, point.min.zip(point.max));
                    let ends = bounds.iter().copied().chain([f64::INFINITY]);
                    let filled = ends.zip(&point.buckets).filter(|(_, count)| **count > 0);
                    let buckets = filled.map(|(end, count)| format!(" ≤{end}:{count}"));
                    line(&point.attributes, values, buckets.collect());
                }
            }
            Data::ExponentialHistogram { points, .. } => {
                for point in points {
                    let values = distribution(point.count, point.sum, point.min.zip(point.max));
                    let values = format!("{values} scale={}", point.scale);
                    line(&point.attributes, values, exponential_buckets(point));
                }
            }
            Data::Summary(points) => {
                for point in points {
                    let values = distribution(point.count, point.sum, None);
                    let quantiles =
                        point.quantiles.iter().map(|(at, value)| format!(" q{at}={value}"));
                    line(&point.attributes, values, quantiles.collect());
                }
            }
            _ => {}
        }
    }
    page
}

fn labels(attributes: &Attributes) -> String {
    let pairs = attributes.iter().map(|(key, value)| format!("{key}={:?}", value.to_string()));
    let pairs: Vec<String> = pairs.collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

fn number(value: Value) -> String {
    match value {
        Value::U64(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
    }
}

fn distribution(count: u64, sum: f64, ends: Option<(f64, f64)>) -> String {
    let ends = ends.map(|(min, max)| format!(" min={min} max={max}")).unwrap_or_default();
    format!("count={count} sum={sum}{ends}")
}

/// Formats the buckets from the smallest values to the largest.
fn exponential_buckets(point: &ExponentialHistogramPoint) -> String {
    let negative =
        point.negative.bounded(point.scale).rev().map(|it| (format!("≥-{}", it.1), it.2));
    let zero = ("0".to_owned(), point.zero_count);
    let positive = point.positive.bounded(point.scale).map(|it| (format!("≤{}", it.1), it.2));
    let all = negative.chain([zero]).chain(positive).filter(|(_, count)| *count > 0);
    all.map(|(end, count)| format!(" {end}:{count}")).collect()
}
