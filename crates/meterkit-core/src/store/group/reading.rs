//! Reading all series of a group, in order.

use std::sync::Arc;

use super::idle::Activity;
use super::members::Members;
use crate::data::{Life, Lives, PLACES, StoredSeries};
use crate::number::Value;
use crate::order;
use crate::store::handle::AnyHandle;
use crate::store::label_set::LabelSet;
use crate::store::shared::{PointKeys, Shared};

/// What one reading of a group leaves for the next.
#[derive(Default)]
pub(crate) struct Reading {
    /// The keys by which `order` is sorted.
    keys: Option<Arc<PointKeys>>,
    /// Places in the order of their series' attributes, as far as there were series at the last reading.
    order: Arc<[u32]>,
    /// The series that the last reading of numbers had.
    stored: Option<Arc<StoredSeries>>,
    /// By place, if idle series go.
    activities: Vec<Activity>,
}

/// Returns whether a series has gone, or goes now.
pub(super) type IsOver<'a> = dyn Fn(&dyn AnyHandle, Option<&mut Activity>) -> bool + 'a;

/// From how many places on the numbers of a group are read by place. Fewer take less room as points.
pub(super) const MANY: usize = PLACES;

impl Reading {
    /// Calls `read` with the series that are not over, as `is_over` says, in the order of their attributes.
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

    /// Returns the series at the first `places` that are not over and have a number, and the bits of the numbers by
    /// place.
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
        // In the order in which series were made, which is mostly that in memory.
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

    /// Makes room for so many places, and brings `order` up to date. Returns the keys of all series.
    fn prepare(&mut self, group: &dyn Members, places: usize, shared: &Shared) -> Arc<PointKeys> {
        // After the places: none of their series has newer keys than these.
        let keys = shared.keys();
        let is_known = self.keys.as_ref().is_some_and(|known| Arc::ptr_eq(known, &keys));
        if !is_known {
            (self.order, self.stored) = Default::default();
            self.keys = Some(keys.clone());
        }
        let known = self.order.len();
        if known < places {
            // Closed series have their places before they are made.
            let closed = 0..group.closed_places();
            let closed: Vec<LabelSet> = closed.filter_map(|at| group.closed_labels(at)).collect();
            let labels = |place: u32| {
                let at = place as usize;
                closed.get(at).or_else(|| Some(group.at(at)?.head().labels()))
            };
            let new = known as u32..places as u32;
            let mut new: Vec<_> = new.map(|place| (labels(place), place)).collect();
            // In place: there may be millions.
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

/// Returns `order` with new places where they belong, as `is_before` says. These come in order, and there are few of them
/// in most readings.
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

/// Returns the series in the order of their attributes.
pub(super) fn sorted<'a>(
    mut series: Vec<&'a dyn AnyHandle>,
    keys: &PointKeys,
) -> Vec<&'a dyn AnyHandle> {
    order::sort_by_key(&mut series, |handle| handle.attributes(keys));
    series
}
