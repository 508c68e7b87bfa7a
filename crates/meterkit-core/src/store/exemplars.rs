//! Exemplar sampling: decides which measurements are offered, and keeps some of them in reservoirs.

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

/// How long an exemplar is exported unless a newer one replaces it. By then, most tracing systems have dropped the
/// trace.
const MAX_AGE: Duration = Duration::from_secs(600);

/// The most exemplars of an exponential histogram, as in OpenTelemetry's specification.
const MOST_OF_EXPONENTIAL: usize = 20;

/// The reservoir of a series, created when a measurement is first offered to it.
pub(super) type ReservoirSlot = OnceBox<Arc<Reservoir>>;

/// The exemplar filter of a registry, and the reservoirs of its series.
#[derive(Default)]
pub(crate) struct Sampling {
    /// An [`ExemplarFilter`].
    filter: AtomicU8,
    /// The reservoirs of all series that have one. Entries of dropped series are removed by collections, and before the
    /// list grows.
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
    // Not inlined, so that recording stays small where exemplars are off. The measurement is not an argument, so that
    // threads that record outside of spans need not preserve it across the call.
    #[inline(never)]
    pub(crate) fn is_wanted_here(&self) -> bool {
        self.filter.load(Relaxed) == ExemplarFilter::AlwaysOn as u8 || span::is_current()
    }

    /// Returns the exemplars of all series, for a collection whose values were read up to `now`.
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

    /// Adds a new reservoir to the list. Returns `false` while another thread holds the list, because recording must
    /// not wait.
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

/// Offers a measurement that was recorded in a series as an exemplar.
#[cold]
pub(super) fn offer(shared: &Shared, slot: &ReservoirSlot, series: SeriesId, value: Value) {
    // Counters do not check this before they add. If the instrument is off or redirected, they have added nothing here.
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
        // If another thread was first, this reservoir is dropped, and the list forgets it.
        let _ = slot.set(Box::new(reservoir));
        slot.get()
    });
    if let Some(reservoir) = reservoir {
        reservoir.offer(series, shared.settings.collection.load(Relaxed), place, exemplar);
    }
}
