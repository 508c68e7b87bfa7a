//! Instruments by OpenTelemetry's attributes: series are found by keys and values, and no label is declared.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use meterkit_rules::name;
use opentelemetry::{InstrumentationScope, KeyValue};

use super::builder::default_buckets;
use super::self_metrics;
use crate::buckets::Buckets;
use crate::error::{InstrumentError, ScopeError};
use crate::kind::Kind;
use crate::meter::Meter;
use crate::number::{NumberType, Value};
use crate::registry::Registry;
use crate::scope::ScopeKey;
use crate::store::callbacks::{CallbackOptions, Work};
use crate::store::entry::Entry;
use crate::store::group::GroupOptions;
use crate::store::handle::Handle;
use crate::store::identity::Identity;
use crate::store::instrument::Core;
use crate::store::observed::Draft;
use crate::store::settings::DropReason;
use crate::store::shared::{Door, Shared};

/// Makes instruments whose series are found by OpenTelemetry's attributes: any keys, in any order, with values of any
/// type. The meter of the same scope makes the same instruments: what is asked for from both is one.
///
/// Names, units and descriptions are those that OpenTelemetry allows; the house style is for [`Meter`] only. An
/// instrument that differs from the one of its name is a stream of its own, and a warning says so. Follows
/// OpenTelemetry's Metrics SDK, section Duplicate instrument registration.
#[derive(Clone, Debug)]
pub struct AttributeMeter {
    registry: Registry,
    key: Result<ScopeKey, ScopeError>,
}

/// An instrument that is asked for by attributes.
#[derive(Clone, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "OpenTelemetry's API has these")]
pub struct AttributeInstrument {
    /// The name.
    pub name: Cow<'static, str>,
    /// The unit, empty for none.
    pub unit: Cow<'static, str>,
    /// What it counts or measures, empty for none.
    pub description: Cow<'static, str>,
    /// The bucket boundaries that the code advises for a histogram. By default they follow from the unit.
    pub boundaries: Option<Vec<f64>>,
}

impl Registry {
    /// Returns what makes the instruments of `scope` by attributes.
    ///
    /// A scope whose name is one of [`scoped`](Self::scoped), such as `backstage.plugin.catalog`, is that scope.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn by_attributes(&self, scope: &InstrumentationScope) -> AttributeMeter {
        let key = Ok(ScopeKey::of(scope, &self.naming()));
        AttributeMeter { registry: self.clone(), key }
    }
}

impl Meter {
    /// Returns what makes instruments of this scope by attributes.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn by_attributes(&self) -> AttributeMeter {
        AttributeMeter { registry: self.registry().clone(), key: self.key().clone() }
    }
}

impl AttributeMeter {
    /// Makes the instrument, or returns the one that exists. When it cannot be made, that is logged as an error, and
    /// what is recorded with it is dropped and counted in `meterkit.dropped`.
    pub fn instrument<H: Handle>(&self, instrument: AttributeInstrument) -> ByAttributes<H> {
        let made = self.identity(&instrument, H::KIND, H::NUMBER).and_then(|(key, identity)| {
            let options = GroupOptions::default();
            self.registry.instrument(&key, identity, Door::OpenTelemetry, options)
        });
        let core = made.unwrap_or_else(|error| {
            let shared = self.not_made(&instrument, H::KIND, H::NUMBER, &error);
            Arc::new(Core::new(shared))
        });
        ByAttributes(core)
    }

    /// Makes an observable instrument that reports numbers of type `number`, or takes the one that exists, and registers
    /// `callbacks` for it, for good. When it cannot be made, that is logged as an error.
    pub fn observe(
        &self,
        instrument: AttributeInstrument,
        kind: Kind,
        number: NumberType,
        callbacks: impl IntoIterator<Item = AttributeCallback>,
    ) {
        let made = self.identity(&instrument, kind, number).and_then(|(key, identity)| {
            let options = GroupOptions::default();
            self.registry.observed(&key, identity, Door::OpenTelemetry, options)
        });
        let observed = match made {
            Ok(observed) => observed,
            Err(error) => return drop(self.not_made(&instrument, kind, number, &error)),
        };
        for callback in callbacks {
            let collect = move |drafts: &mut [Draft]| {
                drafts.iter_mut().for_each(|draft| callback(&mut AttributeObserver { draft }));
                Ok(())
            };
            let (drafts, options) = (vec![observed.attach()], CallbackOptions::default());
            let callback =
                self.registry.callback(drafts, Work::Collect(Box::new(collect)), options);
            self.registry.register_callback(Arc::new(callback));
        }
    }

    fn identity(
        &self,
        instrument: &AttributeInstrument,
        kind: Kind,
        number: NumberType,
    ) -> Result<(ScopeKey, Identity), InstrumentError> {
        let AttributeInstrument { name, unit, description, boundaries } = instrument.clone();
        let name = name.into_owned();
        if let Err(problem) = name::check_grammar(&name) {
            let (rule, suggestion) = (problem.rule, problem.suggestion);
            return Err(InstrumentError::Name { name, rule, suggestion });
        }
        let advised = boundaries.filter(|_| kind == Kind::Histogram);
        // No boundaries at all are advice too: only count and sum are wanted.
        let problem = advised.as_ref().filter(|bounds| !bounds.is_empty());
        if let Some(problem) = problem.and_then(|it| meterkit_rules::buckets::problem(it)) {
            return Err(InstrumentError::Buckets { name, problem });
        }
        self_metrics::count_drops(&self.registry);
        let identity = Identity {
            unit: unit.into_owned(),
            description: description.into_owned(),
            chooses_buckets: advised.is_some(),
            buckets: match advised {
                Some(bounds) => Buckets::Explicit(bounds.into()),
                None => default_buckets(kind, &instrument.unit),
            },
            ..Identity::bare(name, kind, number)
        };
        Ok((self.key.clone()?, identity))
    }

    fn not_made(
        &self,
        instrument: &AttributeInstrument,
        kind: Kind,
        number: NumberType,
        error: &InstrumentError,
    ) -> Shared {
        let scope = self.key.as_ref().map(|key| key.full_name(&self.registry.naming()));
        tracing::error!(
            %error,
            scope = scope.unwrap_or_default(),
            "instrument not made: what is recorded with it is dropped"
        );
        self_metrics::count_drops(&self.registry);
        let name = instrument.name.clone().into_owned();
        self.registry.not_made(Identity::bare(name, kind, number))
    }
}

/// An instrument whose series are found by attributes. `H` is the handle of a series: a `Counter` for example.
pub struct ByAttributes<H: Handle>(Arc<Core<H>>);

impl<H: Handle> ByAttributes<H> {
    /// Returns the series with these attributes. Their order does not matter, and of a key that comes twice the last
    /// value counts.
    ///
    /// Takes no lock and allocates nothing when the series exists. `instrument.with(attributes).clone()` is a handle to
    /// keep.
    #[inline]
    pub fn with(&self, attributes: &[KeyValue]) -> Entry<'_, H> {
        self.0.with_attributes(attributes)
    }

    /// Returns the handle of a series that was looked up, if it can be kept and used for the same attributes later. The
    /// overflow series cannot, nor what is returned while the scope is disabled.
    pub fn to_keep<'a>(&self, entry: &'a Entry<'_, H>) -> Option<&'a H> {
        let series = entry.as_kept()?.series();
        let is_own = Arc::ptr_eq(&series.shared, &self.0.shared) && !series.is_overflow();
        is_own.then(|| &**entry)
    }

    /// Returns a number that no other instrument has as long as a handle of one of its series is kept.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.0.shared) as usize
    }

    /// Returns whether nothing is recorded now, because the scope is disabled for example. A series that is looked up
    /// meanwhile stays without effect.
    pub fn is_off(&self) -> bool {
        self.0.shared.is_off()
    }
}

impl<H: Handle> Clone for ByAttributes<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Handle> fmt::Debug for ByAttributes<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ByAttributes").field(&self.0.shared.descriptor().name).finish()
    }
}

/// A callback that reports series by their attributes.
pub type AttributeCallback = Box<dyn Fn(&mut AttributeObserver<'_>) + Send + Sync>;

/// Takes what a callback reports of one instrument.
pub struct AttributeObserver<'a> {
    draft: &'a mut Draft,
}

impl AttributeObserver<'_> {
    /// Reports the value of the series with these attributes. Of several values of one series, the last one counts.
    ///
    /// NaN, infinities and negative totals of a counter are dropped and counted in `meterkit.dropped`.
    pub fn observe(&mut self, value: Value, attributes: &[KeyValue]) {
        let shared = &self.draft.instrument().shared;
        let float = value.as_f64();
        if !float.is_finite() {
            shared.dropped(DropReason::NotFinite);
        } else if float < 0.0 && shared.identity.kind == Kind::ObservableCounter {
            shared.dropped(DropReason::Negative);
        } else {
            self.draft.report_by_attributes(attributes, value);
        }
    }
}

impl fmt::Debug for AttributeObserver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.draft.instrument().shared.descriptor().name;
        f.debug_struct("AttributeObserver").field("instrument", name).finish_non_exhaustive()
    }
}
