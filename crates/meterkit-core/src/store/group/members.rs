//! The series of a group, found by one of two ways.

use super::closed::ClosedSeries;
use super::member::Member;
use super::open::OpenSeries;
use crate::store::handle::Handle;

#[expect(clippy::large_enum_variant, reason = "a further pointer would cost each look-up")]
pub(super) enum Members<H> {
    Closed(ClosedSeries<H>),
    Open(OpenSeries<H>),
}

impl<H: Handle> Members<H> {
    /// Calls `each` with every series, removed ones included.
    pub(super) fn for_each(&self, each: impl FnMut(&Member<H>)) {
        match self {
            Self::Closed(closed) => closed.iter().for_each(each),
            Self::Open(open) => open.for_each(each),
        }
    }

    /// Keeps new series out while `work` runs.
    pub(super) fn with_creation_paused<R>(&self, work: impl FnOnce() -> R) -> R {
        match self {
            Self::Closed(closed) => closed.with_creation_paused(work),
            Self::Open(open) => open.with_creation_paused(work),
        }
    }
}
