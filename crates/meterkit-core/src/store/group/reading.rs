//! Reading all series of a group, in order.

use std::sync::{Arc, OnceLock};

use super::SeriesGroup;
use super::idle::Activity;
use super::open::OpenSeries;
use crate::store::handle::Handle;
use crate::store::shared::{PointKeys, Shared};

/// What one reading of a group leaves for the next.
#[derive(Default)]
pub(crate) struct Reading {
    /// The keys by which `order` is sorted.
    keys: Option<Arc<PointKeys>>,
    /// PlacedSeries in the order of their series' attributes, as far as there were series at the last reading.
    order: Vec<u32>,
    /// By place, if idle series go.
    activities: Vec<Activity>,
}

impl Reading {
    /// Calls `read` with the series that are not over, as `is_over` says, in the order of their attributes.
    pub(super) fn read<H: Handle, R>(
        &mut self,
        group: &SeriesGroup<H>,
        shared: &Shared,
        read: impl FnOnce(&mut dyn Iterator<Item = &H>) -> R,
        is_over: impl Fn(&H, Option<&mut Activity>) -> bool,
    ) -> R {
        let keys = &shared.keys();
        let places = PlacedSeries::of(group);
        self.sort(&places, group, shared, keys);
        if group.room.idle_rule().is_some() {
            self.activities.resize_with(self.order.len(), Activity::default);
        }
        let Self { order, activities, .. } = self;
        let mut in_place = order.iter().filter_map(|place| {
            let place = *place as usize;
            let handle = places.get(place)?;
            (!is_over(handle, activities.get_mut(place))).then_some(handle)
        });
        let later = places.open.map_or_else(Vec::new, |open| {
            open.sweep(&mut |handle, activity| is_over(handle, Some(activity)))
        });
        if later.is_empty() {
            return read(&mut in_place);
        }
        let later = later.iter().filter(|handle| !handle.series().is_hidden());
        let mut all: Vec<&H> = in_place.by_ref().chain(later).collect();
        all.sort_by_cached_key(|handle| handle.series().attributes(keys));
        read(&mut all.into_iter())
    }

    /// Brings `order` up to date.
    fn sort<H: Handle>(
        &mut self,
        places: &PlacedSeries<'_, H>,
        group: &SeriesGroup<H>,
        shared: &Shared,
        keys: &Arc<PointKeys>,
    ) {
        let is_known = self.keys.as_ref().is_some_and(|known| Arc::ptr_eq(known, keys));
        if !is_known {
            self.order.clear();
            self.keys = Some(keys.clone());
        }
        let known = self.order.len();
        if known < places.len() {
            self.order.extend(known as u32..places.len() as u32);
            self.order.sort_by_cached_key(|place| {
                let place = *place as usize;
                match group.closed().filter(|_| place < places.closed.len()) {
                    // Closed series have their places before they are made.
                    Some(closed) => Some(shared.attributes(keys, Arc::new(closed.labels(place)))),
                    None => Some(places.get(place)?.series().attributes(keys)),
                }
            });
        }
    }
}

/// The series of a group by their places: those of closed series come before those of open ones.
struct PlacedSeries<'a, H> {
    closed: &'a [OnceLock<H>],
    open: Option<&'a OpenSeries<H>>,
}

impl<'a, H: Handle> PlacedSeries<'a, H> {
    fn of(group: &'a SeriesGroup<H>) -> Self {
        let closed = group.closed().map_or(&[][..], |closed| closed.places());
        Self { closed, open: group.open.get().map(|open| &**open) }
    }

    fn len(&self) -> usize {
        self.closed.len() + self.open.map_or(0, OpenSeries::places)
    }

    fn get(&self, place: usize) -> Option<&'a H> {
        match self.closed.get(place) {
            Some(handle) => handle.get(),
            None => self.open?.at(place - self.closed.len()),
        }
    }
}
