//! A mirror of the store in the OpenTelemetry SDK, for the SDK's readers and exporters.
//!
//! Only the SDK can create a `ResourceMetrics`, so a reader or an exporter needs SDK instruments. The mirror creates a
//! twin of each store instrument. The twin of a counter or gauge is observable and reports the values in the store. A
//! histogram cannot be observable, so its twin records each value. Without a reader or an exporter there is no mirror,
//! and no SDK instrument.

mod exporter;
mod histograms;
mod numbers;
mod output;
mod readers;
mod reported;

use std::collections::HashMap;
use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use meterkit_core::{Attributes, Kind, MirroredInstrument, Registry, Sink, Tap, Unpoisoned, Value};
use meterkit_pipeline::{Companion, PipelineBuilder, Start};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::reader::MetricReader;

pub use self::exporter::ExporterTarget;
use self::exporter::{Attached, ExporterReader};
use self::histograms::HistogramTwin;
use self::output::Output;
use self::readers::Readers;

/// A mirror of the store in the OpenTelemetry SDK, before it is attached to a pipeline.
///
/// ```
/// use meterkit_core::Registry;
/// use meterkit_otel::sdk::Mirror;
/// use meterkit_pipeline::Pipeline;
/// use opentelemetry_sdk::metrics::ManualReader;
///
/// let mut mirror = Mirror::new();
/// mirror.reader(ManualReader::builder().build());
/// let builder = Pipeline::builder(Registry::new()).expect("a registry of its own");
/// let pipeline = mirror.attach(builder).start()?;
/// # drop(pipeline);
/// # Ok::<(), meterkit_pipeline::StartError>(())
/// ```
#[derive(Default)]
pub struct Mirror {
    readers: Option<opentelemetry_sdk::metrics::MeterProviderBuilder>,
    exporters: Vec<(ExporterReader, Arc<OnceLock<Attached>>)>,
}

impl Mirror {
    /// Creates a mirror without readers or exporters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an OpenTelemetry metric reader. Views do not apply to readers: the reader sees every instrument unchanged.
    pub fn reader(&mut self, reader: impl MetricReader) {
        let readers = self.readers.take().unwrap_or_else(SdkMeterProvider::builder);
        self.readers = Some(readers.with_reader(reader));
    }

    /// Adds an OpenTelemetry metric exporter, and returns the target that delivers to it. Views apply to exporters.
    pub fn exporter<E: PushMetricExporter>(&mut self, exporter: E) -> ExporterTarget<E> {
        let reader = ExporterReader::new(exporter.temporality());
        let target = ExporterTarget::new(exporter, reader.clone());
        self.exporters.push((reader, target.attached().clone()));
        target
    }

    /// Returns whether a reader was added.
    pub fn has_readers(&self) -> bool {
        self.readers.is_some()
    }

    /// Attaches the mirror to a pipeline, so that it starts with the pipeline. Without a reader or an exporter, returns
    /// `pipeline` unchanged.
    pub fn attach(self, pipeline: PipelineBuilder) -> PipelineBuilder {
        if self.readers.is_none() && self.exporters.is_empty() {
            return pipeline;
        }
        pipeline.companion(move |start| Running::start(self, start))
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror")
            .field("has_readers", &self.readers.is_some())
            .field("exporters", &self.exporters.len())
            .finish()
    }
}

/// A mirror that follows the registry.
struct Running {
    registry: Registry,
    readers: Option<Readers>,
    exporters: Vec<Arc<Output>>,
    /// The instruments that have twins, by address.
    mirrored: Mutex<HashMap<usize, MirroredInstrument>>,
    tap: OnceLock<Arc<dyn Tap>>,
}

impl Running {
    fn start(mirror: Mirror, start: &Start<'_>) -> Arc<dyn Companion> {
        let Mirror { readers, exporters } = mirror;
        let readers = readers.map(|builder| Readers::new(builder, start));
        let outputs = exporters.iter().map(|(reader, _)| {
            let builder = SdkMeterProvider::builder().with_reader(reader.clone());
            Arc::new(Output::new(builder, start, start.views.clone()))
        });
        let running = Arc::new(Self {
            registry: start.registry.clone(),
            readers,
            exporters: outputs.collect(),
            mirrored: Mutex::default(),
            tap: OnceLock::new(),
        });
        for ((_, attached), output) in exporters.into_iter().zip(&running.exporters) {
            attached.get_or_init(|| Attached { mirror: running.clone(), output: output.clone() });
        }
        running.mirror_new();
        let (made, is_made) = sync_channel(1);
        let tap: Arc<dyn Tap> = Arc::new(InstrumentMade(made));
        running.registry.tap(running.tap.get_or_init(|| tap).clone());
        // Instruments may have been created since the first call, before the tap was registered.
        running.mirror_new();
        running.follow(is_made);
        running
    }

    /// Creates the twins of new instruments on a separate thread. The SDK holds locks while callbacks run, and code
    /// that creates instruments must not wait for these locks.
    fn follow(self: &Arc<Self>, made: Receiver<()>) {
        let running: Weak<Self> = Arc::downgrade(self);
        let follow = move || {
            while made.recv().is_ok() {
                let Some(running) = running.upgrade() else { return };
                running.mirror_new();
            }
        };
        let thread = thread::Builder::new().name("meterkit-mirror".to_owned());
        if let Err(error) = thread.spawn(follow) {
            tracing::error!(%error, "cannot start a thread: OpenTelemetry readers see new instruments only after a flush");
        }
    }

    /// Creates a twin for each instrument without one.
    fn mirror_new(&self) {
        let mut mirrored = self.mirrored.lock().unpoisoned();
        mirrored.retain(|_, instrument| instrument.is_there());
        for instrument in self.registry.instruments() {
            if mirrored.contains_key(&instrument.address()) {
                continue;
            }
            mirrored.insert(instrument.address(), instrument.clone());
            if instrument.kind() == Kind::Histogram && instrument.is_import() {
                // An SDK histogram records single values, and an imported histogram has none.
                continue;
            }
            if instrument.kind() == Kind::Histogram {
                self.mirror_histogram(&instrument);
            } else if let Some(readers) = &self.readers {
                readers.mirror_number(&instrument);
            }
        }
    }

    fn mirror_histogram(&self, instrument: &MirroredInstrument) {
        let of_readers = self.readers.iter().map(|readers| &readers.output);
        let outputs = of_readers.chain(self.exporters.iter().map(|output| &**output));
        let twins: Arc<[HistogramTwin]> =
            outputs.flat_map(|output| output.histogram_twins(instrument)).collect();
        instrument.feed(Arc::new(move |attributes: &Attributes| -> Sink {
            let series: Vec<_> = twins.iter().map(|twin| twin.series(attributes)).collect();
            Arc::new(move |value: Value| series.iter().for_each(|series| series.record(value)))
        }));
    }
}

impl Companion for Running {
    fn name(&self) -> &str {
        "OpenTelemetry readers"
    }

    fn flush(&self) -> Result<(), String> {
        // Instruments created a moment ago may have no twin yet.
        self.mirror_new();
        let flush = |readers: &Readers| readers.output.provider.force_flush();
        self.readers.as_ref().map_or(Ok(()), flush).map_err(|error| error.to_string())
    }

    fn shutdown(&self, time: Duration) -> Result<(), String> {
        self.mirror_new();
        let shutdown = |readers: &Readers| readers.output.provider.shutdown_with_timeout(time);
        let outcome = self.readers.as_ref().map_or(Ok(()), shutdown);
        if let Some(tap) = self.tap.get() {
            self.registry.untap(tap);
        }
        outcome.map_err(|error| error.to_string())
    }
}

/// Wakes the thread that creates twins.
struct InstrumentMade(SyncSender<()>);

impl Tap for InstrumentMade {
    fn instrument_made(&self) {
        // If the channel is full, the thread is about to look anyway.
        let _ = self.0.try_send(());
    }
}
