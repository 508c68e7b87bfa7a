//! Builders of observable instruments.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::callback::CallbackOutput;
use super::guard::CallbackGuard;
use super::observer::SeriesObserver;
use super::{Observable, ObservableKind, Unlabeled};
#[cfg(doc)]
use crate::CallbackBuilder;
use crate::error::InstrumentError;
use crate::instrument::InstrumentBuilder;
use crate::instrument::made::sealed::Sealed;
use crate::labels::{LabelKey, Labels};
use crate::number::Number;
use crate::store::callbacks::BackgroundTask;

impl<K: ObservableKind<T>, T: Number, L> InstrumentBuilder<Observable<K, T, L>> {
    /// Runs the callback at most once in this time; see [`CallbackBuilder::cached`].
    pub fn cached(mut self, ttl: Duration) -> Self {
        self.request.callback.ttl = Some(ttl);
        self
    }

    /// Sets how long a collection waits for the callback. The default is 1 s; see [`CallbackBuilder::budget`].
    pub fn budget(mut self, budget: Duration) -> Self {
        self.request.callback.budget = Some(budget);
        self
    }

    /// Sets where an async callback runs; see [`CallbackBuilder::spawn_with`].
    pub fn spawn_with(mut self, spawn: impl Fn(BackgroundTask) + Send + Sync + 'static) -> Self {
        self.request.callback.spawn = Some(Arc::new(spawn));
        self
    }
}

impl<K: ObservableKind<T>, T: Number> Sealed for Observable<K, T, Unlabeled> {
    fn make(builder: InstrumentBuilder<Self>) -> Result<Self, InstrumentError> {
        Self::find(builder, &[])
    }

    fn not_made(builder: &InstrumentBuilder<Self>) -> Self {
        Self::new(builder.request.not_made(K::KIND, T::TYPE, Some(&[])), builder)
    }
}

impl<K: ObservableKind<T>, T: Number, L: Labels> Sealed for Observable<K, T, L> {
    fn make(builder: InstrumentBuilder<Self>) -> Result<Self, InstrumentError> {
        Self::find(builder, L::KEYS)
    }

    fn not_made(builder: &InstrumentBuilder<Self>) -> Self {
        Self::new(builder.request.not_made(K::KIND, T::TYPE, Some(L::KEYS)), builder)
    }
}

impl<K: ObservableKind<T>, T: Number, L> Observable<K, T, L> {
    fn find(
        builder: InstrumentBuilder<Self>,
        keys: &'static [LabelKey],
    ) -> Result<Self, InstrumentError> {
        let observed = builder.request.clone().find_or_make(K::KIND, T::TYPE, Some(keys))?;
        Ok(Self::new(observed, &builder))
    }
}

impl<K: ObservableKind<T>, T: Number> InstrumentBuilder<Observable<K, T, Unlabeled>> {
    /// Creates the instrument, or takes the existing one, and registers `callback` for it, as
    /// [`CallbackBuilder::observe`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`build`](Self::build).
    #[track_caller]
    pub fn observe(
        self,
        callback: impl Fn() -> T + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError> {
        Ok(self.build()?.callback().observe(callback))
    }

    /// Like [`observe`](Self::observe), with a callback that can fail; see [`CallbackBuilder::observe_result`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`build`](Self::build).
    #[track_caller]
    pub fn observe_result<E: fmt::Display>(
        self,
        callback: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError> {
        Ok(self.build()?.callback().observe_result(callback))
    }

    /// Creates the instrument, or takes the existing one, and registers an async callback that runs in the background,
    /// as [`CallbackBuilder::refresh_every`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`build`](Self::build).
    #[track_caller]
    pub fn refresh_every<F>(
        self,
        period: Duration,
        callback: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError>
    where
        F: Future<Output = T> + Send + 'static,
    {
        Ok(self.build()?.callback().refresh_every(period, callback))
    }

    /// Like [`refresh_every`](Self::refresh_every), with a callback that can fail; see
    /// [`CallbackBuilder::refresh_every_result`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`build`](Self::build).
    #[track_caller]
    pub fn refresh_every_result<F, E: fmt::Display>(
        self,
        period: Duration,
        callback: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        Ok(self.build()?.callback().refresh_every_result(period, callback))
    }
}

impl<K: ObservableKind<T>, T: Number, L: Labels> InstrumentBuilder<Observable<K, T, L>> {
    /// Sets the maximum number of series of the instrument. Further label sets share the overflow series, which holds
    /// the sum of totals, and the last value of gauges. The default is 2000; `METERKIT_CARDINALITY_LIMIT` changes the
    /// default, but not a limit that is set here.
    pub fn cardinality_limit(mut self, series: usize) -> Self {
        self.request.options.limit = Some(series);
        self
    }

    /// Creates the instrument, or takes the existing one, and registers `callback` for it, as
    /// [`CallbackBuilder::observe_with`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`build`](Self::build).
    #[track_caller]
    pub fn observe_with<R: CallbackOutput>(
        self,
        callback: impl Fn(&mut SeriesObserver<'_, K, T, L>) -> R + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError> {
        Ok(self.build()?.callback().observe_with(callback))
    }

    /// Creates the instrument, or takes the existing one, and registers an async callback that runs in the background,
    /// as [`CallbackBuilder::refresh_every`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`build`](Self::build).
    #[track_caller]
    pub fn refresh_every<F, S>(
        self,
        period: Duration,
        callback: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError>
    where
        F: Future<Output = Vec<(S, T)>> + Send + 'static,
        S: Labels<Set = L::Set> + Send + 'static,
    {
        Ok(self.build()?.callback().refresh_every(period, callback))
    }

    /// Like [`refresh_every`](Self::refresh_every), with a callback that can fail; see
    /// [`CallbackBuilder::refresh_every_result`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`build`](Self::build).
    #[track_caller]
    pub fn refresh_every_result<F, S, E: fmt::Display>(
        self,
        period: Duration,
        callback: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError>
    where
        F: Future<Output = Result<Vec<(S, T)>, E>> + Send + 'static,
        S: Labels<Set = L::Set> + Send + 'static,
    {
        Ok(self.build()?.callback().refresh_every_result(period, callback))
    }
}
