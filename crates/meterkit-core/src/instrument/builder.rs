//! What an instrument is made from.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use meterkit_rules::{label_key, name, unit};

use super::gauge::Gauge;
use super::group::Group;
use super::histogram::Histogram;
use super::observable::{CallbackGuard, ObservableGauge};
use super::self_metrics;
use crate::buckets;
use crate::error::{InstrumentError, ScopeError};
use crate::kind::Kind;
use crate::labels::{LabelKey, Labels};
use crate::number::{GaugeNumber, HistogramNumber};
use crate::registry::Registry;
use crate::scope::ScopeKey;
use crate::store::handle::Handle;
use crate::store::instrument::{Core, Identity};

/// An instrument about to be made. From the methods of [`Meter`](crate::Meter).
///
/// Asking twice for the same instrument gives the same one; asking for one that differs from what exists under its
/// name is an error that names both sides.
#[derive(Debug)]
#[must_use = "the instrument is made by `build`"]
pub struct InstrumentBuilder<I> {
    registry: Registry,
    scope: Result<ScopeKey, ScopeError>,
    name: Cow<'static, str>,
    unit: Cow<'static, str>,
    description: Cow<'static, str>,
    bounds: Option<Vec<f64>>,
    limit: Option<usize>,
    instrument: PhantomData<fn() -> I>,
}

impl<I> InstrumentBuilder<I> {
    pub(crate) fn new(
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
            bounds: None,
            limit: None,
            instrument: PhantomData,
        }
    }

    /// The unit, by UCUM: `s`, `By`, `1`, or what is counted in braces, `{request}`. None by default.
    pub fn unit(mut self, unit: impl Into<Cow<'static, str>>) -> Self {
        self.unit = unit.into();
        self
    }

    /// What the instrument counts or measures, for people. None by default.
    pub fn description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = description.into();
        self
    }

    /// Checks everything and finds or makes the instrument.
    fn core<H: Handle>(
        self,
        kind: Kind,
        label_keys: &'static [LabelKey],
    ) -> Result<Arc<Core<H>>, InstrumentError> {
        let scope = self.scope?;
        let name = self.name.into_owned();
        let checked = match scope.has_house_style() {
            true => name::check(&name),
            false => name::check_grammar(&name),
        };
        if let Err(problem) = checked {
            return Err(InstrumentError::Name {
                name,
                rule: problem.rule,
                suggestion: problem.suggestion,
            });
        }
        if let Some(problem) = unit::problem(&self.unit) {
            let unit = self.unit.into_owned();
            return Err(InstrumentError::Unit { name, unit, problem });
        }
        if let Some(problem) = self.bounds.as_deref().and_then(meterkit_rules::buckets::problem) {
            return Err(InstrumentError::Buckets { name, problem });
        }
        if self.limit == Some(0) {
            return Err(InstrumentError::CardinalityLimit { name });
        }
        check_keys(&name, label_keys)?;
        let bounds = match (kind, self.bounds) {
            (Kind::Histogram, Some(bounds)) => bounds.into(),
            (Kind::Histogram, None) => buckets::default_for(&self.unit),
            _ => Arc::default(),
        };
        let identity = Identity {
            name,
            kind,
            number: H::NUMBER,
            unit: self.unit.into_owned(),
            description: self.description.into_owned(),
            label_keys,
            bounds,
        };
        self_metrics::count_drops(&self.registry);
        self.registry.instrument(&scope, identity, self.limit)
    }
}

impl<H: Handle> InstrumentBuilder<H> {
    /// Makes the instrument, or gives the one that exists.
    ///
    /// # Errors
    ///
    /// A bad scope, name, unit or bucket list, and a clash with an instrument that differs.
    pub fn build(self) -> Result<H, InstrumentError> {
        let core = self.core::<H>(H::KIND, &[])?;
        // Without label keys there is exactly one series.
        Ok(core.with(&NoLabels).clone())
    }
}

impl<L: Labels, H: Handle> InstrumentBuilder<Group<L, H>> {
    /// How many series the group may have; further label sets share the overflow series. 2000 by default;
    /// `METERKIT_CARDINALITY_LIMIT` changes the default, not what is set here.
    pub fn cardinality_limit(mut self, series: usize) -> Self {
        self.limit = Some(series);
        self
    }

    /// Makes the group, or gives the one that exists.
    ///
    /// # Errors
    ///
    /// A bad scope, name, unit, bucket list or label key, and a clash with an instrument that differs.
    pub fn build(self) -> Result<Group<L, H>, InstrumentError> {
        self.core::<H>(H::KIND, L::KEYS).map(Group::new)
    }
}

impl<T: HistogramNumber> InstrumentBuilder<Histogram<T>> {
    /// Upper bounds of the buckets, rising; the last bucket is open by itself. By default they follow the unit.
    pub fn buckets(mut self, bounds: impl Into<Vec<f64>>) -> Self {
        self.bounds = Some(bounds.into());
        self
    }
}

impl<L: Labels, T: HistogramNumber> InstrumentBuilder<Group<L, Histogram<T>>> {
    /// Upper bounds of the buckets, rising; the last bucket is open by itself. By default they follow the unit.
    pub fn buckets(mut self, bounds: impl Into<Vec<f64>>) -> Self {
        self.bounds = Some(bounds.into());
        self
    }
}

impl<T: GaugeNumber> InstrumentBuilder<ObservableGauge<T>> {
    /// Makes the instrument, or takes the one that exists, and registers `callback` for it.
    ///
    /// The callback runs once per collection, on a thread of the pipeline. It may record, and make instruments; when
    /// it panics, its value is missing from that collection, and nothing else happens.
    ///
    /// # Errors
    ///
    /// A bad scope, name or unit, and a clash with an instrument that differs.
    pub fn observe(
        self,
        callback: impl Fn() -> T + Send + Sync + 'static,
    ) -> Result<CallbackGuard, InstrumentError> {
        let registry = self.registry.clone();
        let core = self.core::<Gauge<T>>(Kind::ObservableGauge, &[])?;
        Ok(CallbackGuard::register(&registry, &core, callback))
    }
}

struct NoLabels;

impl Labels for NoLabels {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[];

    fn visit(&self, _: &mut impl crate::labels::LabelVisitor) {}
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
