//! What an instrument is made from.

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

/// An instrument about to be made. From the methods of [`Meter`](crate::Meter).
///
/// Asking twice for the same instrument gives the same one; asking for one that differs from what exists under its
/// name is an error that names both sides.
#[derive(Debug)]
#[must_use = "the instrument is made by `build`"]
pub struct InstrumentBuilder<I> {
    pub(super) request: Request,
    instrument: PhantomData<fn() -> I>,
}

/// What is asked for, whatever the type of the instrument: what handles it is compiled once.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) registry: Registry,
    scope: Result<ScopeKey, ScopeError>,
    pub(super) name: Cow<'static, str>,
    unit: Cow<'static, str>,
    description: Cow<'static, str>,
    /// `None` for those that follow from the unit. An error says what is wrong with the bounds.
    pub(super) chosen_buckets: Option<Result<HistogramBuckets, String>>,
    /// Whether values are durations, which have a unit of time.
    pub(super) is_duration: bool,
    attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    pub(super) options: GroupOptions,
    /// Bound to the instrument by its meter.
    labels: Vec<BoundLabels>,
    pub(super) is_zero_initialized: bool,
    door: Door,
    /// Of the callback that an observable instrument is made with.
    pub(super) callback: CallbackOptions,
}

// Written by hand: an instrument need not be `Clone` for its builder to be.
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

    /// The unit, by UCUM: `s`, `By`, `1`, or what is counted in braces, `{request}`. None by default.
    pub fn unit(mut self, unit: impl Into<Cow<'static, str>>) -> Self {
        self.request.unit = unit.into();
        self
    }

    /// Sets what the instrument counts or measures, for people. None by default.
    pub fn description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.request.description = description.into();
        self
    }

    /// An attribute that every series of the instrument has. It wins over one of the scope or of all metrics that has
    /// the same key; a label with that key wins over it, also where its value is absent.
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

    /// Binds labels to the instrument: the first set. An instrument that has others cannot be made.
    pub(crate) fn labeled(mut self, labels: Vec<BoundLabels>) -> Self {
        self.request.labels = labels;
        self
    }

    /// Sets where the request comes from; by default, from the facade.
    pub(crate) fn through(mut self, door: Door) -> Self {
        self.request.door = door;
        self
    }

    /// For an instrument that tells of the store itself: no limit stops it.
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

    /// Finds or makes the instrument. `S` is the type that instruments of this kind and number have. Without `label_keys`,
    /// no labels are declared: its series are those that attributes bring.
    pub(super) fn find_or_make<S: Stored + 'static>(
        self,
        kind: Kind,
        number: NumberType,
        label_keys: Option<&'static [LabelKey]>,
    ) -> Result<Arc<S>, InstrumentError> {
        self.find_or_make_stored(kind, number, label_keys)?.typed()
    }

    /// Finds or makes the instrument, and declares no labels. When it cannot be made, that is logged, and what is returned
    /// records nowhere.
    pub(super) fn find_or_log<S: Stored + 'static>(self, kind: Kind, number: NumberType) -> Arc<S> {
        let not_made = self.clone();
        self.find_or_make(kind, number, None).unwrap_or_else(|error| {
            not_made.log(&error);
            not_made.not_made(kind, number, None)
        })
    }

    /// Finds or makes an instrument that the code records in, with the labels that its meter binds.
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

    /// Returns an instrument that records nowhere, for one that cannot be made.
    pub(super) fn not_made<S: Stored + 'static>(
        &self,
        kind: Kind,
        number: NumberType,
        label_keys: Option<&'static [LabelKey]>,
    ) -> Arc<S> {
        let made = self.not_made_stored(kind, number, label_keys).typed();
        made.unwrap_or_else(|error| {
            unreachable!("of one kind and number there is one type: {error}")
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

    /// Checks everything.
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
            // Whole seconds would be too coarse.
            self.unit = Cow::Borrowed(if number == NumberType::F64 { "s" } else { "ms" });
        } else if self.is_duration && unit::per_second(&self.unit).is_none() {
            let problem = "is no unit of time; leave it out, or write for example `s`".to_owned();
            return Err(InstrumentError::Unit { name, unit: self.unit.into_owned(), problem });
        }
        // No boundaries at all ask for count and sum only, as conventions on metrics of this library do.
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

    /// Logs why the instrument cannot be made, once however often it is asked for.
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
            "instrument not made: what is recorded with it is dropped"
        );
    }
}

impl<I: Instrument> InstrumentBuilder<I> {
    /// Makes the instrument or group, or returns the one that exists, with its limit and timeout. Callbacks for an
    /// observable instrument can be registered later, also one for several instruments at once. Options for callbacks
    /// that were set on this builder apply to those that are registered for this instrument alone.
    ///
    /// # Errors
    ///
    /// A bad scope, name, unit, bucket list, attribute or label key, more label sets to begin with than there may be
    /// series, and a clash with an instrument that differs.
    pub fn build(self) -> Result<I, InstrumentError> {
        I::make(self)
    }

    /// Makes the instrument or group, or gives the one that exists. When it cannot be made, that is logged as an error,
    /// its callbacks never run, and what is recorded with it is dropped and counted in `meterkit.dropped`: for statics,
    /// which have nobody to give an error to. Not for a plugin that is unloaded and loaded again: a static keeps the
    /// first instrument.
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
    /// Sets how many series the group may have; further label sets share the overflow series. 2000 by default;
    /// `METERKIT_CARDINALITY_LIMIT` changes the default, not what is set here.
    pub fn cardinality_limit(mut self, series: usize) -> Self {
        self.request.options.limit = Some(series);
        self
    }

    /// Removes a series when nothing was recorded in it for this long, as far as collections see it; also one that was
    /// [zero-initialized](Self::zero_initialized), but no up-down counter that is not at zero. By default series stay.
    /// One that was removed returns, from nothing, when something is recorded in it again.
    ///
    /// A series stays longer while a target does not have its last value: for up to an hour, and while at most half of the
    /// group's room is taken. After that its last value is lost for that target, which is logged and counted in
    /// `meterkit.dropped` with the reason `undelivered`. A scrape endpoint is waited for until five minutes after its last
    /// scrape.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.request.options.idle_timeout = Some(timeout);
        self
    }
}

impl<L: Labels, H: Handle> InstrumentBuilder<Group<L, H>> {
    /// Exports every series of a closed label set from the start: counters and gauges as zero, histograms without
    /// values. By default a series is exported once it is used. Targets that receive deltas get a counter or histogram
    /// with its first measurement in any case. Does not compile unless all labels are closed: enums, `bool`s and
    /// `Option`s of those.
    ///
    /// Where an operator's limit (`METERKIT_CARDINALITY_LIMIT`) allows fewer series, as many are made as may be, and a
    /// warning says so. More than 4096 sets are an error.
    pub fn zero_initialized(mut self) -> Self {
        const {
            assert!(
                LabelKey::closed_sets(L::KEYS).is_some(),
                "`zero_initialized` needs labels whose values are all known: enums, `bool`s, and `Option`s of those"
            );
        }
        self.request.is_zero_initialized = true;
        self
    }

    /// Makes the group, or gives the one that exists. When it cannot be made, what is recorded with it is dropped without
    /// a word: for metrics of this library, which must not get in the way of the program's.
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

/// Returns the error of an instrument that is declared with other labels.
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
        let twice = keys[..at].iter().any(|known| known.name() == key).then_some("stands twice");
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
