//! What the store requires of a handle type.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::cell::Cell;
use super::distribution::DistributionCell;
use super::label_set::{HasLabels, LabelSet};
use super::series::{Head, SeriesRef};
use super::shared::{PointKeys, Shared};
use crate::Kind;
use crate::attributes::Attributes;
use crate::number::{NumberType, Value};

/// A handle to one series, through which users record. Each instrument type implements it.
pub trait Handle: Clone + Send + Sync + Sized + 'static {
    /// The cell that holds the value of a series.
    type Cell: Cell;

    const KIND: Kind;
    const NUMBER: NumberType;

    fn new(series: SeriesRef<Self::Cell>) -> Self;
    fn series(&self) -> &SeriesRef<Self::Cell>;
    fn cell(shared: &Shared) -> Self::Cell;

    /// Returns the number, or `None` for a histogram or a series without a value.
    fn number(&self) -> Option<Value> {
        None
    }

    /// Returns the cell, if this is a histogram.
    fn distribution(&self) -> Option<&DistributionCell> {
        None
    }

    /// Sets the value that is exported before anything is recorded, if the series needs one.
    fn zero(&self) {}

    /// Sends values to the instrument's feed. Called when the feed changes, and for each new series.
    fn feed(&self) {}
}

/// A handle of any type. Everything that happens to series except recording uses this trait, so that it is compiled
/// once rather than once per handle type.
pub(crate) trait AnyHandle: Send + Sync {
    fn head(&self) -> &Head;
    fn cell(&self) -> &dyn Cell;
    fn shared(&self) -> &Arc<Shared>;
    /// Returns the number, or `None` for a histogram or a series without a value.
    fn number(&self) -> Option<Value>;
    /// Returns the cell, if this is a histogram.
    fn distribution(&self) -> Option<&DistributionCell>;
    /// Sets the value that is exported before anything is recorded, if the series needs one.
    fn zero(&self);
    fn feed(&self);
    /// Returns whether this is the only handle, so that nobody else can record in the series.
    fn is_alone(&self) -> bool;
    fn to_labels(&self) -> Arc<dyn HasLabels>;
    fn to_box(&self) -> Box<dyn AnyHandle>;
    fn as_any(&self) -> &dyn Any;
}

impl<H: Handle> AnyHandle for H {
    fn head(&self) -> &Head {
        self.series()
    }

    fn cell(&self) -> &dyn Cell {
        self.series().cell()
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.series().shared
    }

    fn number(&self) -> Option<Value> {
        H::number(self)
    }

    fn distribution(&self) -> Option<&DistributionCell> {
        H::distribution(self)
    }

    fn zero(&self) {
        H::zero(self);
    }

    fn feed(&self) {
        H::feed(self);
    }

    fn is_alone(&self) -> bool {
        self.series().is_alone()
    }

    fn to_labels(&self) -> Arc<dyn HasLabels> {
        self.series().to_labels()
    }

    fn to_box(&self) -> Box<dyn AnyHandle> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl dyn AnyHandle + '_ {
    /// Returns the handle as type `H`, if it has that type.
    pub(crate) fn typed<H: Handle>(&self) -> Option<&H> {
        self.as_any().downcast_ref()
    }

    /// Returns whether the series was removed and nothing was recorded in it since.
    pub(crate) fn is_gone(&self) -> bool {
        self.head().is_hidden() && self.cell().is_empty()
    }

    /// Discards the recorded values and begins the series anew.
    pub(crate) fn reset(&self) {
        self.cell().reset();
        self.head().begin(&self.shared().settings);
    }

    /// Exports the series without a value again, if the instrument exports such series.
    pub(crate) fn zero_again(&self) {
        if self.shared().exports_empty() {
            self.zero();
        }
    }

    /// Discards the recorded values and begins the series anew, unless something was recorded since `mark` was taken.
    /// Returns whether it did.
    pub(crate) fn reset_unless_touched(&self, mark: u64) -> bool {
        let is_reset = self.cell().reset_unless_touched(mark);
        if is_reset {
            self.head().begin(&self.shared().settings);
        }
        is_reset
    }

    /// Returns the attributes. They keep the series alive, unless the series can be dropped from its group.
    pub(crate) fn attributes(&self, keys: &PointKeys) -> Attributes {
        match self.head().is_later() {
            false => self.shared().attributes(keys, self.to_labels()),
            true => self.detached_attributes(keys),
        }
    }

    /// Returns the attributes with a copy of the labels, so that they do not keep the series alive.
    #[cold]
    pub(crate) fn detached_attributes(&self, keys: &PointKeys) -> Attributes {
        self.shared().attributes(keys, Arc::new(self.head().labels().clone()))
    }

    /// Formats a handle with its value.
    pub(crate) fn debug(
        &self,
        f: &mut fmt::Formatter<'_>,
        handle: &str,
        value: &dyn fmt::Debug,
    ) -> fmt::Result {
        let shared = self.shared();
        f.debug_struct(handle)
            .field("name", &shared.descriptor().name)
            .field("attributes", &self.attributes(&shared.keys()))
            .field("value", value)
            .finish()
    }
}

/// Creates a series that begins now, and returns the handle to it.
pub(crate) fn make<H: Handle>(labels: LabelSet, shared: &Arc<Shared>) -> H {
    let handle = H::new(SeriesRef::new(H::cell(shared), labels, shared));
    handle.feed();
    handle
}
