//! The values in a request, decoded with message types of the fake receiver itself.

use std::collections::BTreeMap;

use prost::Message;

/// Names and values, in the order received.
pub type Labels = Vec<(String, String)>;

/// One value of a series.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the protocol's names")]
pub struct Row {
    pub labels: Labels,
    pub value: f64,
    pub time: i64,
    pub start: i64,
    pub native: Option<Native>,
    /// Type, help and unit: of the series in 2.0, of the family in 1.0.
    pub metadata: (i32, String, String),
    /// The labels, values and timestamps of its exemplars. Version 1.0 has none.
    pub exemplars: Vec<(Labels, f64, i64)>,
}

impl Row {
    /// Returns the value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }

    /// Returns the name of the series.
    pub fn name(&self) -> &str {
        self.label("__name__").expect("a name")
    }

    /// Returns whether the value is a staleness marker.
    pub fn is_stale(&self) -> bool {
        let sum = self.native.as_ref().map_or(self.value, |native| native.sum);
        sum.to_bits() == 0x7ff0_0000_0000_0002
    }
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<LabeledSeries>,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<FamilyMetadata>,
}

#[derive(Clone, PartialEq, Message)]
struct LabeledSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<Native>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct FamilyMetadata {
    #[prost(int32, tag = "1")]
    metric_type: i32,
    #[prost(string, tag = "2")]
    family: String,
    #[prost(string, tag = "4")]
    help: String,
    #[prost(string, tag = "5")]
    unit: String,
}

/// A request in version 2.0.
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs, reason = "the protocol's names")]
pub struct Request {
    #[prost(string, repeated, tag = "4")]
    pub symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub timeseries: Vec<ReferringSeries>,
}

/// A series in version 2.0, which refers to the symbols of its request.
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs, reason = "the protocol's names")]
pub struct ReferringSeries {
    #[prost(uint32, repeated, tag = "1")]
    pub labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub histograms: Vec<Native>,
    #[prost(message, repeated, tag = "4")]
    pub exemplars: Vec<ReferringExemplar>,
    #[prost(message, required, tag = "5")]
    pub metadata: ReferringMetadata,
}

/// An exemplar of a series in version 2.0.
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs, reason = "the protocol's names")]
pub struct ReferringExemplar {
    #[prost(uint32, repeated, tag = "1")]
    pub labels: Vec<u32>,
    #[prost(double, tag = "2")]
    pub value: f64,
    #[prost(int64, tag = "3")]
    pub time: i64,
}

/// The metadata of a series in version 2.0.
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs, reason = "the protocol's names")]
pub struct ReferringMetadata {
    #[prost(int32, tag = "1")]
    pub metric_type: i32,
    #[prost(uint32, tag = "3")]
    pub help: u32,
    #[prost(uint32, tag = "4")]
    pub unit: u32,
}

/// One value of a series.
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs, reason = "the protocol's names")]
pub struct Sample {
    #[prost(double, tag = "1")]
    pub value: f64,
    #[prost(int64, tag = "2")]
    pub time: i64,
    #[prost(int64, tag = "3")]
    pub start: i64,
}

/// A native histogram.
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs, reason = "the protocol's names")]
pub struct Native {
    #[prost(oneof = "Count", tags = "1, 2")]
    pub count: Option<Count>,
    #[prost(double, tag = "3")]
    pub sum: f64,
    #[prost(sint32, tag = "4")]
    pub schema: i32,
    #[prost(double, tag = "5")]
    pub zero_threshold: f64,
    #[prost(uint64, optional, tag = "6")]
    pub zero_count: Option<u64>,
    #[prost(message, repeated, tag = "8")]
    pub negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "9")]
    pub negative_deltas: Vec<i64>,
    #[prost(message, repeated, tag = "11")]
    pub positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    pub positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    pub time: i64,
    #[prost(double, repeated, tag = "16")]
    pub custom_values: Vec<f64>,
    #[prost(int64, tag = "17")]
    pub start: i64,
}

/// The number of values of a native histogram.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
#[allow(missing_docs, reason = "the protocol's names")]
pub enum Count {
    #[prost(uint64, tag = "1")]
    Whole(u64),
    #[prost(double, tag = "2")]
    Float(f64),
}

/// A span of consecutive buckets.
#[derive(Clone, Copy, PartialEq, Message)]
#[allow(missing_docs, reason = "the protocol's names")]
pub struct Span {
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    #[prost(uint32, tag = "2")]
    pub length: u32,
}

pub(super) fn rows_of_1(plain: &[u8]) -> Vec<Row> {
    let request = WriteRequest::decode(plain).expect("prometheus.WriteRequest");
    let families: BTreeMap<String, (i32, String, String)> = request
        .metadata
        .into_iter()
        .map(|it| (it.family, (it.metric_type, it.help, it.unit)))
        .collect();
    let mut rows = Vec::new();
    for series in request.timeseries {
        let labels: Vec<_> = series.labels.into_iter().map(|it| (it.name, it.value)).collect();
        let bare = Row { labels, ..Row::default() };
        let family = ["", "_bucket", "_sum", "_count"].iter().find_map(|part| {
            let family = bare.name().strip_suffix(part)?;
            families.get(family)
        });
        let metadata = family.cloned().expect("metadata of the family");
        push(&mut rows, Row { metadata, ..bare }, series.samples, series.histograms);
    }
    rows
}

pub(super) fn rows_of_2(plain: &[u8]) -> Vec<Row> {
    let request = Request::decode(plain).expect("io.prometheus.write.v2.Request");
    assert_eq!(request.symbols.first().map(String::as_str), Some(""));
    let symbol = |at: u32| request.symbols[at as usize].clone();
    let mut rows = Vec::new();
    for series in request.timeseries {
        let labels = |references: &[u32]| -> Labels {
            references.chunks(2).map(|pair| (symbol(pair[0]), symbol(pair[1]))).collect()
        };
        let exemplars = series.exemplars.iter();
        let exemplars = exemplars.map(|it| (labels(&it.labels), it.value, it.time)).collect();
        let ReferringMetadata { metric_type, help, unit } = series.metadata;
        let metadata = (metric_type, symbol(help), symbol(unit));
        let labels = labels(&series.labels);
        let bare = Row { labels, metadata, exemplars, ..Row::default() };
        push(&mut rows, bare, series.samples, series.histograms);
    }
    rows
}

fn push(rows: &mut Vec<Row>, bare: Row, samples: Vec<Sample>, histograms: Vec<Native>) {
    assert_eq!(samples.len() + histograms.len(), 1, "one value each: {bare:?}");
    for Sample { value, time, start } in samples {
        rows.push(Row { value, time, start, ..bare.clone() });
    }
    for native in histograms {
        let (time, start) = (native.time, native.start);
        rows.push(Row { time, start, native: Some(native), ..bare.clone() });
    }
}
