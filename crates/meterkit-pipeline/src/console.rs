//! The console target: metrics as lines of text, for people.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use meterkit_core::{
    Attributes, Data, ExponentialHistogramPoint, HistogramPoint, Metric, NumberPoint, Temporality,
    Unpoisoned, Value,
};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::snapshot::Snapshot;
use crate::target::{ExportError, ExportFuture, Target};

/// Writes each snapshot as text, one line per point: `OTEL_METRICS_EXPORTER=console`.
///
/// A page that took longer than the timeout is written all the same; the next delta then repeats what it held.
///
/// ```text
/// # 2026-03-01T12:00:00Z, 2 points
/// backstage.plugin.catalog.queue.length 12 {item}
/// backstage.plugin.catalog.requests{route="/entities"} 3
/// ```
pub struct ConsoleTarget {
    out: Arc<Mutex<dyn Write + Send>>,
    /// The page that is being written, also when its export has timed out: a stuck pipe holds one thread, not many.
    writing: Option<JoinHandle<io::Result<()>>>,
    temporality: Temporality,
}

impl ConsoleTarget {
    /// Writes to standard output.
    pub fn stdout() -> Self {
        Self::new(io::stdout())
    }

    /// Writes to `out`.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self { out: Arc::new(Mutex::new(out)), writing: None, temporality: Temporality::Cumulative }
    }

    /// Whether sums and histograms are written in full, the default, or as the difference to what was written before.
    #[must_use]
    pub fn with_temporality(mut self, temporality: Temporality) -> Self {
        self.temporality = temporality;
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

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        let text = Page(snapshot).to_string();
        let Self { out, writing, .. } = self;
        let out = out.clone();
        Box::pin(async move {
            if let Some(earlier) = writing {
                // How that ended was of interest to an export that has given up.
                let _ = earlier.await;
            }
            // A full pipe blocks: not on the thread that the other targets share.
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

struct Page<'a>(&'a Snapshot);

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = humantime::format_rfc3339_seconds(self.0.time);
        writeln!(f, "# {time}, {} points", self.0.len())?;
        for metric in self.0.scopes.iter().flat_map(|scope| &scope.metrics) {
            match &metric.data {
                Data::Gauge(points) | Data::Sum { points, .. } => {
                    for point in points {
                        writeln!(f, "{}", NumberLine(metric, point))?;
                    }
                }
                Data::Histogram { points, bounds, .. } => {
                    for point in points {
                        writeln!(f, "{}", HistogramLine(metric, bounds, point))?;
                    }
                }
                Data::ExponentialHistogram { points, .. } => {
                    for point in points {
                        writeln!(f, "{}", ExponentialLine(metric, point))?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

struct NumberLine<'a>(&'a Metric, &'a NumberPoint);

impl fmt::Display for NumberLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(metric, point) = self;
        write!(f, "{}{} ", metric.descriptor.name, Labels(&point.attributes))?;
        match point.value {
            Value::U64(value) => write!(f, "{value}")?,
            Value::I64(value) => write!(f, "{value}")?,
            Value::F64(value) => write!(f, "{value}")?,
        }
        write_unit(f, metric)
    }
}

struct HistogramLine<'a>(&'a Metric, &'a [f64], &'a HistogramPoint);

impl fmt::Display for HistogramLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(metric, bounds, point) = self;
        write!(f, "{}{}", metric.descriptor.name, Labels(&point.attributes))?;
        write_numbers(f, (point.count, point.sum), point.min.zip(point.max))?;
        write_unit(f, metric)?;
        let open = [f64::INFINITY];
        for (bound, count) in bounds.iter().chain(&open).zip(&point.buckets) {
            if *count > 0 {
                write!(f, " ≤{bound}:{count}")?;
            }
        }
        Ok(())
    }
}

struct ExponentialLine<'a>(&'a Metric, &'a ExponentialHistogramPoint);

impl fmt::Display for ExponentialLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(metric, point) = self;
        write!(f, "{}{}", metric.descriptor.name, Labels(&point.attributes))?;
        write_numbers(f, (point.count, point.sum), point.min.zip(point.max))?;
        write!(f, " scale={}", point.scale)?;
        write_unit(f, metric)?;
        let has_values = |bucket: &(f64, f64, u64)| bucket.2 > 0;
        for (_, upper, count) in point.negative.bounded(point.scale).rev().filter(has_values) {
            write!(f, " ≥-{upper}:{count}")?;
        }
        if point.zero_count > 0 {
            write!(f, " 0:{}", point.zero_count)?;
        }
        for (_, upper, count) in point.positive.bounded(point.scale).filter(has_values) {
            write!(f, " ≤{upper}:{count}")?;
        }
        Ok(())
    }
}

/// What both kinds of histograms have.
fn write_numbers(
    f: &mut fmt::Formatter<'_>,
    (count, sum): (u64, f64),
    ends: Option<(f64, f64)>,
) -> fmt::Result {
    write!(f, " count={count} sum={sum}")?;
    match ends {
        Some((min, max)) => write!(f, " min={min} max={max}"),
        None => Ok(()),
    }
}

fn write_unit(f: &mut fmt::Formatter<'_>, metric: &Metric) -> fmt::Result {
    match &*metric.descriptor.unit {
        "" => Ok(()),
        unit => write!(f, " {unit}"),
    }
}

struct Labels<'a>(&'a Attributes);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = '{';
        for (key, value) in self.0.iter() {
            write!(f, "{before}{key}={:?}", value.to_string())?;
            before = ',';
        }
        if before == ',' { f.write_char('}') } else { Ok(()) }
    }
}
