//! Groups: instruments with one series per label set.

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

/// An instrument with labels. It has one series per label set, which is created at its first use.
///
/// `L` is the type of the label set, and `H` is the handle of one series. Usually written as `CounterGroup<Operation>`,
/// `HistogramGroup<Operation>` and so on. Cheap to clone.
///
/// If all labels are closed (enums, `bool`s and `Option`s of those), a series is found by its index, without hashing.
///
/// A group has at most 2000 series by default ([`cardinality_limit`](crate::InstrumentBuilder::cardinality_limit),
/// `METERKIT_CARDINALITY_LIMIT`). Further label sets share one series marked `otel.metric.overflow=true`, so that
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
    /// The series of a closed label set, by index: an array access finds a series.
    places: Places<H>,
    labels: PhantomData<fn(&L)>,
}

impl<L, H: Handle> Group<L, H> {
    pub(super) fn new(core: Arc<Core<H>>) -> Self {
        Self { places: core.places(), core, labels: PhantomData }
    }

    /// Returns the series with these labels. Labels are passed by value or by reference, with owned or borrowed
    /// strings. For [`DynamicLabels`](crate::DynamicLabels), pass pairs of key and value: `&[("stage", id)]`.
    ///
    /// If the series exists, the look-up takes no lock and does not allocate. There is one exception: once so many
    /// series were removed that their places have used up the limit, further series are found under a lock that is only
    /// held briefly. To skip the look-up, keep a handle: `group.with(labels).clone()`.
    #[doc(alias = "get_or_create")]
    #[doc(alias = "with_label_values")]
    #[inline]
    pub fn with(&self, labels: impl LabelsOf<L>) -> Entry<'_, H> {
        labels.find(self)
    }

    /// Removes the series with these labels, and its value, from all later exports. Returns whether the series existed.
    ///
    /// The series starts again from zero when it is looked up again, or when something is recorded through a handle
    /// that was kept: no recording is lost. Readers of OpenTelemetry's SDK continue to see the series for a while, or
    /// permanently if it is a histogram.
    pub fn remove(&self, labels: impl LabelsOf<L>) -> bool {
        match self.redirected() {
            Some(instead) => labels.remove(&instead),
            None => labels.remove(self),
        }
    }

    /// Removes all series from all later exports. See [`remove`](Self::remove).
    pub fn clear(&self) {
        match self.redirected() {
            Some(instead) => instead.core.clear(),
            None => self.core.clear(),
        }
    }

    /// Returns the current series, each with its labels and a handle, in no particular order.
    ///
    /// This method builds the list, which costs some allocations per series. No lock is held while you iterate, so
    /// other threads may record, add and remove series. If a series is removed in the meantime, recording through its
    /// handle brings it back. The overflow series is not in the list, because it has no labels.
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

    /// Returns the corresponding group of another registry, if this thread's recordings are redirected to that
    /// registry.
    pub(super) fn redirected(&self) -> Option<Self> {
        let is_redirected = self.core.shared.is_redirected();
        is_redirected.then(|| redirect::instrument(&self.core.shared)).flatten().map(Self::new)
    }
}

/// The label arguments that a group of `L` accepts: values whose [`Labels`] type is `L`, or pairs of key and value for
/// [`DynamicLabels`](crate::DynamicLabels).
///
/// Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a label set of a group with labels `{L}`",
    note = "pass a value of the group's label type, a struct that derives `Labels`",
    note = "if the label keys are only known at run time, declare the group with `DynamicLabels` and pass \
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
    /// Starts a timer that receives its labels when it ends, so that they can depend on the outcome.
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
