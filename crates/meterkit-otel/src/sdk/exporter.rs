//! An OpenTelemetry metric exporter as a target.

use std::any::type_name;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use meterkit_core::{Descriptor, LogOnce, NumberPoint, Unpoisoned};
use meterkit_pipeline::{ExportError, ExportFuture, Snapshot, Target, TargetQueue};
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, Temporality};
use tokio::task::{JoinHandle, spawn_blocking};

use super::Running;
use super::numbers::TwinKind;
use super::output::{Output, TwinStream};
use super::reported::Reported;

/// The name of the target.
const NAME: &str = "exporter";

/// The maximum number of times that a batch is offered to its exporter, including the first time.
const MAX_OFFERS: u32 = 10;

/// The age from which a batch is not offered again.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// The time that an exporter has to shut down.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Delivers to an OpenTelemetry metric exporter, such as the one of `opentelemetry-otlp`.
/// [`Mirror::exporter`](super::Mirror::exporter) creates the target.
///
/// The SDK collects a batch, and the target offers it to the exporter. A batch that fails is offered again, unchanged,
/// at later intervals, because the exporter does not report which failures are worth a retry. After ten offers or an
/// hour the target drops the batch, counts it in `meterkit.target.queue.dropped` and logs it. Until then, the target
/// collects no other batch, so that deltas survive an outage.
pub struct ExporterTarget<E> {
    exporter: Arc<E>,
    attached: Arc<OnceLock<Attached>>,
    reader: ExporterReader,
    numbers: Arc<Mutex<Numbers>>,
    /// The collection in progress. It outlives an export attempt that times out, because the SDK returns each delta
    /// once.
    collection: Option<JoinHandle<Result<ResourceMetrics, OTelSdkError>>>,
    /// The batch that the exporter has not accepted yet.
    batch: Option<Batch>,
    /// The offer in progress. It outlives an export attempt that times out.
    offer: Option<JoinHandle<OTelSdkResult>>,
    dropped: u64,
    logged: LogOnce,
}

/// The source that a target collects from. Known once the pipeline has started.
pub(super) struct Attached {
    pub(super) mirror: Arc<Running>,
    pub(super) output: Arc<Output>,
}

struct Batch {
    metrics: Arc<ResourceMetrics>,
    offers: u32,
    collected: Instant,
}

impl Batch {
    fn new(metrics: ResourceMetrics, collected: Instant) -> Self {
        Self { metrics: Arc::new(metrics), offers: 0, collected }
    }

    /// Returns whether a refused batch must be dropped instead of being offered again.
    fn is_given_up(&self, now: Instant) -> bool {
        self.offers >= MAX_OFFERS || now.saturating_duration_since(self.collected) >= MAX_AGE
    }
}

impl<E: PushMetricExporter> ExporterTarget<E> {
    pub(super) fn new(exporter: E, reader: ExporterReader) -> Self {
        Self {
            exporter: Arc::new(exporter),
            attached: Arc::default(),
            reader,
            numbers: Arc::default(),
            collection: None,
            batch: None,
            offer: None,
            dropped: 0,
            logged: LogOnce::default(),
        }
    }

    pub(super) fn attached(&self) -> &Arc<OnceLock<Attached>> {
        &self.attached
    }

    /// Offers the batch to the exporter, or waits for the offer in progress.
    async fn offer(&mut self) -> Result<(), ExportError> {
        let Some(batch) = &mut self.batch else { return Ok(()) };
        let offer = self.offer.get_or_insert_with(|| {
            batch.offers += 1;
            let (exporter, metrics) = (self.exporter.clone(), batch.metrics.clone());
            // The exporter may block, and may need a tokio runtime.
            spawn_blocking(move || futures_executor::block_on(exporter.export(&metrics)))
        });
        let outcome = offer.await;
        self.offer = None;
        let error = match outcome {
            Ok(Ok(())) => {
                self.batch = None;
                return Ok(());
            }
            Ok(Err(error)) => error.to_string(),
            Err(panicked) => panicked.to_string(),
        };
        if batch.is_given_up(Instant::now()) {
            let points = points(&batch.metrics);
            self.dropped += points;
            if self.logged.is_new(&error) {
                tracing::error!(
                    exporter = meterkit_pipeline::exporter(NAME),
                    points,
                    offers = batch.offers,
                    error,
                    "batch dropped: the exporter refused it too often or for too long"
                );
            }
            self.batch = None;
        }
        // A retryable error would make the pipeline offer the batch again within this interval.
        Err(ExportError::permanent(error))
    }

    /// Starts to collect a batch from this snapshot.
    fn start_collection(&mut self, snapshot: &Snapshot) -> Result<(), ExportError> {
        let Some(Attached { mirror, output }) = self.attached.get() else {
            return Err(ExportError::permanent(
                "the mirror is not attached to this pipeline: call `Mirror::attach` before the pipeline starts",
            ));
        };
        let (mirror, output) = (mirror.clone(), output.clone());
        let (numbers, reader) = (self.numbers.clone(), self.reader.clone());
        let current = Numbers::of(snapshot);
        self.collection = Some(spawn_blocking(move || {
            // A histogram created a moment ago may have no twin yet.
            mirror.mirror_new();
            Numbers::replace(&numbers, current, &output);
            let mut metrics = ResourceMetrics::default();
            reader.0.collect(&mut metrics).map(|()| metrics)
        }));
        Ok(())
    }

    /// Waits for the collection in progress, if there is one.
    async fn finish_collection(&mut self) -> Result<(), ExportError> {
        let Some(collection) = &mut self.collection else { return Ok(()) };
        let outcome = collection.await;
        self.collection = None;
        let metrics = match outcome {
            Ok(Ok(metrics)) => metrics,
            Ok(Err(error)) => return Err(ExportError::permanent(error.to_string())),
            Err(panicked) => return Err(ExportError::permanent(panicked.to_string())),
        };
        self.batch = Some(Batch::new(metrics, Instant::now()));
        Ok(())
    }
}

impl<E: PushMetricExporter> Target for ExporterTarget<E> {
    fn name(&self) -> &str {
        NAME
    }

    fn endpoint(&self) -> String {
        type_name::<E>().to_owned()
    }

    fn component_type(&self) -> &'static str {
        type_name::<E>()
    }

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(async move {
            self.finish_collection().await?;
            self.offer().await?;
            self.start_collection(snapshot)?;
            self.finish_collection().await?;
            self.offer().await
        })
    }

    fn queue(&self) -> Option<TargetQueue> {
        let requests = u64::from(self.batch.is_some());
        Some(TargetQueue { requests, dropped_values: self.dropped, ..TargetQueue::default() })
    }

    fn shutdown(&mut self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            let exporter = self.exporter.clone();
            let shutdown = spawn_blocking(move || exporter.shutdown_with_timeout(SHUTDOWN));
            if let Ok(Err(error)) = shutdown.await {
                let exporter = meterkit_pipeline::exporter(NAME);
                tracing::warn!(%error, exporter, "OpenTelemetry exporter failed to shut down");
            }
        })
    }
}

impl<E> fmt::Debug for ExporterTarget<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExporterTarget")
            .field("exporter", &type_name::<E>())
            .field("has_batch", &self.batch.is_some())
            .finish_non_exhaustive()
    }
}

/// The points of the snapshot that is being exported, for the twins that report them.
#[derive(Default)]
struct Numbers {
    metrics: HashMap<Stream, Vec<NumberPoint>>,
    /// The streams that have twins.
    mirrored: HashSet<Stream>,
}

/// The identity of a metric in the SDK.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Stream {
    scope: InstrumentationScope,
    descriptor: Descriptor,
    twin: TwinKind,
}

impl Numbers {
    fn of(snapshot: &Snapshot) -> HashMap<Stream, Vec<NumberPoint>> {
        let mut metrics: HashMap<Stream, Vec<NumberPoint>> = HashMap::new();
        for scope in &snapshot.scopes {
            for metric in &scope.metrics {
                let Some((twin, points)) = TwinKind::of_data(&metric.data) else { continue };
                let (scope, mut descriptor) =
                    ((*scope.scope).clone(), (*metric.descriptor).clone());
                // Any of several joined metrics may come first, so use the kind of the twin.
                descriptor.kind = twin.kind;
                let points = points.iter().cloned();
                metrics.entry(Stream { scope, descriptor, twin }).or_default().extend(points);
            }
        }
        metrics
    }

    /// Replaces the points that twins report with `current`, and creates twins for new streams.
    fn replace(
        numbers: &Arc<Mutex<Self>>,
        current: HashMap<Stream, Vec<NumberPoint>>,
        output: &Output,
    ) {
        let mut guard = numbers.lock().unpoisoned();
        guard.metrics = current;
        let new = guard.metrics.keys().filter(|stream| !guard.mirrored.contains(*stream));
        let new: Vec<Stream> = new.cloned().collect();
        guard.mirrored.extend(new.iter().cloned());
        drop(guard);
        if new.is_empty() {
            return;
        }
        let limits = output.limits();
        for stream in new {
            let (of, key) = (Arc::downgrade(numbers), stream.clone());
            let points = Arc::new(move || Self::points(&of, &key));
            let Stream { scope, descriptor, twin } = stream;
            let limit = limits.get(&(scope.clone(), descriptor.name.clone())).copied();
            let stream = TwinStream::new(limit.unwrap_or_default(), None);
            let reported = twin.is_counter().then(|| Reported::shared(stream.room()));
            output.make(&scope, stream, |meter| twin.make(meter, &descriptor, points, reported));
        }
    }

    fn points(numbers: &Weak<Mutex<Self>>, stream: &Stream) -> Vec<NumberPoint> {
        let points = numbers.upgrade().and_then(|numbers| {
            let mut numbers = numbers.lock().unpoisoned();
            numbers.metrics.remove(stream)
        });
        points.unwrap_or_default()
    }
}

/// Returns the number of points in a batch.
fn points(metrics: &ResourceMetrics) -> u64 {
    fn of<T: Copy>(data: &MetricData<T>) -> usize {
        match data {
            MetricData::Gauge(data) => data.data_points().count(),
            MetricData::Sum(data) => data.data_points().count(),
            MetricData::Histogram(data) => data.data_points().count(),
            MetricData::ExponentialHistogram(data) => data.data_points().count(),
        }
    }
    let metrics = metrics.scope_metrics().flat_map(|scope| scope.metrics());
    let points = metrics.map(|metric| match metric.data() {
        AggregatedMetrics::F64(data) => of(data),
        AggregatedMetrics::U64(data) => of(data),
        AggregatedMetrics::I64(data) => of(data),
    });
    points.sum::<usize>() as u64
}

/// A reader that an SDK meter provider and a target share.
#[derive(Clone, Debug)]
pub(super) struct ExporterReader(Arc<ManualReader>);

impl ExporterReader {
    pub(super) fn new(temporality: Temporality) -> Self {
        Self(Arc::new(ManualReader::builder().with_temporality(temporality).build()))
    }
}

impl MetricReader for ExporterReader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_given_up_after_ten_offers_or_an_hour() {
        let start = Instant::now();
        let mut batch = Batch::new(ResourceMetrics::default(), start);
        assert!(!batch.is_given_up(start + Duration::from_secs(3599)));
        assert!(batch.is_given_up(start + Duration::from_secs(3600)));
        batch.offers = 9;
        assert!(!batch.is_given_up(start));
        batch.offers = 10;
        assert!(batch.is_given_up(start));
    }
}
