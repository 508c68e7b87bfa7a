//! The cell of a histogram series: bucket counts, sum, minimum and maximum.

mod exponential_row;
mod outlet;
mod row;
mod rows;
mod sorted;

use std::hint::spin_loop;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::{Mutex, MutexGuard};

use once_cell::race::OnceBox;

use self::outlet::Outlet;
pub(crate) use self::sorted::{Counts, Distribution};
use self::sorted::{Earlier, Sorted};
use super::cell::Cell;
use super::feed::Feeding;
use super::settings::Settings;
use super::shared::Shared;
use crate::attributes::Attributes;
use crate::data::Interval;
use crate::number::Number;
use crate::unpoisoned::Unpoisoned;

/// A distribution over buckets. All parts of it change together, so that each read is consistent.
///
/// Recording never waits: a value is counted in a row that no other thread uses at that moment. The exception is while
/// values are sent to a sink too, or may have to be; recorders then take turns.
pub struct DistributionCell {
    sorted: Sorted,
    /// Sorted by the buckets that an operator configured after the cell was created.
    sorted_anew: OnceBox<Sorted>,
    /// Whether the cell was created with buckets that an operator configured.
    is_other: bool,
    /// Whether values are sent to a sink too, or wait until it is known whether there is one.
    is_fed: AtomicBool,
    /// Locked by readers and maintenance, and by recorders only while values are sent to a sink. Allocated when first
    /// needed.
    upkeep: Mutex<Option<Box<Upkeep>>>,
}

#[derive(Default)]
struct Upkeep {
    outlet: Outlet,
    /// Values recorded before the current interval.
    earlier: Option<Earlier>,
}

impl DistributionCell {
    pub(crate) fn new(shared: &Shared) -> Self {
        let other = shared.other_buckets();
        Self {
            sorted: Sorted::new(other.unwrap_or_else(|| shared.identity.buckets())),
            sorted_anew: OnceBox::new(),
            is_other: other.is_some(),
            is_fed: AtomicBool::new(true),
            upkeep: Mutex::default(),
        }
    }

    #[inline]
    pub(crate) fn record<T: Number>(&self, value: T, settings: &Settings) {
        if self.is_fed.load(Relaxed) {
            self.record_and_feed(value, settings);
        } else {
            self.count(value.to_f64());
        }
    }

    #[inline(never)]
    pub(crate) fn record_and_feed<T: Number>(&self, value: T, settings: &Settings) {
        let mut upkeep = self.lock();
        self.count(value.to_f64());
        // Values are no longer sent to a sink if this has changed in the meantime.
        if self.is_fed.load(Relaxed) {
            upkeep.get_or_insert_default().outlet.send(value.value(), settings);
        }
    }

    #[inline]
    fn count(&self, value: f64) {
        let is_counted = match self.sorted_anew.get() {
            None => self.sorted.try_record(value),
            Some(anew) => anew.try_record(value),
        };
        if !is_counted {
            self.count_again(value);
        }
    }

    /// Counts a value that found no free row because other threads use all of them or the buckets have changed.
    #[cold]
    fn count_again(&self, value: f64) {
        while !self.sorted_now().try_record(value) {
            spin_loop();
        }
    }

    /// Returns all recorded values.
    pub(crate) fn read(&self) -> Distribution {
        self.read_and_take(false).0
    }

    /// Returns all recorded values and, if `takes_interval`, the values since the last interval.
    fn read_and_take(&self, takes_interval: bool) -> (Distribution, Option<Interval>) {
        let mut upkeep = self.lock();
        match &mut *upkeep {
            None if takes_interval => {
                let upkeep = upkeep.insert(Box::default());
                self.sorted_now().read(&mut upkeep.earlier, true)
            }
            None => self.sorted_now().read(&mut None, false),
            Some(upkeep) => self.sorted_now().read(&mut upkeep.earlier, takes_interval),
        }
    }

    /// Returns all recorded values, sorted by the configured buckets if `is_other`, or else by the instrument's own.
    /// Returns `None` while the buckets are being changed. If `takes_interval`, also returns the values since the last
    /// interval.
    pub(crate) fn read_by(
        &self,
        is_other: bool,
        shared: &Shared,
        takes_interval: bool,
    ) -> Option<(Distribution, Option<Interval>)> {
        if is_other {
            self.sort_anew(shared);
        }
        (self.is_other() == is_other).then(|| self.read_and_take(takes_interval))
    }

    /// Sorts the recorded values into the buckets that an operator configured, if any. This is exact only for values
    /// that are still waiting for a sink.
    pub(crate) fn sort_anew(&self, shared: &Shared) {
        let Some(buckets) = shared.other_buckets().filter(|_| !self.is_other()) else { return };
        let mut upkeep = self.lock();
        if self.is_other() {
            return;
        }
        let anew = self.sorted_anew.get_or_init(|| Box::new(Sorted::new(buckets)));
        let upkeep = upkeep.get_or_insert_default();
        self.sorted.move_to(anew, upkeep.earlier.take(), upkeep.outlet.waiting());
    }

    /// Sends waiting values and all later ones where `feeding` says, to the sink that its factory creates. None of
    /// these values is missed or sent twice.
    pub(crate) fn feed(
        &self,
        feeding: &Feeding,
        settings: &Settings,
        attributes: impl FnOnce() -> Attributes,
    ) {
        let sink = match feeding {
            Feeding::Waiting => return,
            Feeding::Off => None,
            // Created without the lock, because it runs the listener's code.
            Feeding::To(make) => Some(make(&attributes())),
        };
        let mut upkeep = self.lock();
        self.is_fed.store(sink.is_some(), Release);
        if sink.is_some() || upkeep.is_some() {
            upkeep.get_or_insert_default().outlet.change(sink, settings);
        }
    }

    fn sorted_now(&self) -> &Sorted {
        self.sorted_anew.get().unwrap_or(&self.sorted)
    }

    fn is_other(&self) -> bool {
        self.is_other || self.sorted_anew.get().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Upkeep>>> {
        self.upkeep.lock().unpoisoned()
    }
}

impl Upkeep {
    /// Discards all recorded values. Values that are waiting for a sink are still sent.
    fn clear(&mut self) {
        self.earlier = None;
        self.outlet.forget();
    }
}

impl Cell for DistributionCell {
    fn is_empty(&self) -> bool {
        let upkeep = self.lock();
        let earlier = upkeep.as_ref().and_then(|it| it.earlier.as_ref());
        !self.sorted_now().has_values(earlier)
    }

    fn reset(&self) {
        let mut upkeep = self.lock();
        upkeep.iter_mut().for_each(|it| it.clear());
        self.sorted_now().clear(None);
    }

    fn was_touched(&self, mark: &mut u64) -> bool {
        let upkeep = self.lock();
        let earlier = upkeep.as_ref().and_then(|it| it.earlier.as_ref());
        let count = self.sorted_now().count(earlier);
        std::mem::replace(mark, count) != count
    }

    fn reset_unless_touched(&self, mark: u64) -> bool {
        let mut upkeep = self.lock();
        let earlier = upkeep.as_ref().and_then(|it| it.earlier.as_ref());
        let earlier = earlier.map_or(0, Earlier::count);
        let is_reset = self.sorted_now().clear(Some(mark.wrapping_sub(earlier)));
        if is_reset {
            upkeep.iter_mut().for_each(|it| it.clear());
        }
        is_reset
    }
}

#[cfg(test)]
mod tests;
