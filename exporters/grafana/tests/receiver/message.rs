//! What a request says, read by the receiver's own idea of the messages.

use std::collections::BTreeMap;

use prost::Message;

/// One value of a series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    /// Names and values in the order in which they came.
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
    pub(crate) time: i64,
    pub(crate) start: i64,
    pub(crate) native: Option<Native>,
    /// Type, help and unit: of the series in 2.0, of the family in 1.0.
    pub(crate) metadata: (i32, String, String),
}

impl Row {
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn name(&self) -> &str {
        self.label("__name__").expect("a name")
    }

    /// Whether it ends its series.
    pub(crate) fn is_stale(&self) -> bool {
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

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    timeseries: Vec<ReferringSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct ReferringSeries {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    histograms: Vec<Native>,
    #[prost(message, required, tag = "5")]
    metadata: ReferringMetadata,
}

#[derive(Clone, PartialEq, Message)]
struct ReferringMetadata {
    #[prost(int32, tag = "1")]
    metric_type: i32,
    #[prost(uint32, tag = "3")]
    help: u32,
    #[prost(uint32, tag = "4")]
    unit: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    time: i64,
    #[prost(int64, tag = "3")]
    start: i64,
}

/// A native histogram.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Native {
    #[prost(oneof = "Count", tags = "1, 2")]
    pub(crate) count: Option<Count>,
    #[prost(double, tag = "3")]
    pub(crate) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(crate) schema: i32,
    #[prost(double, tag = "5")]
    pub(crate) zero_threshold: f64,
    #[prost(uint64, optional, tag = "6")]
    pub(crate) zero_count: Option<u64>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "9")]
    pub(crate) negative_deltas: Vec<i64>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    pub(crate) positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    pub(crate) time: i64,
    #[prost(int64, tag = "17")]
    pub(crate) start: i64,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum Count {
    #[prost(uint64, tag = "1")]
    Whole(u64),
    #[prost(double, tag = "2")]
    Float(f64),
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(sint32, tag = "1")]
    pub(crate) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(crate) length: u32,
}

pub(crate) fn rows_of_1(plain: &[u8]) -> Vec<Row> {
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

pub(crate) fn rows_of_2(plain: &[u8]) -> Vec<Row> {
    let request = Request::decode(plain).expect("io.prometheus.write.v2.Request");
    assert_eq!(request.symbols.first().map(String::as_str), Some(""));
    let symbol = |at: u32| request.symbols[at as usize].clone();
    let mut rows = Vec::new();
    for series in request.timeseries {
        let labels = series.labels.chunks(2).map(|pair| (symbol(pair[0]), symbol(pair[1])));
        let ReferringMetadata { metric_type, help, unit } = series.metadata;
        let metadata = (metric_type, symbol(help), symbol(unit));
        let bare = Row { labels: labels.collect(), metadata, ..Row::default() };
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
