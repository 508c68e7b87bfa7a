//! Requests that wait to be sent.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::quality::FixedState;
use meterkit_core::{Data, Metric, ScopeMetrics};
use meterkit_pipeline::Snapshot;

use crate::histograms::RemoteWriteHistograms;
use crate::series::{self, Series};
use crate::wire::messages;
use crate::wire::{Encoder, Version};

/// One encoded and compressed request.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Identifies the batch in its queue. The queue assigns the id.
    pub(crate) id: u64,
    /// The time of the values, in milliseconds since 1970.
    pub(crate) time: i64,
    pub(crate) version: Version,
    /// The message, compressed with snappy.
    pub(crate) body: Bytes,
    /// The size of the message before compression, in bytes.
    pub(crate) size: usize,
    pub(crate) samples: u64,
    /// The number of native histograms.
    pub(crate) histograms: u64,
}

/// The memory that a request takes besides its body: an entry in the queue, and one in the changes to be written to
/// disk. Both are in collections that may be half empty; this also leaves room for the allocator's overhead.
pub(crate) const OVERHEAD: usize = 4 * size_of::<Batch>();

/// The limits of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) series: usize,
    /// The size before compression. The series that reaches this limit is the last one of its request.
    pub(crate) bytes: usize,
}

/// The reason why a request cannot be encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchError {
    #[error("cannot compress or decompress a request: {0}")]
    Snappy(#[from] snap::Error),
    #[error("cannot decode a queued request: {0}")]
    Message(#[from] prost::DecodeError),
}

impl Batch {
    /// Returns the memory that the batch takes while it waits, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + OVERHEAD
    }

    /// Returns the number of values in the batch.
    pub(crate) fn len(&self) -> u64 {
        self.samples + self.histograms
    }

    /// Returns whether the batch can be sent in `version` as it is. A batch in 1.0 with native histograms, as an
    /// earlier release wrote them, cannot.
    pub(crate) fn is_in(&self, version: Version) -> bool {
        self.version == version && (version == Version::V2 || self.histograms == 0)
    }

    /// Returns a batch with the same series in `version`.
    pub(crate) fn in_version(&self, version: Version) -> Result<Self, BatchError> {
        if self.is_in(version) {
            return Ok(self.clone());
        }
        let mut writing = Writing::new(version);
        self.for_each(&mut |series| writing.add(series))?;
        Ok(Self { id: self.id, ..writing.finish(self.time)? })
    }

    /// Splits the batch before each of the series with the indexes `beginnings`. No part is empty.
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

    /// Calls `visit` with each series of the batch.
    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(&Series<'_>)) -> Result<(), BatchError> {
        let plain = snap::raw::Decoder::new().decompress_vec(&self.body)?;
        Ok(messages::for_each(self.version, &plain, visit)?)
    }
}

/// Encodes the requests for `snapshot`: its series, and a staleness marker for each series that has disappeared since
/// `previous`.
pub(crate) fn write(
    snapshot: &Snapshot,
    previous: Option<&Snapshot>,
    version: Version,
    histograms: RemoteWriteHistograms,
    limits: Limits,
) -> Result<Vec<Batch>, BatchError> {
    let time = series::milliseconds(snapshot.time);
    let mut batches = Batches::new(time, version, limits);
    let gone = previous.map_or_else(Vec::new, |previous| gone(snapshot, previous, histograms));
    // Series are compared by their labels, because another metric may now have a series with the same labels. Hashes
    // take less memory than labels.
    let mut there = HashSet::new();
    let exemplars = match previous {
        Some(previous) => &snapshot.exemplars.since(&previous.exemplars),
        None => &*snapshot.exemplars,
    };
    let exemplars = (version == Version::V2 && !exemplars.is_empty()).then_some(exemplars);
    series::for_each(snapshot, exemplars, histograms, &mut |series| {
        if !gone.is_empty() {
            there.insert(hash(series));
        }
        batches.add(series);
    });
    for scopes in gone {
        let (resource, names) = (snapshot.resource.clone(), snapshot.names.clone());
        let last = Snapshot::new(resource, snapshot.time, scopes);
        let last = Snapshot { names, ..last };
        series::for_each(&last, None, histograms, &mut |series| {
            if there.insert(hash(series)) {
                batches.end(series, time);
            }
        });
    }
    batches.finish()
}

/// Returns the metrics that may have lost series since `previous`.
fn gone(
    snapshot: &Snapshot,
    previous: &Snapshot,
    histograms: RemoteWriteHistograms,
) -> Vec<Vec<ScopeMetrics>> {
    let absent = snapshot.absent_since(previous.number).map(|absent| absent.scopes.clone());
    let mut gone: Vec<_> = absent.collect();
    // The boundaries of classic buckets that are derived from an exponential histogram may change, and with them its
    // series.
    let may_change = |scopes: &[ScopeMetrics]| {
        let mut metrics = scopes.iter().flat_map(|scope| &scope.metrics);
        metrics.any(|metric| series::has_derived_boundaries(&metric.data, histograms))
    };
    if may_change(&previous.scopes) || may_change(&snapshot.scopes) {
        let is_exponential = |it: &&Metric| matches!(it.data, Data::ExponentialHistogram { .. });
        let scopes = previous.scopes.iter().map(|scope| ScopeMetrics {
            scope: scope.scope.clone(),
            metrics: scope.metrics.iter().filter(is_exponential).cloned().collect(),
        });
        gone.push(scopes.collect());
    }
    gone
}

/// Encodes the requests that end all series of `last`, the last snapshot that was encoded, with staleness markers.
pub(crate) fn farewell(
    last: &Snapshot,
    now: i64,
    version: Version,
    histograms: RemoteWriteHistograms,
    limits: Limits,
) -> Result<Vec<Batch>, BatchError> {
    // A series must not have two values with the same timestamp.
    let time = now.max(series::milliseconds(last.time).saturating_add(1));
    let mut batches = Batches::new(time, version, limits);
    series::for_each(last, None, histograms, &mut |series| batches.end(series, time));
    batches.finish()
}

fn hash(series: &Series<'_>) -> u64 {
    FixedState::default().hash_one(&series.labels)
}

/// Collects series with the same time into requests.
#[derive(Debug)]
pub(crate) struct Batches {
    time: i64,
    version: Version,
    limits: Limits,
    writing: Writing,
    done: Vec<Batch>,
    /// The error of the first request that failed.
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

    /// Adds a staleness marker for a series.
    fn end(&mut self, series: &Series<'_>, time: i64) {
        let value = series.value.stale();
        let exemplars = Vec::new();
        self.add(&Series { value, time, start: 0, exemplars, ..series.clone() });
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

/// A request that is being encoded.
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
        let (samples, histograms) = self.encoder.add(series);
        self.samples += samples;
        self.histograms += histograms;
    }

    fn len(&self) -> u64 {
        self.samples + self.histograms
    }

    fn finish(self, time: i64) -> Result<Batch, BatchError> {
        let Self { version, encoder, samples, histograms } = self;
        let plain = encoder.finish();
        // Snappy allocates for the worst case. The copy avoids holding that memory while the request waits.
        let body = Bytes::copy_from_slice(&snap::raw::Encoder::new().compress_vec(&plain)?);
        Ok(Batch { id: 0, time, version, body, size: plain.len(), samples, histograms })
    }
}

/// Encodes and compresses the first snapshot of a target as a single request in 2.0. For benchmarks.
#[doc(hidden)]
pub fn written(snapshot: &Arc<Snapshot>) -> io::Result<Vec<Bytes>> {
    let limits = Limits { series: usize::MAX, bytes: usize::MAX };
    let histograms = RemoteWriteHistograms::default();
    let batches = write(snapshot, None, Version::V2, histograms, limits);
    let batches = batches.map_err(io::Error::other)?;
    Ok(batches.into_iter().map(|batch| batch.body).collect())
}

#[cfg(test)]
mod tests;
