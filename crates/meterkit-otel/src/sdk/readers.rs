//! The SDK meter provider for the readers that the program added, which see instruments without views.

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
    /// The reported totals by scope and name of the counter. If a counter is created again, readers still know the
    /// totals of its predecessor.
    reported: Mutex<HashMap<(InstrumentationScope, String), SharedReported>>,
    /// Whether a twin already refreshes observed values at the beginning of each reading.
    is_announced: AtomicBool,
    /// Whether a reader feeds a registry that is imported into the store, so that exported values come back.
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

    /// Creates the twin of an instrument unless it is a histogram.
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
        // The SDK calls twins in the order of their creation, so the first twin runs at the beginning of a reading.
        let is_first = !self.is_announced.swap(true, AcqRel);
        let source = is_first.then(|| self.source.clone());
        let (is_looped, is_import) = (self.is_looped.clone(), instrument.is_import());
        Arc::new(move || {
            if is_importing() {
                is_looped.store(true, Relaxed);
                return Vec::new();
            }
            if let Some(source) = &source {
                // Refresh observed values.
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
