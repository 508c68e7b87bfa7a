//! Series of a closed label set: each has its place, so that finding one is indexing.

use std::sync::{Arc, OnceLock};

use crate::labels::LabelKey;
use crate::store::label_set::LabelSet;

/// The handles of the series of each label set that there can be, once it is made.
pub(crate) type Places<H> = Arc<[OnceLock<H>]>;

pub(crate) struct ClosedSeries<H> {
    keys: &'static [LabelKey],
    places: Places<H>,
}

impl<H> ClosedSeries<H> {
    pub(crate) fn new(keys: &'static [LabelKey], sets: usize) -> Self {
        Self { keys, places: (0..sets).map(|_| OnceLock::new()).collect() }
    }

    pub(crate) fn places(&self) -> &Places<H> {
        &self.places
    }

    /// Returns the labels of the series at a place. Calls the user's code.
    pub(crate) fn labels(&self, place: usize) -> LabelSet {
        LabelSet::declared(LabelKey::nth_set(self.keys, place))
    }

    pub(crate) fn get(&self, place: usize) -> Option<&H> {
        self.places.get(place)?.get()
    }

    /// Returns the series at a place, made unless it is there or `make` returns none. Only while no other is made.
    pub(crate) fn get_or_make(&self, place: usize, make: impl FnOnce() -> Option<H>) -> Option<&H> {
        let slot = self.places.get(place)?;
        if slot.get().is_none() {
            let _ = slot.set(make()?);
        }
        slot.get()
    }
}
