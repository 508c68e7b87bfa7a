//! A reservoir, which keeps a bounded number of exemplars of one series.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, TryLockError};
use std::time::SystemTime;

use crate::data::{Exemplar, SeriesId};
use crate::order;
use crate::unpoisoned::Unpoisoned;

/// Keeps some of the offered measurements, each until another one replaces it.
///
/// Recording threads never wait here: a measurement is discarded if another thread is using the reservoir.
///
/// Follows OpenTelemetry's Metrics SDK, sections SimpleFixedSizeExemplarReservoir and
/// AlignedHistogramBucketExemplarReservoir.
pub(in crate::store) struct Reservoir {
    /// The number of the last collection that had begun when a measurement was offered. Sampling starts again after
    /// each.
    collection: AtomicU64,
    /// How many measurements were offered since that collection.
    offered: AtomicU64,
    state: Mutex<State>,
}

struct State {
    /// The series that the exemplars belong to. Its id changes when the series is reset or removed.
    series: SeriesId,
    /// The exemplars with their places, unsorted.
    kept: Vec<(usize, Exemplar)>,
    /// The result of the last read, which collections share until the exemplars change.
    read: Option<Arc<[Exemplar]>>,
}

/// Where in the reservoir a measurement may be kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In the place of its bucket, which keeps the last measurement.
    Bucket(usize),
    /// In any of this many places, which hold a random sample of the measurements since the last collection.
    AnyOf(usize),
}

impl Reservoir {
    pub(super) fn new(series: SeriesId) -> Self {
        let state = Mutex::new(State { series, kept: Vec::new(), read: None });
        Self { collection: AtomicU64::new(0), offered: AtomicU64::new(0), state }
    }

    /// Offers a measurement. `exemplar` is called to create the exemplar if it is to be kept. `collection` is the
    /// number of the last collection that has begun.
    pub(super) fn offer(
        &self,
        series: SeriesId,
        collection: u64,
        place: Place,
        exemplar: &dyn Fn() -> Option<Exemplar>,
    ) {
        let place = match place {
            Place::Bucket(bucket) => bucket,
            Place::AnyOf(places) => match self.pick(collection, places) {
                Some(place) => place,
                None => return,
            },
        };
        // Done before the lock is taken, because reading the clock may log a line, which runs the user's code.
        let Some(exemplar) = exemplar() else { return };
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if state.series != series {
            state.kept.clear();
            state.series = series;
        }
        state.read = None;
        match state.kept.iter_mut().find(|(taken, _)| *taken == place) {
            Some((_, kept)) => *kept = exemplar,
            None => state.kept.push((place, exemplar)),
        }
    }

    /// Returns the series and its exemplars since `oldest`, sorted by time.
    pub(super) fn read(&self, oldest: SystemTime) -> (SeriesId, Arc<[Exemplar]>) {
        let mut state = self.state.lock().unpoisoned();
        let State { series, kept, read } = &mut *state;
        let before = kept.len();
        kept.retain(|(_, exemplar)| exemplar.time >= oldest);
        if kept.len() < before {
            *read = None;
        }
        let read = read.get_or_insert_with(|| {
            let mut exemplars: Vec<_> = kept.iter().map(|(_, exemplar)| exemplar.clone()).collect();
            order::sort_by_key(&mut exemplars, |exemplar| exemplar.time);
            exemplars.into()
        });
        (*series, read.clone())
    }

    /// Returns the place of a measurement if it becomes part of the sample. Uses algorithm R, which gives each
    /// measurement the same chance to be in the sample when it is collected.
    fn pick(&self, collection: u64, places: usize) -> Option<usize> {
        if self.collection.swap(collection, Relaxed) != collection {
            self.offered.store(0, Relaxed);
        }
        let earlier = self.offered.fetch_add(1, Relaxed);
        let place = match usize::try_from(earlier) {
            Ok(earlier) if earlier < places => earlier,
            _ => usize::try_from(scrambled(earlier) % earlier.saturating_add(1)).ok()?,
        };
        (place < places).then_some(place)
    }
}

/// Returns a pseudo-random number derived from `number`, using the finalizer of SplitMix64.
fn scrambled(number: u64) -> u64 {
    let number = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::number::Value;

    fn exemplar(value: u64) -> Exemplar {
        let time = UNIX_EPOCH + Duration::from_secs(value);
        Exemplar { time, value: Value::U64(value), span: None, filtered: None }
    }

    fn offer(reservoir: &Reservoir, series: SeriesId, collection: u64, place: Place, value: u64) {
        reservoir.offer(series, collection, place, &|| Some(exemplar(value)));
    }

    fn kept(reservoir: &Reservoir) -> Vec<u64> {
        let (_, exemplars) = reservoir.read(UNIX_EPOCH);
        exemplars.iter().map(|exemplar| exemplar.value.as_f64() as u64).collect()
    }

    #[test]
    fn each_bucket_keeps_its_last_measurement() {
        let series = SeriesId::new();
        let reservoir = Reservoir::new(series);
        for (bucket, value) in [(0, 1), (2, 2), (0, 3), (1, 4)] {
            offer(&reservoir, series, 0, Place::Bucket(bucket), value);
        }
        assert_eq!(kept(&reservoir), [2, 3, 4]);
    }

    #[test]
    fn a_sample_has_its_size_and_a_place_for_late_measurements() {
        let series = SeriesId::new();
        let reservoir = Reservoir::new(series);
        for value in 0..10_000 {
            offer(&reservoir, series, 0, Place::AnyOf(20), value);
        }
        let kept = kept(&reservoir);
        assert_eq!(kept.len(), 20);
        let late = kept.iter().filter(|value| **value >= 5_000).count();
        assert!((4..=16).contains(&late), "{kept:?}");
    }

    #[test]
    fn the_first_measurements_after_a_collection_replace_older_ones() {
        let series = SeriesId::new();
        let reservoir = Reservoir::new(series);
        (0..100).for_each(|value| offer(&reservoir, series, 1, Place::AnyOf(1), value));
        offer(&reservoir, series, 2, Place::AnyOf(1), 100);
        assert_eq!(kept(&reservoir), [100]);
    }

    #[test]
    fn a_series_that_begins_anew_has_no_exemplars_of_the_one_before() {
        let (first, second) = (SeriesId::new(), SeriesId::new());
        let reservoir = Reservoir::new(first);
        offer(&reservoir, first, 0, Place::Bucket(0), 1);
        offer(&reservoir, second, 0, Place::Bucket(1), 2);
        assert_eq!(reservoir.read(UNIX_EPOCH).0, second);
        assert_eq!(kept(&reservoir), [2]);
    }

    #[test]
    fn old_exemplars_are_dropped_and_unchanged_ones_are_shared() {
        let series = SeriesId::new();
        let reservoir = Reservoir::new(series);
        offer(&reservoir, series, 0, Place::Bucket(0), 10);
        offer(&reservoir, series, 0, Place::Bucket(1), 20);
        let first = reservoir.read(UNIX_EPOCH).1;
        assert!(Arc::ptr_eq(&first, &reservoir.read(UNIX_EPOCH).1));
        let (_, left) = reservoir.read(UNIX_EPOCH + Duration::from_secs(11));
        assert_eq!(*left, [exemplar(20)]);
    }

    #[test]
    fn a_measurement_that_meets_another_thread_does_not_wait() {
        let series = SeriesId::new();
        let reservoir = Reservoir::new(series);
        let held = reservoir.state.lock().unpoisoned();
        offer(&reservoir, series, 0, Place::Bucket(0), 1);
        drop(held);
        assert!(kept(&reservoir).is_empty());
    }
}
