//! Up-down counters: sums that rise and fall.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use opentelemetry::metrics::Meter as SdkMeter;

use super::group::Group;
use super::sum::sum_handle;
use crate::attributes::Attributes;
use crate::data::{Data, NumberPoint, Temporality};
use crate::kind::Kind;
use crate::number::{NumberType, UpDownNumber};
use crate::otel;
use crate::store::cell::SumCell;
use crate::store::handle::{BeforeRead, Handle};
use crate::store::instrument::Core;
use crate::store::series::SeriesRef;
use crate::store::settings::DropReason;
use crate::store::shared::Shared;

/// Counts what comes and goes: open connections, tasks in flight, items in a queue.
///
/// Cheap to clone; recording is one atomic addition and never fails. Made by
/// [`Meter::up_down_counter`](crate::Meter::up_down_counter).
///
/// Follows OpenTelemetry's Metrics API, section UpDownCounter.
///
/// ```
/// # let meter = meterkit::Registry::new().scoped("core", "http");
/// let in_flight = meter.up_down_counter::<i64>("requests.in_flight").build()?;
/// {
///     let _request = in_flight.guard();
///     assert_eq!(in_flight.value(), 1);
/// }
/// assert_eq!(in_flight.value(), 0);
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
#[must_use = "an up-down counter does nothing until it is used"]
pub struct UpDownCounter<T: UpDownNumber = i64> {
    series: SeriesRef<SumCell>,
    number: PhantomData<T>,
}

/// An up-down counter per label set.
pub type UpDownCounterGroup<L, T = i64> = Group<L, UpDownCounter<T>>;

impl<T: UpDownNumber> UpDownCounter<T> {
    /// Adds one.
    #[inline]
    pub fn increment(&self) {
        self.add(T::ONE);
    }

    /// Takes one away.
    #[inline]
    pub fn decrement(&self) {
        self.add(T::ZERO.saturating_sub(T::ONE));
    }

    /// Adds `value`, which may be negative. NaN and infinities are dropped and counted in `meterkit.dropped`.
    #[inline]
    pub fn add(&self, value: T) {
        if self.series.is_off() {
            return;
        }
        if value.is_recordable() {
            self.series.cell().add(value);
        } else {
            self.series.shared.dropped(DropReason::NotFinite);
        }
    }

    /// Adds one now and takes it away when the guard is dropped.
    pub fn guard(&self) -> InFlight<T> {
        let generation = (!self.series.is_off()).then(|| {
            self.series.cell().add(T::ONE);
            self.series.generation()
        });
        InFlight { counter: self.clone(), generation }
    }

    /// The sum so far.
    pub fn value(&self) -> T {
        self.series.cell().get()
    }
}

sum_handle!(UpDownCounter, UpDownNumber, Kind::UpDownCounter);

/// Something that is in flight: counted until this is dropped. From [`UpDownCounter::guard`].
#[derive(Debug)]
#[must_use = "dropped at once, it counts nothing"]
pub struct InFlight<T: UpDownNumber = i64> {
    counter: UpDownCounter<T>,
    /// What was counted: nothing while the instrument is off.
    generation: Option<u64>,
}

impl<T: UpDownNumber> Drop for InFlight<T> {
    fn drop(&mut self) {
        // A series that was removed meanwhile has forgotten the one that came.
        let series = &self.counter.series;
        if self.generation == Some(series.generation()) {
            // Also while the instrument is off: what was counted is taken away.
            series.cell().add(T::ZERO.saturating_sub(T::ONE));
        }
    }
}
