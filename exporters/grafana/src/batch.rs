//! Requests as they wait to be sent.

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

/// One request, written and compressed.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Identifies the batch in its queue, which assigns it.
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

    /// Returns whether the request is as this version has it: 1.0 has no native histograms, though an earlier release
    /// wrote some.
    pub(crate) fn is_in(&self, version: Version) -> bool {
        self.version == version && (version == Version::V2 || self.histograms == 0)
    }

    /// Returns the same series in another version.
    pub(crate) fn in_version(&self, version: Version) -> Result<Self, BatchError> {
        if self.is_in(version) {
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

/// Writes the requests for `snapshot`: its series, and a staleness marker for each that is gone since `previous` was
/// written.
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
    // By their labels: another series may have taken the place of one that is gone. A hash is less than those take.
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

/// Returns the metrics that may have lost series since `previous` was written.
fn gone(
    snapshot: &Snapshot,
    previous: &Snapshot,
    histograms: RemoteWriteHistograms,
) -> Vec<Vec<ScopeMetrics>> {
    let absent = snapshot.absent_since(previous.number).map(|absent| absent.scopes.clone());
    let mut gone: Vec<_> = absent.collect();
    // While a series goes on, the boundaries of classic buckets made of its exponential ones may change.
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

/// Writes the requests that end all series of `last`, the last snapshot that was written: there will be no more of them.
pub(crate) fn farewell(
    last: &Snapshot,
    now: i64,
    version: Version,
    histograms: RemoteWriteHistograms,
    limits: Limits,
) -> Result<Vec<Batch>, BatchError> {
    // Two values of one moment would be one too many.
    let time = now.max(series::milliseconds(last.time).saturating_add(1));
    let mut batches = Batches::new(time, version, limits);
    series::for_each(last, None, histograms, &mut |series| batches.end(series, time));
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
    let histograms = RemoteWriteHistograms::default();
    let batches = write(snapshot, None, Version::V2, histograms, limits);
    let batches = batches.map_err(io::Error::other)?;
    Ok(batches.into_iter().map(|batch| batch.body).collect())
}

#[cfg(test)]
mod tests;
