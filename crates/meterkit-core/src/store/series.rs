//! One series: its labels, when it began, and its cell.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::cell::Cell;
use super::handle::Handle;
use super::label_set::{HasLabels, KeySetId, LabelSet};
use super::look;
use super::redirect;
use super::settings::{DropReason, Settings};
use super::shared::Shared;
use super::sum::SumCell;
use crate::data::{Life, SeriesId};
use crate::number::Number;

/// One series. The store keeps a handle of its own, so that what was counted stays when users drop theirs.
struct Series<C> {
    cell: C,
    head: Head,
}

/// All of a series but its cell.
pub struct Head {
    /// A [`SeriesId`], another one after each reset, above the flags.
    state: AtomicU64,
    /// Nanoseconds since 1970.
    start: AtomicU64,
    labels: LabelSet,
    #[cfg(feature = "exemplars")]
    reservoir: super::exemplars::ReservoirSlot,
}

/// Set while the series is removed and in no export.
const HIDDEN: u64 = 1;

/// Set once the series is found by labels that were declared after it was made.
const MOVED: u64 = 2;

/// Set while the series can go again.
const LATER: u64 = 4;

/// How many bits the flags take.
const FLAG_BITS: u32 = 3;
const FLAGS: u64 = (1 << FLAG_BITS) - 1;

/// The way to one series: what each handle holds. What it shares with others stands apart from the cell, whose
/// line of memory recording threads take from each other.
pub struct SeriesRef<C> {
    series: Arc<Series<C>>,
    pub(crate) shared: Arc<Shared>,
}

impl Head {
    /// Returns the head of a series that begins now.
    fn new(labels: LabelSet, settings: &Settings) -> Self {
        Self {
            state: AtomicU64::new(SeriesId::new().to_bits() << FLAG_BITS),
            start: AtomicU64::new(settings.start()),
            labels,
            #[cfg(feature = "exemplars")]
            reservoir: Default::default(),
        }
    }

    #[inline]
    pub(crate) fn labels(&self) -> &LabelSet {
        &self.labels
    }

    pub(crate) fn is_overflow(&self) -> bool {
        self.labels.keys() == KeySetId::OVERFLOW
    }

    /// Notes that the series goes once nobody holds it. Attributes get labels of their own from now on.
    pub(crate) fn set_later(&self) {
        self.state.fetch_or(LATER, Relaxed);
    }

    pub(crate) fn is_later(&self) -> bool {
        self.state.load(Relaxed) & LATER != 0
    }

    /// Returns whether the series was removed and is in no export.
    #[inline]
    pub(crate) fn is_hidden(&self) -> bool {
        self.state.load(Relaxed) & HIDDEN != 0
    }

    /// Changes whether the series is in exports. Returns whether that was a change.
    pub(crate) fn set_hidden(&self, hidden: bool) -> bool {
        let before = match hidden {
            true => self.state.fetch_or(HIDDEN, AcqRel),
            false => self.state.fetch_and(!HIDDEN, AcqRel),
        };
        (before & HIDDEN != 0) != hidden
    }

    /// Returns whether the series is found by labels that were declared after a recording by attributes made it.
    pub(crate) fn has_moved(&self) -> bool {
        self.state.load(Acquire) & MOVED != 0
    }

    pub(crate) fn set_moved(&self) {
        self.state.fetch_or(MOVED, Release);
    }

    /// Returns which of the series that have been here this is: changes with each reset.
    pub(crate) fn id(&self) -> SeriesId {
        SeriesId::from_bits(self.state.load(Relaxed) >> FLAG_BITS)
    }

    /// Returns the bits of the identity, and the start in nanoseconds since 1970.
    pub(crate) fn life(&self) -> Life {
        (self.id().to_bits(), self.start.load(Relaxed))
    }

    /// Since when the values count.
    pub(crate) fn start(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.start.load(Relaxed))
    }

    /// Begins anew: another series has these labels from now on.
    pub(crate) fn begin(&self, settings: &Settings) {
        let Self { state, start, .. } = self;
        start.store(settings.start_after(start.load(Relaxed)), Relaxed);
        // The flags may change meanwhile.
        let id = SeriesId::new().to_bits() << FLAG_BITS;
        let with_flags = |state| Some(id | state & FLAGS);
        let _ = state.fetch_update(Relaxed, Relaxed, with_flags);
    }
}

impl<C: Cell> SeriesRef<C> {
    /// A series that begins now.
    pub(crate) fn new(cell: C, labels: LabelSet, shared: &Arc<Shared>) -> Self {
        let series = Series { cell, head: Head::new(labels, &shared.settings) };
        Self { series: Arc::new(series), shared: shared.clone() }
    }

    #[inline]
    pub(crate) fn cell(&self) -> &C {
        &self.series.cell
    }

    /// Returns whether nothing may be recorded. Says so where that could surprise someone.
    #[inline]
    pub(crate) fn is_off(&self) -> bool {
        let is_off = self.shared.is_off();
        if is_off {
            self.shared.refused();
        }
        is_off
    }

    /// Returns whether nothing is to be recorded in this series, that of `handle`: nothing may be, or the thread records
    /// elsewhere, where `record` has done it. `record` takes all it needs as arguments: what a closure captures would be in
    /// memory.
    #[inline]
    pub(crate) fn is_done<H: Handle<Cell = C>, V>(
        &self,
        handle: &H,
        value: V,
        record: impl FnOnce(&H, V),
    ) -> bool {
        self.shared.is_off_or_redirected() && Self::is_off_or_elsewhere(handle, value, record)
    }

    #[cold]
    #[inline(never)]
    fn is_off_or_elsewhere<H: Handle<Cell = C>, V>(
        handle: &H,
        value: V,
        record: impl FnOnce(&H, V),
    ) -> bool {
        redirect::record(handle, value, record) || handle.series().is_off()
    }

    /// Adds to the sum of this series, that of `handle`, unless it [is done](Self::is_done) already.
    #[inline]
    pub(crate) fn add<H: Handle<Cell = C>, T: Number>(
        &self,
        handle: &H,
        value: T,
        add: impl FnOnce(&H, T),
    ) where
        C: AsRef<SumCell>,
    {
        // Mostly one branch: recording has time for no more. No calls either, not even with stripes: what a call stores
        // must have left the processor before it adds.
        let sum = self.cell().as_ref();
        if self.shared.is_simply_on() {
            sum.add(value);
        } else {
            let is_done = self.shared.is_disabled()
                || (self.shared.is_on_with_stripes() && sum.add_to_stripe(value));
            if !is_done {
                Self::add_and_look(handle, value, add);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn add_and_look<H: Handle<Cell = C>, T: Number>(handle: &H, value: T, add: impl FnOnce(&H, T))
    where
        C: AsRef<SumCell>,
    {
        let series = handle.series();
        if series.is_done(handle, value, add) {
            return;
        }
        let (sum, shared) = (series.cell().as_ref(), &series.shared);
        if sum.add_to_stripe(value) {
            shared.minds_stripes();
        } else if sum.add_and_meet(value) && shared.is_looked_at() && look::meets_often() {
            sum.stripe::<T>();
            shared.minds_stripes();
        }
        shared.has_looked();
    }

    /// Drops a value that cannot be recorded in this series, that of `handle`.
    #[cold]
    #[inline(never)]
    pub(crate) fn drop_value<H: Handle<Cell = C>, V>(
        handle: &H,
        value: V,
        reason: DropReason,
        record: impl FnOnce(&H, V),
    ) {
        let series = handle.series();
        if !series.is_done(handle, value, record) {
            series.shared.dropped(reason);
        }
    }

    /// Offers a value that was recorded as an exemplar, if a target takes them.
    #[inline]
    pub(crate) fn offer<T: Number>(&self, _value: T) {
        #[cfg(feature = "exemplars")]
        let sampling = &self.shared.settings.exemplars;
        #[cfg(feature = "exemplars")]
        if sampling.is_on() && sampling.is_wanted_here() {
            super::exemplars::offer(
                &self.shared,
                &self.series.head.reservoir,
                self.id(),
                _value.value(),
            );
        }
    }

    /// Returns what has the labels of the series, and keeps it.
    pub(crate) fn to_labels(&self) -> Arc<dyn HasLabels> {
        self.series.clone()
    }

    /// Returns whether this is the only handle: nobody else can record in the series.
    pub(crate) fn is_alone(&self) -> bool {
        Arc::strong_count(&self.series) == 1
    }
}

impl<C> Deref for SeriesRef<C> {
    type Target = Head;

    #[inline]
    fn deref(&self) -> &Head {
        &self.series.head
    }
}

impl<C: Cell> HasLabels for Series<C> {
    #[inline]
    fn labels(&self) -> &LabelSet {
        &self.head.labels
    }
}

impl<C> Clone for SeriesRef<C> {
    fn clone(&self) -> Self {
        Self { series: self.series.clone(), shared: self.shared.clone() }
    }
}
