//! Meters: where instruments come from.

use std::borrow::Cow;

use meterkit_rules::label_key;
use meterkit_rules::name::Problem;
use opentelemetry::InstrumentationScope;

use crate::attributes::AttributeValue;
use crate::error::{InstrumentError, ScopeError};
use crate::instrument::{
    AnyObservable, BoundLabels, CallbackBuilder, CallbackGuard, CallbackOutput, Counter,
    CounterGroup, Gauge, GaugeGroup, Histogram, HistogramGroup, Instrument, InstrumentBuilder,
    ObservableCounter, ObservableCounterGroup, ObservableGauge, ObservableGaugeGroup,
    ObservableUpDownCounter, ObservableUpDownCounterGroup, Observer, Several, UpDownCounter,
    UpDownCounterGroup,
};
use crate::labels::Labels;
use crate::number::{CounterNumber, GaugeNumber, HistogramNumber, UpDownNumber};
use crate::order;
use crate::registry::Registry;
use crate::scope::ScopeKey;
use crate::scope_kind::ScopeKind;
use crate::store::shared::Door;

/// Makes the instruments of one part of the program.
///
/// The part shows in two places: as OpenTelemetry's instrumentation scope, and, unless the naming policy says
/// otherwise, before the name of each metric. Cheap to clone.
///
/// ```
/// use meterkit::Meter;
///
/// let meter = Meter::scoped("plugin", "catalog"); // backstage.plugin.catalog
/// let queue = meter.gauge::<i64>("queue.length").build()?; // backstage.plugin.catalog.queue.length
/// queue.set(12);
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Meter {
    registry: Registry,
    key: Result<ScopeKey, ScopeError>,
    /// Before the name of each instrument, with what joins both; empty for nothing.
    prefix: String,
    /// Bound to each instrument: at most one set, or none can be made.
    labels: Vec<BoundLabels>,
}

impl Meter {
    /// The meter of a part of the program, in the global registry.
    ///
    /// `kind` is [`plugin`](ScopeKind::Plugin), [`core`](ScopeKind::Core), or any other word. Names may be in snake_case
    /// or camelCase, which is kept as written; kebab-case becomes snake_case. Two scopes of a kind whose names differ
    /// only in case, `-` or `_` are an error, and so are two instruments of a scope. A bad kind or name shows as the
    /// error of each instrument. Instruments that are created before `install()` work, and keep what they counted.
    pub fn scoped(kind: impl Into<ScopeKind>, name: &str) -> Self {
        Registry::global().scoped(kind, name)
    }

    /// Returns the meter of the core itself, in the global registry: its scope is `backstage.core`, and its metrics are
    /// named `backstage.core.<metric>`.
    ///
    /// ```
    /// use meterkit::Meter;
    ///
    /// let meter = Meter::core();
    /// let duration = meter.histogram::<f64>("httpRouter.middleware.duration").unit("s").build()?;
    /// duration.record(0.2); // backstage.core.httpRouter.middleware.duration
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    pub fn core() -> Self {
        Registry::global().core()
    }

    /// A meter of the global registry whose metric names are left alone, for names that OpenTelemetry's semantic
    /// conventions fix, such as `http.server.request.duration`.
    pub fn semconv(scope: &str) -> Self {
        Registry::global().semconv(scope)
    }

    /// Returns the meter of the global registry whose metric names are used as they are written, for metrics that
    /// dashboards know already: names have no prefix, units and `_total` are not added, and Prometheus gets no
    /// `otel_scope_*` labels. Names may contain `:` and begin with `_`.
    ///
    /// Such metrics can stand beside others in one endpoint. Characters that a scrape format cannot have become `_`. In
    /// OpenMetrics, a counter that does not end with `_total` is of unknown type. OpenTelemetry's scope is named `plain`.
    ///
    /// ```
    /// use meterkit::Meter;
    ///
    /// let meter = Meter::plain();
    /// let blocks = meter.counter::<u64>("sync_blocks_total").build()?;
    /// blocks.increment(); // sync_blocks_total
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    pub fn plain() -> Self {
        Registry::global().plain()
    }

    /// The version of what is measured. Meters of different versions are different scopes.
    #[must_use]
    pub fn version(self, version: impl Into<Cow<'static, str>>) -> Self {
        self.change(|key| key.version = Some(version.into()))
    }

    /// Where the schema of the metrics is written down.
    #[must_use]
    pub fn schema_url(self, url: impl Into<Cow<'static, str>>) -> Self {
        self.change(|key| key.schema_url = Some(url.into()))
    }

    /// An attribute of the scope, and of every series in it. A key that is set twice has its last value. It wins over
    /// an attribute of all metrics that has the same key; those of an instrument and labels win over it.
    #[must_use]
    pub fn attribute(
        self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<AttributeValue>,
    ) -> Self {
        let (name, value) = (key.into(), value.into());
        if let Some(rule) = label_key::problem(&name) {
            let problem = Problem { rule, suggestion: None };
            let key = self.key.and_then(|_| Err(ScopeError::new("attribute key", &name, problem)));
            return Self { key, ..self };
        }
        self.change(|key| {
            key.attributes.retain(|(known, _)| *known != name);
            key.attributes.push((name, value));
            order::sort(&mut key.attributes);
        })
    }

    /// Returns the same meter with `prefix` and a dot before the name of each instrument: a level of names within the
    /// scope. A [plain](Self::plain) meter adds no dot, since it uses names as they are written: `sync_`, for example.
    #[must_use]
    pub fn prefixed(&self, prefix: &str) -> Self {
        let joint = if self.key.as_ref().is_ok_and(ScopeKey::is_plain) { "" } else { "." };
        Self { prefix: format!("{}{prefix}{joint}", self.prefix), ..self.clone() }
    }

    /// Returns the same meter, whose instruments are each the series with these labels.
    pub(crate) fn labeled(&self, labels: &impl Labels) -> Self {
        let mut meter = self.clone();
        meter.labels.push(BoundLabels::new(labels));
        meter
    }

    /// Takes everything of this scope away: its instruments, their series and callbacks, and its part of the catalog
    /// are in no later export. Returns whether there was such a scope.
    ///
    /// A meter that names no version unloads all versions of the scope; so it is with schema URLs and attributes. It
    /// makes no difference whether the meter is [`prefixed`](Self::prefixed): the scope is the same.
    ///
    /// For a plugin that is unloaded. What is recorded with handles that were kept is dropped and counted in
    /// `meterkit.dropped`, so a plugin that is loaded again makes its instruments again, and keeps them in no static.
    /// Instruments that are made in the scope afterwards are new and start from nothing. The scope `meterkit`, where
    /// the library tells of itself, stays.
    ///
    /// Readers of OpenTelemetry's SDK that the program has added go on to see what they have seen, unchanged: counters
    /// and gauges for a while, histograms for good. The SDK cannot forget a series.
    pub fn unload(self) -> bool {
        self.key.is_ok_and(|key| self.registry.unload(&key))
    }

    /// Returns an instrument of the type that the caller names: what the other methods give, for code that is generic.
    pub fn instrument<I: Instrument>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<I> {
        self.builder(name.into())
    }

    /// Returns the same as [`instrument`](Self::instrument).
    #[doc(hidden)] // for `derive(Metrics)` and `declare!`
    pub fn declared<I: Instrument>(&self, name: impl Into<Cow<'static, str>>) -> I::Builder {
        self.instrument::<I>(name).into()
    }

    /// Returns a counter: `u64` or `f64`.
    pub fn counter<T: CounterNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<Counter<T>> {
        self.builder(name.into())
    }

    /// Returns a counter per label set.
    pub fn counter_group<L, T: CounterNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<CounterGroup<L, T>> {
        self.builder(name.into())
    }

    /// Returns an up-down counter: `i64` or `f64`.
    pub fn up_down_counter<T: UpDownNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<UpDownCounter<T>> {
        self.builder(name.into())
    }

    /// Returns an up-down counter per label set.
    pub fn up_down_counter_group<L, T: UpDownNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<UpDownCounterGroup<L, T>> {
        self.builder(name.into())
    }

    /// Returns a gauge: `i64`, `u64` or `f64`.
    pub fn gauge<T: GaugeNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<Gauge<T>> {
        self.builder(name.into())
    }

    /// Returns a gauge per label set.
    pub fn gauge_group<L, T: GaugeNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<GaugeGroup<L, T>> {
        self.builder(name.into())
    }

    /// Returns a histogram: `f64` or `u64`.
    pub fn histogram<T: HistogramNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<Histogram<T>> {
        self.builder(name.into())
    }

    /// Returns a histogram per label set.
    pub fn histogram_group<L, T: HistogramNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<HistogramGroup<L, T>> {
        self.builder(name.into())
    }

    /// Returns an observable counter: a total that callbacks report. `T` is `u64` or `f64`.
    pub fn observable_counter<T: CounterNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<ObservableCounter<T>> {
        self.builder(name.into())
    }

    /// Returns an observable counter with labels `L`.
    pub fn observable_counter_group<L, T: CounterNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<ObservableCounterGroup<L, T>> {
        self.builder(name.into())
    }

    /// Returns an observable up-down counter: a total that rises and falls, which callbacks report. `T` is `i64` or
    /// `f64`.
    pub fn observable_up_down_counter<T: UpDownNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<ObservableUpDownCounter<T>> {
        self.builder(name.into())
    }

    /// Returns an observable up-down counter with labels `L`.
    pub fn observable_up_down_counter_group<L, T: UpDownNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<ObservableUpDownCounterGroup<L, T>> {
        self.builder(name.into())
    }

    /// Returns an observable gauge: a value that callbacks report. `T` is `i64`, `u64` or `f64`.
    ///
    /// ```
    /// # let meter = meterkit::Registry::new().scoped("plugin", "catalog");
    /// # fn cache_len() -> u64 { 7 }
    /// let _guard = meter.observable_gauge::<u64>("cache.entries").observe(|| cache_len())?;
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    pub fn observable_gauge<T: GaugeNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<ObservableGauge<T>> {
        self.builder(name.into())
    }

    /// Returns an observable gauge with labels `L`.
    pub fn observable_gauge_group<L, T: GaugeNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<ObservableGaugeGroup<L, T>> {
        self.builder(name.into())
    }

    /// Registers one callback for several observable instruments of this scope, to report them all from one reading of
    /// their source. It runs once per collection until the guard is dropped, and returns nothing or a `Result`:
    /// [`CallbackBuilder::observe_with`]. For a `Vec`, a slice or an iterator of instruments, use
    /// [`callback_for`](Self::callback_for).
    ///
    /// ```
    /// # fn pool() -> (u64, u64) { (3, 7) }
    /// # let meter = meterkit::Registry::new().scoped("core", "database");
    /// let idle = meter.observable_gauge::<u64>("connections.idle").build()?;
    /// let used = meter.observable_gauge::<u64>("connections.used").build()?;
    /// let _guard = meter.register_callback([&idle, &used], {
    ///     let (idle, used) = (idle.clone(), used.clone());
    ///     move |observer| {
    ///         let pool = pool();
    ///         observer.observe(&idle, pool.0);
    ///         observer.observe(&used, pool.1);
    ///     }
    /// })?;
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A bad scope, an instrument that is not one of this scope, and no instrument at all.
    pub fn register_callback<const N: usize, R: CallbackOutput>(
        &self,
        instruments: [&dyn AnyObservable; N],
        callback: impl Fn(&mut Observer<'_>) -> R + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError> {
        Ok(self.callback(instruments)?.observe_with(callback))
    }

    /// Returns a callback for several observable instruments of this scope, about to be registered: for one that is
    /// [cached](CallbackBuilder::cached), [refreshed](CallbackBuilder::<Several>::refresh_every), or has a
    /// [budget](CallbackBuilder::budget) of its own.
    ///
    /// # Errors
    ///
    /// A bad scope, an instrument that is not one of this scope, and no instrument at all.
    pub fn callback<const N: usize>(
        &self,
        instruments: [&dyn AnyObservable; N],
    ) -> Result<CallbackBuilder<Several>, InstrumentError> {
        self.callback_for(instruments)
    }

    /// Like [`callback`](Self::callback), for any number of instruments: a `Vec`, a slice, or an iterator. Instruments
    /// of different types go into a list of `&dyn AnyObservable`.
    ///
    /// ```
    /// # fn length_of(shard: usize) -> u64 { 3 }
    /// # let meter = meterkit::Registry::new().scoped("plugin", "queue");
    /// let shards = (0..4).map(|shard| meter.observable_gauge::<u64>(format!("shard{shard}.length")).build());
    /// let shards = shards.collect::<Result<Vec<_>, _>>()?;
    /// let _guard = meter.callback_for(&shards)?.observe_with({
    ///     let shards = shards.clone();
    ///     move |observer| {
    ///         for (number, shard) in shards.iter().enumerate() {
    ///             observer.observe(shard, length_of(number));
    ///         }
    ///     }
    /// });
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`callback`](Self::callback).
    pub fn callback_for<'a, I: AnyObservable + ?Sized + 'a>(
        &self,
        instruments: impl IntoIterator<Item = &'a I>,
    ) -> Result<CallbackBuilder<Several>, InstrumentError> {
        CallbackBuilder::for_several(&self.registry, self.key.as_ref(), instruments)
    }

    /// Returns the registry that the instruments of this meter are in.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns a builder of an instrument that OpenTelemetry's API asks for.
    pub(crate) fn opentelemetry_builder<I>(&self, name: Cow<'static, str>) -> InstrumentBuilder<I> {
        InstrumentBuilder::new(self.registry.clone(), self.key.clone(), name)
            .through(Door::OpenTelemetry)
    }

    fn builder<I>(&self, name: Cow<'static, str>) -> InstrumentBuilder<I> {
        let name = match self.prefix.as_str() {
            "" => name,
            prefix => Cow::Owned(format!("{prefix}{name}")),
        };
        InstrumentBuilder::new(self.registry.clone(), self.key.clone(), name)
            .labeled(self.labels.clone())
    }

    fn change(mut self, change: impl FnOnce(&mut ScopeKey)) -> Self {
        if let Ok(key) = &mut self.key {
            change(key);
        }
        self
    }
}

impl Registry {
    /// Returns the meter of a part of the program; see [`Meter::scoped`].
    pub fn scoped(&self, kind: impl Into<ScopeKind>, name: &str) -> Meter {
        self.meter(ScopeKey::scoped(kind.into().as_str(), name))
    }

    /// Returns the meter of the core itself; see [`Meter::core`].
    pub fn core(&self) -> Meter {
        self.meter(Ok(ScopeKey::core()))
    }

    /// Returns the meter whose metric names are used as they are written; see [`Meter::plain`].
    pub fn plain(&self) -> Meter {
        self.meter(Ok(ScopeKey::plain()))
    }

    /// Returns the same for a scope that has a name of its own, which may be any text.
    #[doc(hidden)] // for the facade of the crate `metrics`
    pub fn plain_scope(&self, name: &str) -> Meter {
        self.meter(Ok(ScopeKey::plain_of(name)))
    }

    /// Returns a meter whose metric names are left alone; see [`Meter::semconv`].
    pub fn semconv(&self, scope: &str) -> Meter {
        self.meter(ScopeKey::semconv(scope))
    }

    /// Returns the meter of a scope of OpenTelemetry. A scope whose name is one of [`scoped`](Self::scoped), such as
    /// `backstage.plugin.catalog`, is that scope.
    #[doc(hidden)] // for OpenTelemetry's side
    pub fn meter_of(&self, scope: &InstrumentationScope) -> Meter {
        self.meter(Ok(ScopeKey::of(scope, &self.naming())))
    }

    fn meter(&self, key: Result<ScopeKey, ScopeError>) -> Meter {
        Meter { registry: self.clone(), key, prefix: String::new(), labels: Vec::new() }
    }
}
