//! What the store needs of a handle type.

use std::sync::Arc;

use super::cell::Cell;
use super::instrument::Core;
use super::label_set::LabelSet;
use super::series::SeriesRef;
use super::shared::Shared;
use crate::Kind;
use crate::buckets::HistogramBuckets;
use crate::data::Data;
use crate::number::NumberType;

/// A handle on one series: what users record through. Implemented by each instrument.
pub trait Handle: Clone + Send + Sync + Sized + 'static {
    /// Where the value of a series lives.
    type Cell: Cell;

    const KIND: Kind;
    const NUMBER: NumberType;

    fn new(series: SeriesRef<Self::Cell>) -> Self;
    fn series(&self) -> &SeriesRef<Self::Cell>;
    fn cell(shared: &Shared) -> Self::Cell;

    /// Returns the points of these series.
    fn data(shared: &Shared, series: &mut dyn Iterator<Item = &Self>) -> Data;

    /// Sets the value that is exported before anything is recorded, if the series needs one.
    fn zero(&self) {}

    /// Sorts values into other buckets, including those that were recorded before.
    fn set_buckets(_core: &Core<Self>, _buckets: HistogramBuckets) {}

    /// Sends values where the instrument's feed says. Called when that has changed, and for each new series.
    fn feed(&self) {}
}

/// Makes a series that begins now, and returns the handle on it.
pub(crate) fn make<H: Handle>(labels: LabelSet, shared: &Arc<Shared>) -> H {
    let handle = H::new(SeriesRef::new(H::cell(shared), labels, shared));
    handle.feed();
    handle
}
