//! One series: its labels, its start and its cell.

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

/// One series. The store keeps a handle of its own, so that values are kept when users drop their handles.
struct Series<C> {
    cell: C,
    head: Head,
}

/// All parts of a series except its cell.
pub struct Head {
    /// A [`SeriesId`], which changes with each reset, above the flags.
    state: AtomicU64,
    /// Nanoseconds since 1970.
    start: AtomicU64,
    labels: LabelSet,
    #[cfg(feature = "exemplars")]
    reservoir: super::exemplars::ReservoirSlot,
}

/// Set while the series is removed and not exported.
const HIDDEN: u64 = 1;

/// Set once the series is found by labels that were declared after its creation.
const MOVED: u64 = 2;

/// Set if the series can be dropped from its group.
const LATER: u64 = 4;

/// The number of bits for flags.
const FLAG_BITS: u32 = 3;
const FLAGS: u64 = (1 << FLAG_BITS) - 1;

/// The content of each handle to a series. State that series share is kept apart from the cell, because recording
/// threads take the cell's cache line from each other.
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

    /// Notes that the series is dropped once nobody holds it. From now on, attributes get a copy of its labels.
    pub(crate) fn set_later(&self) {
        self.state.fetch_or(LATER, Relaxed);
    }

    pub(crate) fn is_later(&self) -> bool {
        self.state.load(Relaxed) & LATER != 0
    }

    /// Returns whether the series is removed and not exported.
    #[inline]
    pub(crate) fn is_hidden(&self) -> bool {
        self.state.load(Relaxed) & HIDDEN != 0
    }

    /// Sets whether the series is hidden from exports. Returns whether this was a change.
    pub(crate) fn set_hidden(&self, hidden: bool) -> bool {
        let before = match hidden {
            true => self.state.fetch_or(HIDDEN, AcqRel),
            false => self.state.fetch_and(!HIDDEN, AcqRel),
        };
        (before & HIDDEN != 0) != hidden
    }

    /// Returns whether the series is found by labels that were declared after a recording by attributes created it.
    pub(crate) fn has_moved(&self) -> bool {
        self.state.load(Acquire) & MOVED != 0
    }

    pub(crate) fn set_moved(&self) {
        self.state.fetch_or(MOVED, Release);
    }

    /// Returns the identity of the series, which changes with each reset.
    pub(crate) fn id(&self) -> SeriesId {
        SeriesId::from_bits(self.state.load(Relaxed) >> FLAG_BITS)
    }

    /// Returns the bits of the identity, and the start in nanoseconds since 1970.
    pub(crate) fn life(&self) -> Life {
        (self.id().to_bits(), self.start.load(Relaxed))
    }

    /// Returns the time since which values count.
    pub(crate) fn start(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.start.load(Relaxed))
    }

    /// Begins anew: from now on, another series has these labels.
    pub(crate) fn begin(&self, settings: &Settings) {
        let Self { state, start, .. } = self;
        start.store(settings.start_after(start.load(Relaxed)), Relaxed);
        // The flags may change in the meantime.
        let id = SeriesId::new().to_bits() << FLAG_BITS;
        let with_flags = |state| Some(id | state & FLAGS);
        let _ = state.fetch_update(Relaxed, Relaxed, with_flags);
    }
}

impl<C: Cell> SeriesRef<C> {
    /// Creates a series that begins now.
    pub(crate) fn new(cell: C, labels: LabelSet, shared: &Arc<Shared>) -> Self {
        let series = Series { cell, head: Head::new(labels, &shared.settings) };
        Self { series: Arc::new(series), shared: shared.clone() }
    }

    #[inline]
    pub(crate) fn cell(&self) -> &C {
        &self.series.cell
    }

    /// Returns whether the instrument is off. If so, reports the lost value where necessary.
    #[inline]
    pub(crate) fn is_off(&self) -> bool {
        let is_off = self.shared.is_off();
        if is_off {
            self.shared.refused();
        }
        is_off
    }

    /// Returns whether nothing is left to record in this series, which belongs to `handle`: the instrument is off, or
    /// the thread records in another registry, where `record` was called. `record` receives everything as arguments,
    /// because captured values would have to be stored in memory.
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

    /// Adds to the sum of this series, which belongs to `handle`, unless the recording [is done](Self::is_done)
    /// already.
    #[inline]
    pub(crate) fn add<H: Handle<Cell = C>, T: Number>(
        &self,
        handle: &H,
        value: T,
        add: impl FnOnce(&H, T),
    ) where
        C: AsRef<SumCell>,
    {
        // Mostly a single branch, because recording has no time for more. No calls either, even with stripes: values
        // that a call stores must have left the processor before it adds.
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

    /// Drops a value that cannot be recorded in this series, which belongs to `handle`.
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

    /// Offers a recorded value as an exemplar, if a target takes exemplars.
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

    /// Returns an owner of the labels, which keeps the series alive.
    pub(crate) fn to_labels(&self) -> Arc<dyn HasLabels> {
        self.series.clone()
    }

    /// Returns whether this is the only handle, so that nobody else can record in the series.
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
