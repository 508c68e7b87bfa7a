//! Requests as they wait to be sent.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::quality::FixedState;
use meterkit_pipeline::Snapshot;

use crate::series::{self, Series, SeriesValue};
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

/// What a request takes besides its body: a place in the queue and one in what is to be written to disk, both in lists
/// that may be half empty, which is also room for what the allocator takes.
pub(crate) const OVERHEAD: usize = 4 * size_of::<Batch>();

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
    /// Returns how much memory it takes while it waits.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + OVERHEAD
    }

    /// Returns how many values it has.
    pub(crate) fn len(&self) -> u64 {
        self.samples + self.histograms
    }

    /// Returns the same series in another version.
    pub(crate) fn in_version(&self, version: Version) -> Result<Self, BatchError> {
        if self.version == version {
            return Ok(self.clone());
        }
        let mut writing = Writing::new(version);
        self.for_each(&mut |series| writing.add(series))?;
        Ok(Self { id: self.id, ..writing.finish(self.time)? })
    }

    /// Returns its series in several requests, which begin with these series; none is empty.
    pub(crate) fn split(&self, beginnings: &[u64]) -> Result<Vec<Self>, BatchError> {
        let mut parts = vec![Writing::new(self.version)];
        let mut at = 0;
        self.for_each(&mut |series| {
            if at > 0 && beginnings.contains(&at) {
                parts.push(Writing::new(self.version));
            }
            if let Some(part) = parts.last_mut() {
                part.add(series);
            }
            at += 1;
        })?;
        parts.into_iter().map(|part| part.finish(self.time)).collect()
    }

    /// Calls `visit` with each series.
    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(&Series<'_>)) -> Result<(), BatchError> {
        let plain = snap::raw::Decoder::new().decompress_vec(&self.body)?;
        Ok(messages::for_each(self.version, &plain, visit)?)
    }
}

/// Writes the requests for `snapshot`: its series, and a stale marker for each that is gone since the snapshot with the
/// number `since` was written.
pub(crate) fn write(
    snapshot: &Snapshot,
    since: Option<u64>,
    version: Version,
    limits: Limits,
) -> Result<Vec<Batch>, BatchError> {
    let time = series::milliseconds(snapshot.time);
    let mut batches = Batches::new(time, version, limits);
    let gone = since.into_iter().flat_map(|number| snapshot.absent_since(number));
    let gone: Vec<_> = gone.collect();
    // By their labels: another series may have taken the place of one that is gone. A hash is less than those take.
    let mut there = HashSet::new();
    series::for_each(snapshot, &mut |series| {
        if !gone.is_empty() {
            there.insert(hash(series));
        }
        batches.add(series);
    });
    for absent in gone {
        let (resource, names) = (snapshot.resource.clone(), snapshot.names.clone());
        let last = Snapshot::new(resource, snapshot.time, absent.scopes.clone());
        let last = Snapshot { names, ..last };
        series::for_each(&last, &mut |series| {
            if there.insert(hash(series)) {
                batches.end(series, time);
            }
        });
    }
    batches.finish()
}

/// Writes the requests that end all series of `last`, the last snapshot that was written: there will be no more of them.
pub(crate) fn farewell(
    last: &Snapshot,
    now: i64,
    version: Version,
    limits: Limits,
) -> Result<Vec<Batch>, BatchError> {
    // Two values of one moment would be one too many.
    let time = now.max(series::milliseconds(last.time).saturating_add(1));
    let mut batches = Batches::new(time, version, limits);
    series::for_each(last, &mut |series| batches.end(series, time));
    batches.finish()
}

fn hash(series: &Series<'_>) -> u64 {
    FixedState::default().hash_one(&series.labels)
}

/// The requests of one moment.
#[derive(Debug)]
pub(crate) struct Batches {
    time: i64,
    version: Version,
    limits: Limits,
    writing: Writing,
    done: Vec<Batch>,
    /// What went wrong with the first request that failed.
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

    /// Adds the end of a series.
    fn end(&mut self, series: &Series<'_>, time: i64) {
        let value = series.value.stale();
        self.add(&Series { value, time, start: 0, ..series.clone() });
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
        // Snappy makes room for the worst case, which would be kept for as long as the request waits.
        let body = Bytes::copy_from_slice(&snap::raw::Encoder::new().compress_vec(&plain)?);
        Ok(Batch { id: 0, time, version, body, size: plain.len(), samples, histograms })
    }
}

/// Returns the request in 2.0 for a snapshot that is the first one, all of it in one, written and compressed: for
/// benchmarks.
#[doc(hidden)]
pub fn written(snapshot: &Arc<Snapshot>) -> io::Result<Vec<Bytes>> {
    let limits = Limits { series: usize::MAX, bytes: usize::MAX };
    let batches = write(snapshot, None, Version::V2, limits).map_err(io::Error::other)?;
    Ok(batches.into_iter().map(|batch| batch.body).collect())
}

#[cfg(test)]
mod tests;
