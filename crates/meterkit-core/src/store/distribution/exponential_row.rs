//! Rows with exponential buckets, which grow. Each row has a lock, but recording never waits for it.

use std::sync::{Mutex, MutexGuard, TryLockError};

use super::row::Moments;
use super::rows::Countable;
use crate::buckets::ExponentialLimits;
use crate::store::exponential::{ExponentialCounts, SignedIndex};
use crate::unpoisoned::Unpoisoned;

/// The counts of one row.
#[derive(Debug)]
pub(super) struct ExponentialRow {
    limits: ExponentialLimits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    values: ExponentialValues,
    /// Whether the row accepts no further values.
    is_retired: bool,
}

/// Values in exponential buckets.
#[derive(Clone, Debug)]
pub(crate) struct ExponentialValues {
    pub(crate) counts: ExponentialCounts,
    pub(crate) count: u64,
    pub(crate) moments: Moments,
}

impl ExponentialRow {
    pub(super) fn new(limits: ExponentialLimits) -> Self {
        let values = ExponentialValues::new(limits);
        Self { limits, state: Mutex::new(State { values, is_retired: false }) }
    }

    /// Returns the number of values.
    pub(super) fn count(&self) -> u64 {
        self.lock().values.count
    }

    /// Adds the values of this row to `values`.
    pub(super) fn add_to(&self, values: &mut ExponentialValues) {
        values.add(&self.lock().values);
    }

    /// Moves the values of this row to `values`.
    pub(super) fn move_to(&self, values: &mut ExponentialValues) {
        let mut state = self.lock();
        values.add(&state.values);
        state.values.empty();
    }

    /// Adds values that were counted elsewhere.
    pub(super) fn add(&self, values: &ExponentialValues) {
        self.lock().values.add(values);
    }

    /// Closes the row to further values, and returns its values.
    pub(super) fn retire(&self) -> ExponentialValues {
        let mut state = self.lock();
        state.is_retired = true;
        std::mem::replace(&mut state.values, ExponentialValues::new(self.limits))
    }

    /// Claims the row: nothing is recorded in it until the claim is dropped.
    pub(super) fn claim(&self) -> ExponentialClaim<'_> {
        ExponentialClaim(self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unpoisoned()
    }
}

/// The exclusive right to change a row.
pub(super) struct ExponentialClaim<'a>(MutexGuard<'a, State>);

impl ExponentialClaim<'_> {
    pub(super) fn count(&self) -> u64 {
        self.0.values.count
    }

    /// Discards all values.
    pub(super) fn clear(&mut self) {
        self.0.values.clear();
    }
}

impl ExponentialValues {
    pub(super) fn new(limits: ExponentialLimits) -> Self {
        Self { counts: ExponentialCounts::new(limits), count: 0, moments: Moments::NONE }
    }

    /// Adds other values.
    pub(super) fn add(&mut self, other: &Self) {
        if other.count > 0 {
            self.counts.merge(&other.counts);
            self.count = self.count.saturating_add(other.count);
            self.moments.add(other.moments);
        }
    }

    /// Discards all values and frees their memory.
    fn clear(&mut self) {
        self.counts.clear();
        (self.count, self.moments) = (0, Moments::NONE);
    }

    /// Discards all values, and keeps the memory for later ones.
    fn empty(&mut self) {
        self.counts.empty();
        (self.count, self.moments) = (0, Moments::NONE);
    }
}

impl Countable for ExponentialRow {
    type Place = SignedIndex;

    fn alike(&self) -> Self {
        Self::new(self.limits)
    }

    #[inline]
    fn try_record(&self, place: SignedIndex, value: f64) -> bool {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        if state.is_retired {
            return false;
        }
        let ExponentialValues { counts, count, moments } = &mut state.values;
        counts.add(place);
        *count += 1;
        moments.record(value);
        true
    }
}
