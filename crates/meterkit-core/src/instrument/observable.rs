//! Observable instruments: values that callbacks report.

mod builder;
mod callback;
mod guard;
mod kind;
mod observer;

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

pub use self::callback::{CallbackBuilder, CallbackOutput, Several};
pub use self::guard::CallbackGuard;
pub use self::kind::{CounterKind, GaugeKind, ObservableKind, UpDownCounterKind};
pub use self::observer::{Observer, SeriesObserver};
use super::InstrumentBuilder;
use crate::labels::Labels;
use crate::number::Number;
use crate::registry::Inner;
use crate::store::callbacks::CallbackOptions;
use crate::store::observed::Observed;

/// An instrument whose values are reported by callbacks: an [`ObservableCounter`], [`ObservableUpDownCounter`] or
/// [`ObservableGauge`], or a group of one of them.
///
/// A callback runs once per collection, regardless of how many targets export its values. The reported values stay
/// until the callback runs again; a series that it no longer reports is removed from exports. If the series returns
/// within an hour, from this callback or another one, its total continues where it ended, or starts anew if it has
/// fallen. Several callbacks may be registered for one instrument: each reports its own series. If several callbacks
/// report the same series, the value of the callback registered last wins.
///
/// ```
/// use meterkit::Registry;
///
/// # let meter = Registry::new().scoped("plugin", "catalog");
/// # fn queue() -> (u64, u64) { (3, 40) }
/// let waiting = meter.observable_gauge::<u64>("queue.length").build()?;
/// let finished = meter.observable_counter::<u64>("queue.finished").build()?;
/// let _guard = meter.register_callback([&waiting, &finished], {
///     let (waiting, finished) = (waiting.clone(), finished.clone());
///     move |observer| {
///         let (length, total) = queue();
///         observer.observe(&waiting, length);
///         observer.observe(&finished, total);
///     }
/// })?;
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
///
/// Cheap to clone. A clone refers to the same instrument.
#[must_use = "an observable instrument reports nothing until a callback is registered"]
pub struct Observable<K, T, L = Unlabeled> {
    observed: Arc<Observed>,
    /// Weak, because callbacks own instruments, and the registry owns callbacks.
    registry: Weak<Inner>,
    /// Options for callbacks that are registered for this instrument alone.
    options: CallbackOptions,
    types: Types<K, T, L>,
}

/// The types of an instrument's values and labels. No value of these types is stored.
type Types<K, T, L> = PhantomData<fn() -> (K, T, L)>;

/// The label type of an observable instrument without labels.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "has no values")]
pub enum Unlabeled {}

/// A total that only rises and is reported by callbacks. A callback reports the whole total, never the increase. A
/// total that has fallen counts as a reset.
///
/// Created by [`Meter::observable_counter`](crate::Meter::observable_counter). Follows OpenTelemetry's Metrics API,
/// section Asynchronous Counter.
pub type ObservableCounter<T = u64> = Observable<CounterKind, T>;

/// A total that rises and falls and is reported by callbacks. A callback reports the whole total, never the change.
///
/// Created by [`Meter::observable_up_down_counter`](crate::Meter::observable_up_down_counter). Follows OpenTelemetry's
/// Metrics API, section Asynchronous UpDownCounter.
pub type ObservableUpDownCounter<T = i64> = Observable<UpDownCounterKind, T>;

/// A current value that is reported by callbacks.
///
/// Created by [`Meter::observable_gauge`](crate::Meter::observable_gauge). Follows OpenTelemetry's Metrics API, section
/// Asynchronous Gauge.
pub type ObservableGauge<T = i64> = Observable<GaugeKind, T>;

/// An [`ObservableCounter`] with labels `L`.
pub type ObservableCounterGroup<L, T = u64> = Observable<CounterKind, T, L>;

/// An [`ObservableUpDownCounter`] with labels `L`.
pub type ObservableUpDownCounterGroup<L, T = i64> = Observable<UpDownCounterKind, T, L>;

/// An [`ObservableGauge`] with labels `L`.
pub type ObservableGaugeGroup<L, T = i64> = Observable<GaugeKind, T, L>;

impl<K, T, L> Observable<K, T, L> {
    fn new(observed: Arc<Observed>, builder: &InstrumentBuilder<Self>) -> Self {
        let registry = Arc::downgrade(&builder.request.registry.inner);
        Self { observed, registry, options: builder.request.callback.clone(), types: PhantomData }
    }

    /// Returns the builder of a callback for this instrument. Use it for a callback that is
    /// [cached](CallbackBuilder::cached), [refreshed in the background](CallbackBuilder::refresh_every), or can fail.
    pub fn callback(&self) -> CallbackBuilder<Self> {
        let (registry, options) = (self.registry.clone(), self.options.clone());
        CallbackBuilder { registry, instruments: self.clone(), options }
    }
}

impl<K: ObservableKind<T>, T: Number> Observable<K, T> {
    /// Registers `callback`. Each collection exports the value that it returns, until the guard is dropped.
    pub fn observe(&self, callback: impl Fn() -> T + Send + Sync + 'static) -> CallbackGuard {
        self.callback().observe(callback)
    }
}

impl<K: ObservableKind<T>, T: Number, L: Labels> Observable<K, T, L> {
    /// Registers `callback`, which reports any number of series in each collection, until the guard is dropped.
    pub fn observe_with<R: CallbackOutput>(
        &self,
        callback: impl Fn(&mut SeriesObserver<'_, K, T, L>) -> R + Send + Sync + 'static,
    ) -> CallbackGuard {
        self.callback().observe_with(callback)
    }
}

impl<K, T, L> Clone for Observable<K, T, L> {
    fn clone(&self) -> Self {
        Self {
            observed: self.observed.clone(),
            registry: self.registry.clone(),
            options: self.options.clone(),
            types: PhantomData,
        }
    }
}

impl<K, T, L> fmt::Debug for Observable<K, T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observable")
            .field("name", &self.observed.shared.descriptor().name)
            .field("kind", &self.observed.shared.identity.kind)
            .field("labels", &self.observed.shared.label_keys())
            .finish_non_exhaustive()
    }
}

/// An observable instrument of any type, as [`Meter::register_callback`](crate::Meter::register_callback) and
/// [`Meter::callback_for`](crate::Meter::callback_for) accept it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an observable instrument",
    note = "callbacks report `ObservableCounter`, `ObservableUpDownCounter`, `ObservableGauge`, and groups of those; \
            record in other instruments directly"
)]
pub trait AnyObservable: sealed::Sealed {}

impl<K, T, L> AnyObservable for Observable<K, T, L> {}

pub(super) mod sealed {
    use std::sync::Arc;

    use super::{Observable, Observed};

    pub trait Sealed {
        fn in_store(&self) -> &Arc<Observed>;
    }

    impl<K, T, L> Sealed for Observable<K, T, L> {
        fn in_store(&self) -> &Arc<Observed> {
            &self.observed
        }
    }
}
