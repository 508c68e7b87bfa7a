//! How observable instruments are made.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::callback::{CallbackBuilder, CallbackOutput};
use super::guard::CallbackGuard;
use super::observer::SeriesObserver;
use super::{Observable, ObservableKind, Unlabeled};
use crate::error::InstrumentError;
use crate::instrument::InstrumentBuilder;
use crate::instrument::builder::clash_of_labels;
use crate::labels::{LabelKey, Labels};
use crate::number::Number;
use crate::store::callbacks::BackgroundTask;
use crate::store::observed::Observed;
use crate::store::shared::Door;

impl<K: ObservableKind<T>, T: Number, L> InstrumentBuilder<Observable<K, T, L>> {
    /// Runs the callback at most once in this time; see [`CallbackBuilder::cached`].
    pub fn cached(mut self, ttl: Duration) -> Self {
        self.callback.cached(ttl);
        self
    }

    /// Sets how long a collection waits for the callback, 1 s by default; see [`CallbackBuilder::budget`].
    pub fn budget(mut self, budget: Duration) -> Self {
        self.callback.budget(budget);
        self
    }

    /// Sets where a callback that is refreshed runs; see [`CallbackBuilder::spawn_with`].
    pub fn spawn_with(mut self, spawn: impl Fn(BackgroundTask) + Send + Sync + 'static) -> Self {
        self.callback.spawn_with(spawn);
        self
    }

    fn made(
        self,
        keys: &'static [LabelKey],
    ) -> Result<CallbackBuilder<Observable<K, T, L>>, InstrumentError> {
        let (registry, callback) = (self.registry.clone(), self.callback.clone());
        let home = Arc::downgrade(&registry.inner);
        let (scope, identity, options) = self.checked(K::KIND, T::TYPE, keys)?;
        let observed = registry.observed(&scope, identity, Door::Facade, options)?;
        let declared = observed.declare(keys);
        declared.map_err(|known| clash_of_labels(&observed.shared, known, keys))?;
        let instrument = Observable::new(observed, home, callback);
        Ok(instrument.callback())
    }

    /// Returns an instrument that is in no registry, for one that cannot be made.
    fn not_made_observable(
        &self,
        error: &InstrumentError,
        keys: &'static [LabelKey],
    ) -> Observable<K, T, L> {
        self.log(error);
        let shared = self.not_made(K::KIND, T::TYPE, keys);
        let observed = Arc::new(Observed::new(shared));
        let _ = observed.declare(keys);
        Observable::new(observed, Arc::downgrade(&self.registry.inner), self.callback.clone())
    }
}

impl<K: ObservableKind<T>, T: Number> InstrumentBuilder<Observable<K, T, Unlabeled>> {
    /// Makes the instrument, or gives the one that exists: to register callbacks for it later, or one for several
    /// instruments at once. What this builder was told of callbacks holds for those that are registered for this
    /// instrument alone.
    ///
    /// # Errors
    ///
    /// A bad scope, name or unit, and a clash with an instrument that differs.
    pub fn build(self) -> Result<Observable<K, T>, InstrumentError> {
        Ok(self.made(&[])?.instrument())
    }

    /// Makes the instrument, or gives the one that exists. When it cannot be made, that is logged as an error, and its
    /// callbacks never run: for statics, which have nobody to give an error to.
    pub fn register(self) -> Observable<K, T> {
        let not_made = self.clone();
        self.build().unwrap_or_else(|error| not_made.not_made_observable(&error, &[]))
    }

    /// Makes the instrument, or takes the one that exists, and registers `callback` for it:
    /// [`CallbackBuilder::observe`].
    ///
    /// # Errors
    ///
    /// Those of [`build`](Self::build).
    pub fn observe(
        self,
        callback: impl Fn() -> T + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError> {
        Ok(self.made(&[])?.observe(callback))
    }

    /// Like [`observe`](Self::observe), with a callback that can fail: [`CallbackBuilder::observe_result`].
    ///
    /// # Errors
    ///
    /// Those of [`build`](Self::build).
    pub fn observe_result<E: fmt::Display>(
        self,
        callback: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError> {
        Ok(self.made(&[])?.observe_result(callback))
    }

    /// Makes the instrument, or takes the one that exists, and registers an async callback that runs in the background:
    /// [`CallbackBuilder::refresh_every`].
    ///
    /// # Errors
    ///
    /// Those of [`build`](Self::build).
    pub fn refresh_every<F>(
        self,
        period: Duration,
        callback: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError>
    where
        F: Future<Output = T> + Send + 'static,
    {
        Ok(self.made(&[])?.refresh_every(period, callback))
    }

    /// Like [`refresh_every`](Self::refresh_every), with a callback that can fail:
    /// [`CallbackBuilder::refresh_every_result`].
    ///
    /// # Errors
    ///
    /// Those of [`build`](Self::build).
    pub fn refresh_every_result<F, E: fmt::Display>(
        self,
        period: Duration,
        callback: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        Ok(self.made(&[])?.refresh_every_result(period, callback))
    }
}

impl<K: ObservableKind<T>, T: Number, L: Labels> InstrumentBuilder<Observable<K, T, L>> {
    /// Sets how many series the instrument may have; further label sets share the overflow series, which has the sum
    /// of totals, and the last of other values. 2000 by default; `METERKIT_CARDINALITY_LIMIT` changes the default, not
    /// what is set here.
    pub fn cardinality_limit(mut self, series: usize) -> Self {
        self.options.limit = Some(series);
        self
    }

    /// Makes the instrument, or gives the one that exists: to register callbacks for it later, or one for several
    /// instruments at once. What this builder was told of callbacks holds for those that are registered for this
    /// instrument alone.
    ///
    /// # Errors
    ///
    /// A bad scope, name, unit, attribute or label key, and a clash with an instrument that differs.
    pub fn build(self) -> Result<Observable<K, T, L>, InstrumentError> {
        Ok(self.made(L::KEYS)?.instrument())
    }

    /// Makes the instrument, or gives the one that exists. When it cannot be made, that is logged as an error, and its
    /// callbacks never run: for statics, which have nobody to give an error to.
    pub fn register(self) -> Observable<K, T, L> {
        let not_made = self.clone();
        self.build().unwrap_or_else(|error| not_made.not_made_observable(&error, L::KEYS))
    }

    /// Makes the instrument, or takes the one that exists, and registers `callback` for it:
    /// [`CallbackBuilder::observe_with`].
    ///
    /// # Errors
    ///
    /// Those of [`build`](Self::build).
    pub fn observe_with<R: CallbackOutput>(
        self,
        callback: impl Fn(&mut SeriesObserver<'_, K, T, L>) -> R + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError> {
        Ok(self.made(L::KEYS)?.observe_with(callback))
    }

    /// Makes the instrument, or takes the one that exists, and registers an async callback that runs in the background:
    /// [`CallbackBuilder::refresh_every`].
    ///
    /// # Errors
    ///
    /// Those of [`build`](Self::build).
    pub fn refresh_every<F, S>(
        self,
        period: Duration,
        callback: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError>
    where
        F: Future<Output = Vec<(S, T)>> + Send + 'static,
        S: Labels<Set = L::Set> + Send + 'static,
    {
        Ok(self.made(L::KEYS)?.refresh_every(period, callback))
    }

    /// Like [`refresh_every`](Self::refresh_every), with a callback that can fail:
    /// [`CallbackBuilder::refresh_every_result`].
    ///
    /// # Errors
    ///
    /// Those of [`build`](Self::build).
    pub fn refresh_every_result<F, S, E: fmt::Display>(
        self,
        period: Duration,
        callback: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError>
    where
        F: Future<Output = Result<Vec<(S, T)>, E>> + Send + 'static,
        S: Labels<Set = L::Set> + Send + 'static,
    {
        Ok(self.made(L::KEYS)?.refresh_every_result(period, callback))
    }
}
