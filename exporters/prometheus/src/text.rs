//! The text formats: Prometheus' own, and OpenMetrics.
//!
//! Follows Prometheus' "Exposition formats" and "OpenMetrics 1.0", which was numbered 0.0.1 before its release.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use meterkit_core::{Attributes, Data, Exemplar, HistogramPoint, NumberPoint, SummaryPoint, Value};
use meterkit_prometheus_model::{
    Bounds, Families, ScopeLabels, TARGET_INFO, TARGET_INFO_HELP, cumulative_counts,
    exemplar_in_bucket, exemplar_labels, write_canonical, write_float,
};
use meterkit_rules::prometheus_name::{FamilyType, Names, is_legal_family, is_legal_label};

use crate::escape::{escape, escape_quoted, quoted};
use crate::exposition::Series;
use crate::labels::{Scope, SeriesLabels, write_series};
use crate::writer::{Head, Starts, unit_of};

/// Writes a body in one of the text formats.
pub(crate) struct Text {
    names: Names,
    pub(crate) is_open_metrics: bool,
    /// Start times, which only OpenMetrics supports.
    starts: Starts,
    family: SampleNames,
    /// The labels of the current series.
    labels: String,
    series_labels: SeriesLabels,
    /// The beginning of the current series' bucket lines, up to the value of `le`.
    bucket: String,
    /// The values of `le`, each with the text between it and the count.
    bounds: Bounds,
    /// Counts of the classic buckets of an exponential histogram.
    classic: Vec<u64>,
    /// Buffer for a number, or for the first lines of a family.
    scratch: String,
}

/// The family name of `target_info` in OpenMetrics, where the samples of an info family append `_info`.
const TARGET: &str = "target";

/// The names of a family's samples.
#[derive(Default)]
struct SampleNames {
    value: SampleName,
    bucket: SampleName,
    sum: SampleName,
    count: SampleName,
    created: SampleName,
    has_created: bool,
}

/// The name of a sample, in the form in which its lines begin.
#[derive(Default)]
struct SampleName {
    /// The form before labels: `name{`, or `{"name",`.
    before_labels: String,
    /// Replaces the last character of `before_labels` if the series has no labels.
    without_labels: &'static str,
}

impl Text {
    /// Creates a writer of Prometheus' own text format.
    pub(crate) fn plain(names: Names) -> Self {
        let bounds = Bounds::written_by(|out, bound| {
            write_float(out, bound);
            out.push_str("\"} ");
        });
        Self::new(names, false, Starts(None), bounds)
    }

    /// Creates a writer of OpenMetrics.
    pub(crate) fn open_metrics(names: Names, starts: Starts) -> Self {
        let bounds = Bounds::written_by(|out, bound| {
            write_canonical(out, bound);
            out.push_str("\"} ");
        });
        Self::new(names, true, starts, bounds)
    }

    fn new(names: Names, is_open_metrics: bool, starts: Starts, bounds: Bounds) -> Self {
        // Enough capacity for the labels of most series.
        let [labels, bucket, scratch] = [(); 3].map(|()| String::with_capacity(512));
        let (family, series_labels, classic) = Default::default();
        Self {
            names,
            is_open_metrics,
            starts,
            family,
            series_labels,
            labels,
            bucket,
            bounds,
            classic,
            scratch,
        }
    }

    pub(crate) fn scope(&self, labels: ScopeLabels<'_>) -> Scope {
        Scope::new(labels, self.names, Vec::new())
    }

    pub(crate) fn target_info<S>(
        &mut self,
        out: &mut BytesMut,
        resource: &Attributes,
        families: &Families<S>,
    ) {
        let mut start = String::new();
        // Another family may already be named `target`, so that the info family cannot have this name.
        let is_free = !families.has(TARGET);
        match self.is_open_metrics && is_free {
            true => self.write_head(&mut start, TARGET, "info", "", TARGET_INFO_HELP),
            false => self.write_head(&mut start, TARGET_INFO, "gauge", "", TARGET_INFO_HELP),
        }
        start.push_str(TARGET_INFO);
        start.push('{');
        self.labels.clear();
        let (labels, names, none) = (&mut self.labels, self.names, Scope::default());
        let write = |name: &str, value: &str| label(labels, names, name, value);
        let _ = SeriesLabels::default().visit(resource, &none, |key| names.label(key), write);
        for part in [&*start, &*self.labels, "} 1\n"] {
            put(out, part);
        }
    }

    pub(crate) fn start(&mut self, out: &mut BytesMut, head: Head<'_>) {
        let Head { name, family_type, help, unit } = head;
        let family = self.names.base((name, family_type));
        let (samples, names) = (&mut self.family, self.names);
        samples.has_created = self.starts.0.is_some()
            && !matches!(family_type, FamilyType::Gauge | FamilyType::Unknown);
        if samples.has_created {
            samples.created.set(family, "_created", names);
        }
        if family_type == FamilyType::Histogram {
            samples.bucket.set(name, "_bucket", names);
        } else {
            samples.value.set(name, "", names);
        }
        if matches!(family_type, FamilyType::Histogram | FamilyType::Summary) {
            samples.sum.set(name, "_sum", names);
            samples.count.set(name, "_count", names);
        }
        self.series_labels.clear();
        let mut head = std::mem::take(&mut self.scratch);
        head.clear();
        self.write_head(&mut head, family, family_type.as_str(), unit_of(family, unit), help);
        put(out, &head);
        self.scratch = head;
    }

    #[inline]
    pub(crate) fn series(&mut self, out: &mut BytesMut, series: Series<'_>) {
        let Series { family_type, names, scope, data, at, ladder, exemplars } = series;
        let head = |text: &mut Self, attributes: &Attributes| {
            text.labels.clear();
            let Self { labels, series_labels, .. } = text;
            write_series(labels, series_labels, names, family_type, scope, attributes);
        };
        match data {
            Data::Gauge(points) | Data::Sum { points, .. } => {
                let Some(point) = points.at(at) else { return };
                head(self, &point.attributes);
                // OpenMetrics allows exemplars only on counters and histograms.
                let exemplars = if family_type == FamilyType::Counter { exemplars } else { &[] };
                let is_counter = matches!(data, Data::Sum { monotonic: true, .. });
                self.number(out, &point, is_counter, exemplars);
            }
            Data::Histogram { points, bounds, .. } => {
                let HistogramPoint { buckets, count, sum, min, start, .. } = &points[at];
                head(self, &points[at].attributes);
                let is_negative = bounds.first().is_some_and(|bound| *bound < 0.0);
                self.buckets(out, bounds, buckets, *count, exemplars);
                self.rest_of_histogram(out, *count, *sum, *min, is_negative, *start);
            }
            Data::ExponentialHistogram { points, .. } => {
                let (Some(ladder), point) = (ladder, &points[at]) else { return };
                head(self, &point.attributes);
                let mut classic = std::mem::take(&mut self.classic);
                ladder.fill(point, &mut classic);
                let bounds = ladder.boundaries();
                let is_negative = bounds.first().is_some_and(|bound| *bound < 0.0);
                self.buckets(out, bounds, &classic, point.count, exemplars);
                self.classic = classic;
                let (count, sum, min, start) = (point.count, point.sum, point.min, point.start);
                self.rest_of_histogram(out, count, sum, min, is_negative, start);
            }
            Data::Summary(points) => {
                head(self, &points[at].attributes);
                self.summary(out, &points[at]);
            }
            _ => {}
        }
    }

    pub(crate) fn end(&mut self, out: &mut BytesMut) {
        if self.is_open_metrics {
            put(out, "# EOF\n");
        }
    }

    fn number(
        &mut self,
        out: &mut BytesMut,
        point: &NumberPoint,
        is_counter: bool,
        exemplars: &[Exemplar],
    ) {
        let value = point.value.as_f64();
        if is_counter && self.is_open_metrics && may_fall(value) {
            // OpenMetrics does not allow a negative or NaN counter.
            return;
        }
        self.family.value.write(out, &self.labels);
        match (point.value, self.is_open_metrics) {
            (Value::U64(value), false) => integer(out, value),
            (Value::I64(value), false) => put(out, itoa::Buffer::new().format(value)),
            // A float cannot represent these integers exactly.
            (Value::U64(value), _) if value > EXACT => integer(out, value),
            (Value::I64(value), _) if value.unsigned_abs() > EXACT => {
                put(out, itoa::Buffer::new().format(value));
            }
            _ => self.float(out, value),
        }
        if let Some(last) = exemplars.last() {
            write_exemplar(out, last);
        }
        put(out, "\n");
        self.created(out, point.start);
    }

    fn buckets(
        &mut self,
        out: &mut BytesMut,
        boundaries: &std::sync::Arc<[f64]>,
        buckets: &[u64],
        count: u64,
        exemplars: &[Exemplar],
    ) {
        let Self { family, labels, bucket, bounds, .. } = self;
        bucket.clear();
        bucket.push_str(&family.bucket.before_labels);
        bucket.push_str(labels);
        bucket.push_str(if labels.is_empty() { "le=\"" } else { ",le=\"" });
        let below = cumulative_counts(boundaries.len(), buckets);
        let bounds = bounds.of(boundaries).iter();
        for (at, (bound, below)) in bounds.zip(below).enumerate() {
            put(out, bucket);
            put(out, bound);
            integer(out, below);
            if !exemplars.is_empty() {
                write_exemplar_of_bucket(out, exemplars, boundaries, at);
            }
            put(out, "\n");
        }
        put(out, bucket);
        put(out, "+Inf\"} ");
        integer(out, count);
        if !exemplars.is_empty() {
            write_exemplar_of_bucket(out, exemplars, boundaries, boundaries.len());
        }
        put(out, "\n");
    }

    /// Writes a summary: its quantiles, sum, count and start time.
    fn summary(&mut self, out: &mut BytesMut, point: &SummaryPoint) {
        let is_strict = self.is_open_metrics;
        // OpenMetrics does not allow negative quantiles. The quantiles of an empty summary are NaN.
        let may_be = |value: f64| !is_strict || value.is_nan() || value >= 0.0;
        let quantiles = point.quantiles.iter().filter(|(_, value)| may_be(*value));
        for (quantile, value) in quantiles {
            put(out, &self.family.value.before_labels);
            put(out, &self.labels);
            put(out, if self.labels.is_empty() { "quantile=\"" } else { ",quantile=\"" });
            self.float(out, *quantile);
            put(out, "\"} ");
            self.float(out, *value);
            put(out, "\n");
        }
        self.rest_of_histogram(out, point.count, point.sum, None, false, point.start);
    }

    /// Writes the sum, count and start time that follow the buckets of a histogram or the quantiles of a summary.
    fn rest_of_histogram(
        &mut self,
        out: &mut BytesMut,
        count: u64,
        sum: f64,
        min: Option<f64>,
        has_negative_bound: bool,
        start: SystemTime,
    ) {
        // OpenMetrics does not allow a sum that can decrease, or a count without a sum.
        let may_fall = has_negative_bound || min.is_some_and(may_fall) || may_fall(sum);
        if !self.is_open_metrics || !may_fall {
            self.family.sum.write(out, &self.labels);
            self.float(out, sum);
            put(out, "\n");
            self.family.count.write(out, &self.labels);
            integer(out, count);
            put(out, "\n");
        }
        self.created(out, start);
    }

    fn float(&mut self, out: &mut BytesMut, value: f64) {
        self.scratch.clear();
        match self.is_open_metrics {
            false => write_float(&mut self.scratch, value),
            true => write_canonical(&mut self.scratch, value),
        }
        put(out, &self.scratch);
    }

    /// Writes the start time of a series as a `_created` sample.
    fn created(&mut self, out: &mut BytesMut, start: SystemTime) {
        if !self.family.has_created {
            return;
        }
        let Some(start) = self.starts.since_1970(start) else { return };
        self.family.created.write(out, &self.labels);
        self.float(out, start.as_secs_f64());
        put(out, "\n");
    }

    fn write_head(&self, out: &mut String, name: &str, kind: &str, unit: &str, help: &str) {
        let mut quoted_name = String::new();
        let name = if self.names.may_be_quoted() && !is_legal_family(name) {
            quoted(&mut quoted_name, name);
            &quoted_name
        } else {
            name
        };
        if self.is_open_metrics {
            write_type(out, name, kind);
            if !unit.is_empty() {
                out.extend(["# UNIT ", name, " ", unit, "\n"]);
            }
            write_help(out, name, help, true);
        } else {
            write_help(out, name, help, false);
            write_type(out, name, kind);
        }
    }
}

/// Up to this number, a float represents every integer exactly.
const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;

impl SampleName {
    fn set(&mut self, name: &str, suffix: &str, names: Names) {
        let text = &mut self.before_labels;
        text.clear();
        text.reserve(name.len() + suffix.len() + 8);
        text.push_str(name);
        text.push_str(suffix);
        if names.may_be_quoted() && !is_legal_family(text) {
            let name = std::mem::replace(text, String::from("{"));
            quoted(text, &name);
            text.push(',');
            self.without_labels = "} ";
        } else {
            text.push('{');
            self.without_labels = " ";
        }
    }

    /// Writes the name and the labels, up to the value.
    #[inline]
    fn write(&self, out: &mut BytesMut, labels: &str) {
        if labels.is_empty() {
            put(out, &self.before_labels[..self.before_labels.len() - 1]);
            put(out, self.without_labels);
        } else {
            put(out, &self.before_labels);
            put(out, labels);
            put(out, "} ");
        }
    }
}

/// Writes the last exemplar of a bucket after the count of the bucket.
#[cold]
fn write_exemplar_of_bucket(
    out: &mut BytesMut,
    exemplars: &[Exemplar],
    boundaries: &[f64],
    bucket: usize,
) {
    let lower = bucket.checked_sub(1).and_then(|below| boundaries.get(below));
    let lower = lower.copied().unwrap_or(f64::NEG_INFINITY);
    let upper = boundaries.get(bucket).copied().unwrap_or(f64::INFINITY);
    if let Some(exemplar) = exemplar_in_bucket(exemplars, lower, upper) {
        write_exemplar(out, exemplar);
    }
}

/// Writes an exemplar in OpenMetrics format, after the value that it belongs to.
#[cold]
fn write_exemplar(out: &mut BytesMut, exemplar: &Exemplar) {
    let mut labels = String::new();
    for (name, value) in exemplar_labels(exemplar) {
        label(&mut labels, Names::default(), &name, &value);
    }
    let mut number = String::new();
    write_canonical(&mut number, exemplar.value.as_f64());
    number.push(' ');
    let time = exemplar.time.duration_since(UNIX_EPOCH).unwrap_or_default();
    write_canonical(&mut number, time.as_secs_f64());
    for part in [" # {", &*labels, "} ", &*number] {
        put(out, part);
    }
}

/// Returns whether a total with this value can decrease, which OpenMetrics does not allow.
fn may_fall(value: f64) -> bool {
    value < 0.0 || value.is_nan()
}

fn write_type(out: &mut String, name: &str, kind: &str) {
    out.extend(["# TYPE ", name, " ", kind, "\n"]);
}

fn write_help(out: &mut String, name: &str, help: &str, is_strict: bool) {
    if !help.is_empty() {
        out.extend(["# HELP ", name, " "]);
        escape(out, help, |byte| matches!(byte, b'\\' | b'\n') || is_strict && byte == b'"');
        out.push('\n');
    }
}

/// Writes a label as `name="value"`, with a comma before it unless it is the first.
pub(crate) fn label(out: &mut String, names: Names, name: &str, value: &str) {
    separate(out);
    label_head(out, names, name);
    escape_quoted(out, value);
    out.push('"');
}

/// Writes the text before the value of a label: `name="`.
pub(crate) fn label_head(out: &mut String, names: Names, name: &str) {
    if names.may_be_quoted() && !is_legal_label(name) {
        quoted(out, name);
    } else {
        out.push_str(name);
    }
    out.push_str("=\"");
}

/// Writes a label like [`label`], from a [head](label_head) that was prepared before.
#[inline]
pub(crate) fn label_with(out: &mut String, head: &str, value: &str) {
    separate(out);
    out.push_str(head);
    escape_quoted(out, value);
    out.push('"');
}

/// Appends labels that are already formatted.
pub(crate) fn labels(out: &mut String, written: &str) {
    if !written.is_empty() {
        separate(out);
        out.push_str(written);
    }
}

#[inline]
fn put(out: &mut BytesMut, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

#[inline]
fn integer(out: &mut BytesMut, value: u64) {
    put(out, itoa::Buffer::new().format(value));
}

fn separate(out: &mut String) {
    if !out.is_empty() {
        out.push(',');
    }
}

#[cfg(test)]
mod tests {
    use meterkit_rules::prometheus_name::Translation;

    use super::*;

    #[test]
    fn backslashes_quotes_and_line_ends_are_escaped() {
        let mut out = String::new();
        let names = Names::default();
        label(&mut out, names, "a", "C:\\dir\n\"x\" ü");
        label(&mut out, names, "b", "");
        assert_eq!(out, "a=\"C:\\\\dir\\n\\\"x\\\" ü\",b=\"\"");

        let mut out = String::new();
        let names = Translation::NoTranslation.utf8();
        label(&mut out, names, "plain", "1");
        label(&mut out, names, "a.b", "2");
        label(&mut out, names, "\"\\\n", "3");
        assert_eq!(out, "plain=\"1\",\"a.b\"=\"2\",\"\\\"\\\\\\n\"=\"3\"");

        for (is_strict, expected) in [
            (false, "# HELP x say \"hi\"\\\\\\nbye\n"),
            (true, "# HELP x say \\\"hi\\\"\\\\\\nbye\n"),
        ] {
            let mut out = String::new();
            write_help(&mut out, "x", "say \"hi\"\\\nbye", is_strict);
            assert_eq!(out, expected);
        }
    }
}
