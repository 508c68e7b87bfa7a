//! Reading all series of a group, in order.

use std::sync::Arc;

use super::idle::Activity;
use super::members::Members;
use crate::order;
use crate::store::handle::AnyHandle;
use crate::store::shared::{PointKeys, Shared};

/// What one reading of a group leaves for the next.
#[derive(Default)]
pub(crate) struct Reading {
    /// The keys by which `order` is sorted.
    keys: Option<Arc<PointKeys>>,
    /// Places in the order of their series' attributes, as far as there were series at the last reading.
    order: Vec<u32>,
    /// By place, if idle series go.
    activities: Vec<Activity>,
}

impl Reading {
    /// Calls `read` with the series that are not over, as `is_over` says, in the order of their attributes.
    pub(super) fn read(
        &mut self,
        group: &dyn Members,
        shared: &Shared,
        read: &mut dyn FnMut(&mut dyn Iterator<Item = &dyn AnyHandle>),
        is_over: &dyn Fn(&dyn AnyHandle, Option<&mut Activity>) -> bool,
    ) {
        let keys = &shared.keys();
        self.sort(group, shared, keys);
        if group.upkeep().room.idle_rule().is_some() {
            self.activities.resize_with(self.order.len(), Activity::default);
        }
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

    /// Brings `order` up to date.
    fn sort(&mut self, group: &dyn Members, shared: &Shared, keys: &Arc<PointKeys>) {
        let is_known = self.keys.as_ref().is_some_and(|known| Arc::ptr_eq(known, keys));
        if !is_known {
            self.order.clear();
            self.keys = Some(keys.clone());
        }
        let (known, places) = (self.order.len(), group.places());
        if known < places {
            self.order.extend(known as u32..places as u32);
            order::sort_by_key(&mut self.order, |place| {
                let place = *place as usize;
                match group.closed_labels(place) {
                    // Closed series have their places before they are made.
                    Some(labels) => Some(shared.attributes(keys, Arc::new(labels))),
                    None => Some(group.at(place)?.attributes(keys)),
                }
            });
        }
    }
}

/// Returns the series in the order of their attributes.
pub(super) fn sorted<'a>(
    mut series: Vec<&'a dyn AnyHandle>,
    keys: &PointKeys,
) -> Vec<&'a dyn AnyHandle> {
    order::sort_by_key(&mut series, |handle| handle.attributes(keys));
    series
}
