//! Requests as they wait to be sent.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use meterkit_pipeline::Snapshot;

use crate::departed;
use crate::series::{Series, SeriesValue};
use crate::wire::messages;
use crate::wire::{Encoder, Version};

/// One request, written and compressed.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Tells it from the others in a queue, which gives it.
    pub(crate) id: u64,
    /// The moment that its values are of, in milliseconds since 1970.
    pub(crate) time: i64,
    pub(crate) version: Version,
    /// The message, compressed with snappy.
    pub(crate) body: Bytes,
    /// How long it is before compression.
    pub(crate) size: usize,
    pub(crate) samples: u64,
    /// Native histograms.
    pub(crate) histograms: u64,
}

/// How much goes into one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) series: usize,
    /// Before compression. The series that reaches it is the last one of its request.
    pub(crate) bytes: usize,
}

/// Why a request cannot be written, or cannot be read again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchError {
    #[error("a request cannot be compressed: {0}")]
    Snappy(#[from] snap::Error),
    #[error("a request that was written cannot be read again: {0}")]
    Message(#[from] prost::DecodeError),
}

impl Batch {
    /// How many values it has.
    pub(crate) fn len(&self) -> u64 {
        self.samples + self.histograms
    }

    /// The same series in another version.
    pub(crate) fn in_version(&self, version: Version) -> Result<Self, BatchError> {
        if self.version == version {
            return Ok(self.clone());
        }
        let mut writing = Writing::new(version);
        self.for_each(&mut |series| writing.add(series))?;
        Ok(Self { id: self.id, ..writing.finish(self.time)? })
    }

    /// Its series in two requests; the second is empty if there is one series.
    pub(crate) fn halves(&self) -> Result<[Self; 2], BatchError> {
        let mut halves = [Writing::new(self.version), Writing::new(self.version)];
        let mut at = 0;
        self.for_each(&mut |series| {
            halves[usize::from(at >= self.len().div_ceil(2))].add(series);
            at += 1;
        })?;
        let [first, second] = halves;
        Ok([first.finish(self.time)?, second.finish(self.time)?])
    }

    /// Calls `visit` with each series.
    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(&Series<'_>)) -> Result<(), BatchError> {
        let plain = snap::raw::Decoder::new().decompress_vec(&self.body)?;
        Ok(messages::for_each(self.version, &plain, visit)?)
    }
}

/// The requests of one moment.
#[derive(Debug)]
pub(crate) struct Batches {
    time: i64,
    version: Version,
    limits: Limits,
    writing: Writing,
    done: Vec<Batch>,
    /// What went wrong with the first request of which something did.
    problem: Option<BatchError>,
}

impl Batches {
    pub(crate) fn new(time: i64, version: Version, limits: Limits) -> Self {
        let writing = Writing::new(version);
        Self { time, version, limits, writing, done: Vec::new(), problem: None }
    }

    pub(crate) fn add(&mut self, series: &Series<'_>) {
        self.writing.add(series);
        let Limits { series, bytes } = self.limits;
        if self.writing.len() as usize >= series || self.writing.encoder.len() >= bytes {
            self.end_request();
        }
    }

    pub(crate) fn finish(mut self) -> Result<Vec<Batch>, BatchError> {
        self.end_request();
        self.problem.map_or(Ok(self.done), Err)
    }

    fn end_request(&mut self) {
        if self.writing.len() == 0 {
            return;
        }
        let written = std::mem::replace(&mut self.writing, Writing::new(self.version));
        match written.finish(self.time) {
            Ok(batch) => self.done.push(batch),
            Err(problem) => self.problem = self.problem.take().or(Some(problem)),
        }
    }
}

/// One request that is being written.
#[derive(Debug)]
struct Writing {
    version: Version,
    encoder: Encoder,
    samples: u64,
    histograms: u64,
}

impl Writing {
    fn new(version: Version) -> Self {
        Self { version, encoder: Encoder::new(version), samples: 0, histograms: 0 }
    }

    fn add(&mut self, series: &Series<'_>) {
        self.encoder.add(series);
        match series.value {
            SeriesValue::Number(_) => self.samples += 1,
            SeriesValue::Histogram(_) => self.histograms += 1,
        }
    }

    fn len(&self) -> u64 {
        self.samples + self.histograms
    }

    fn finish(self, time: i64) -> Result<Batch, BatchError> {
        let Self { version, encoder, samples, histograms } = self;
        let plain = encoder.finish();
        let body = snap::raw::Encoder::new().compress_vec(&plain)?.into();
        Ok(Batch { id: 0, time, version, body, size: plain.len(), samples, histograms })
    }
}

/// The request in 2.0 for a snapshot that is the first one, all of it in one, written and compressed: for benchmarks.
#[doc(hidden)]
pub fn written(snapshot: &Arc<Snapshot>) -> io::Result<Vec<Bytes>> {
    let limits = Limits { series: usize::MAX, bytes: usize::MAX };
    let written = departed::write(snapshot.clone(), None, Version::V2, limits);
    let (batches, _) = written.map_err(io::Error::other)?;
    Ok(batches.into_iter().map(|batch| batch.body).collect())
}

#[cfg(test)]
mod tests;
