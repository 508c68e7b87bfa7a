//! Decodes the messages: a queued request may have to be sent in another version, or in parts.
//!
//! Follows `prompb/types.proto`, `prompb/remote.proto` and `prompb/io/prometheus/write/v2/types.proto`, without the
//! fields that this crate never writes.

use std::borrow::Cow;

use meterkit_prometheus_model::{Labels, NativeBuckets, NativeHistogram};
use meterkit_rules::prometheus_name::FamilyType;
use prost::{DecodeError, Message};

use super::Version;
use crate::series::{self, Metadata, Series, SeriesExemplar, SeriesValue};

/// `prometheus.WriteRequest`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) timeseries: Vec<TimeSeries1>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) metadata: Vec<MetricMetadata>,
}

/// `prometheus.TimeSeries`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TimeSeries1 {
    #[prost(message, repeated, tag = "1")]
    pub(crate) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) histograms: Vec<Histogram>,
}

/// `prometheus.Label`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Label {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

/// `prometheus.MetricMetadata`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MetricMetadata {
    #[prost(int32, tag = "1")]
    pub(crate) metric_type: i32,
    #[prost(string, tag = "2")]
    pub(crate) metric_family_name: String,
    #[prost(string, tag = "4")]
    pub(crate) help: String,
    #[prost(string, tag = "5")]
    pub(crate) unit: String,
}

/// `io.prometheus.write.v2.Request`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(string, repeated, tag = "4")]
    pub(crate) symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) timeseries: Vec<TimeSeries2>,
}

/// `io.prometheus.write.v2.TimeSeries`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TimeSeries2 {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) exemplars: Vec<Exemplar>,
    #[prost(message, optional, tag = "5")]
    pub(crate) metadata: Option<SeriesMetadata>,
}

/// `io.prometheus.write.v2.Metadata`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SeriesMetadata {
    #[prost(int32, tag = "1")]
    pub(crate) metric_type: i32,
    #[prost(uint32, tag = "3")]
    pub(crate) help_ref: u32,
    #[prost(uint32, tag = "4")]
    pub(crate) unit_ref: u32,
}

/// `Sample` of both versions. 1.0 has no start time.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sample {
    #[prost(double, tag = "1")]
    pub(crate) value: f64,
    #[prost(int64, tag = "2")]
    pub(crate) timestamp: i64,
    #[prost(int64, tag = "3")]
    pub(crate) start_timestamp: i64,
}

/// `Histogram` of both versions. 1.0 has no start time.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Histogram {
    #[prost(uint64, tag = "1")]
    pub(crate) count: u64,
    #[prost(double, tag = "3")]
    pub(crate) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(crate) schema: i32,
    #[prost(double, tag = "5")]
    pub(crate) zero_threshold: f64,
    #[prost(uint64, tag = "6")]
    pub(crate) zero_count: u64,
    #[prost(message, repeated, tag = "8")]
    pub(crate) negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "9")]
    pub(crate) negative_deltas: Vec<i64>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    pub(crate) positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    pub(crate) timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    pub(crate) custom_values: Vec<f64>,
    #[prost(int64, tag = "17")]
    pub(crate) start_timestamp: i64,
}

/// `io.prometheus.write.v2.Exemplar`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Exemplar {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) labels_refs: Vec<u32>,
    #[prost(double, tag = "2")]
    pub(crate) value: f64,
    #[prost(int64, tag = "3")]
    pub(crate) timestamp: i64,
}

/// `BucketSpan` of both versions.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(sint32, tag = "1")]
    pub(crate) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(crate) length: u32,
}

/// Calls `visit` with each series of a request.
pub(crate) fn for_each(
    version: Version,
    request: &[u8],
    visit: &mut dyn FnMut(&Series<'_>),
) -> Result<(), DecodeError> {
    match version {
        Version::V1 => {
            let request = WriteRequest::decode(request)?;
            for series in &request.timeseries {
                let labels = series.labels.iter();
                let labels = labels.map(|it| (it.name.as_str().into(), it.value.as_str().into()));
                let labels: Vec<_> = labels.collect();
                let metadata = request.metadata_of(series::name(&labels));
                let values = (&*series.samples, &*series.histograms);
                each_value(values, &labels, &[], metadata, visit);
            }
        }
        Version::V2 => {
            let request = Request::decode(request)?;
            for series in &request.timeseries {
                let labels = request.labels(&series.labels_refs);
                let exemplars = series.exemplars.iter().map(|exemplar| SeriesExemplar {
                    labels: request.labels(&exemplar.labels_refs),
                    value: exemplar.value,
                    time: exemplar.timestamp,
                });
                let exemplars: Vec<_> = exemplars.collect();
                let metadata = request.metadata_of(series, series::name(&labels));
                let values = (&*series.samples, &*series.histograms);
                each_value(values, &labels, &exemplars, metadata, visit);
            }
        }
    }
    Ok(())
}

fn each_value<'a>(
    (samples, histograms): (&[Sample], &[Histogram]),
    labels: &[(Cow<'a, str>, Cow<'a, str>)],
    exemplars: &[SeriesExemplar<'a>],
    metadata: Metadata<'a>,
    visit: &mut dyn FnMut(&Series<'_>),
) {
    let samples = samples.iter().map(|sample| {
        (SeriesValue::Number(sample.value), sample.timestamp, sample.start_timestamp)
    });
    let histograms = histograms.iter().map(|histogram| {
        let value = SeriesValue::Histogram(Box::new(histogram.native()));
        (value, histogram.timestamp, histogram.start_timestamp)
    });
    for (value, time, start) in samples.chain(histograms) {
        let (labels, exemplars) = (labels.to_vec(), exemplars.to_vec());
        visit(&Series { labels, value, time, start, metadata, exemplars });
    }
}

impl WriteRequest {
    /// Returns the metadata of the family with this name, or of the histogram that has a part with this name.
    fn metadata_of<'a>(&'a self, name: &'a str) -> Metadata<'a> {
        let found = self.metadata.iter().find(|it| {
            let family = it.metric_family_name.as_str();
            family == name || (it.metric_type == 3 && family == without_part(name))
        });
        Metadata {
            family: found.map_or(name, |it| &it.metric_family_name),
            family_type: family_type(found.map_or(0, |it| it.metric_type)),
            help: found.map_or("", |it| &it.help),
            unit: found.map_or("", |it| &it.unit),
        }
    }
}

impl Request {
    fn symbol(&self, reference: u32) -> &str {
        self.symbols.get(reference as usize).map_or("", String::as_str)
    }

    /// Returns the labels with these references, which are pairs of name and value.
    fn labels(&self, references: &[u32]) -> Labels<'_> {
        let pairs = references.chunks_exact(2);
        let pairs = pairs.map(|it| (self.symbol(it[0]).into(), self.symbol(it[1]).into()));
        pairs.collect()
    }

    fn metadata_of<'a>(&'a self, series: &TimeSeries2, name: &'a str) -> Metadata<'a> {
        let metadata = series.metadata.clone().unwrap_or_default();
        let family_type = family_type(metadata.metric_type);
        let has_parts = matches!(family_type, FamilyType::Histogram | FamilyType::Summary);
        let is_part = has_parts && series.histograms.is_empty();
        Metadata {
            family: if is_part { without_part(name) } else { name },
            family_type,
            help: self.symbol(metadata.help_ref),
            unit: self.symbol(metadata.unit_ref),
        }
    }
}

impl Histogram {
    fn native(&self) -> NativeHistogram {
        let spans = |spans: &[Span]| spans.iter().map(|span| (span.offset, span.length)).collect();
        NativeHistogram {
            count: self.count,
            sum: self.sum,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count,
            negative: NativeBuckets {
                spans: spans(&self.negative_spans),
                deltas: self.negative_deltas.clone(),
            },
            positive: NativeBuckets {
                spans: spans(&self.positive_spans),
                deltas: self.positive_deltas.clone(),
            },
            custom_values: self.custom_values.clone(),
        }
    }
}

fn family_type(number: i32) -> FamilyType {
    match number {
        1 => FamilyType::Counter,
        3 => FamilyType::Histogram,
        5 => FamilyType::Summary,
        _ => FamilyType::Gauge,
    }
}

/// Returns the name of a histogram or summary, given the name of one of its parts.
fn without_part(name: &str) -> &str {
    let parts = ["_bucket", "_sum", "_count"];
    parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name)
}
