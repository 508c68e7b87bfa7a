//! Series of a closed label set. Each has a fixed place, so a look-up only indexes a list.

use std::sync::{Arc, OnceLock};

use crate::labels::LabelKey;
use crate::store::label_set::LabelSet;

/// The handles for all possible label sets, each created on first use.
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

    /// Returns the series at a place. If it does not exist, adds the result of `make`, unless that is `None`. The
    /// caller must ensure that no other thread adds a series.
    pub(crate) fn get_or_make(&self, place: usize, make: impl FnOnce() -> Option<H>) -> Option<&H> {
        let slot = self.places.get(place)?;
        if slot.get().is_none() {
            let _ = slot.set(make()?);
        }
        slot.get()
    }
}
