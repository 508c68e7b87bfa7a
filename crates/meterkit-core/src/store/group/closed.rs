//! Series of a closed label set: each has its place, so that finding one is indexing.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use super::member::Member;
use crate::attributes::AttributeValue;
use crate::labels::LabelKey;
use crate::store::label_set::LabelSet;
use crate::store::shared::{PointKeys, Shared};
use crate::unpoisoned::Unpoisoned;

/// The series of each label set that there can be, once it is made.
pub(crate) type Places<H> = Arc<[OnceLock<Member<H>>]>;

pub(crate) struct ClosedSeries<H> {
    keys: &'static [LabelKey],
    places: Places<H>,
    creation: Mutex<()>,
}

impl<H> ClosedSeries<H> {
    pub(crate) fn new(keys: &'static [LabelKey], sets: usize) -> Self {
        let places = (0..sets).map(|_| OnceLock::new()).collect();
        Self { keys, places, creation: Mutex::new(()) }
    }

    pub(crate) fn places(&self) -> &Places<H> {
        &self.places
    }

    pub(crate) fn get(&self, place: usize) -> Option<&Member<H>> {
        self.places.get(place)?.get()
    }

    /// Returns the series at a place, made by `make` from its labels unless it is there or `make` gives none.
    pub(crate) fn get_or_make(
        &self,
        place: usize,
        make: impl FnOnce(Vec<Option<AttributeValue>>) -> Option<Member<H>>,
    ) -> Option<&Member<H>> {
        // The user's types list their values: not under the lock.
        let values = LabelKey::nth_set(self.keys, place);
        let _creation = self.lock();
        let slot = self.places.get(place)?;
        if slot.get().is_none() {
            let made = make(values)?;
            let _ = slot.set(made);
        }
        slot.get()
    }

    pub(crate) fn with_creation_paused<R>(&self, work: impl FnOnce() -> R) -> R {
        let _creation = self.lock();
        work()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member<H>> {
        self.places.iter().filter_map(OnceLock::get)
    }

    /// Returns all places, ordered by the attributes of their series.
    pub(crate) fn order(&self, shared: &Shared, keys: &PointKeys) -> Vec<u32> {
        let mut places: Vec<_> = (0..self.places.len())
            .map(|place| {
                let labels = LabelSet::declared(LabelKey::nth_set(self.keys, place));
                (shared.attributes(keys, &labels), place as u32)
            })
            .collect();
        places.sort();
        places.into_iter().map(|(_, place)| place).collect()
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // A series is complete before it gets its place: a panic while making one leaves nothing half done.
        self.creation.lock().unpoisoned()
    }
}
