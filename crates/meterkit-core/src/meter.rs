//! Meters, which create instruments.

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

/// Creates the instruments of one part of the program.
///
/// The part becomes the instrumentation scope in OpenTelemetry and, unless the naming policy says otherwise, the prefix
/// of each metric name. Cheap to clone.
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
    /// The prefix of each instrument name, including the separator. May be empty.
    prefix: String,
    /// The label sets bound to each instrument. With more than one set, no instrument can be created.
    labels: Vec<BoundLabels>,
}

impl Meter {
    /// Returns the meter of a part of the program, in the global registry.
    ///
    /// `kind` is [`plugin`](ScopeKind::Plugin), [`core`](ScopeKind::Core), or any other word. Names may be in
    /// snake_case or camelCase, which are kept as written; kebab-case becomes snake_case. If two scopes of the same
    /// kind have names that differ only in case, `-` or `_`, that is an error; the same applies to two instruments of a
    /// scope. An invalid kind or name is reported as an error when an instrument is created. Instruments that are
    /// created before `install()` work, and keep their values.
    pub fn scoped(kind: impl Into<ScopeKind>, name: &str) -> Self {
        Registry::global().scoped(kind, name)
    }

    /// Returns the meter of the core itself, in the global registry. Its scope is `backstage.core`, and its metrics are
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

    /// Returns a meter of the global registry that does not change metric names, for names that OpenTelemetry's
    /// semantic conventions define, such as `http.server.request.duration`.
    pub fn semconv(scope: &str) -> Self {
        Registry::global().semconv(scope)
    }

    /// Returns the meter of the global registry that uses metric names exactly as written, for metrics that existing
    /// dashboards already use. Names get no prefix, no unit and no `_total`, and Prometheus gets no `otel_scope_*`
    /// labels. Names may contain `:` and begin with `_`.
    ///
    /// These metrics can share an endpoint with others. Characters that a scrape format does not allow become `_`. In
    /// OpenMetrics, a counter whose name does not end with `_total` has the type `unknown`. The OpenTelemetry scope is
    /// named `plain`.
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

    /// Sets the version of the instrumented code. Meters with different versions have different scopes.
    #[must_use]
    pub fn version(self, version: impl Into<Cow<'static, str>>) -> Self {
        self.change(|key| key.version = Some(version.into()))
    }

    /// Sets the URL of the schema that the metrics follow.
    #[must_use]
    pub fn schema_url(self, url: impl Into<Cow<'static, str>>) -> Self {
        self.change(|key| key.schema_url = Some(url.into()))
    }

    /// Sets an attribute of the scope, which every series in the scope has. If a key is set twice, the last value wins.
    /// The attribute takes precedence over an attribute of all metrics with the same key; attributes of an instrument
    /// and labels take precedence over it.
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

    /// Returns the same meter with `prefix` and a dot before the name of each instrument, which adds a level to the
    /// names within the scope. A [plain](Self::plain) meter adds no dot, because it uses names as written; use `sync_`,
    /// for example.
    #[must_use]
    pub fn prefixed(&self, prefix: &str) -> Self {
        let joint = if self.key.as_ref().is_ok_and(ScopeKey::is_plain) { "" } else { "." };
        Self { prefix: format!("{}{prefix}{joint}", self.prefix), ..self.clone() }
    }

    /// Returns the same meter, each of whose instruments records the series with these labels.
    pub(crate) fn labeled(&self, labels: &impl Labels) -> Self {
        let mut meter = self.clone();
        meter.labels.push(BoundLabels::new(labels));
        meter
    }

    /// Unloads the scope: removes its instruments, their series and callbacks, and its part of the catalog from all
    /// later exports. Returns whether the scope existed.
    ///
    /// If the meter has no version, all versions of the scope are unloaded; the same applies to its schema URL and
    /// attributes. A [prefix](Self::prefixed) of the meter makes no difference, because the scope is the same.
    ///
    /// Call this when a plugin is unloaded. Values that are recorded through existing handles are dropped from then on,
    /// and counted in `meterkit.dropped`. A plugin that is loaded again must therefore create its instruments again,
    /// and must not keep them in statics. New instruments of the scope start from zero. The scope `meterkit`, which
    /// holds the metrics of this library about itself, cannot be unloaded.
    ///
    /// Readers of OpenTelemetry's SDK that the program has added continue to see the last values: counters and gauges
    /// for a while, histograms permanently, because the SDK cannot remove a series.
    pub fn unload(self) -> bool {
        self.key.is_ok_and(|key| self.registry.unload(&key))
    }

    /// Returns the builder of an instrument of type `I`. Does the same as the methods below, for generic code.
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

    /// Returns the builder of a counter of `u64` or `f64`.
    pub fn counter<T: CounterNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<Counter<T>> {
        self.builder(name.into())
    }

    /// Returns the builder of a counter with one series per label set.
    pub fn counter_group<L, T: CounterNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<CounterGroup<L, T>> {
        self.builder(name.into())
    }

    /// Returns the builder of an up-down counter of `i64` or `f64`.
    pub fn up_down_counter<T: UpDownNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<UpDownCounter<T>> {
        self.builder(name.into())
    }

    /// Returns the builder of an up-down counter with one series per label set.
    pub fn up_down_counter_group<L, T: UpDownNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<UpDownCounterGroup<L, T>> {
        self.builder(name.into())
    }

    /// Returns the builder of a gauge of `i64`, `u64` or `f64`.
    pub fn gauge<T: GaugeNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<Gauge<T>> {
        self.builder(name.into())
    }

    /// Returns the builder of a gauge with one series per label set.
    pub fn gauge_group<L, T: GaugeNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<GaugeGroup<L, T>> {
        self.builder(name.into())
    }

    /// Returns the builder of a histogram of `f64` or `u64`.
    pub fn histogram<T: HistogramNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<Histogram<T>> {
        self.builder(name.into())
    }

    /// Returns the builder of a histogram with one series per label set.
    pub fn histogram_group<L, T: HistogramNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<HistogramGroup<L, T>> {
        self.builder(name.into())
    }

    /// Returns the builder of an observable counter: a total that callbacks report, of `u64` or `f64`.
    pub fn observable_counter<T: CounterNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<ObservableCounter<T>> {
        self.builder(name.into())
    }

    /// Returns the builder of an observable counter with labels `L`.
    pub fn observable_counter_group<L, T: CounterNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<ObservableCounterGroup<L, T>> {
        self.builder(name.into())
    }

    /// Returns the builder of an observable up-down counter: a total that rises and falls and is reported by callbacks,
    /// of `i64` or `f64`.
    pub fn observable_up_down_counter<T: UpDownNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<ObservableUpDownCounter<T>> {
        self.builder(name.into())
    }

    /// Returns the builder of an observable up-down counter with labels `L`.
    pub fn observable_up_down_counter_group<L, T: UpDownNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<ObservableUpDownCounterGroup<L, T>> {
        self.builder(name.into())
    }

    /// Returns the builder of an observable gauge: a current value that callbacks report, of `i64`, `u64` or `f64`.
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

    /// Returns the builder of an observable gauge with labels `L`.
    pub fn observable_gauge_group<L, T: GaugeNumber>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> InstrumentBuilder<ObservableGaugeGroup<L, T>> {
        self.builder(name.into())
    }

    /// Registers one callback for several observable instruments of this scope, so that it can report all of them from
    /// one reading of their source. The callback runs once per collection until the guard is dropped, and returns
    /// nothing or a `Result`; see [`CallbackBuilder::observe_with`]. For a `Vec`, a slice or an iterator of
    /// instruments, use [`callback_for`](Self::callback_for).
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
    /// Returns an error if the scope is invalid, if an instrument belongs to another scope, or if there are no
    /// instruments.
    pub fn register_callback<const N: usize, R: CallbackOutput>(
        &self,
        instruments: [&dyn AnyObservable; N],
        callback: impl Fn(&mut Observer<'_>) -> R + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError> {
        Ok(self.callback(instruments)?.observe_with(callback))
    }

    /// Returns the builder of a callback for several observable instruments of this scope. Use it for a callback that
    /// is [cached](CallbackBuilder::cached), is [refreshed](CallbackBuilder::<Several>::refresh_every), or has a
    /// [budget](CallbackBuilder::budget) of its own.
    ///
    /// # Errors
    ///
    /// Returns an error if the scope is invalid, if an instrument belongs to another scope, or if there are no
    /// instruments.
    pub fn callback<const N: usize>(
        &self,
        instruments: [&dyn AnyObservable; N],
    ) -> Result<CallbackBuilder<Several>, InstrumentError> {
        self.callback_for(instruments)
    }

    /// Like [`callback`](Self::callback), for any number of instruments in a `Vec`, a slice or an iterator. For
    /// instruments of different types, use a list of `&dyn AnyObservable`.
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
    /// Returns the errors of [`callback`](Self::callback).
    pub fn callback_for<'a, I: AnyObservable + ?Sized + 'a>(
        &self,
        instruments: impl IntoIterator<Item = &'a I>,
    ) -> Result<CallbackBuilder<Several>, InstrumentError> {
        CallbackBuilder::for_several(&self.registry, self.key.as_ref(), instruments)
    }

    /// Returns the registry that the instruments of this meter belong to.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns the builder of an instrument that was requested through OpenTelemetry's API.
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

    /// Returns the meter that uses metric names exactly as written; see [`Meter::plain`].
    pub fn plain(&self) -> Meter {
        self.meter(Ok(ScopeKey::plain()))
    }

    /// Like [`plain`](Self::plain), with a scope of its own, whose name may be any text.
    #[doc(hidden)] // for the facade of the crate `metrics`
    pub fn plain_scope(&self, name: &str) -> Meter {
        self.meter(Ok(ScopeKey::plain_of(name)))
    }

    /// Returns a meter that does not change metric names; see [`Meter::semconv`].
    pub fn semconv(&self, scope: &str) -> Meter {
        self.meter(ScopeKey::semconv(scope))
    }

    /// Returns the meter of an OpenTelemetry scope. If the name is that of a scope of [`scoped`](Self::scoped), such as
    /// `backstage.plugin.catalog`, the result is the meter of that scope.
    #[doc(hidden)] // for OpenTelemetry's side
    pub fn meter_of(&self, scope: &InstrumentationScope) -> Meter {
        self.meter(Ok(ScopeKey::of(scope, &self.naming())))
    }

    fn meter(&self, key: Result<ScopeKey, ScopeError>) -> Meter {
        Meter { registry: self.clone(), key, prefix: String::new(), labels: Vec::new() }
    }
}
