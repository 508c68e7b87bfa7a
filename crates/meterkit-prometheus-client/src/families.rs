//! Assembles series from the samples of OpenMetrics text.

use std::borrow::Cow;
use std::sync::Arc;

use meterkit_core::{HistogramReading, Import, ImportedFamily, Kind, Reading, Value};
use meterkit_prometheus_model::exposition::{Line, Sample};
use opentelemetry::KeyValue;

/// Imports the lines of a text.
#[derive(Default)]
pub(crate) struct Families<'t> {
    help: (Cow<'t, str>, &'t str),
    current: Option<Family<'t>>,
}

/// The family that the next samples belong to.
struct Family<'t> {
    name: Cow<'t, str>,
    of: Type,
    unit: &'static str,
    help: &'t str,
    /// The histogram that the next samples belong to.
    histogram: Option<Histogram>,
}

#[derive(Clone, Copy, PartialEq)]
enum Type {
    Counter,
    Gauge,
    Histogram,
    Info,
}

#[derive(Default)]
struct Histogram {
    labels: Vec<KeyValue>,
    count: Option<u64>,
    sum: Option<f64>,
    buckets: Vec<(f64, u64)>,
}

impl<'t> Families<'t> {
    /// Imports all series in `text`. A line that cannot be parsed is left out, with a warning.
    pub(crate) fn take(import: &mut Import<'_>, text: &'t str) {
        let mut families = Self::default();
        for line in text.lines() {
            let is_taken = Line::parse(line).and_then(|line| families.line(import, line));
            if is_taken.is_none() {
                let family = families.current.as_ref().map_or("", |family| &family.name);
                import.refuse(
                    family,
                    "cannot parse a line of its text; a newline in a help text may be the cause",
                );
            }
        }
        families.end(import);
    }

    /// Imports one line. Returns `None` if the line is not valid here.
    fn line(&mut self, import: &mut Import<'_>, line: Line<'t>) -> Option<()> {
        match line {
            Line::Help { family, text } => {
                self.end(import);
                self.help = (family, text);
            }
            Line::Type { family, of } => {
                self.end(import);
                let of = match of {
                    "counter" => Type::Counter,
                    "gauge" | "unknown" => Type::Gauge,
                    "histogram" => Type::Histogram,
                    "info" => Type::Info,
                    _ => return None,
                };
                let help = if self.help.0 == family { self.help.1 } else { "" };
                self.current = Some(Family { name: family, of, unit: "", help, histogram: None });
            }
            Line::Unit { family, unit } => {
                let current = self.current.as_mut().filter(|it| it.name == family)?;
                current.unit = ucum(unit);
            }
            Line::End => self.end(import),
            Line::Sample(sample) => self.current.as_mut()?.sample(import, sample)?,
        }
        Some(())
    }

    fn end(&mut self, import: &mut Import<'_>) {
        if let Some(mut family) = self.current.take() {
            family.end_histogram(import);
        }
    }
}

impl Family<'_> {
    fn sample(&mut self, import: &mut Import<'_>, sample: Sample<'_>) -> Option<()> {
        let Sample { name, labels, value } = sample;
        let suffix = name.strip_prefix(&*self.name)?;
        let labels = labels.into_iter();
        let labels = labels.map(|(key, value)| KeyValue::new(key.into_owned(), value.into_owned()));
        let labels = labels.collect();
        match (self.of, suffix) {
            (Type::Histogram, part) => self.part_of_histogram(import, part, labels, value)?,
            (Type::Counter, "_total") => {
                let value = number(value, true)?;
                self.observe(import, &name, Kind::ObservableCounter, labels, value.into());
            }
            (Type::Gauge, "") => {
                let value = number(value, false)?;
                self.observe(import, &name, Kind::ObservableGauge, labels, value.into());
            }
            // OpenTelemetry represents an info metric as a non-monotonic sum.
            (Type::Info, "_info") => {
                let value = number(value, false)?;
                self.observe(import, &name, Kind::ObservableUpDownCounter, labels, value.into());
            }
            // Not needed: the store assigns the start time of a series in the first collection.
            (Type::Counter, "_created") => {}
            _ => return None,
        }
        Some(())
    }

    /// Imports one sample of a histogram. The sum comes first, and the buckets are in order.
    fn part_of_histogram(
        &mut self,
        import: &mut Import<'_>,
        part: &str,
        mut labels: Vec<KeyValue>,
        value: &str,
    ) -> Option<()> {
        let bound = match part {
            "_bucket" => {
                let at = labels.iter().position(|it| it.key.as_str() == "le")?;
                Some(labels.remove(at).value.as_str().parse().ok()?)
            }
            "_sum" | "_count" => None,
            _ => return None,
        };
        let is_next = |it: &Histogram| it.labels != labels || part == "_sum";
        if self.histogram.as_ref().is_none_or(is_next) {
            self.end_histogram(import);
            self.histogram = Some(Histogram { labels, ..Histogram::default() });
        }
        let histogram = self.histogram.as_mut()?;
        match (part, bound) {
            (_, Some(bound)) => histogram.buckets.push((bound, value.parse().ok()?)),
            ("_sum", _) => histogram.sum = Some(value.parse().ok()?),
            _ => histogram.count = Some(value.parse().ok()?),
        }
        Some(())
    }

    fn end_histogram(&mut self, import: &mut Import<'_>) {
        let Some(Histogram { labels, count, sum, buckets }) = self.histogram.take() else { return };
        let reading = count
            .zip(sum)
            .and_then(|(count, sum)| HistogramReading::from_cumulative(&buckets, count, sum));
        match reading {
            Some(reading) => {
                let reading = Reading::Histogram(Arc::new(reading));
                self.observe(import, &self.name, Kind::Histogram, labels, reading);
            }
            None => import.refuse(
                &self.name,
                "bucket boundaries must increase, and cumulative bucket counts must not fall",
            ),
        }
    }

    fn observe(
        &self,
        import: &mut Import<'_>,
        name: &str,
        kind: Kind,
        labels: Vec<KeyValue>,
        reading: Reading,
    ) {
        let family = ImportedFamily { name, unit: self.unit, description: self.help, kind };
        import.observe(&family, labels, reading);
    }
}

/// Parses a number with its type. A number without a decimal point and an exponent is an integer.
fn number(text: &str, is_counter: bool) -> Option<Value> {
    if !is_counter {
        if let Ok(value) = text.parse() {
            return Some(Value::I64(value));
        }
    }
    let integer = text.parse().map(Value::U64);
    integer.or_else(|_| text.parse().map(Value::F64)).ok()
}

/// Returns the UCUM unit for a word, or an empty string. Ratios have no unit here, because the UCUM unit would become
/// another word in Prometheus.
fn ucum(word: &str) -> &'static str {
    match word {
        "amperes" => "A",
        "bytes" => "By",
        "celsius" => "Cel",
        "grams" => "g",
        "joules" => "J",
        "meters" => "m",
        "seconds" => "s",
        "volts" => "V",
        _ => "",
    }
}
