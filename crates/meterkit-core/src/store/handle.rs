//! What the store needs of a handle type.

use std::sync::Arc;

use opentelemetry::metrics::Meter as SdkMeter;

use super::instrument::{Core, Identity, Shared};
use super::series::Series;
use crate::attributes::Attributes;
use crate::data::Data;
use crate::kind::Kind;
use crate::number::NumberType;

/// A handle on one series: what users record through. Implemented by each instrument.
pub trait Handle: Clone + Send + Sync + Sized + 'static {
    /// Where the value of a series lives.
    type Cell: Send + Sync + 'static;
    /// What the instrument keeps about its twin in the SDK.
    type Sdk: Default + Send + Sync + 'static;

    const KIND: Kind;
    const NUMBER: NumberType;

    fn new(series: Arc<Series<Self::Cell>>) -> Self;
    fn series(&self) -> &Series<Self::Cell>;
    fn cell(shared: &Shared, sdk: &Self::Sdk, attributes: &Attributes) -> Self::Cell;

    /// The points of these series.
    fn data(identity: &Identity, series: &mut dyn Iterator<Item = &Self>) -> Data;

    /// Makes the instrument's twin. `before_read` is to be called when something begins to read it.
    fn map(core: &Arc<Core<Self>>, meter: &SdkMeter, before_read: Option<&BeforeRead>);

    /// The twin is not read (any more).
    fn unmap(_core: &Core<Self>) {}
}

/// Brings observed values up to date before a reader of the SDK reads them.
pub(crate) type BeforeRead = Arc<dyn Fn() + Send + Sync>;
