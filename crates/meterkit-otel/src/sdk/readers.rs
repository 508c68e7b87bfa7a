//! The provider whose readers the program added: they see instruments as they are.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::{Arc, Mutex};

use meterkit_core::{Data, MirroredInstrument, Unpoisoned, is_importing};
use meterkit_pipeline::{Source, Start, Views};
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::metrics::MeterProviderBuilder;

use super::numbers::{Points, TwinKind};
use super::output::{Output, TwinStream};
use super::reported::{Reported, SharedReported};

pub(crate) struct Readers {
    pub(crate) output: Output,
    source: Source,
    /// By scope and name of a counter: readers know the old one of a counter that is made again.
    reported: Mutex<HashMap<(InstrumentationScope, String), SharedReported>>,
    /// Whether there is a twin that knows when a reading begins.
    is_announced: AtomicBool,
    /// Whether what a reader sees comes back: it fills a registry that is brought into the store.
    is_looped: Arc<AtomicBool>,
}

impl Readers {
    pub(crate) fn new(builder: MeterProviderBuilder, start: &Start<'_>) -> Self {
        Self {
            output: Output::new(builder, start, Views::default()),
            source: start.source.clone(),
            reported: Mutex::default(),
            is_announced: AtomicBool::new(false),
            is_looped: Arc::default(),
        }
    }

    /// Makes the twin of an instrument that is no histogram.
    pub(crate) fn mirror_number(&self, instrument: &MirroredInstrument) {
        let Some(twin) = TwinKind::of(instrument.kind(), instrument.number()) else { return };
        let stream = TwinStream::new(instrument.limit(), None);
        let reported = twin.is_counter().then(|| self.reported(instrument, stream.room()));
        let points = self.points(instrument.clone());
        self.output.make(instrument.scope(), stream, |meter| {
            twin.make(meter, instrument.descriptor(), points, reported);
        });
    }

    fn points(&self, instrument: MirroredInstrument) -> Points {
        // The SDK calls in the order in which twins were made: the first one knows when a reading begins.
        let is_first = !self.is_announced.swap(true, AcqRel);
        let source = is_first.then(|| self.source.clone());
        let (is_looped, is_import) = (self.is_looped.clone(), instrument.is_import());
        Arc::new(move || {
            if is_importing() {
                is_looped.store(true, Relaxed);
                return Vec::new();
            }
            if let Some(source) = &source {
                // Brings observed values up to date.
                source.snapshot_blocking();
            }
            match instrument.read() {
                _ if is_import && is_looped.load(Relaxed) => Vec::new(),
                Some(Data::Gauge(mut points) | Data::Sum { mut points, .. }) => {
                    std::mem::take(points.to_mut())
                }
                _ => Vec::new(),
            }
        })
    }

    fn reported(&self, instrument: &MirroredInstrument, room: usize) -> SharedReported {
        let key = (instrument.scope().clone(), instrument.descriptor().name.clone());
        let mut reported = self.reported.lock().unpoisoned();
        reported.entry(key).or_insert_with(|| Reported::shared(room)).clone()
    }
}
