//! What the store needs of a handle type.

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

/// A handle on one series: what users record through. Implemented by each instrument.
pub trait Handle: Clone + Send + Sync + Sized + 'static {
    /// Where the value of a series lives.
    type Cell: Cell;

    const KIND: Kind;
    const NUMBER: NumberType;

    fn new(series: SeriesRef<Self::Cell>) -> Self;
    fn series(&self) -> &SeriesRef<Self::Cell>;
    fn cell(shared: &Shared) -> Self::Cell;

    /// Returns the number, unless this is a histogram or the series has none.
    fn number(&self) -> Option<Value> {
        None
    }

    /// Returns the cell, if this is a histogram.
    fn distribution(&self) -> Option<&DistributionCell> {
        None
    }

    /// Sets the value that is exported before anything is recorded, if the series needs one.
    fn zero(&self) {}

    /// Sends values where the instrument's feed says. Called when that has changed, and for each new series.
    fn feed(&self) {}
}

/// A handle of any type. Whatever happens to series besides recording takes these, so that it is compiled once and not
/// once for each type of handle.
pub(crate) trait AnyHandle: Send + Sync {
    fn head(&self) -> &Head;
    fn cell(&self) -> &dyn Cell;
    fn shared(&self) -> &Arc<Shared>;
    /// Returns the number, unless this is a histogram or the series has none.
    fn number(&self) -> Option<Value>;
    /// Returns the cell, if this is a histogram.
    fn distribution(&self) -> Option<&DistributionCell>;
    /// Sets the value that is exported before anything is recorded, if the series needs one.
    fn zero(&self);
    fn feed(&self);
    /// Returns whether this is the only handle: nobody else can record in the series.
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
    /// Returns the handle as what it is.
    pub(crate) fn typed<H: Handle>(&self) -> Option<&H> {
        self.as_any().downcast_ref()
    }

    /// Returns whether the series was removed, and nothing was recorded in it since.
    pub(crate) fn is_gone(&self) -> bool {
        self.head().is_hidden() && self.cell().is_empty()
    }

    /// Forgets what was recorded; the series begins anew.
    pub(crate) fn reset(&self) {
        self.cell().reset();
        self.head().begin(&self.shared().settings);
    }

    /// Exports the series without a value, if the instrument's series are.
    pub(crate) fn zero_again(&self) {
        if self.shared().exports_empty() {
            self.zero();
        }
    }

    /// Forgets what was recorded, unless something was since `mark` was taken. Returns whether it did.
    pub(crate) fn reset_unless_touched(&self, mark: u64) -> bool {
        let is_reset = self.cell().reset_unless_touched(mark);
        if is_reset {
            self.head().begin(&self.shared().settings);
        }
        is_reset
    }

    /// Returns the attributes, which keep the series, unless it can go again.
    pub(crate) fn attributes(&self, keys: &PointKeys) -> Attributes {
        match self.head().is_later() {
            false => self.shared().attributes(keys, self.to_labels()),
            true => self.detached_attributes(keys),
        }
    }

    /// Returns the attributes with labels of their own.
    #[cold]
    pub(crate) fn detached_attributes(&self, keys: &PointKeys) -> Attributes {
        self.shared().attributes(keys, Arc::new(self.head().labels().clone()))
    }

    /// Shows a handle with what it holds.
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

/// Makes a series that begins now, and returns the handle on it.
pub(crate) fn make<H: Handle>(labels: LabelSet, shared: &Arc<Shared>) -> H {
    let handle = H::new(SeriesRef::new(H::cell(shared), labels, shared));
    handle.feed();
    handle
}
