//! Prometheus' protobuf format: a sequence of `MetricFamily` messages, each preceded by its length.
//!
//! Follows `io/prometheus/client/metrics.proto`. Zero values are written too: that file uses proto2, where a field that
//! is left out counts as absent.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use meterkit_core::{Attributes, Data, Exemplar, HistogramPoint, SummaryPoint};
use meterkit_prometheus_model::{
    Collection, NativeBuckets, NativeHistogram, ScopeLabels, TARGET_INFO, TARGET_INFO_HELP,
    cumulative_counts, exemplar_in_bucket, exemplar_labels, sample_value,
};
use meterkit_rules::prometheus_name::{FamilyType, Names};

use crate::exposition::{Current, Place, Series};
use crate::labels::{Scope, SeriesLabels};
use crate::writer::{Head, Starts, unit_of};

/// Writes a body in the protobuf format.
pub(crate) struct Protobuf {
    names: Names,
    starts: Starts,
    series_labels: SeriesLabels,
    /// Buffers for nested messages, from the outermost to the innermost.
    metric: Vec<u8>,
    value: Vec<u8>,
    part: Vec<u8>,
    inner: Vec<u8>,
    classic: Vec<u64>,
}

/// How many bytes of a family are buffered while its length is computed.
const KEPT: usize = 64 * 1024;

/// Values of `io.prometheus.client.MetricType`.
const COUNTER: u64 = 0;
const GAUGE: u64 = 1;
const SUMMARY: u64 = 2;
const HISTOGRAM: u64 = 4;

/// Fields of `MetricFamily`.
const NAME: u32 = 1;
const HELP: u32 = 2;
const TYPE: u32 = 3;
const METRIC: u32 = 4;
const UNIT: u32 = 5;

/// Fields of `Metric`.
const LABEL: u32 = 1;
const OF_GAUGE: u32 = 2;
const OF_COUNTER: u32 = 3;
const OF_SUMMARY: u32 = 4;
const OF_HISTOGRAM: u32 = 7;

impl Protobuf {
    pub(crate) fn new(names: Names, starts: Starts) -> Self {
        let (metric, value, part, inner, classic) = Default::default();
        let series_labels = SeriesLabels::default();
        Self { names, starts, series_labels, metric, value, part, inner, classic }
    }

    pub(crate) fn scope(&self, labels: ScopeLabels<'_>) -> Scope {
        let (mut message, mut part) = (Vec::new(), Vec::new());
        for (name, value) in labels.iter() {
            label(&mut message, &mut part, name, value);
        }
        Scope::new(labels, self.names, message)
    }

    pub(crate) fn target_info(&mut self, out: &mut BytesMut, resource: &Attributes) {
        self.metric.clear();
        let names = self.names;
        self.labels(resource, &Scope::default(), |key| names.label(key));
        self.value.clear();
        double(&mut self.value, 1, 1.0);
        message(&mut self.metric, OF_GAUGE, &self.value);
        let head = Head {
            name: TARGET_INFO,
            family_type: FamilyType::Gauge,
            help: TARGET_INFO_HELP,
            unit: "",
        };
        let mut family = head_of(head);
        message(&mut family, METRIC, &self.metric);
        delimited(out, &family);
    }

    /// Begins a family. Its length comes first, so all series are encoded here to compute it; those that exceed
    /// [`KEPT`] bytes are encoded again later. Returns the position of the first series that is left to write.
    pub(crate) fn start(
        &mut self,
        out: &mut BytesMut,
        head: Head<'_>,
        family: &Current,
        collection: Collection<'_>,
    ) -> Place {
        self.series_labels.clear();
        let mut kept = head_of(head);
        let mut length = kept.len();
        let (mut place, mut next) = (Place::default(), None);
        let mut has_series = false;
        loop {
            let before = place;
            let Some(series) = family.series(&mut place, collection) else { break };
            has_series |= self.metric(series);
            length += length_of(METRIC, self.metric.len());
            if next.is_none() && length > KEPT {
                next = Some(before);
            }
            if next.is_none() {
                message(&mut kept, METRIC, &self.metric);
            }
        }
        if has_series {
            let mut prefix = Vec::new();
            varint(&mut prefix, length as u64);
            out.extend_from_slice(&prefix);
            out.extend_from_slice(&kept);
        }
        next.unwrap_or(place)
    }

    pub(crate) fn series(&mut self, out: &mut BytesMut, series: Series<'_>) {
        self.metric(series);
        self.part.clear();
        tag(&mut self.part, METRIC, DELIMITED);
        varint(&mut self.part, self.metric.len() as u64);
        out.extend_from_slice(&self.part);
        out.extend_from_slice(&self.metric);
    }

    /// Writes the `Metric` message of a series to `self.metric`. Returns `false` if the series cannot be written.
    fn metric(&mut self, series: Series<'_>) -> bool {
        let Series { family_type, names, scope, data, at, ladder, exemplars } = series;
        let Some(attributes) = data.attributes_at(at) else { return false };
        self.metric.clear();
        self.labels(&attributes, scope, |key| names.series_label(key, family_type));
        self.value.clear();
        let field = match data {
            Data::Sum { points, monotonic: true, .. } => {
                let Some(point) = points.at(at) else { return false };
                double(&mut self.value, 1, sample_value(point.value.as_f64()));
                if let Some(last) = exemplars.last() {
                    write_exemplar(&mut self.value, 2, last);
                }
                self.created(3, point.start);
                OF_COUNTER
            }
            Data::Gauge(points) | Data::Sum { points, .. } => {
                let Some(point) = points.at(at) else { return false };
                double(&mut self.value, 1, sample_value(point.value.as_f64()));
                OF_GAUGE
            }
            Data::Histogram { points, bounds, .. } => {
                let HistogramPoint { buckets, count, sum, start, .. } = &points[at];
                self.classic_histogram(bounds, buckets, (*count, *sum), *start, exemplars);
                OF_HISTOGRAM
            }
            Data::ExponentialHistogram { points, .. } => {
                let point = &points[at];
                match (NativeHistogram::of(point), ladder) {
                    (Some(native), _) => self.native_histogram(&native, point.start, exemplars),
                    (None, Some(ladder)) => {
                        let mut classic = std::mem::take(&mut self.classic);
                        ladder.fill(point, &mut classic);
                        let (sums, bounds) = ((point.count, point.sum), ladder.boundaries());
                        self.classic_histogram(bounds, &classic, sums, point.start, exemplars);
                        self.classic = classic;
                    }
                    (None, None) => return false,
                }
                OF_HISTOGRAM
            }
            Data::Summary(points) => {
                self.summary(&points[at]);
                OF_SUMMARY
            }
            _ => return false,
        };
        message(&mut self.metric, field, &self.value);
        true
    }

    fn labels<'a>(
        &mut self,
        attributes: &'a Attributes,
        scope: &'a Scope,
        name: impl Fn(&'a str) -> Cow<'a, str>,
    ) {
        let (out, part) = (&mut self.metric, &mut self.part);
        let write = |name: &str, value: &str| label(out, part, name, value);
        if self.series_labels.visit(attributes, scope, name, write) {
            self.metric.extend_from_slice(&scope.message);
        }
    }

    fn classic_histogram(
        &mut self,
        boundaries: &[f64],
        buckets: &[u64],
        (count, sum): (u64, f64),
        start: SystemTime,
        exemplars: &[Exemplar],
    ) {
        self.count_and_sum(count, sum);
        let below = cumulative_counts(boundaries.len(), buckets);
        let below = boundaries.iter().copied().zip(below).chain([(f64::INFINITY, count)]);
        let mut lower = f64::NEG_INFINITY;
        for (bound, below) in below {
            self.part.clear();
            number(&mut self.part, 1, below);
            double(&mut self.part, 2, bound);
            if let Some(exemplar) = exemplar_in_bucket(exemplars, lower, bound) {
                write_exemplar(&mut self.part, 3, exemplar);
            }
            lower = bound;
            message(&mut self.value, 3, &self.part);
        }
        self.created(15, start);
    }

    fn summary(&mut self, point: &SummaryPoint) {
        self.count_and_sum(point.count, point.sum);
        for (quantile, value) in &*point.quantiles {
            self.part.clear();
            double(&mut self.part, 1, *quantile);
            double(&mut self.part, 2, sample_value(*value));
            message(&mut self.value, 3, &self.part);
        }
        self.created(4, point.start);
    }

    fn native_histogram(
        &mut self,
        native: &NativeHistogram,
        start: SystemTime,
        exemplars: &[Exemplar],
    ) {
        self.count_and_sum(native.count, native.sum);
        number(&mut self.value, 5, zigzag(native.schema.into()));
        double(&mut self.value, 6, native.zero_threshold);
        number(&mut self.value, 7, native.zero_count);
        self.native_buckets(9, &native.negative);
        self.native_buckets(12, &native.positive);
        self.created(15, start);
        for exemplar in exemplars {
            write_exemplar(&mut self.value, 16, exemplar);
        }
    }

    fn count_and_sum(&mut self, count: u64, sum: f64) {
        number(&mut self.value, 1, count);
        double(&mut self.value, 2, sample_value(sum));
    }

    /// Writes the spans as field `field`, and the deltas as the field with the next number.
    fn native_buckets(&mut self, field: u32, buckets: &NativeBuckets) {
        for (offset, length) in &buckets.spans {
            self.part.clear();
            number(&mut self.part, 1, zigzag((*offset).into()));
            number(&mut self.part, 2, u64::from(*length));
            message(&mut self.value, field, &self.part);
        }
        if !buckets.deltas.is_empty() {
            self.part.clear();
            buckets.deltas.iter().for_each(|delta| varint(&mut self.part, zigzag(*delta)));
            message(&mut self.value, field + 1, &self.part);
        }
    }

    /// Writes the start time of a series.
    fn created(&mut self, field: u32, start: SystemTime) {
        let Some(start) = self.starts.since_1970(start) else { return };
        self.inner.clear();
        timestamp(&mut self.inner, start);
        message(&mut self.value, field, &self.inner);
    }
}

/// Writes the fields of a `Timestamp` message.
fn timestamp(out: &mut Vec<u8>, since_1970: Duration) {
    number(out, 1, since_1970.as_secs());
    number(out, 2, since_1970.subsec_nanos().into());
}

/// Writes an `Exemplar` message.
#[cold]
fn write_exemplar(out: &mut Vec<u8>, field: u32, exemplar: &Exemplar) {
    let [mut written, mut part, mut time] = [(); 3].map(|()| Vec::new());
    for (name, value) in exemplar_labels(exemplar) {
        label(&mut written, &mut part, &name, &value);
    }
    double(&mut written, 2, exemplar.value.as_f64());
    timestamp(&mut time, exemplar.time.duration_since(UNIX_EPOCH).unwrap_or_default());
    message(&mut written, 3, &time);
    message(out, field, &written);
}

/// Returns the fields of `MetricFamily` that precede its metrics.
fn head_of(Head { name, family_type, help, unit }: Head<'_>) -> Vec<u8> {
    let mut head = Vec::new();
    message(&mut head, NAME, name.as_bytes());
    if !help.is_empty() {
        message(&mut head, HELP, help.as_bytes());
    }
    let number_of_type = match family_type {
        FamilyType::Counter => COUNTER,
        FamilyType::Histogram => HISTOGRAM,
        FamilyType::Summary => SUMMARY,
        _ => GAUGE,
    };
    number(&mut head, TYPE, number_of_type);
    let whole =
        if family_type == FamilyType::Counter { name.trim_end_matches("_total") } else { name };
    let unit = unit_of(whole, unit);
    if !unit.is_empty() {
        message(&mut head, UNIT, unit.as_bytes());
    }
    head
}

/// Writes a `LabelPair` message.
fn label(out: &mut Vec<u8>, part: &mut Vec<u8>, name: &str, value: &str) {
    part.clear();
    message(part, 1, name.as_bytes());
    message(part, 2, value.as_bytes());
    message(out, LABEL, part);
}

fn delimited(out: &mut BytesMut, message: &[u8]) {
    let mut length = Vec::new();
    varint(&mut length, message.len() as u64);
    out.extend_from_slice(&length);
    out.extend_from_slice(message);
}

const VARINT: u32 = 0;
const FIXED_64: u32 = 1;
const DELIMITED: u32 = 2;

fn tag(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field << 3 | wire_type));
}

/// Writes a field that contains a message, a string or a packed list of numbers.
fn message(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    tag(out, field, DELIMITED);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Returns how many bytes [`message`] writes.
fn length_of(field: u32, bytes: usize) -> usize {
    let length = |value: u64| (u64::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize;
    length(u64::from(field << 3)) + length(bytes as u64) + bytes
}

fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    tag(out, field, FIXED_64);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Returns the ZigZag encoding, which maps numbers with a small absolute value to small unsigned ones.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_message_is_known_before_it_is_written() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 3_000_000] {
            let mut out = Vec::new();
            message(&mut out, METRIC, &vec![0; length]);
            assert_eq!(length_of(METRIC, length), out.len());
        }
    }
}
