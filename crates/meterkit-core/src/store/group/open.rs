//! Series of an open label set, found by the hash of their labels.
//!
//! The first series are stored in a table that is read without locks, and keep their places there: when a series is
//! removed, its place is reserved in case the same labels return. Once the table is full, further series are stored in
//! a map behind a lock, from which they can be dropped. Memory is therefore bounded, however many label sets come and
//! go.

use foldhash::fast::RandomState;

use super::later::LaterSeries;
use super::table::{Place, SeriesTable};
use crate::store::handle::Handle;
use crate::store::label_set::{LabelSet, Query};

pub(crate) struct OpenSeries<H> {
    pub(super) hasher: RandomState,
    pub(super) table: SeriesTable<Member<H>>,
    pub(super) later: LaterSeries,
}

/// A series, and the labels by which it is found.
pub(crate) enum Member<H> {
    /// The series is found by its own labels.
    Own(H),
    /// The series was created by a recording by attributes, and is found by labels that were declared later. The member
    /// with the series' own labels has given it up.
    Heir(Box<(LabelSet, H)>),
}

impl<H: Handle> Member<H> {
    #[inline]
    pub(crate) fn labels(&self) -> &LabelSet {
        match self {
            Self::Own(handle) => handle.series().labels(),
            Self::Heir(heir) => &heir.0,
        }
    }

    #[inline]
    pub(crate) fn handle(&self) -> &H {
        match self {
            Self::Own(handle) => handle,
            Self::Heir(heir) => &heir.1,
        }
    }

    /// Returns whether the series has moved to another member.
    pub(crate) fn has_left(&self) -> bool {
        matches!(self, Self::Own(handle) if handle.series().has_moved())
    }
}

impl<H: Handle> OpenSeries<H> {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            table: SeriesTable::new(),
            later: LaterSeries::default(),
        }
    }

    #[inline]
    pub(crate) fn hash(&self, query: &impl Query) -> u64 {
        query.hash(&self.hasher)
    }

    /// Returns the series at a place, which may stem from another table, if `is_it` accepts its labels and it was not
    /// removed. Takes no lock.
    #[inline(always)]
    pub(crate) fn recall(&self, place: Place, is_it: impl FnOnce(&LabelSet) -> bool) -> Option<&H> {
        let (labels, handle) = match self.table.at(place)? {
            Member::Own(handle) => (handle.series().labels(), handle),
            Member::Heir(heir) => (&heir.0, &heir.1),
        };
        (is_it(labels) && !handle.series().is_hidden()).then_some(handle)
    }

    /// Returns the series that `query` finds and its slot, if it is in the table. Takes no lock.
    #[inline]
    pub(crate) fn get(&self, hash: u64, query: &(impl Query + ?Sized)) -> Option<(usize, &H)> {
        // Not inlined, so that the loop over the index does not prepare for comparisons: mostly, it makes only one.
        #[inline(never)]
        fn is(query: &(impl Query + ?Sized), stored: &LabelSet) -> bool {
            query.is(stored)
        }
        let (slot, member) = self.table.find(hash, |member| is(query, member.labels()))?;
        Some((slot, member.handle()))
    }
}
