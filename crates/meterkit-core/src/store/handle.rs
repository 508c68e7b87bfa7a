//! What the store needs of a handle type.

use std::sync::Arc;

use super::cell::Cell;
use super::instrument::Core;
use super::series::SeriesRef;
use super::shared::{LabelSet, Shared};
use crate::attributes::Attributes;
use crate::buckets::Buckets;
use crate::data::Data;
use crate::kind::Kind;
use crate::number::NumberType;
use crate::otel::Twin;

/// A handle on one series: what users record through. Implemented by each instrument.
pub trait Handle: Clone + Send + Sync + Sized + 'static {
    /// Where the value of a series lives.
    type Cell: Cell;
    /// What the instrument keeps about its twin in the SDK.
    type Sdk: Default + Send + Sync + 'static;

    const KIND: Kind;
    const NUMBER: NumberType;

    fn new(series: SeriesRef<Self::Cell>) -> Self;
    fn series(&self) -> &SeriesRef<Self::Cell>;
    fn cell(shared: &Shared, sdk: &Self::Sdk, attributes: &Attributes) -> Self::Cell;

    /// The points of these series.
    fn data(shared: &Shared, series: &mut dyn Iterator<Item = &Self>) -> Data;

    /// Gives the series a value to be exported with before anything is recorded, where it needs one.
    fn zero(&self) {}

    /// Has values sorted into other buckets, those that were recorded before too.
    fn set_buckets(_core: &Core<Self>, _buckets: Buckets) {}

    /// Makes the instrument's twin.
    fn map(core: &Arc<Core<Self>>, twin: &Twin);

    /// The twin is not read (any more).
    fn unmap(_core: &Core<Self>) {}
}

/// Brings observed values up to date before a reader of the SDK reads them.
pub(crate) type BeforeRead = Arc<dyn Fn() + Send + Sync>;

/// A new series that begins now, and the handle on it.
pub(crate) fn make<H: Handle>(
    labels: LabelSet,
    is_overflow: bool,
    shared: &Arc<Shared>,
    sdk: &H::Sdk,
) -> H {
    let keys = shared.keys();
    let attributes = match is_overflow {
        true => keys.overflow_attributes(&labels),
        false => keys.attributes(&labels),
    };
    let cell = H::cell(shared, sdk, &attributes);
    H::new(SeriesRef::new(cell, labels, is_overflow, shared))
}
