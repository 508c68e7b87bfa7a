//! Registration of callbacks.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::guard::CallbackGuard;
use super::observer::{Observer, SeriesObserver, report};
use super::{AnyObservable, Observable, ObservableKind};
use crate::error::{InstrumentError, ScopeError};
use crate::instrument::made::NoLabels;
use crate::labels::Labels;
use crate::number::Number;
use crate::registry::{Inner, Registry};
use crate::scope::ScopeKey;
use crate::store::callbacks::{
    BackgroundTask, CallbackOptions, Found, Refreshing, Report, Routine,
};
use crate::store::observed::{Draft, Observed};

/// Configures a callback before it is registered. Returned by [`Observable::callback`] for one instrument, and by
/// [`Meter::callback`](crate::Meter::callback) for several.
///
/// A callback runs on a dedicated thread, never on a thread that serves requests or delivers metrics. It may record,
/// create instruments, and register and unregister callbacks. It should not wait for a collection, because the
/// collection waits for the callback. Callbacks run one after another while they are quick, and in parallel when one
/// takes long.
///
/// If a callback panics, its values are missing until it works again; the panic is logged, and counted in
/// `meterkit.callback.failures`. So that Rust's panic hook does not print a backtrace in every collection, the callback
/// is not run again for 30 s, then for 1 min if it panics again, and so on up to 15 min; collections in between skip
/// it.
///
/// ```
/// use std::time::Duration;
///
/// use meterkit::{Labels, Registry};
///
/// #[derive(Labels)]
/// struct Table {
///     table: &'static str,
/// }
///
/// # fn count_rows() -> Result<[(&'static str, u64); 2], std::io::Error> { Ok([("entity", 3), ("task", 9)]) }
/// # let meter = Registry::new().scoped("core", "database");
/// let rows = meter.observable_gauge_group::<Table, u64>("rows").build()?;
/// let _guard = rows.callback().cached(Duration::from_secs(30)).observe_with(|observer| {
///     for (table, rows) in count_rows()? {
///         observer.observe(Table { table }, rows);
///     }
///     Ok::<_, std::io::Error>(())
/// });
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
#[must_use = "a callback does not run until `observe`, `observe_with` or `refresh_every` registers it"]
pub struct CallbackBuilder<I> {
    pub(super) registry: Weak<Inner>,
    pub(super) instruments: I,
    pub(super) options: CallbackOptions,
}

/// Several instruments of one scope that one callback reports.
pub struct Several(Vec<Arc<Observed>>);

impl<I> CallbackBuilder<I> {
    /// Runs the callback at most once in this time, even if it fails. Collections in between export the values of its
    /// last run. By default, it runs in every collection.
    ///
    /// The first collection after this time starts the callback again, but does not wait long: if the callback takes
    /// longer than 100 ms, it finishes in the background, and until then collections export the values of the run
    /// before. Only the first run, before which there are no values to export, is waited for as long as the
    /// [budget](Self::budget) allows.
    pub fn cached(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// Sets how long a collection waits for the callback. The default is 1 s; `METERKIT_CALLBACK_BUDGET` changes the
    /// default, but not a budget that is set here. If the callback takes longer, the overrun is logged with the name of
    /// the instrument, and the collection exports the last values.
    ///
    /// After three overruns in a row, the callback moves to the background: collections start it and export its last
    /// values without waiting, until it is fast again. `meterkit.callback.background` counts such callbacks.
    ///
    /// Collections never wait for a callback that is [refreshed](Self::refresh_every), or [cached](Self::cached) with
    /// values of an earlier run. Its run is reported as an overrun if it takes longer than the budget that is set here,
    /// or by default longer than its period.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.options.budget = Some(budget);
        self
    }

    /// Sets where an async callback ([`refresh_every`](Self::refresh_every)) runs. By default, it runs on a thread of
    /// the pipeline, with the pipeline's runtime.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use meterkit::{InstrumentError, Registry};
    /// # async fn count() -> u64 { 7 }
    /// # fn observe(runtime: tokio::runtime::Handle) -> Result<(), InstrumentError> {
    /// # let meter = Registry::new().scoped("core", "database");
    /// let rows = meter.observable_gauge::<u64>("rows").build()?;
    /// let spawn = move |task| drop(runtime.spawn(task));
    /// rows.callback().spawn_with(spawn).refresh_every(Duration::from_secs(30), count).forget();
    /// # Ok(())
    /// # }
    /// ```
    pub fn spawn_with(mut self, spawn: impl Fn(BackgroundTask) + Send + Sync + 'static) -> Self {
        self.options.spawn = Some(Arc::new(spawn));
        self
    }

    /// Registers a callback for `instruments`.
    #[track_caller]
    fn register(mut self, instruments: &[Arc<Observed>], work: Routine) -> CallbackGuard {
        self.options.registered_at = Some(Location::caller());
        // Instruments that could not be created or have been unloaded are left out; the callback reports the others.
        let may_report = |it: &&Arc<Observed>| {
            let is_gone = it.shared.is_unloaded() || it.shared.is_not_made();
            if is_gone {
                it.shared.refused();
            }
            !is_gone
        };
        let there: Vec<_> = instruments.iter().filter(may_report).collect();
        let registry = self.registry.upgrade().filter(|_| !there.is_empty());
        let Some(inner) = registry else {
            let name = instruments.first().map(|it| it.shared.descriptor().name.clone());
            return CallbackGuard::of_none(name.unwrap_or_default());
        };
        let drafts = there.into_iter().map(Observed::attach).collect();
        let registry = Registry { inner };
        let callback = registry.callback(drafts, work, self.options);
        CallbackGuard::register(&registry, callback)
    }
}

impl<K: ObservableKind<T>, T: Number> CallbackBuilder<Observable<K, T>> {
    /// Registers `callback`. Each collection exports the value that it returns, until the guard is dropped.
    #[track_caller]
    pub fn observe(self, callback: impl Fn() -> T + Send + Sync + 'static) -> CallbackGuard {
        self.collect(move |draft| {
            report::<K, T>(draft, &NoLabels, callback());
            Ok(())
        })
    }

    /// Like [`observe`](Self::observe), with a callback that can fail. After the first failure in a row, the last value
    /// is exported for one more period; after the next failure, no value is exported. Every failure is counted in
    /// `meterkit.callback.failures`, and the first in a row is logged.
    #[track_caller]
    pub fn observe_result<E: fmt::Display>(
        self,
        callback: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> CallbackGuard {
        self.collect(move |draft| {
            report::<K, T>(draft, &NoLabels, callback().map_err(told)?);
            Ok(())
        })
    }

    /// Registers an async callback that runs in the background once per `period`, whether or not anyone collects.
    /// Collections never wait for it; each exports its last value. A `period` below 10 ms counts as 10 ms.
    ///
    /// The callback starts to run when the pipeline starts, on a thread of its own with the pipeline's runtime, or
    /// where [`spawn_with`](Self::spawn_with) sends it. A callback that takes longer than its period runs less often.
    /// [`cached`](Self::cached) has no effect on it.
    ///
    /// The callback is called repeatedly, so clone the values that its future needs.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::time::Duration;
    /// # struct Client;
    /// # impl Client { async fn count(&self) -> u64 { 7 } }
    /// # let meter = meterkit::Registry::new().scoped("core", "database");
    /// let client = Arc::new(Client);
    /// let rows = meter.observable_gauge::<u64>("rows").refresh_every(Duration::from_secs(30), move || {
    ///     let client = Arc::clone(&client);
    ///     async move { client.count().await }
    /// })?;
    /// # drop(rows);
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    #[track_caller]
    pub fn refresh_every<F>(
        self,
        period: Duration,
        callback: impl Fn() -> F + Send + Sync + 'static,
    ) -> CallbackGuard
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.refresh(period, move || {
            let value = callback();
            async move { Ok(found::<K, T>(value.await)) }
        })
    }

    /// Like [`refresh_every`](Self::refresh_every), with a callback that can fail, as in
    /// [`observe_result`](Self::observe_result).
    #[track_caller]
    pub fn refresh_every_result<F, E: fmt::Display>(
        self,
        period: Duration,
        callback: impl Fn() -> F + Send + Sync + 'static,
    ) -> CallbackGuard
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.refresh(period, move || {
            let value = callback();
            async move { value.await.map(found::<K, T>).map_err(told) }
        })
    }
}

impl<K: ObservableKind<T>, T: Number, L: Labels> CallbackBuilder<Observable<K, T, L>> {
    /// Registers `callback`, which reports any number of series in each collection, until the guard is dropped. The
    /// callback returns nothing or a `Result`. After the first failure in a row, the last values are exported for one
    /// more period; after the next failure, none are exported. Every failure is counted in
    /// `meterkit.callback.failures`, and the first in a row is logged.
    #[track_caller]
    pub fn observe_with<R: CallbackOutput>(
        self,
        callback: impl Fn(&mut SeriesObserver<'_, K, T, L>) -> R + Send + Sync + 'static,
    ) -> CallbackGuard {
        self.collect(move |draft| callback(&mut SeriesObserver::new(draft)).into_outcome())
    }

    /// Registers an async callback that runs in the background once per `period`, whether or not anyone collects, and
    /// returns the values of all series. Collections never wait for it; each exports its last values. A `period` below
    /// 10 ms counts as 10 ms.
    ///
    /// The callback starts to run when the pipeline starts, on a thread of its own with the pipeline's runtime, or
    /// where [`spawn_with`](Self::spawn_with) sends it. A callback that takes longer than its period runs less often.
    #[track_caller]
    pub fn refresh_every<F, S>(
        self,
        period: Duration,
        callback: impl Fn() -> F + Send + Sync + 'static,
    ) -> CallbackGuard
    where
        F: Future<Output = Vec<(S, T)>> + Send + 'static,
        S: Labels<Set = L::Set> + Send + 'static,
    {
        self.refresh(period, move || {
            let values = callback();
            async move { Ok(found_series::<K, T, S>(values.await)) }
        })
    }

    /// Like [`refresh_every`](Self::refresh_every), with a callback that can fail, as in
    /// [`observe_with`](Self::observe_with).
    #[track_caller]
    pub fn refresh_every_result<F, S, E: fmt::Display>(
        self,
        period: Duration,
        callback: impl Fn() -> F + Send + Sync + 'static,
    ) -> CallbackGuard
    where
        F: Future<Output = Result<Vec<(S, T)>, E>> + Send + 'static,
        S: Labels<Set = L::Set> + Send + 'static,
    {
        self.refresh(period, move || {
            let values = callback();
            async move { values.await.map(found_series::<K, T, S>).map_err(told) }
        })
    }
}

impl CallbackBuilder<Several> {
    /// Creates the builder of a callback for `instruments`, all of which must belong to the scope.
    pub(crate) fn for_several<'a, I: AnyObservable + ?Sized + 'a>(
        registry: &Registry,
        key: Result<&ScopeKey, &ScopeError>,
        instruments: impl IntoIterator<Item = &'a I>,
    ) -> Result<Self, InstrumentError> {
        let key = key.map_err(Clone::clone)?;
        let scope = || key.full_name(&registry.naming());
        let mut several: Vec<Arc<Observed>> = Vec::new();
        for observed in instruments.into_iter().map(|instrument| instrument.in_store()) {
            let shared = &observed.shared;
            if shared.is_unloaded() {
                return Err(InstrumentError::Unloaded { name: shared.descriptor().name.clone() });
            }
            if !shared.is_not_made() && !registry.inner.scopes.has_instrument(key, shared) {
                let name = shared.descriptor().name.clone();
                return Err(InstrumentError::OtherScope { name, scope: scope() });
            }
            if !several.iter().any(|known| Arc::ptr_eq(known, observed)) {
                several.push(observed.clone());
            }
        }
        if several.is_empty() {
            return Err(InstrumentError::NoInstrument { scope: scope() });
        }
        let (registry, instruments) = (Arc::downgrade(&registry.inner), Several(several));
        Ok(Self { registry, instruments, options: CallbackOptions::default() })
    }

    /// Registers `callback`, which reports the values of all instruments at once, until the guard is dropped. The
    /// callback returns nothing or a `Result`. After the first failure in a row, the last values are exported for one
    /// more period; after the next failure, none are exported. Every failure is counted in
    /// `meterkit.callback.failures`, and the first in a row is logged.
    #[track_caller]
    pub fn observe_with<R: CallbackOutput>(
        self,
        callback: impl Fn(&mut Observer<'_>) -> R + Send + Sync + 'static,
    ) -> CallbackGuard {
        let instruments = self.instruments.0.clone();
        let collect =
            move |drafts: &mut Vec<Draft>| callback(&mut Observer::new(drafts)).into_outcome();
        self.register(&instruments, Routine::Collect(Box::new(collect)))
    }

    /// Registers an async callback that runs in the background once per `period`, whether or not anyone collects. It
    /// returns a closure that reports the values of all instruments at once. Collections never wait for the callback;
    /// each exports its last values. A `period` below 10 ms counts as 10 ms.
    ///
    /// The callback starts to run when the pipeline starts, on a thread of its own with the pipeline's runtime, or
    /// where [`spawn_with`](Self::spawn_with) sends it. A callback that takes longer than its period runs less often.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use meterkit::observable::Observer;
    ///
    /// # async fn pool() -> (u64, u64) { (3, 7) }
    /// # let meter = meterkit::Registry::new().scoped("core", "database");
    /// let idle = meter.observable_gauge::<u64>("connections.idle").build()?;
    /// let used = meter.observable_gauge::<u64>("connections.used").build()?;
    /// let callback = meter.callback([&idle, &used])?;
    /// let _guard = callback.refresh_every(Duration::from_secs(10), move || {
    ///     let (idle, used) = (idle.clone(), used.clone());
    ///     async move {
    ///         let pool = pool().await;
    ///         move |observer: &mut Observer<'_>| {
    ///             observer.observe(&idle, pool.0);
    ///             observer.observe(&used, pool.1);
    ///         }
    ///     }
    /// });
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    #[track_caller]
    pub fn refresh_every<F, R>(
        self,
        period: Duration,
        callback: impl Fn() -> F + Send + Sync + 'static,
    ) -> CallbackGuard
    where
        F: Future<Output = R> + Send + 'static,
        R: FnOnce(&mut Observer<'_>) + Send + 'static,
    {
        self.refresh_every_result(period, move || {
            let report = callback();
            async move { Ok::<R, Infallible>(report.await) }
        })
    }

    /// Like [`refresh_every`](Self::refresh_every), with a callback that can fail, as in
    /// [`observe_with`](Self::observe_with).
    #[track_caller]
    pub fn refresh_every_result<F, R, E: fmt::Display>(
        self,
        period: Duration,
        callback: impl Fn() -> F + Send + Sync + 'static,
    ) -> CallbackGuard
    where
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: FnOnce(&mut Observer<'_>) + Send + 'static,
    {
        let instruments = self.instruments.0.clone();
        let refresh = move || {
            let report = callback();
            async move { report.await.map(found_several).map_err(told) }
        };
        self.register(&instruments, Routine::Refresh(Refreshing::new(period, refresh)))
    }
}

impl<K, T, L> CallbackBuilder<Observable<K, T, L>> {
    #[track_caller]
    fn collect(
        self,
        collect: impl Fn(&mut Draft) -> Result<(), String> + Send + Sync + 'static,
    ) -> CallbackGuard {
        let instrument = self.instruments.observed.clone();
        let collect = move |drafts: &mut Vec<Draft>| drafts.iter_mut().try_for_each(&collect);
        self.register(&[instrument], Routine::Collect(Box::new(collect)))
    }

    #[track_caller]
    fn refresh<F>(
        self,
        period: Duration,
        refresh: impl Fn() -> F + Send + Sync + 'static,
    ) -> CallbackGuard
    where
        F: Future<Output = Found> + Send + 'static,
    {
        let instrument = self.instruments.observed.clone();
        self.register(&[instrument], Routine::Refresh(Refreshing::new(period, refresh)))
    }
}

/// The return type of a callback for several series or instruments: nothing, or a `Result` without a value. Sealed.
#[diagnostic::on_unimplemented(
    message = "a callback with an observer cannot return `{Self}`",
    note = "report values to the observer, and return nothing, or `Result<(), E>` with an `E` that implements `Display`"
)]
pub trait CallbackOutput: sealed::Sealed {}

impl CallbackOutput for () {}
impl<E: fmt::Display> CallbackOutput for Result<(), E> {}

mod sealed {
    use std::fmt;

    pub trait Sealed {
        fn into_outcome(self) -> Result<(), String>;
    }

    impl Sealed for () {
        fn into_outcome(self) -> Result<(), String> {
            Ok(())
        }
    }

    impl<E: fmt::Display> Sealed for Result<(), E> {
        fn into_outcome(self) -> Result<(), String> {
            self.map_err(super::told)
        }
    }
}

/// Formats an error, with its causes if its alternate format (`{:#}`) includes them.
fn told(error: impl fmt::Display) -> String {
    format!("{error:#}")
}

fn found<K: ObservableKind<T>, T: Number>(value: T) -> Report {
    Box::new(move |drafts| drafts.iter_mut().for_each(|it| report::<K, T>(it, &NoLabels, value)))
}

fn found_series<K: ObservableKind<T>, T: Number, S: Labels + Send + 'static>(
    values: Vec<(S, T)>,
) -> Report {
    Box::new(move |drafts| {
        // A callback for one instrument has exactly one draft.
        let Some(draft) = drafts.first_mut() else { return };
        values.into_iter().for_each(|(labels, value)| report::<K, T>(draft, &labels, value));
    })
}

fn found_several(report: impl FnOnce(&mut Observer<'_>) + Send + 'static) -> Report {
    Box::new(move |drafts| report(&mut Observer::new(drafts)))
}

impl<I> fmt::Debug for CallbackBuilder<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

impl fmt::Debug for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|it| it.shared.descriptor().name.clone());
        f.debug_tuple("Several").field(&names.collect::<Vec<_>>()).finish()
    }
}
