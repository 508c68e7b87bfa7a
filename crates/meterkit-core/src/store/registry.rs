//! All scopes and instruments of a program, or of a test.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock};

use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::MeterProvider;

use super::callbacks::Callbacks;
use super::instrument::{Core, DropReason, Identity, Shared, Stored};
use super::replay::ReplayBudget;
use crate::data::{Metric, ScopeMetrics};
use crate::error::{InstrumentError, NamingError};
use crate::instrument::sealed::Handle;
use crate::instrument::{Counter, Group};
use crate::labels::{LabelRef, LabelVisitor, Labels};
use crate::meter::Meter;
use crate::name;
use crate::otel::Mapping;
use crate::scope::{Naming, ScopeKey};

/// Series per instrument, unless the instrument or `METERKIT_CARDINALITY_LIMIT` says otherwise.
const CARDINALITY_LIMIT: usize = 2000;

/// All instruments of a program and what they have counted.
///
/// A program has one, behind [`Meter::scoped`]; a test makes its own and needs no global:
///
/// ```
/// use meterkit_core::Registry;
///
/// let registry = Registry::new();
/// let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build()?;
/// requests.increment();
/// assert_eq!(registry.read()[0].metrics[0].descriptor.name, "backstage.plugin.catalog.requests");
/// # Ok::<(), meterkit_core::InstrumentError>(())
/// ```
///
/// Cloning gives another handle on the same registry.
#[derive(Clone)]
pub struct Registry {
    pub(crate) inner: Arc<Inner>,
}

pub struct Inner {
    pub(crate) settings: Arc<Settings>,
    pub(crate) callbacks: Callbacks,
    mapping: RwLock<Mapping>,
    naming: RwLock<Naming>,
    scopes: RwLock<BTreeMap<ScopeKey, Arc<Scope>>>,
    hooks: RwLock<Hooks>,
    is_claimed: AtomicBool,
    /// `meterkit.dropped`; none when the program made a different instrument of that name first.
    dropped: OnceLock<Option<Group<Dropped, Counter<u64>>>>,
}

/// What instruments ask about on rare paths.
pub(crate) struct Settings {
    pub(crate) cardinality_limit: AtomicUsize,
    pub(crate) replay: ReplayBudget,
}

/// Calls into whatever collects from this registry.
#[derive(Clone, Default)]
#[expect(clippy::exhaustive_structs, reason = "made by the pipeline alone")]
pub struct Hooks {
    /// Called after an instrument was made, on the thread that made it: must return at once.
    pub instrument_made: Option<Arc<dyn Fn() + Send + Sync>>,
    /// Called when a reader of OpenTelemetry's copies begins to read: brings observed values up to date.
    pub before_sdk_read: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        let settings = Settings {
            cardinality_limit: AtomicUsize::new(CARDINALITY_LIMIT),
            replay: ReplayBudget::new(),
        };
        Self {
            inner: Arc::new(Inner {
                settings: Arc::new(settings),
                callbacks: Callbacks::default(),
                mapping: RwLock::new(Mapping::Undecided),
                naming: RwLock::default(),
                scopes: RwLock::default(),
                hooks: RwLock::default(),
                is_claimed: AtomicBool::new(false),
                dropped: OnceLock::new(),
            }),
        }
    }

    /// The registry of the program, behind [`Meter::scoped`].
    pub fn global() -> &'static Self {
        static GLOBAL: LazyLock<Registry> = LazyLock::new(Registry::new);
        &GLOBAL
    }

    /// The meter of a part of the program; see [`Meter::scoped`].
    pub fn scoped(&self, kind: &str, name: &str) -> Meter {
        Meter::new(self.clone(), ScopeKey::scoped(kind, name))
    }

    /// A meter whose metric names are left alone; see [`Meter::semconv`].
    pub fn semconv(&self, scope: &str) -> Meter {
        Meter::new(self.clone(), ScopeKey::semconv(scope))
    }

    /// How scopes and metrics are named.
    pub fn naming(&self) -> Naming {
        self.inner.naming.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes how scopes and metrics are named, those that exist included.
    ///
    /// # Errors
    ///
    /// An existing instrument's name would get too long. Nothing is changed then.
    pub fn set_naming(&self, naming: Naming) -> Result<(), NamingError> {
        let mut current = self.inner.naming.write().unwrap_or_else(PoisonError::into_inner);
        let scopes = self.inner.scopes();
        let mut renamed = Vec::new();
        for scope in &scopes {
            for instrument in scope.instruments() {
                let name = &instrument.shared().identity.name;
                let full_name = scope.key.metric_name(&naming, name);
                if full_name.len() > name::MAX_LENGTH {
                    return Err(NamingError::TooLong {
                        namespace: naming.namespace().to_owned(),
                        full_name,
                    });
                }
                renamed.push((instrument, full_name));
            }
        }
        for (instrument, full_name) in renamed {
            instrument.shared().rename(full_name);
        }
        for scope in &scopes {
            scope.rename(&naming);
        }
        *current = naming;
        Ok(())
    }

    /// How many series an instrument may have that names no limit of its own. 2000 by default;
    /// `METERKIT_CARDINALITY_LIMIT` overrides. Series that exist stay.
    pub fn set_cardinality_limit(&self, limit: usize) {
        self.inner.settings.cardinality_limit.store(limit.max(1), Relaxed);
    }

    /// Runs all callbacks of observable instruments once and puts what they return into the store.
    ///
    /// A callback that panics costs its own value only. No lock is held while one runs.
    pub fn refresh(&self) {
        self.inner.callbacks.run();
    }

    /// What all instruments hold now: scopes by name, metrics by name, points by attributes.
    ///
    /// Values are cumulative. Does not run callbacks: [`refresh`](Self::refresh) does.
    pub fn read(&self) -> Vec<ScopeMetrics> {
        let mut scopes: Vec<ScopeMetrics> = self
            .inner
            .scopes()
            .into_iter()
            .filter_map(|scope| {
                let metrics: Vec<Metric> = scope
                    .instruments()
                    .into_iter()
                    .map(|instrument| Metric {
                        descriptor: instrument.shared().descriptor(),
                        data: instrument.data(),
                    })
                    .filter(|metric| !metric.data.is_empty())
                    .collect();
                (!metrics.is_empty())
                    .then(|| ScopeMetrics { scope: scope.instrumentation_scope(), metrics })
            })
            .collect();
        scopes.sort_by(|a, b| scope_order(&a.scope).cmp(&scope_order(&b.scope)));
        scopes
    }

    /// Whether `scope` has an instrument of the facade with this full name.
    ///
    /// OpenTelemetry's copy of it shows up in what the SDK collects; whoever joins both must leave one out.
    pub fn has_metric(&self, scope: &InstrumentationScope, full_name: &str) -> bool {
        self.inner.scopes().iter().any(|known| {
            *known.instrumentation_scope() == *scope
                && known
                    .instruments()
                    .iter()
                    .any(|instrument| instrument.shared().descriptor().name == full_name)
        })
    }

    /// Makes each instrument, those to come included, an instrument of `provider` too.
    ///
    /// Instruments that are made later follow with the next [`map_new`](Self::map_new). What histograms recorded
    /// before is replayed, up to 65,536 values; how many did not fit is counted in `meterkit.dropped`.
    ///
    /// Takes locks of the SDK: call it from a thread that may wait.
    pub fn map_to(&self, provider: Arc<dyn MeterProvider + Send + Sync>) {
        self.set_mapping(Mapping::to(provider));
        self.map_new();
    }

    /// Maps the instruments that were made since the last call, if [`map_to`](Self::map_to) was called.
    pub fn map_new(&self) {
        let Mapping::To(twins) = self.mapping() else {
            return;
        };
        for scope in self.inner.scopes() {
            for instrument in scope.instruments() {
                twins.map(&scope.instrumentation_scope(), instrument, self);
            }
        }
        let unreplayed = self.inner.settings.replay.take_dropped();
        if unreplayed > 0 {
            self.count_dropped(DropReason::ReplayFull, unreplayed);
        }
    }

    /// Nothing reads OpenTelemetry's copies (any more): histograms stop feeding theirs.
    pub fn unmap(&self) {
        self.set_mapping(Mapping::Unwanted);
        for scope in self.inner.scopes() {
            for instrument in scope.instruments() {
                instrument.unmap();
            }
        }
    }

    /// Claims the registry for one pipeline. `None` while another one has it.
    pub fn claim(&self) -> Option<Claim> {
        let is_free = !self.inner.is_claimed.swap(true, AcqRel);
        is_free.then(|| Claim { registry: self.clone() })
    }

    /// Replaces the calls into whatever collects from this registry.
    pub fn set_hooks(&self, hooks: Hooks) {
        *self.inner.hooks.write().unwrap_or_else(PoisonError::into_inner) = hooks;
    }

    /// The instrument with this name in the scope, made when there is none yet.
    pub(crate) fn instrument<H: Handle>(
        &self,
        key: &ScopeKey,
        identity: Identity,
        limit: Option<usize>,
    ) -> Result<Arc<Core<H>>, InstrumentError> {
        let naming = self.inner.naming.read().unwrap_or_else(PoisonError::into_inner);
        let full_name = key.metric_name(&naming, &identity.name);
        if full_name.len() > name::MAX_LENGTH {
            return Err(InstrumentError::TooLong { name: identity.name, full_name });
        }
        let scope = self.inner.scope(key, &naming);
        let mut instruments = scope.instruments.write().unwrap_or_else(PoisonError::into_inner);
        // OpenTelemetry takes names that differ in case only for one.
        let core = match instruments.entry(identity.name.to_ascii_lowercase()) {
            Entry::Occupied(known) => {
                let known = known.get().clone();
                known.shared().identity.check_same(&full_name, &identity)?;
                let typed = known.into_any().downcast::<Core<H>>();
                return typed.map_err(|_| InstrumentError::Clash {
                    name: full_name,
                    aspect: "type",
                    existing: "another type".to_owned(),
                    requested: std::any::type_name::<H>().to_owned(),
                });
            }
            Entry::Vacant(vacant) => {
                let shared = Shared::new(identity, full_name, &self.inner);
                let core = Arc::new(Core::new(shared, H::Sdk::default(), limit));
                vacant.insert(core.clone());
                core
            }
        };
        drop(instruments);
        drop(naming);
        if matches!(self.mapping(), Mapping::Unwanted) {
            core.unmap();
        }
        if let Some(hook) = self.hooks().instrument_made {
            hook();
        }
        Ok(core)
    }

    pub(crate) fn count_dropped(&self, reason: DropReason, values: u64) {
        let dropped = self.inner.dropped.get_or_init(|| {
            self.semconv("meterkit")
                .counter_group::<Dropped, u64>("meterkit.dropped")
                .unit("{value}")
                .description("Values that could not be recorded, by reason.")
                .build()
                .ok()
        });
        if let Some(dropped) = dropped {
            dropped.with(Dropped(reason)).add(values);
        }
    }

    pub(crate) fn hooks(&self) -> Hooks {
        self.inner.hooks.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A copy, so that no lock is held while the SDK, which has locks of its own, is asked for anything.
    fn mapping(&self) -> Mapping {
        self.inner.mapping.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_mapping(&self, mapping: Mapping) {
        *self.inner.mapping.write().unwrap_or_else(PoisonError::into_inner) = mapping;
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Arc<Inner>> for Registry {
    fn from(inner: Arc<Inner>) -> Self {
        Self { inner }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scopes = self.inner.scopes();
        let names = scopes.iter().map(|scope| scope.instrumentation_scope().name().to_owned());
        f.debug_struct("Registry").field("scopes", &names.collect::<Vec<_>>()).finish()
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("instrument_made", &self.instrument_made.is_some())
            .field("before_sdk_read", &self.before_sdk_read.is_some())
            .finish()
    }
}

impl Inner {
    fn scopes(&self) -> Vec<Arc<Scope>> {
        let scopes = self.scopes.read().unwrap_or_else(PoisonError::into_inner);
        scopes.values().cloned().collect()
    }

    fn scope(&self, key: &ScopeKey, naming: &Naming) -> Arc<Scope> {
        let mut scopes = self.scopes.write().unwrap_or_else(PoisonError::into_inner);
        let scope = scopes.entry(key.clone()).or_insert_with(|| {
            Arc::new(Scope {
                key: key.clone(),
                named: RwLock::new(Arc::new(key.to_instrumentation_scope(naming))),
                instruments: RwLock::default(),
            })
        });
        scope.clone()
    }
}

/// The right to collect from a registry. Dropping it frees the registry.
#[derive(Debug)]
pub struct Claim {
    registry: Registry,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.registry.inner.is_claimed.store(false, Release);
    }
}

/// One scope and its instruments.
struct Scope {
    key: ScopeKey,
    named: RwLock<Arc<InstrumentationScope>>,
    /// By name in lower case.
    instruments: RwLock<BTreeMap<String, Arc<dyn Stored>>>,
}

impl Scope {
    fn instruments(&self) -> Vec<Arc<dyn Stored>> {
        let instruments = self.instruments.read().unwrap_or_else(PoisonError::into_inner);
        instruments.values().cloned().collect()
    }

    fn instrumentation_scope(&self) -> Arc<InstrumentationScope> {
        self.named.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn rename(&self, naming: &Naming) {
        *self.named.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(self.key.to_instrumentation_scope(naming));
    }
}

/// Scopes are read in this order. Attributes, which rarely tell two scopes apart, leave the order as it was.
fn scope_order(scope: &InstrumentationScope) -> (&str, Option<&str>, Option<&str>) {
    (scope.name(), scope.version(), scope.schema_url())
}

/// The label of `meterkit.dropped`.
struct Dropped(DropReason);

impl Labels for Dropped {
    type Set = Self;
    const KEYS: &'static [&'static str] = &["reason"];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.0.as_str()));
    }
}
