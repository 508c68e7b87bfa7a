//! Reading all series of a group, in order.

use std::sync::Arc;

use super::member::{Activity, Member};
use super::members::Members;
use crate::store::handle::Handle;
use crate::store::shared::{PointKeys, Shared};

/// What one reading of a group leaves for the next.
#[derive(Default)]
pub(crate) struct Reading {
    /// The keys by which `order` is sorted.
    keys: Option<Arc<PointKeys>>,
    /// Places in the order of their series' attributes, as far as there were series at the last reading.
    order: Vec<u32>,
    /// By place.
    activities: Vec<Activity>,
}

impl Reading {
    /// Calls `read` with the series that are not over, as `is_over` says, in the order of their attributes.
    pub(super) fn read<H: Handle, R>(
        &mut self,
        members: &Members<H>,
        shared: &Shared,
        read: impl FnOnce(&mut dyn Iterator<Item = &H>) -> R,
        is_over: impl Fn(&Member<H>, &mut Activity) -> bool,
    ) -> R {
        let keys = &shared.keys();
        self.sort(members, shared, keys);
        let Self { order, activities, .. } = self;
        let mut in_place = order.iter().filter_map(|place| {
            let place = *place as usize;
            let member = match members {
                Members::Closed(closed) => closed.get(place)?,
                Members::Open(open) => open.at(place)?,
            };
            (!is_over(member, &mut activities[place])).then_some(&member.handle)
        });
        let later = match members {
            Members::Closed(_) => Vec::new(),
            Members::Open(open) => open.sweep(&is_over),
        };
        if later.is_empty() {
            return read(&mut in_place);
        }
        let later = later.iter().filter(|member| !member.is_hidden()).map(|member| &member.handle);
        let mut all: Vec<&H> = in_place.by_ref().chain(later).collect();
        all.sort_by_cached_key(|handle| handle.series().attributes(keys));
        read(&mut all.into_iter())
    }

    /// Brings `order` up to date.
    fn sort<H: Handle>(&mut self, members: &Members<H>, shared: &Shared, keys: &Arc<PointKeys>) {
        let is_known = self.keys.as_ref().is_some_and(|known| Arc::ptr_eq(known, keys));
        if !is_known {
            self.order.clear();
            self.keys = Some(keys.clone());
        }
        let known = self.order.len();
        match members {
            Members::Closed(closed) => {
                if known == 0 {
                    self.order = closed.order(shared, keys);
                }
            }
            Members::Open(open) => {
                let places = open.places();
                if known < places {
                    self.order.extend(known as u32..places as u32);
                    let attributes = |place: &u32| {
                        Some(open.at(*place as usize)?.handle.series().attributes(keys))
                    };
                    self.order.sort_by_cached_key(attributes);
                }
            }
        }
        self.activities.resize_with(self.order.len(), Activity::default);
    }
}
