//! Requests of Prometheus remote write 2.0: by meterkit, by messages of `prost`, and snappy alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use meterkit_core::{
    Attributes, Data, Descriptor, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint,
    Kind, Metric, NumberPoint, ScopeMetrics, SeriesId, Temporality, Value,
};
use meterkit_grafana::written;
use meterkit_pipeline::Snapshot;
use meterkit_rules::prometheus_name::{self, FamilyType};
use opentelemetry::InstrumentationScope;
use prost::Message;

use crate::datadog::{descriptor, labels};
use crate::labels::BOUNDS;

/// The number of counters in a request.
pub const COUNTERS: usize = 10_000;

/// The number of histograms in a request.
pub const HISTOGRAMS: usize = 1_000;

/// Returns a cumulative snapshot with this number of counters.
pub fn counters(counters: usize) -> Arc<Snapshot> {
    let value = |n: usize| Value::U64(n as u64 * 7 % 1000 + 1);
    let point = |n| NumberPoint {
        series: SeriesId::new(),
        attributes: labels(n),
        start: UNIX_EPOCH + START,
        value: value(n),
    };
    let points = (0..counters).map(point).collect();
    let data = Data::Sum { monotonic: true, temporality: Temporality::Cumulative, points };
    snapshot(descriptor("http.server.requests", "{request}", Kind::Counter), data)
}

/// Returns a cumulative snapshot with this number of histograms of eleven bounds. Each histogram has fourteen series.
pub fn histograms(histograms: usize) -> Arc<Snapshot> {
    let point = |n: usize| {
        let buckets: Vec<u64> = (0..=BOUNDS.len() as u64).map(|at| at * 7 + n as u64 % 5).collect();
        HistogramPoint {
            series: SeriesId::new(),
            attributes: labels(n),
            start: UNIX_EPOCH + START,
            count: buckets.iter().sum(),
            sum: n as f64 * 0.37 + 1.5,
            min: None,
            max: None,
            buckets: buckets.into(),
        }
    };
    let points = (0..histograms).map(point).collect();
    let (temporality, bounds) = (Temporality::Cumulative, BOUNDS.into());
    snapshot(
        descriptor("http.server.duration", "s", Kind::Histogram),
        Data::Histogram { temporality, bounds, points },
    )
}

/// Returns a cumulative snapshot with this number of exponential histograms. Each becomes a native histogram.
pub fn native_histograms(histograms: usize) -> Arc<Snapshot> {
    // A hundred buckets without gaps, so that both sides write the same bytes.
    let counts: Vec<u64> = (0..100).map(|at| at * 7 % 30 + 1).collect();
    let count = counts.iter().sum();
    let point = |n: usize| ExponentialHistogramPoint {
        series: SeriesId::new(),
        attributes: labels(n),
        start: UNIX_EPOCH + START,
        count,
        sum: n as f64 * 0.37 + 1.5,
        min: None,
        max: None,
        scale: 3,
        zero_count: 0,
        zero_threshold: 0.0,
        positive: ExponentialBuckets { offset: -80, counts: counts.clone() },
        negative: ExponentialBuckets::default(),
    };
    let points = (0..histograms).map(point).collect();
    let data = Data::ExponentialHistogram { temporality: Temporality::Cumulative, points };
    snapshot(descriptor("http.server.duration", "s", Kind::Histogram), data)
}

/// Returns the request as meterkit sends it.
pub fn ours(snapshot: &Arc<Snapshot>) -> Vec<u8> {
    let mut requests = written(snapshot).expect("writing to memory does not fail");
    let request = requests.pop().expect("there are series");
    assert!(requests.is_empty(), "all series are in one request");
    request.into()
}

/// Returns the same request, built from `prost` messages.
pub fn theirs(snapshot: &Arc<Snapshot>) -> Vec<u8> {
    compressed(&Request::of(snapshot).encode_to_vec())
}

/// Compresses with snappy alone: the minimum cost of any encoder.
pub fn compressed(plain: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(plain).expect("writing to memory does not fail")
}

/// Returns a request before compression.
pub fn plain(request: &[u8]) -> Vec<u8> {
    snap::raw::Decoder::new().decompress_vec(request).expect("the request is compressed")
}

/// Returns the number of series in a request before compression.
pub fn series(plain: &[u8]) -> usize {
    Request::decode(plain).expect("the request is valid").timeseries.len()
}

const START: Duration = Duration::from_secs(60);
const NOW: Duration = Duration::from_secs(120);

fn snapshot(descriptor: Arc<Descriptor>, data: Data) -> Arc<Snapshot> {
    let resource = [("service.name", "shop"), ("service.instance.id", "web-1")];
    let scope = Arc::new(InstrumentationScope::builder("bench").build());
    Arc::new(Snapshot::new(
        Attributes::from_pairs(resource.map(|(key, value)| (key.into(), value.into()))),
        UNIX_EPOCH + NOW,
        vec![ScopeMetrics { scope, metrics: vec![Metric { descriptor, data }] }],
    ))
}

/// `io.prometheus.write.v2.Request`
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    timeseries: Vec<TimeSeries>,
}

/// `io.prometheus.write.v2.TimeSeries`
#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    histograms: Vec<Histogram>,
    #[prost(message, optional, tag = "5")]
    metadata: Option<Metadata>,
}

/// `io.prometheus.write.v2.Metadata`
#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(int32, tag = "1")]
    metric_type: i32,
    #[prost(uint32, tag = "3")]
    help_ref: u32,
    #[prost(uint32, tag = "4")]
    unit_ref: u32,
}

/// `io.prometheus.write.v2.Sample`
#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
    #[prost(int64, tag = "3")]
    start_timestamp: i64,
}

/// `io.prometheus.write.v2.Histogram`, without the fields that neither side writes.
#[derive(Clone, PartialEq, Message)]
struct Histogram {
    // A member of a `oneof`, like the zero count: written whatever its value.
    #[prost(uint64, optional, tag = "1")]
    count: Option<u64>,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(double, tag = "5")]
    zero_threshold: f64,
    #[prost(uint64, optional, tag = "6")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "11")]
    positive_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "12")]
    positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    timestamp: i64,
    #[prost(int64, tag = "17")]
    start_timestamp: i64,
}

/// `io.prometheus.write.v2.BucketSpan`
#[derive(Clone, Copy, PartialEq, Message)]
struct BucketSpan {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

impl Request {
    fn of(snapshot: &Snapshot) -> Self {
        let time = milliseconds(snapshot.time);
        let target = [("service.name", "job"), ("service.instance.id", "instance")];
        let target = target.map(|(key, label)| {
            let value = snapshot.resource.get(key).expect("the resource has it");
            (label.to_owned(), value.to_string())
        });
        let mut building =
            Building { time, symbols: Symbols::default(), series: Vec::new(), metadata: None };
        for scope in &snapshot.scopes {
            let mut envelope = target.to_vec();
            envelope.push(("otel_scope_name".to_owned(), scope.scope.name().to_owned()));
            for metric in &scope.metrics {
                building.metric(metric, &envelope);
            }
        }
        Self { symbols: building.symbols.all, timeseries: building.series }
    }
}

/// A request under construction.
struct Building {
    time: i64,
    symbols: Symbols,
    series: Vec<TimeSeries>,
    metadata: Option<(FamilyType, String, String)>,
}

type Pairs = Vec<(String, String)>;

impl Building {
    fn metric(&mut self, metric: &Metric, envelope: &Pairs) {
        let family_type = FamilyType::from(&metric.data);
        let name = prometheus_name::family(
            &metric.descriptor.name,
            &metric.descriptor.unit,
            metric.data.kind(),
        );
        let unit = prometheus_name::unit(&metric.descriptor.unit, metric.data.kind());
        self.metadata = Some((family_type, metric.descriptor.description.clone(), unit));
        match &metric.data {
            Data::Sum { points, .. } => {
                for point in points {
                    let labels = pairs(&point.attributes, envelope);
                    self.sample(labels, &name, point.start, point.value.as_f64());
                }
            }
            Data::Histogram { points, bounds, .. } => {
                for point in points {
                    self.buckets(&pairs(&point.attributes, envelope), &name, bounds, point);
                }
            }
            Data::ExponentialHistogram { points, .. } => {
                for point in points {
                    let labels = pairs(&point.attributes, envelope);
                    let histogram = Histogram::of(point, self.time);
                    self.series(labels, &name, Vec::new(), vec![histogram]);
                }
            }
            _ => {}
        }
    }

    fn buckets(&mut self, labels: &Pairs, name: &str, bounds: &[f64], point: &HistogramPoint) {
        let mut below = 0;
        let bucket = format!("{name}_bucket");
        for (bound, count) in bounds.iter().zip(&point.buckets) {
            below += count;
            let mut labels = labels.clone();
            labels.push(("le".to_owned(), bound.to_string()));
            self.sample(labels, &bucket, point.start, below as f64);
        }
        let mut last = labels.clone();
        last.push(("le".to_owned(), "+Inf".to_owned()));
        self.sample(last, &bucket, point.start, point.count as f64);
        self.sample(labels.clone(), &format!("{name}_sum"), point.start, point.sum);
        self.sample(labels.clone(), &format!("{name}_count"), point.start, point.count as f64);
    }

    fn sample(&mut self, labels: Pairs, name: &str, start: SystemTime, value: f64) {
        let (timestamp, start_timestamp) = (self.time, milliseconds(start));
        self.series(labels, name, vec![Sample { value, timestamp, start_timestamp }], Vec::new());
    }

    fn series(
        &mut self,
        mut labels: Pairs,
        name: &str,
        samples: Vec<Sample>,
        histograms: Vec<Histogram>,
    ) {
        labels.push(("__name__".to_owned(), name.to_owned()));
        labels.sort();
        let references = labels.iter().flat_map(|(name, value)| [name, value]);
        let labels_refs = references.map(|text| self.symbols.reference(text)).collect();
        let metadata = self.metadata.as_ref().map(|(family_type, help, unit)| Metadata {
            metric_type: match family_type {
                FamilyType::Counter => 1,
                FamilyType::Histogram => 3,
                _ => 2,
            },
            help_ref: self.symbols.reference(help),
            unit_ref: self.symbols.reference(unit),
        });
        self.series.push(TimeSeries { labels_refs, samples, histograms, metadata });
    }
}

impl Histogram {
    /// Converts a point, with a single span of buckets: the benchmark's points have no gaps and no negative values.
    fn of(point: &ExponentialHistogramPoint, timestamp: i64) -> Self {
        let counts = &point.positive.counts;
        let before = std::iter::once(&0).chain(counts);
        let deltas =
            counts.iter().zip(before).map(|(count, before)| *count as i64 - *before as i64);
        Self {
            count: Some(point.count),
            sum: point.sum,
            schema: point.scale,
            // The specification recommends this value if the point has none.
            zero_threshold: if point.zero_threshold == 0.0 { 1e-128 } else { point.zero_threshold },
            zero_count: Some(point.zero_count),
            positive_spans: vec![BucketSpan {
                offset: point.positive.offset + 1,
                length: counts.len() as u32,
            }],
            positive_deltas: deltas.collect(),
            timestamp,
            start_timestamp: milliseconds(point.start),
        }
    }
}

/// The symbol table of a request. Each text occurs once; the first text is empty.
struct Symbols {
    all: Vec<String>,
    known: HashMap<String, u32>,
}

impl Default for Symbols {
    fn default() -> Self {
        Self { all: vec![String::new()], known: HashMap::from([(String::new(), 0)]) }
    }
}

impl Symbols {
    fn reference(&mut self, text: &str) -> u32 {
        if let Some(reference) = self.known.get(text) {
            return *reference;
        }
        let reference = self.all.len() as u32;
        self.all.push(text.to_owned());
        self.known.insert(text.to_owned(), reference);
        reference
    }
}

fn pairs(attributes: &Attributes, envelope: &Pairs) -> Pairs {
    let own = |(key, value): (&str, meterkit_core::AttributeRef<'_>)| {
        (prometheus_name::series_label(key, FamilyType::Histogram).into_owned(), value.to_string())
    };
    attributes.iter().map(own).chain(envelope.iter().cloned()).collect()
}

fn milliseconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_write_the_same_request() {
        for (snapshot, expected) in
            [(counters(20), 20), (histograms(20), 280), (native_histograms(20), 20)]
        {
            let (ours, theirs) = (plain(&ours(&snapshot)), plain(&theirs(&snapshot)));
            assert_eq!(series(&ours), expected);
            assert!(ours == theirs, "{expected} series");
        }
    }
}
