//! Reads all series of a group in sorted order.

use std::sync::Arc;

use super::idle::Activity;
use super::members::Members;
use crate::data::{Life, Lives, PLACES, StoredSeries};
use crate::number::Value;
use crate::order;
use crate::store::handle::AnyHandle;
use crate::store::label_set::LabelSet;
use crate::store::shared::{PointKeys, Shared};

/// The state that one reading of a group leaves for the next.
#[derive(Default)]
pub(crate) struct Reading {
    /// The keys by which `order` is sorted.
    keys: Option<Arc<PointKeys>>,
    /// Places sorted by the attributes of their series, for all places that existed at the last reading.
    order: Arc<[u32]>,
    /// The series in the last reading of numbers.
    stored: Option<Arc<StoredSeries>>,
    /// By place; used only if idle series are removed.
    activities: Vec<Activity>,
}

/// Returns whether a series is removed, possibly by this call.
pub(super) type IsOver<'a> = dyn Fn(&dyn AnyHandle, Option<&mut Activity>) -> bool + 'a;

/// The number of places from which the numbers of a group are read by place. Smaller groups take less memory as points.
pub(super) const MANY: usize = PLACES;

impl Reading {
    /// Calls `read` with the series for which `is_over` returns `false`, sorted by their attributes.
    pub(super) fn read(
        &mut self,
        group: &dyn Members,
        shared: &Shared,
        read: &mut dyn FnMut(&mut dyn Iterator<Item = &dyn AnyHandle>),
        is_over: &IsOver<'_>,
    ) {
        let keys = &self.prepare(group, group.places(), shared);
        let Self { order, activities, .. } = self;
        let mut in_place = order.iter().filter_map(|place| {
            let place = *place as usize;
            let handle = group.at(place)?;
            (!is_over(handle, activities.get_mut(place))).then_some(handle)
        });
        let later = group.later().map_or_else(Vec::new, |later| {
            later.sweep(&mut |handle, activity| is_over(handle, Some(activity)))
        });
        if later.is_empty() {
            return read(&mut in_place);
        }
        let mut all: Vec<&dyn AnyHandle> = in_place.collect();
        all.extend(later.iter().map(|it| &**it).filter(|handle| !handle.head().is_hidden()));
        read(&mut sorted(all, keys).into_iter());
    }

    /// Returns the series at the first `places` places that are not over and have a number, and the bits of the numbers
    /// by place.
    pub(super) fn read_numbers(
        &mut self,
        group: &dyn Members,
        places: usize,
        shared: &Shared,
        is_over: &IsOver<'_>,
    ) -> (Arc<StoredSeries>, Vec<u64>) {
        let keys = self.prepare(group, places, shared);
        let known = self.stored.as_ref().map_or(&[][..], |stored| stored.lives());
        let mut values = Vec::with_capacity(places);
        let mut lives = Vec::with_capacity(places.div_ceil(PLACES));
        let mut is_known = known.len() == lives.capacity();
        let mut block: Vec<Life> = Vec::with_capacity(PLACES);
        // In order of creation, which is mostly the order in memory.
        while values.len() < places {
            block.clear();
            for place in values.len()..places.min(values.len() + PLACES) {
                let handle = group.at(place);
                let handle = handle.filter(|it| !is_over(*it, self.activities.get_mut(place)));
                let read = handle.and_then(|it| Some((it.head().life(), it.number()?)));
                let (life, value) = read.unwrap_or(((0, 0), Value::U64(0)));
                block.push(life);
                values.push(value.to_bits());
            }
            let same = known.get(lives.len()).filter(|known| known.are(&block));
            is_known &= same.is_some();
            lives.push(same.cloned().unwrap_or_else(|| Arc::new(Lives::of(&block))));
        }
        if let Some(stored) = self.stored.as_ref().filter(|_| is_known) {
            return (stored.clone(), values);
        }
        let has_life = |place: &u32| {
            let place = *place as usize;
            lives.get(place / PLACES).is_some_and(|lives| lives.has(place % PLACES))
        };
        let order = match self.order.iter().all(has_life) {
            true => self.order.clone(),
            false => self.order.iter().copied().filter(has_life).collect(),
        };
        let stored = Arc::new(StoredSeries::new(order, lives, group.kept(keys)));
        self.stored = Some(stored.clone());
        (stored, values)
    }

    /// Makes room for this many places, and updates `order`. Returns the keys of all series.
    fn prepare(&mut self, group: &dyn Members, places: usize, shared: &Shared) -> Arc<PointKeys> {
        // Loaded after the places were counted, so that no series at one of them has newer keys.
        let keys = shared.keys();
        let is_known = self.keys.as_ref().is_some_and(|known| Arc::ptr_eq(known, &keys));
        if !is_known {
            (self.order, self.stored) = Default::default();
            self.keys = Some(keys.clone());
        }
        let known = self.order.len();
        if known < places {
            // Closed series have places before they are created.
            let closed = 0..group.closed_places();
            let closed: Vec<LabelSet> = closed.filter_map(|at| group.closed_labels(at)).collect();
            let labels = |place: u32| {
                let at = place as usize;
                closed.get(at).or_else(|| Some(group.at(at)?.head().labels()))
            };
            let new = known as u32..places as u32;
            let mut new: Vec<_> = new.map(|place| (labels(place), place)).collect();
            // Sorted in place, because there may be millions.
            new.sort_unstable_by(|(a, _), (b, _)| keys.compare(*a, *b));
            self.order = inserted(&self.order, &new, &|place, other| {
                keys.compare(labels(place), other).is_lt()
            });
        }
        if group.upkeep().room.idle_rule().is_some() {
            self.activities.resize_with(self.order.len(), Activity::default);
        }
        keys
    }
}

/// Returns `order` with new places inserted at their sorted positions, which `is_before` determines. `new` must be
/// sorted, and is short in most readings.
fn inserted(
    order: &[u32],
    new: &[(Option<&LabelSet>, u32)],
    is_before: &dyn Fn(u32, Option<&LabelSet>) -> bool,
) -> Arc<[u32]> {
    let (mut all, mut rest) = (Vec::with_capacity(order.len() + new.len()), order);
    for (labels, place) in new {
        let (before, after) =
            rest.split_at(rest.partition_point(|known| is_before(*known, *labels)));
        all.extend_from_slice(before);
        all.push(*place);
        rest = after;
    }
    all.extend_from_slice(rest);
    all.into()
}

/// Returns the series sorted by their attributes.
pub(super) fn sorted<'a>(
    mut series: Vec<&'a dyn AnyHandle>,
    keys: &PointKeys,
) -> Vec<&'a dyn AnyHandle> {
    order::sort_by_key(&mut series, |handle| handle.attributes(keys));
    series
}
