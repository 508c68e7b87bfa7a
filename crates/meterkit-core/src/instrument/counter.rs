//! Counters: sums that only rise.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use opentelemetry::metrics::Meter as SdkMeter;

use super::group::Group;
use crate::attributes::Attributes;
use crate::data::{Data, NumberPoint, Temporality};
use crate::kind::Kind;
use crate::number::{CounterNumber, Number, NumberType};
use crate::otel;
use crate::store::cell::SumCell;
use crate::store::handle::{BeforeRead, Handle};
use crate::store::instrument::{Core, Identity, Shared};
use crate::store::series::Series;
use crate::store::settings::DropReason;

/// Counts what happens: requests, bytes, errors. Starts at zero and only rises.
///
/// Cheap to clone; recording is one atomic addition and never fails. A plain counter is exported from the moment it
/// exists, as zero, so that its first increment is seen as one. Made by [`Meter::counter`](crate::Meter::counter).
///
/// Follows OpenTelemetry's Metrics API, section Counter.
///
/// ```
/// # let meter = meterkit_core::Registry::new().scoped("plugin", "catalog");
/// let requests = meter.counter::<u64>("requests").unit("{request}").build()?;
/// requests.increment();
/// requests.add(2);
/// assert_eq!(requests.value(), 3);
/// # Ok::<(), meterkit_core::InstrumentError>(())
/// ```
#[must_use = "a counter does nothing until it is used"]
pub struct Counter<T: CounterNumber = u64> {
    series: Arc<Series<SumCell>>,
    number: PhantomData<T>,
}

/// A counter per label set.
pub type CounterGroup<L, T = u64> = Group<L, Counter<T>>;

impl<T: CounterNumber> Counter<T> {
    /// Adds one.
    #[inline]
    pub fn increment(&self) {
        self.series.cell.add(T::ONE);
    }

    /// Adds `value`. A negative value, NaN or an infinity is dropped and counted in `meterkit.dropped`.
    #[inline]
    pub fn add(&self, value: T) {
        if value.is_negative() {
            self.series.shared.dropped(DropReason::Negative);
        } else if !value.is_recordable() {
            self.series.shared.dropped(DropReason::NotFinite);
        } else {
            self.series.cell.add(value);
        }
    }

    /// The sum so far.
    pub fn value(&self) -> T {
        self.series.cell.get()
    }
}

impl<T: CounterNumber> Clone for Counter<T> {
    fn clone(&self) -> Self {
        Self { series: self.series.clone(), number: PhantomData }
    }
}

impl<T: CounterNumber> fmt::Debug for Counter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.series.debug(f, "Counter", &self.value())
    }
}

impl<T: CounterNumber> Handle for Counter<T> {
    type Cell = SumCell;
    type Sdk = ();

    const KIND: Kind = Kind::Counter;
    const NUMBER: NumberType = T::TYPE;

    fn new(series: Arc<Series<SumCell>>) -> Self {
        Self { series, number: PhantomData }
    }

    #[inline]
    fn series(&self) -> &Series<SumCell> {
        &self.series
    }

    fn cell(_: &Shared, (): &(), _: &Attributes) -> SumCell {
        SumCell::new()
    }

    fn data(_: &Identity, series: &mut dyn Iterator<Item = &Self>) -> Data {
        Data::Sum {
            monotonic: true,
            temporality: Temporality::Cumulative,
            points: sum_points::<T>(series.map(|handle| &*handle.series)),
        }
    }

    fn map(core: &Arc<Core<Self>>, meter: &SdkMeter, before_read: &BeforeRead) {
        otel::map_numbers(core.clone(), meter, before_read);
    }
}

/// The points of sums, which every series has from its beginning.
pub(super) fn sum_points<'a, T: Number>(
    series: impl Iterator<Item = &'a Series<SumCell>>,
) -> Vec<NumberPoint> {
    series
        .map(|series| NumberPoint {
            attributes: series.attributes.clone(),
            start: series.start,
            value: series.cell.get::<T>().value(),
        })
        .collect()
}
