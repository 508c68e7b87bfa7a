//! How a callback is registered.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::guard::CallbackGuard;
use super::observer::{Observer, SeriesObserver, report};
use super::{AnyObservable, Observable, ObservableKind};
use crate::error::{InstrumentError, ScopeError};
use crate::instrument::builder::NoLabels;
use crate::labels::Labels;
use crate::number::Number;
use crate::registry::{Inner, Registry};
use crate::scope::ScopeKey;
use crate::store::callbacks::{
    BackgroundTask, CallbackOptions, Found, Refreshing, Report, Spawn, Work,
};
use crate::store::observed::{Draft, Observed};

/// A callback about to be registered. From [`Observable::callback`] for one instrument, from
/// [`Meter::callback`](crate::Meter::callback) for several.
///
/// A callback runs on a thread of its own kind, never on one that serves requests or delivers metrics. It may record,
/// make instruments, and register and unregister callbacks; it should not wait for a collection, which waits for it.
/// When it panics, what it reports is missing from that collection; that is logged, and counted in
/// `meterkit.callback.failures`.
///
/// Callbacks run one after the other as long as they are quick, and beside each other where one takes long.
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
#[must_use = "a callback runs once it is registered: by `observe`, `observe_with` or `refresh_every`"]
pub struct CallbackBuilder<I> {
    registry: Weak<Inner>,
    instruments: I,
    settings: CallbackSettings,
}

/// Several instruments of one scope that a callback reports at once.
pub struct Several(Vec<Arc<Observed>>);

/// How a callback is to be run.
#[derive(Clone, Default)]
pub(in crate::instrument) struct CallbackSettings {
    options: CallbackOptions,
    spawn: Option<Spawn>,
}

impl CallbackSettings {
    pub(in crate::instrument) fn cached(&mut self, ttl: Duration) {
        self.options.ttl = Some(ttl);
    }

    pub(in crate::instrument) fn budget(&mut self, budget: Duration) {
        self.options.budget = Some(budget);
    }

    pub(in crate::instrument) fn spawn_with(
        &mut self,
        spawn: impl Fn(BackgroundTask) + Send + Sync + 'static,
    ) {
        self.spawn = Some(Arc::new(spawn));
    }
}

impl<I> CallbackBuilder<I> {
    pub(super) fn new(registry: Weak<Inner>, instruments: I) -> Self {
        Self { registry, instruments, settings: CallbackSettings::default() }
    }

    pub(super) fn with(self, settings: CallbackSettings) -> Self {
        Self { settings, ..self }
    }

    /// Runs the callback at most once in this time, also when it fails; collections in between serve what it reported
    /// last. By default it runs in every collection.
    pub fn cached(mut self, ttl: Duration) -> Self {
        self.settings.cached(ttl);
        self
    }

    /// How long a collection waits for the callback. 1 s by default; `METERKIT_CALLBACK_BUDGET` changes the default,
    /// not what is set here. For a callback that is [refreshed](Self::refresh_every), nobody waits: its period is the
    /// default, and it is reported when it takes longer.
    ///
    /// A callback that takes longer is reported with its instrument's name, and that collection serves its last values.
    /// After three times in a row it runs in the background: collections begin it and serve its last values without
    /// waiting, until it is fast again. `meterkit.callback.background` tells of it.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.settings.budget(budget);
        self
    }

    /// Where a callback that is [refreshed](Self::refresh_every) runs. By default, on a thread of the pipeline with its
    /// runtime.
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
        self.settings.spawn_with(spawn);
        self
    }

    pub(super) fn instrument(self) -> I {
        self.instruments
    }

    /// Registers a callback for `instruments`.
    fn register(
        self,
        instruments: &[Arc<Observed>],
        work: impl FnOnce(Option<Spawn>) -> Work,
    ) -> CallbackGuard {
        let CallbackSettings { options, spawn } = self.settings;
        // One that could not be made, or that is gone, reports nothing: the rest does.
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
        let callback = registry.callback(drafts, work(spawn), options);
        CallbackGuard::register(&registry, callback)
    }
}

impl<K: ObservableKind<T>, T: Number> CallbackBuilder<Observable<K, T>> {
    /// Registers `callback`: what it returns is reported by each collection until the guard is dropped.
    pub fn observe(self, callback: impl Fn() -> T + Send + Sync + 'static) -> CallbackGuard {
        self.collect(move |draft| {
            report::<K, T>(draft, &NoLabels, callback());
            Ok(())
        })
    }

    /// Like [`observe`](Self::observe), with a callback that can fail. The first failure in a row leaves the last value
    /// for one more period, a further one takes it away. All are counted in `meterkit.callback.failures`, the first in
    /// a row is logged.
    pub fn observe_result<E: fmt::Display>(
        self,
        callback: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> CallbackGuard {
        self.collect(move |draft| {
            report::<K, T>(draft, &NoLabels, callback().map_err(told)?);
            Ok(())
        })
    }

    /// Registers an async callback that runs once per `period`, in the background, whether anyone collects or not: no
    /// collection ever waits for it, each serves its last value. A shorter period than
    /// 10 ms counts as 10 ms.
    ///
    /// It begins to run when the pipeline does, on a thread of its own that has the pipeline's runtime, or where
    /// [`spawn_with`](Self::spawn_with) says. One that takes longer than its period runs less often. What
    /// [`cached`](Self::cached) says has no meaning for it.
    ///
    /// The callback is called again and again: what it needs goes into the future as a clone.
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
    /// Registers `callback`, which reports any number of series to each collection until the guard is dropped. It
    /// returns nothing, or a `Result`: the first failure in a row leaves the last values for one more period, a further
    /// one takes them away. All are counted in `meterkit.callback.failures`, the first in a row is logged.
    pub fn observe_with<R: CallbackOutput>(
        self,
        callback: impl Fn(&mut SeriesObserver<'_, K, T, L>) -> R + Send + Sync + 'static,
    ) -> CallbackGuard {
        self.collect(move |draft| callback(&mut SeriesObserver::new(draft)).into_outcome())
    }

    /// Registers an async callback that runs once per `period`, in the background, whether anyone collects or not, and
    /// gives the values of all series: no collection ever waits for it, each serves its last values. A shorter period
    /// than 10 ms counts as 10 ms.
    ///
    /// It begins to run when the pipeline does, on a thread of its own that has the pipeline's runtime, or where
    /// [`spawn_with`](Self::spawn_with) says. One that takes longer than its period runs less often.
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
    /// A callback for `instruments`, which must all be of the scope.
    pub(crate) fn for_several(
        registry: &Registry,
        key: Result<&ScopeKey, &ScopeError>,
        instruments: &[&dyn AnyObservable],
    ) -> Result<Self, InstrumentError> {
        let key = key.map_err(Clone::clone)?;
        let scope = || key.full_name(&registry.naming());
        if instruments.is_empty() {
            return Err(InstrumentError::NoInstrument { scope: scope() });
        }
        let mut several: Vec<Arc<Observed>> = Vec::new();
        for observed in instruments.iter().map(|instrument| instrument.in_store()) {
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
        Ok(Self::new(Arc::downgrade(&registry.inner), Several(several)))
    }

    /// Registers `callback`, which reports to all the instruments at once until the guard is dropped. It returns
    /// nothing, or a `Result`: the first failure in a row leaves the last values for one more period, a further one
    /// takes them away. All are counted in `meterkit.callback.failures`, the first in a row is logged.
    pub fn observe_with<R: CallbackOutput>(
        self,
        callback: impl Fn(&mut Observer<'_>) -> R + Send + Sync + 'static,
    ) -> CallbackGuard {
        let instruments = self.instruments.0.clone();
        let collect =
            move |drafts: &mut [Draft]| callback(&mut Observer::new(drafts)).into_outcome();
        self.register(&instruments, |_| Work::Collect(Box::new(collect)))
    }
}

impl<K, T, L> CallbackBuilder<Observable<K, T, L>> {
    fn collect(
        self,
        collect: impl Fn(&mut Draft) -> Result<(), String> + Send + Sync + 'static,
    ) -> CallbackGuard {
        let instrument = self.instruments.observed.clone();
        let collect = move |drafts: &mut [Draft]| drafts.iter_mut().try_for_each(&collect);
        self.register(&[instrument], |_| Work::Collect(Box::new(collect)))
    }

    fn refresh<F>(
        self,
        period: Duration,
        refresh: impl Fn() -> F + Send + Sync + 'static,
    ) -> CallbackGuard
    where
        F: Future<Output = Found> + Send + 'static,
    {
        let instrument = self.instruments.observed.clone();
        self.register(&[instrument], |spawn| Work::Refresh(Refreshing::new(period, spawn, refresh)))
    }
}

/// What a callback for several series or instruments may return: nothing, or a `Result` without a value. Sealed.
#[diagnostic::on_unimplemented(
    message = "a callback that has an observer cannot return `{Self}`",
    note = "values go to the observer; the callback returns nothing, or `Result<(), E>` with an error that can be shown"
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

/// An error in words, with its causes where it shows them.
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
        // One instrument has one draft.
        let Some(draft) = drafts.first_mut() else { return };
        values.into_iter().for_each(|(labels, value)| report::<K, T>(draft, &labels, value));
    })
}

impl fmt::Debug for CallbackSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackSettings").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<I> fmt::Debug for CallbackBuilder<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl fmt::Debug for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|it| it.shared.descriptor().name.clone());
        f.debug_tuple("Several").field(&names.collect::<Vec<_>>()).finish()
    }
}
