//! Groups: an instrument with one series per label set.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::histogram::Histogram;
use super::timer::GroupTimer;
use crate::attributes::Attributes;
use crate::labels::Labels;
use crate::number::HistogramNumber;
use crate::store::clock::Clock;
use crate::store::entry::Entry;
use crate::store::group::Places;
use crate::store::handle::Handle;
use crate::store::instrument::Core;
use crate::store::redirect;

/// An instrument with labels: one series per label set, made when first asked for.
///
/// `L` is the set of labels, `H` the handle of one series. Written as `CounterGroup<Operation>`,
/// `HistogramGroup<Operation>` and so on. Cheap to clone.
///
/// A set of closed labels, which are enums, `bool`s and `Option`s of those, is found by its place, without hashing.
///
/// At most 2000 series by default ([`cardinality_limit`](crate::InstrumentBuilder::cardinality_limit),
/// `METERKIT_CARDINALITY_LIMIT`); further label sets share one series marked `otel.metric.overflow=true`, so that
/// totals stay right.
///
/// ```
/// use meterkit::{Labels, Registry};
///
/// #[derive(Labels)]
/// struct Operation<'a> {
///     kind: &'a str,
///     success: bool,
/// }
///
/// let meter = Registry::new().scoped("plugin", "catalog");
/// let operations = meter.counter_group::<Operation, u64>("entities.operations").build()?;
/// operations.with(Operation { kind: "create", success: true }).increment();
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
#[must_use = "a group does nothing until one of its series is used"]
pub struct Group<L, H: Handle> {
    pub(super) core: Arc<Core<H>>,
    /// The series of a closed label set: nothing stands between a caller and its series but its place.
    places: Places<H>,
    labels: PhantomData<fn(&L)>,
}

impl<L, H: Handle> Group<L, H> {
    pub(super) fn new(core: Arc<Core<H>>) -> Self {
        Self { places: core.places(), core, labels: PhantomData }
    }

    /// Returns the series with these labels, given by value or by reference, with strings owned or borrowed. For
    /// [`DynamicLabels`](crate::DynamicLabels), they are pairs of key and value: `&[("stage", id)]`.
    ///
    /// Takes no lock and allocates nothing when the series exists; only where so many series were removed that their
    /// places have used up the limit, further ones are found under a lock that nobody holds for long.
    /// `group.with(labels).clone()` is a handle to keep, which skips the look-up.
    #[doc(alias = "get_or_create")]
    #[doc(alias = "with_label_values")]
    #[inline]
    pub fn with(&self, labels: impl LabelsOf<L>) -> Entry<'_, H> {
        labels.find(self)
    }

    /// Takes the series with these labels out of every later export, with what it counted. Returns whether there was one.
    ///
    /// It returns, from nothing, when it is looked up again, or when something is recorded with a handle that was kept:
    /// no recording is lost. Readers of OpenTelemetry's SDK go on to see it for a while, or for good if it is a
    /// histogram.
    pub fn remove(&self, labels: impl LabelsOf<L>) -> bool {
        match self.redirected() {
            Some(instead) => labels.remove(&instead),
            None => labels.remove(self),
        }
    }

    /// Takes all series out of every later export; see [`remove`](Self::remove).
    pub fn clear(&self) {
        match self.redirected() {
            Some(instead) => instead.core.clear(),
            None => self.core.clear(),
        }
    }

    /// Returns the series that exist now, each with its labels and a handle, in no particular order.
    ///
    /// The list is made when this is called, which costs some allocations per series; no lock is held while you go
    /// through it, and others may record, add and remove series meanwhile. A series that is removed meanwhile returns if
    /// something is recorded with the handle. The overflow series is not in the list, as it has no labels.
    ///
    /// ```
    /// use meterkit::{Labels, Registry};
    ///
    /// #[derive(Labels)]
    /// struct Queue<'a> {
    ///     queue: &'a str,
    /// }
    ///
    /// let meter = Registry::new().scoped("plugin", "mail");
    /// let lengths = meter.gauge_group::<Queue, u64>("queue.length").build()?;
    /// lengths.with(Queue { queue: "out" }).set(3);
    /// for (labels, length) in lengths.series() {
    ///     println!("{labels:?}: {}", length.value()); // {"queue": "out"}: 3
    /// }
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    pub fn series(&self) -> impl ExactSizeIterator<Item = (Attributes, H)> + use<L, H> {
        match self.redirected() {
            Some(instead) => instead.core.series().into_iter(),
            None => self.core.series().into_iter(),
        }
    }

    /// Returns the group of another registry in which this thread records instead, if it does.
    pub(super) fn redirected(&self) -> Option<Self> {
        let is_redirected = self.core.shared.is_redirected();
        is_redirected.then(|| redirect::instrument(&self.core.shared)).flatten().map(Self::new)
    }
}

/// What a group of `L` is indexed by: [`Labels`] of that type, or pairs of key and value for
/// [`DynamicLabels`](crate::DynamicLabels).
///
/// Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of the group's labels, which are `{L}`",
    note = "labels have names: give a value of the type that the group is declared with, which is a struct that derives \
            `Labels`",
    note = "a group whose label names are known at run time only is one of `DynamicLabels`, and takes \
            `&[(\"stage\", id)]`"
)]
pub trait LabelsOf<L> {
    #[doc(hidden)]
    fn find<'a, H: Handle>(&self, group: &'a Group<L, H>) -> Entry<'a, H>;

    #[doc(hidden)]
    fn remove<H: Handle>(&self, group: &Group<L, H>) -> bool;
}

impl<L: Labels, S: Labels<Set = L::Set>> LabelsOf<L> for S {
    #[inline(always)]
    fn find<'a, H: Handle>(&self, group: &'a Group<L, H>) -> Entry<'a, H> {
        let placed = self.index().and_then(|place| group.places.get(place)?.get());
        if let Some(handle) = placed.filter(|handle| !handle.series().is_hidden()) {
            return Entry::kept(handle);
        }
        match group.core.recall(self) {
            Ok(handle) => Entry::kept(handle),
            Err(addresses) => group.core.with(self, addresses),
        }
    }

    fn remove<H: Handle>(&self, group: &Group<L, H>) -> bool {
        group.core.remove(self)
    }
}

impl<L, T: HistogramNumber> Group<L, Histogram<T>> {
    /// Starts a timer that is given its labels when it ends, so that they can tell how it ended.
    pub fn start_timer(&self) -> GroupTimer<L, T> {
        GroupTimer::start(self.clone())
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.core.shared.settings.clock
    }
}

impl<L, H: Handle> Clone for Group<L, H> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), places: self.places.clone(), labels: PhantomData }
    }
}

impl<L, H: Handle> fmt::Debug for Group<L, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("name", &self.core.shared.descriptor().name)
            .field("labels", &self.core.shared.label_keys())
            .finish_non_exhaustive()
    }
}
