//! The builder of instruments.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use meterkit_rules::name::Problem;
use meterkit_rules::{label_key, name, unit};

use super::bound_labels::BoundLabels;
use super::group::Group;
use super::made::{Instrument, make};
use super::self_metrics;
use crate::Kind;
use crate::attributes::AttributeValue;
use crate::buckets::{HistogramBuckets, default_for};
use crate::data::Descriptor;
use crate::error::{InstrumentError, ScopeError};
use crate::labels::{LabelKey, Labels};
use crate::number::NumberType;
use crate::order;
use crate::registry::Registry;
use crate::scope::ScopeKey;
use crate::store::callbacks::CallbackOptions;
use crate::store::group::GroupOptions;
use crate::store::handle::Handle;
use crate::store::identity::Identity;
use crate::store::instrument::{Core, Stored};
use crate::store::shared::{Door, Shared, Switch};

/// Configures an instrument before it is created. Returned by the methods of [`Meter`](crate::Meter).
///
/// Building the same instrument twice returns the same instrument. If an instrument with the same name but other
/// properties exists, the result is an error that names both.
#[derive(Debug)]
#[must_use = "a builder creates no instrument until `build` or `register` is called"]
pub struct InstrumentBuilder<I> {
    pub(super) request: Request,
    instrument: PhantomData<fn() -> I>,
}

/// A request for an instrument, without the instrument's type, so that the code that handles it is compiled once.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) registry: Registry,
    scope: Result<ScopeKey, ScopeError>,
    pub(super) name: Cow<'static, str>,
    unit: Cow<'static, str>,
    description: Cow<'static, str>,
    /// `None` if the buckets follow from the unit. `Err` says what is wrong with the requested bounds.
    pub(super) chosen_buckets: Option<Result<HistogramBuckets, String>>,
    /// Whether the values are durations, whose unit must be a unit of time.
    pub(super) is_duration: bool,
    attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    pub(super) options: GroupOptions,
    /// The label sets that the meter binds to the instrument.
    labels: Vec<BoundLabels>,
    pub(super) is_zero_initialized: bool,
    door: Door,
    /// Options for a callback that is registered through this builder.
    pub(super) callback: CallbackOptions,
}

// Not derived, because the builder must be `Clone` even if the instrument is not.
impl<I> Clone for InstrumentBuilder<I> {
    fn clone(&self) -> Self {
        Self { request: self.request.clone(), instrument: PhantomData }
    }
}

impl<I> InstrumentBuilder<I> {
    pub(crate) fn new(
        registry: Registry,
        scope: Result<ScopeKey, ScopeError>,
        name: Cow<'static, str>,
    ) -> Self {
        Self { request: Request::new(registry, scope, name), instrument: PhantomData }
    }

    /// Sets the unit, in UCUM notation: `s`, `By`, `1`, or the counted thing in braces, such as `{request}`. By
    /// default, the instrument has no unit.
    pub fn unit(mut self, unit: impl Into<Cow<'static, str>>) -> Self {
        self.request.unit = unit.into();
        self
    }

    /// Sets the description: what the instrument counts or measures, for people. Empty by default.
    pub fn description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.request.description = description.into();
        self
    }

    /// Adds an attribute that every series of the instrument has. It takes precedence over an attribute of the scope or
    /// of all metrics with the same key. A label with the same key takes precedence over it, even if the value of the
    /// label is absent.
    pub fn attribute(
        mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<AttributeValue>,
    ) -> Self {
        let key = key.into();
        self.request.attributes.retain(|(known, _)| *known != key);
        self.request.attributes.push((key, value.into()));
        self
    }

    /// Binds the first label set to the instrument. An instrument with more than one set cannot be created.
    pub(crate) fn labeled(mut self, labels: Vec<BoundLabels>) -> Self {
        self.request.labels = labels;
        self
    }

    /// Sets where the request comes from. The default is the facade.
    pub(crate) fn through(mut self, door: Door) -> Self {
        self.request.door = door;
        self
    }

    /// Marks the instrument as a metric of the store about itself, which no limit restricts.
    pub(super) fn self_metric(mut self) -> Self {
        let options = &mut self.request.options;
        (options.limit, options.is_self_metric) = (Some(usize::MAX), true);
        self
    }
}

impl Request {
    fn new(
        registry: Registry,
        scope: Result<ScopeKey, ScopeError>,
        name: Cow<'static, str>,
    ) -> Self {
        Self {
            registry,
            scope,
            name,
            unit: Cow::Borrowed(""),
            description: Cow::Borrowed(""),
            chosen_buckets: None,
            is_duration: false,
            attributes: Vec::new(),
            options: GroupOptions::default(),
            labels: Vec::new(),
            is_zero_initialized: false,
            door: Door::Facade,
            callback: CallbackOptions::default(),
        }
    }

    /// Finds or creates the instrument. `S` is the store's type for this kind and number type. If `label_keys` is
    /// `None`, no labels are declared, and series are identified by their attributes.
    pub(super) fn find_or_make<S: Stored + 'static>(
        self,
        kind: Kind,
        number: NumberType,
        label_keys: Option<&'static [LabelKey]>,
    ) -> Result<Arc<S>, InstrumentError> {
        self.find_or_make_stored(kind, number, label_keys)?.typed()
    }

    /// Finds or creates the instrument without declared labels. If that fails, logs the error and returns an instrument
    /// that records nothing.
    pub(super) fn find_or_log<S: Stored + 'static>(self, kind: Kind, number: NumberType) -> Arc<S> {
        let not_made = self.clone();
        self.find_or_make(kind, number, None).unwrap_or_else(|error| {
            not_made.log(&error);
            not_made.not_made(kind, number, None)
        })
    }

    /// Finds or creates a synchronous instrument, with the labels that its meter binds.
    pub(super) fn recorded<H: Handle>(mut self) -> Result<H, InstrumentError> {
        let (labels, is_zero_initialized) = (self.labels.pop(), self.is_zero_initialized);
        let keys = labels.as_ref().map_or(&[][..], |labels| labels.keys);
        let core = self.find_or_make::<Core<H>>(H::KIND, H::NUMBER, Some(keys))?;
        let handle = labels.map_or_else(|| core.plain().clone(), |labels| core.bound(&labels));
        if is_zero_initialized {
            core.shared.export_empty();
            handle.zero();
        }
        Ok(handle)
    }

    /// Returns an instrument that records nothing, in place of one that cannot be created.
    pub(super) fn not_made<S: Stored + 'static>(
        &self,
        kind: Kind,
        number: NumberType,
        label_keys: Option<&'static [LabelKey]>,
    ) -> Arc<S> {
        let made = self.not_made_stored(kind, number, label_keys).typed();
        made.unwrap_or_else(|error| {
            unreachable!("each kind and number type has one type in the store: {error}")
        })
    }

    fn find_or_make_stored(
        self,
        kind: Kind,
        number: NumberType,
        label_keys: Option<&'static [LabelKey]>,
    ) -> Result<Arc<dyn Stored>, InstrumentError> {
        let (registry, door) = (self.registry.clone(), self.door);
        let (scope, identity, options) =
            self.checked(kind, number, label_keys.unwrap_or_default())?;
        let is_plain = label_keys == Some(&[]) && options == GroupOptions::default();
        let make = Box::new(move |shared| make(shared, is_plain));
        let found = registry.find_or_make(&scope, identity, door, options, make)?;
        if let Some(label_keys) = label_keys {
            let declared = found.declare(label_keys);
            declared.map_err(|known| clash_of_labels(found.shared(), known, label_keys))?;
        }
        Ok(found)
    }

    fn not_made_stored(
        &self,
        kind: Kind,
        number: NumberType,
        label_keys: Option<&'static [LabelKey]>,
    ) -> Arc<dyn Stored> {
        self_metrics::count_drops(&self.registry);
        let identity = Identity::bare(self.name.clone().into_owned(), kind, number);
        let made = make(self.registry.not_made(identity), label_keys == Some(&[]));
        let _ = label_keys.map(|keys| made.declare(keys));
        made
    }

    /// Validates the request. Returns the parts that the registry needs to create the instrument.
    fn checked(
        mut self,
        kind: Kind,
        number: NumberType,
        label_keys: &'static [LabelKey],
    ) -> Result<(ScopeKey, Identity, GroupOptions), InstrumentError> {
        let scope = self.scope?;
        let name = self.name.into_owned();
        if let Some(labels) = self.labels.first() {
            let keys: Vec<&str> = labels.keys.iter().map(LabelKey::name).collect();
            return Err(InstrumentError::BoundLabels { name, keys: keys.join("`, `") });
        }
        let is_declared = self.door == Door::Facade;
        let checked = match is_declared || scope.is_plain() {
            true => scope.check_name(&name),
            false => name::check_grammar(&name),
        };
        if let Err(Problem { rule, suggestion }) = checked {
            return Err(InstrumentError::Name { name, rule, suggestion });
        }
        if let Some(problem) = unit::problem(&self.unit).filter(|_| is_declared) {
            let unit = self.unit.into_owned();
            return Err(InstrumentError::Unit { name, unit, problem });
        }
        let symbol = unit::symbol(&self.unit);
        if is_declared && symbol != self.unit {
            self.unit = Cow::Owned(symbol.to_owned());
        }
        if self.is_duration && self.unit.is_empty() {
            // Whole seconds would be too coarse for a histogram of integers.
            self.unit = Cow::Borrowed(if number == NumberType::F64 { "s" } else { "ms" });
        } else if self.is_duration && unit::per_second(&self.unit).is_none() {
            let problem = "is not a unit of time; remove it, or write for example `s`".to_owned();
            return Err(InstrumentError::Unit { name, unit: self.unit.into_owned(), problem });
        }
        // An empty list of boundaries requests count and sum only; the conventions on this library's own metrics
        // require this.
        let may_be_empty = !is_declared || self.options.is_self_metric;
        let chosen_buckets = match self.chosen_buckets.transpose() {
            Ok(chosen) => chosen,
            Err(problem) => return Err(InstrumentError::Buckets { name, problem }),
        };
        match &chosen_buckets {
            Some(HistogramBuckets::Explicit(bounds)) if bounds.is_empty() && may_be_empty => {}
            Some(buckets) => buckets.check(&name)?,
            None => {}
        }
        if self.options.limit == Some(0) {
            return Err(InstrumentError::CardinalityLimit { name });
        }
        check_keys(&name, label_keys)?;
        let problem =
            |(key, _): &(Cow<'static, str>, _)| Some((key.clone(), label_key::problem(key)?));
        if let Some((key, problem)) = self.attributes.iter().find_map(problem) {
            return Err(InstrumentError::AttributeKey { name, key: key.into_owned(), problem });
        }
        order::sort(&mut self.attributes);
        let (unit, description) = (self.unit.into_owned(), self.description.into_owned());
        let mut identity = Identity::new(Descriptor { name, unit, description, kind }, number);
        identity.set_attributes(self.attributes);
        if kind == Kind::Histogram {
            let are_chosen = chosen_buckets.is_some();
            let default = || HistogramBuckets::Explicit(default_for(identity.unit()));
            identity.set_buckets(chosen_buckets.unwrap_or_else(default), are_chosen);
        }
        self_metrics::count_drops(&self.registry);
        Ok((scope, identity, self.options))
    }

    /// Logs why the instrument cannot be created. Repeated requests for the same instrument are logged once.
    fn log(&self, error: &InstrumentError) {
        let scope = self.scope.as_ref().map(|key| key.full_name(&self.registry.naming()));
        let scope = scope.unwrap_or_default();
        let subject = (&scope, &self.name, error.to_string());
        if !self.registry.inner.settings.logged.is_new(&subject) {
            return;
        }
        tracing::error!(
            %error,
            scope,
            "instrument not created: values recorded with it are dropped"
        );
    }
}

impl<I: Instrument> InstrumentBuilder<I> {
    /// Creates the instrument or group, or returns the existing one, which keeps its limit and timeout. Callbacks for
    /// an observable instrument can be registered later, including one callback for several instruments. Options for
    /// callbacks set on this builder apply to callbacks that are registered for this instrument alone.
    ///
    /// # Errors
    ///
    /// Returns an error if the scope, the name, the unit, the bucket list, an attribute or a label key is invalid, if a
    /// zero-initialized group has more label sets than it may have series, or if an instrument with the same name and
    /// other properties exists.
    pub fn build(self) -> Result<I, InstrumentError> {
        I::make(self)
    }

    /// Creates the instrument or group, or returns the existing one. If it cannot be created, logs an error; its
    /// callbacks then never run, and values recorded with it are dropped and counted in `meterkit.dropped`. Intended
    /// for statics, which cannot return an error. Do not use it for a plugin that is unloaded and loaded again: a
    /// static keeps the first instrument.
    ///
    /// ```
    /// use std::sync::LazyLock;
    ///
    /// use meterkit::{Counter, Meter};
    ///
    /// static REQUESTS: LazyLock<Counter> =
    ///     LazyLock::new(|| Meter::scoped("core", "http").counter("requests").register());
    ///
    /// REQUESTS.increment();
    /// ```
    pub fn register(self) -> I {
        let not_made = self.clone();
        self.build().unwrap_or_else(|error| {
            not_made.request.log(&error);
            I::not_made(&not_made)
        })
    }
}

impl<L, H: Handle> InstrumentBuilder<Group<L, H>> {
    /// Sets the maximum number of series of the group. Further label sets share the overflow series. The default is
    /// 2000; `METERKIT_CARDINALITY_LIMIT` changes the default, but not a limit that is set here.
    pub fn cardinality_limit(mut self, series: usize) -> Self {
        self.request.options.limit = Some(series);
        self
    }

    /// Removes a series when a collection finds that nothing was recorded in it for this long. This includes
    /// [zero-initialized](Self::zero_initialized) series, but not an up-down counter with a value other than zero. By
    /// default, series are never removed. A removed series starts again from zero when something is recorded in it.
    ///
    /// While a target has not received the last value of a series, the series stays for up to an hour longer, provided
    /// that at most half of the group's limit is used. After that, the value is lost for that target; the loss is
    /// logged and counted in `meterkit.dropped` with the reason `undelivered`. A scrape endpoint counts as such a
    /// target until five minutes after its last scrape.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.request.options.idle_timeout = Some(timeout);
        self
    }
}

impl<L: Labels, H: Handle> InstrumentBuilder<Group<L, H>> {
    /// Exports every series of a closed label set from the start: counters and gauges as zero, histograms without
    /// values. By default, a series is exported once it is used. Targets that receive deltas still get a counter or
    /// histogram only with its first measurement. Does not compile unless all labels are closed: enums, `bool`s and
    /// `Option`s of those.
    ///
    /// If an operator's limit (`METERKIT_CARDINALITY_LIMIT`) allows fewer series, only that many are created, and a
    /// warning is logged. More than 4096 label sets are an error.
    pub fn zero_initialized(mut self) -> Self {
        const {
            assert!(
                LabelKey::closed_sets(L::KEYS).is_some(),
                "`zero_initialized` requires labels with a closed set of values: enums, `bool`s, and `Option`s of those"
            );
        }
        self.request.is_zero_initialized = true;
        self
    }

    /// Creates the group, or returns the existing one. If it cannot be created, values recorded with it are dropped
    /// silently. Intended for metrics of this library, which must not interfere with those of the program.
    #[doc(hidden)]
    pub fn register_silently(self) -> Group<L, H> {
        let not_made = self.clone();
        self.build().unwrap_or_else(|_| {
            let core = not_made.request.not_made::<Core<H>>(H::KIND, H::NUMBER, Some(L::KEYS));
            core.shared.switch(Switch::Disabled);
            Group::new(core)
        })
    }
}

/// Returns the error for an instrument that exists with other label keys.
fn clash_of_labels(
    shared: &Shared,
    existing: &[LabelKey],
    requested: &[LabelKey],
) -> InstrumentError {
    InstrumentError::Clash {
        name: shared.descriptor().name.clone(),
        aspect: "label keys",
        existing: format!("{existing:?}"),
        requested: format!("{requested:?}"),
    }
}

fn check_keys(name: &str, keys: &[LabelKey]) -> Result<(), InstrumentError> {
    for (at, key) in keys.iter().map(LabelKey::name).enumerate() {
        let twice =
            keys[..at].iter().any(|known| known.name() == key).then_some("is declared twice");
        if let Some(problem) = label_key::problem(key).or(twice) {
            return Err(InstrumentError::LabelKey {
                name: name.to_owned(),
                key: key.to_owned(),
                problem,
            });
        }
    }
    Ok(())
}
