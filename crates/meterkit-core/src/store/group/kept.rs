//! The series of a group, for readers that keep them even after the instrument is dropped.

use std::hint::black_box;
use std::sync::Arc;

use super::closed::Places;
use super::open::{Member, OpenSeries};
use crate::attributes::Attributes;
use crate::data::AttributesByPlace;
use crate::store::handle::{AnyHandle, Handle};
use crate::store::shared::PointKeys;

pub(super) struct KeptSeries<H> {
    pub(super) closed: Option<Places<H>>,
    pub(super) open: Option<Arc<OpenSeries<H>>>,
    pub(super) keys: Arc<PointKeys>,
}

impl<H: Handle> KeptSeries<H> {
    /// Returns the series that was created at a place, even if it has since moved to another place.
    #[inline]
    fn get(&self, place: usize) -> Option<&H> {
        let closed = self.closed.as_ref().map_or(&[][..], |places| places);
        match closed.get(place) {
            Some(handle) => handle.get(),
            None => self.open.as_ref()?.table.entry(place - closed.len()).map(Member::handle),
        }
    }
}

impl<H: Handle> AttributesByPlace for KeptSeries<H> {
    fn at(&self, place: usize) -> Attributes {
        let handle = self.get(place).map(|handle| -> &dyn AnyHandle { handle });
        handle.map_or_else(Attributes::empty, |handle| handle.attributes(&self.keys))
    }

    fn load(&self, places: &[u32]) {
        let handles = places.iter().filter_map(|place| self.get(*place as usize));
        let keys = handles.map(|handle| handle.series().labels().keys().0);
        black_box(keys.fold(0, u16::wrapping_add));
    }
}
