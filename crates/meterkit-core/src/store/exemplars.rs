//! Exemplars as they are recorded: which measurements are offered, and the reservoirs that keep some of them.

mod reservoir;
mod span;

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, TryLockError, Weak};
use std::time::{Duration, SystemTime};

use once_cell::race::OnceBox;

use self::reservoir::{Place, Reservoir};
use super::redirect;
use super::shared::Shared;
use crate::Kind;
use crate::buckets::HistogramBuckets;
use crate::data::{Exemplar, ExemplarFilter, Exemplars, SeriesId};
use crate::number::Value;
use crate::unpoisoned::Unpoisoned;

/// How long an exemplar is exported that no newer one replaces. Later, most tracing systems have dropped the trace.
const MAX_AGE: Duration = Duration::from_secs(600);

/// Exemplars of an exponential histogram: as many as OpenTelemetry's specification has.
const MOST_OF_EXPONENTIAL: usize = 20;

/// The reservoir of a series, once a measurement was offered to it.
pub(super) type ReservoirSlot = OnceBox<Arc<Reservoir>>;

/// What a registry samples, and where it keeps that.
#[derive(Default)]
pub(crate) struct Sampling {
    /// An [`ExemplarFilter`].
    filter: AtomicU8,
    /// The reservoirs of all series that have one. Those of series that are gone are removed by collections, and
    /// before the list grows.
    reservoirs: Mutex<Vec<Weak<Reservoir>>>,
}

impl Sampling {
    pub(crate) fn set_filter(&self, filter: ExemplarFilter) {
        self.filter.store(filter as u8, Relaxed);
    }

    /// Returns whether any measurement may become an exemplar.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.filter.load(Relaxed) != ExemplarFilter::AlwaysOff as u8
    }

    /// Returns whether a measurement may become an exemplar on this thread now.
    // Apart, so that recording stays small where exemplars are off. It takes nothing of the measurement, so that those who
    // record outside of spans have nothing to keep for later.
    #[inline(never)]
    pub(crate) fn is_wanted_here(&self) -> bool {
        self.filter.load(Relaxed) == ExemplarFilter::AlwaysOn as u8 || span::is_current()
    }

    /// Returns the exemplars of all series, for a collection whose values have been read by `now`.
    pub(crate) fn read(&self, now: SystemTime) -> Exemplars {
        let mut all = Exemplars::default();
        if !self.is_on() {
            return all;
        }
        let oldest = now.checked_sub(MAX_AGE).unwrap_or(SystemTime::UNIX_EPOCH);
        self.reservoirs.lock().unpoisoned().retain(|reservoir| {
            let reservoir = reservoir.upgrade();
            if let Some(reservoir) = &reservoir {
                let (series, exemplars) = reservoir.read(oldest);
                all.insert(series, exemplars);
            }
            reservoir.is_some()
        });
        all
    }

    /// Keeps track of a new reservoir. Fails while another thread has the list: recording must not wait for it.
    fn add(&self, reservoir: &Arc<Reservoir>) -> bool {
        let mut reservoirs = match self.reservoirs.try_lock() {
            Ok(reservoirs) => reservoirs,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        if reservoirs.len() == reservoirs.capacity() {
            reservoirs.retain(|reservoir| reservoir.strong_count() > 0);
        }
        reservoirs.push(Arc::downgrade(reservoir));
        true
    }
}

/// Offers a measurement that was recorded in a series.
#[cold]
pub(super) fn offer(shared: &Shared, slot: &ReservoirSlot, series: SeriesId, value: Value) {
    // Counters ask for nothing before they add: off, they have not added.
    if shared.is_off() || (shared.is_redirected() && redirect::is_active()) {
        return;
    }
    let sampling = &shared.settings.exemplars;
    let is_trace_based = sampling.filter.load(Relaxed) == ExemplarFilter::TraceBased as u8;
    let span = span::current();
    if is_trace_based && span.is_none_or(|(_, is_sampled)| !is_sampled) {
        return;
    }
    let span = span.map(|(ids, _)| ids);
    let exemplar = || {
        let time = shared.settings.clock.try_now()?;
        Some(Exemplar { time, value, span, filtered: None })
    };
    keep(shared, slot, series, value, &exemplar);
}

fn keep(
    shared: &Shared,
    slot: &ReservoirSlot,
    series: SeriesId,
    value: Value,
    exemplar: &dyn Fn() -> Option<Exemplar>,
) {
    let place = match shared.buckets() {
        _ if shared.identity.kind != Kind::Histogram => Place::AnyOf(1),
        HistogramBuckets::Explicit(bounds) => Place::Bucket(bounds.bucket(value.as_f64())),
        HistogramBuckets::Exponential(limits) => {
            Place::AnyOf(MOST_OF_EXPONENTIAL.min(limits.max_size as usize))
        }
    };
    let reservoir = slot.get().or_else(|| {
        let reservoir = Arc::new(Reservoir::new(series));
        if !shared.settings.exemplars.add(&reservoir) {
            return None;
        }
        // Another thread may have been first; the list then forgets this one.
        let _ = slot.set(Box::new(reservoir));
        slot.get()
    });
    if let Some(reservoir) = reservoir {
        reservoir.offer(series, shared.settings.collection.load(Relaxed), place, exemplar);
    }
}
