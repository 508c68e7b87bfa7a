//! An OpenTelemetry reader, as a user adds it, and the series that it reads.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use meterkit_core::{Attributes, Meter, Registry};
use meterkit_otel::sdk::Mirror;
use meterkit_pipeline::{Pipeline, PipelineBuilder};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, ExponentialHistogramDataPoint, Metric, MetricData, ResourceMetrics,
};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    InstrumentKind, ManualReader, Pipeline as SdkPipeline, Temporality,
};

/// Adds readers to a pipeline.
pub(crate) trait WithReaders {
    fn reader(self, reader: UserReader) -> Self;
    fn readers(self, readers: &[&UserReader]) -> Self;
}

impl WithReaders for PipelineBuilder {
    fn reader(self, reader: UserReader) -> Self {
        self.readers(&[&reader])
    }

    fn readers(self, readers: &[&UserReader]) -> Self {
        let mut mirror = Mirror::new();
        readers.iter().for_each(|reader| mirror.reader(UserReader::clone(reader)));
        mirror.attach(self)
    }
}

/// A reader that the test keeps a handle to.
#[derive(Clone, Debug)]
pub(crate) struct UserReader(Arc<ManualReader>);

/// Returns the meter of the registry's plugin `catalog`, a pipeline builder, and the reader that was added to it.
pub(crate) fn catalog_of(
    registry: Registry,
    temporality: Temporality,
) -> (Meter, PipelineBuilder, UserReader) {
    let meter = registry.scoped("plugin", "catalog");
    let reader = UserReader::new(temporality);
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    (meter, builder.snapshot_max_age(Duration::ZERO).reader(reader.clone()), reader)
}

/// Like [`catalog_of`], with a new registry.
pub(crate) fn catalog(temporality: Temporality) -> (Meter, PipelineBuilder, UserReader) {
    catalog_of(Registry::new(), temporality)
}

/// One series as the reader saw it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) scope: String,
    pub(crate) name: String,
    /// `gauge`, `sum`, `rising sum`, `histogram` or `exponential histogram`.
    pub(crate) kind: &'static str,
    /// `key=value` pairs in the order of their keys.
    pub(crate) labels: String,
    /// The value, or the sum of a histogram.
    pub(crate) value: f64,
    /// The number of values in a histogram; 1 for other kinds.
    pub(crate) count: u64,
}

impl UserReader {
    pub(crate) fn new(temporality: Temporality) -> Self {
        Self(Arc::new(ManualReader::builder().with_temporality(temporality).build()))
    }

    /// Collects, and returns all series sorted by name and labels.
    pub(crate) fn read(&self) -> Vec<Reading> {
        let mut collected = ResourceMetrics::default();
        self.0.collect(&mut collected).expect("the reader is not shut down");
        readings(&collected)
    }

    /// Returns the only series of the metric with this name, if there is one.
    pub(crate) fn one(&self, name: &str) -> Option<Reading> {
        let mut found: Vec<_> =
            self.read().into_iter().filter(|reading| reading.name == name).collect();
        assert!(found.len() <= 1, "{name} has more than one series: {found:?}");
        found.pop()
    }

    /// Returns the points of the exponential float histogram with this name.
    pub(crate) fn exponential(&self, name: &str) -> Vec<ExponentialHistogramDataPoint<f64>> {
        let mut collected = ResourceMetrics::default();
        self.0.collect(&mut collected).expect("the reader is not shut down");
        let metrics = collected.scope_metrics().flat_map(|scope| scope.metrics());
        let points =
            metrics.filter(|metric| metric.name() == name).flat_map(|metric| match metric.data() {
                AggregatedMetrics::F64(MetricData::ExponentialHistogram(histogram)) => {
                    histogram.data_points().cloned().collect()
                }
                _ => Vec::new(),
            });
        points.collect()
    }

    /// Waits for the only series with this name: instruments created after the start get their twins in the background.
    pub(crate) fn awaited(&self, name: &str) -> Reading {
        let give_up = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(reading) = self.one(name) {
                return reading;
            }
            assert!(Instant::now() < give_up, "the reader never saw {name}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Returns all series in the SDK's collection, sorted by name and labels.
pub(crate) fn readings(collected: &ResourceMetrics) -> Vec<Reading> {
    let mut readings = Vec::new();
    for scope in collected.scope_metrics() {
        for metric in scope.metrics() {
            readings.extend(series(scope.scope().name(), metric));
        }
    }
    readings.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
    readings
}

fn series(scope: &str, metric: &Metric) -> Vec<Reading> {
    match metric.data() {
        AggregatedMetrics::F64(data) => of_type(scope, metric.name(), data, |v| v),
        AggregatedMetrics::U64(data) => of_type(scope, metric.name(), data, |v| v as f64),
        AggregatedMetrics::I64(data) => of_type(scope, metric.name(), data, |v| v as f64),
    }
}

fn of_type<T: Copy>(
    scope: &str,
    name: &str,
    data: &MetricData<T>,
    float: impl Fn(T) -> f64,
) -> Vec<Reading> {
    let reading = |kind, labels, value, count| Reading {
        scope: scope.to_owned(),
        name: name.to_owned(),
        kind,
        labels,
        value,
        count,
    };
    match data {
        MetricData::Gauge(gauge) => gauge
            .data_points()
            .map(|point| reading("gauge", text(point.attributes()), float(point.value()), 1))
            .collect(),
        MetricData::Sum(sum) => {
            let kind = if sum.is_monotonic() { "rising sum" } else { "sum" };
            let points = sum.data_points();
            points
                .map(|point| reading(kind, text(point.attributes()), float(point.value()), 1))
                .collect()
        }
        MetricData::Histogram(histogram) => {
            let points = histogram.data_points();
            points
                .map(|point| {
                    let labels = text(point.attributes());
                    reading("histogram", labels, float(point.sum()), point.count())
                })
                .collect()
        }
        MetricData::ExponentialHistogram(histogram) => {
            let points = histogram.data_points();
            points
                .map(|point| {
                    let labels = text(point.attributes());
                    let count = point.count() as u64;
                    reading("exponential histogram", labels, float(point.sum()), count)
                })
                .collect()
        }
    }
}

fn text<'a>(attributes: impl Iterator<Item = &'a opentelemetry::KeyValue>) -> String {
    let attributes = Attributes::from_key_values(attributes);
    let pairs: Vec<_> = attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

impl MetricReader for UserReader {
    fn register_pipeline(&self, pipeline: Weak<SdkPipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}
