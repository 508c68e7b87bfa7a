//! All scopes and their instruments.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, RwLock};

use meterkit_rules::name;
use opentelemetry::InstrumentationScope;

use super::group::GroupOptions;
use super::identity::Identity;
use super::instrument::{MakeStored, Stored};
use super::prometheus_names::PrometheusNames;
use super::scope_shared::ScopeShared;
use super::settings::{FixedAttributes, Settings};
use super::shared::{Door, Shared, Switch};
use super::switches::Switches;
use crate::Kind;
use crate::buckets::HistogramBuckets;
use crate::data::{Descriptor, Metric, ScopeMetrics};
use crate::error::{InstrumentError, NamingError, ScopeError};
use crate::instrument::SelfMetrics;
use crate::log_once::LogOnce;
use crate::scope::{Naming, ScopeKey, Spelling};
use crate::scope_patterns::ScopePatterns;
use crate::stream::{StreamRequest, StreamSettings, Streams};
use crate::unpoisoned::Unpoisoned;

/// All scopes, and how they and their metrics are named.
#[derive(Default)]
pub(crate) struct Scopes {
    /// Held while an instrument is created, so that a change to all instruments does not miss it.
    naming: RwLock<Naming>,
    switches: RwLock<Switches>,
    scopes: RwLock<BTreeMap<ScopeKey, Arc<Scope>>>,
    /// How values are kept. `None` leaves this to the code.
    streams: RwLock<Option<Streams>>,
    is_redirected: AtomicBool,
    pub(crate) prometheus_names: PrometheusNames,
}

impl Scopes {
    pub(crate) fn naming(&self) -> Naming {
        self.naming.read().unpoisoned().clone()
    }

    /// Renames all scopes and metrics, or none if a name would become too long. Returns a warning for each name clash
    /// that results. Log the warnings only while holding no lock.
    pub(crate) fn set_naming(&self, naming: Naming) -> Result<Vec<Warning>, NamingError> {
        let mut current = self.naming.write().unpoisoned();
        let scopes = self.all();
        let mut renamed = Vec::new();
        let mut names = HashMap::new();
        let mut duplicates = Vec::new();
        for scope in &scopes {
            let named = scope.key.to_instrumentation_scope(&naming);
            for instrument in &*scope.instruments() {
                let name = instrument.shared().identity.name();
                let full_name = scope.key.metric_name(&naming, name);
                if full_name.len() > name::MAX_LENGTH {
                    return Err(NamingError::TooLong {
                        namespace: naming.namespace().to_owned(),
                        full_name,
                    });
                }
                let first = names.entry((named.clone(), full_name.to_ascii_lowercase()));
                if *first.or_insert(&scope.key) != &scope.key {
                    let (instrument, aspect) = (full_name.clone(), "scope");
                    duplicates.push(Warning::Apart { instrument, aspect });
                }
                renamed.push((instrument.clone(), full_name));
            }
        }
        for (instrument, full_name) in renamed {
            instrument.shared().rename(full_name);
        }
        let switches = self.switches.read().unpoisoned();
        for scope in &scopes {
            scope.rename(&naming);
            // Patterns may contain the namespace.
            let switch = switches.of(&scope.key, &naming);
            scope.instruments().iter().for_each(|instrument| instrument.switch(switch));
        }
        *current = naming;
        duplicates.extend(self.renew_prometheus_names());
        Ok(duplicates)
    }

    /// Disables the scopes that match `patterns`, and enables all others.
    pub(crate) fn set_disabled(&self, patterns: ScopePatterns) {
        let naming = self.naming.write().unpoisoned();
        let switches = Switches::new(patterns);
        for scope in self.all() {
            let switch = switches.of(&scope.key, &naming);
            scope.instruments().iter().for_each(|instrument| instrument.switch(switch));
        }
        *self.switches.write().unpoisoned() = switches;
    }

    /// Makes every recording check whether its thread records in another registry.
    pub(crate) fn set_redirected(&self) {
        if self.is_redirected.load(Acquire) {
            return;
        }
        let _naming = self.naming.write().unpoisoned();
        for scope in self.all() {
            scope.instruments().iter().for_each(|it| it.shared().set_redirected());
        }
        self.is_redirected.store(true, Release);
    }

    /// Returns the patterns of disabled scopes, as written, that no scope has matched so far.
    pub(crate) fn unmatched_patterns(&self) -> Vec<String> {
        self.switches.read().unpoisoned().unmatched()
    }

    /// Sets the attributes that every series has.
    pub(crate) fn set_attributes(&self, attributes: FixedAttributes, settings: &Settings) {
        let _naming = self.naming.write().unpoisoned();
        settings.set_attributes(attributes);
        for scope in self.all() {
            scope.shared.renew_keys(settings);
            scope.instruments().iter().for_each(|instrument| instrument.shared().renew_keys());
        }
    }

    /// Sets how values are kept, for all existing and future instruments.
    ///
    /// Returns a warning for each problem found. Log the warnings only while holding no lock.
    pub(crate) fn set_streams(&self, streams: Streams) -> Vec<Warning> {
        let _naming = self.naming.write().unpoisoned();
        let mut problems = Vec::new();
        for scope in self.all() {
            for instrument in &*scope.instruments() {
                let settings = scope.stream_of_stored(&**instrument, &streams);
                problems.extend(settings.and_then(|it| set_stream(&**instrument, &it)));
            }
        }
        *self.streams.write().unpoisoned() = Some(streams);
        problems.extend(self.renew_prometheus_names());
        problems
    }

    fn renew_prometheus_names(&self) -> Vec<Warning> {
        let mut seen = HashMap::new();
        if let Some(streams) = &*self.streams.read().unpoisoned() {
            for scope in self.all() {
                for instrument in &*scope.instruments() {
                    let settings = scope.stream_of_stored(&**instrument, streams);
                    let metrics = settings.and_then(|settings| settings.metrics);
                    let age = instrument.shared().age.load(Relaxed);
                    seen.extend(metrics.map(|metrics| (age, metrics)));
                }
            }
        }
        self.prometheus_names.renew(seen)
    }

    /// Removes the scopes that match `key`, and returns them to the caller, who must hold no lock when dropping them.
    pub(crate) fn unload(&self, key: &ScopeKey) -> Vec<Arc<Scope>> {
        let naming = self.naming.write().unpoisoned();
        let key = key.canonical(&naming);
        let mut scopes = self.scopes.write().unpoisoned();
        let alike =
            scopes.range(key.before_alike()..).take_while(|(known, _)| known.is_alike(&key));
        let found = alike.filter(|(known, _)| known.is_a(&key)).map(|(known, _)| known.clone());
        let found: Vec<_> = found.collect();
        let removed: Vec<_> = found.iter().filter_map(|known| scopes.remove(known)).collect();
        drop(scopes);
        for scope in &removed {
            let instruments = scope.instruments();
            instruments.iter().for_each(|instrument| instrument.switch(Switch::Unloaded));
            self.prometheus_names.release(&instruments);
        }
        removed
    }

    /// Returns the current values of all instruments, sorted: scopes by name, metrics by name, points by attributes.
    pub(crate) fn read(&self) -> Vec<ScopeMetrics> {
        let mut scopes: Vec<ScopeMetrics> =
            self.all().iter().filter_map(|scope| scope.read()).collect();
        ScopeMetrics::sort(&mut scopes);
        scopes
    }

    /// Returns the instrument with this name in the scope, creating it if needed, and whether it was created.
    ///
    /// A declaration in code must match an earlier declaration of the same name. A request through OpenTelemetry's API
    /// is never refused: if it differs from the existing instrument, it gets a stream of its own.
    pub(crate) fn instrument(
        &self,
        key: &ScopeKey,
        mut identity: Identity,
        door: Door,
        options: GroupOptions,
        settings: &Arc<Settings>,
        make: MakeStored<'_>,
    ) -> Result<Found, InstrumentError> {
        let naming = self.naming.read().unpoisoned();
        let key = &key.canonical(&naming);
        let full_name = key.metric_name(&naming, identity.name());
        if full_name.len() > name::MAX_LENGTH {
            return Err(InstrumentError::TooLong { name: identity.name().to_owned(), full_name });
        }
        let own_name = key.bare_metric_name(&naming, identity.name());
        identity.set_names(&own_name, full_name.clone());
        let scope = self.scope(key, &naming, door, settings)?;
        let mut instruments = scope.instruments.write().unpoisoned();
        let place = places_of(&instruments, &own_name);
        let alike = &instruments[place.clone()];
        let other = alike.iter().find_map(|it| it.shared().other_name(&identity));
        if let Some(other) = other.filter(|_| door == Door::Facade && key.has_house_style()) {
            let (rule, suggestion) = (name::ALIKE, Some(other.to_owned()));
            return Err(InstrumentError::Name { name: own_name, rule, suggestion });
        }
        // OpenTelemetry treats names that differ only in case as equal.
        let streams = alike.iter().filter(|it| it.shared().identity.has_name_of(&identity));
        // An imported metric and an instrument of ours are never the same, even under one name.
        let is_import = |it: &&Arc<dyn Stored>| it.shared().door() == Door::Import;
        let streams = streams.filter(|it| is_import(it) == (door == Door::Import));
        let streams: Vec<_> = streams.cloned().collect();
        let stream_of = |descriptor: &Descriptor, names_limit| {
            let settings = self.streams.read().unpoisoned();
            settings.as_ref().and_then(|it| scope.stream_of(descriptor, names_limit, it))
        };
        if let Some(known) = find(&streams, &full_name, &identity, door)? {
            let warning = known.shared().join(&identity, door);
            if door == Door::Facade && known.room().is_some_and(|room| room.declare(options)) {
                // The operator's settings depend on the options. Problems were reported when the instrument was
                // created.
                let settings = stream_of(&known.shared().descriptor(), options.limit.is_some());
                let _ = settings.map(|settings| set_stream(&*known, &settings));
            }
            return Ok((known, false, warning.into_iter().collect()));
        }
        let difference = streams.first().and_then(|known| {
            // Each stream keeps the description of its own request, so descriptions are not compared.
            known.shared().identity.difference(identity.description(), &identity)
        });
        let apart = difference
            .map(|it| Warning::Apart { instrument: full_name.clone(), aspect: it.aspect });
        if door == Door::Facade {
            let wanted = identity.descriptor();
            if let Some((other, both)) = self.prometheus_names.declared(&scope.shared, wanted) {
                let name = full_name;
                return Err(InstrumentError::Meeting { name, other, prometheus_name: both });
            }
        }
        let shared = Shared::new(identity, scope.shared.clone(), settings.clone(), door);
        let switches = self.switches.read().unpoisoned();
        shared.switch(switches.of(key, &naming));
        if self.is_redirected.load(Acquire) {
            shared.set_redirected();
        }
        let settings = stream_of(&shared.descriptor(), options.limit.is_some());
        let buckets = settings.as_ref().and_then(StreamSettings::usable_buckets);
        let is_sorted = shared.identity.kind == Kind::Histogram && door != Door::Import;
        if let Some(buckets) = buckets.filter(|_| is_sorted) {
            // Done before any series exists: otherwise, their values would have to be sorted again.
            shared.set_buckets(buckets.clone());
        }
        let made = make(shared);
        // If this request has no options, a later one may still declare them.
        if door == Door::Facade || options != GroupOptions::default() {
            made.room().into_iter().for_each(|room| {
                room.declare(options);
            });
        }
        let problem = settings.as_ref().and_then(|settings| set_stream(&*made, settings));
        let seen = settings.and_then(|settings| settings.metrics);
        let meeting = self.prometheus_names.claim(made.shared(), seen);
        let warnings = problem.into_iter().chain(apart.or(meeting)).collect();
        insert_with_little_room(Arc::make_mut(&mut instruments), place.end, made.clone());
        Ok((made, true, warnings))
    }

    /// Returns whether the scope contains this exact instrument.
    pub(crate) fn has_instrument(&self, key: &ScopeKey, shared: &Shared) -> bool {
        let key = key.canonical(&self.naming());
        let scopes = self.scopes.read().unpoisoned();
        let instruments = scopes.get(&key).map(|scope| scope.instruments()).unwrap_or_default();
        instruments.iter().any(|instrument| std::ptr::eq(&**instrument.shared(), shared))
    }

    /// Returns the key of the scope to which an instrument belongs.
    pub(crate) fn key_of(&self, instrument: &Shared) -> Option<ScopeKey> {
        let mut scopes = self.all().into_iter();
        let scope = scopes.find(|scope| Arc::ptr_eq(&scope.shared, &instrument.scope))?;
        Some(scope.key.clone())
    }

    /// Returns all current scopes.
    pub(crate) fn all(&self) -> Vec<Arc<Scope>> {
        let scopes = self.scopes.read().unpoisoned();
        scopes.values().cloned().collect()
    }

    /// Returns the scope, creating it if needed.
    fn scope(
        &self,
        key: &ScopeKey,
        naming: &Naming,
        door: Door,
        settings: &Settings,
    ) -> Result<Arc<Scope>, ScopeError> {
        let mut scopes = self.scopes.write().unpoisoned();
        if let Some(known) = scopes.get(key) {
            return Ok(known.clone());
        }
        if door == Door::Facade {
            let from = scopes.range(key.before_alike()..).map(|(known, _)| known);
            let mut alike = from.take_while(|known| known.is_alike(key));
            let clash = alike.find_map(|known| key.clash_with(known));
            clash.map_or(Ok(()), Err)?;
        }
        let named = key.to_instrumentation_scope(naming);
        let (spelling, attributes) = (key.spelling(naming), key.attributes.clone().into());
        let shared = Arc::new(ScopeShared::new(named, spelling, attributes, settings));
        let scope = Arc::new(Scope { key: key.clone(), shared, instruments: RwLock::default() });
        scopes.insert(key.clone(), scope.clone());
        Ok(scope)
    }
}

/// Inserts an item into a list that may have thousands of items and is mostly read. Grows the list by an eighth rather
/// than to twice its size, to save memory.
pub(super) fn insert_with_little_room<T>(list: &mut Vec<T>, at: usize, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 8 + 4);
    }
    list.insert(at, item);
}

/// An instrument, whether it was just created, and warnings to be logged while holding no lock.
pub(crate) type Found = (Arc<dyn Stored>, bool, Vec<Warning>);

/// Returns the range of the instruments whose [folded](name::folded) names equal that of `name`, or where they would be
/// inserted.
fn places_of(instruments: &[Arc<dyn Stored>], name: &str) -> Range<usize> {
    let cmp = |it: &Arc<dyn Stored>| name::cmp_folded(it.shared().identity.name(), name);
    let start = instruments.partition_point(|it| cmp(it).is_lt());
    let alike = instruments[start..].partition_point(|it| cmp(it).is_eq());
    start..start + alike
}

/// Returns the instrument that a request refers to, among `streams`, which have the same name.
fn find(
    streams: &[Arc<dyn Stored>],
    full_name: &str,
    requested: &Identity,
    door: Door,
) -> Result<Option<Arc<dyn Stored>>, InstrumentError> {
    if door == Door::OpenTelemetry {
        let mut streams = streams.iter();
        return Ok(streams.find(|it| it.shared().identity.is_duplicate_of(requested)).cloned());
    }
    if door == Door::Import {
        // Prometheus distinguishes case.
        let is_it = |known: &Identity| known.name() == requested.name() && known.is_like(requested);
        return Ok(streams.iter().find(|it| is_it(&it.shared().identity)).cloned());
    }
    let mut declared = streams.iter().filter(|it| it.shared().door() == Door::Facade);
    if let Some(known) = declared.next() {
        known.shared().check_same(full_name, requested)?;
        return Ok(Some(known.clone()));
    }
    Ok(streams.iter().find(|it| it.shared().identity.is_like(requested)).cloned())
}

/// A problem with a request, to be logged while holding no lock.
#[derive(Hash)]
pub(crate) enum Warning {
    /// Two requests for one name differ in this aspect. Each gets a stream of its own.
    Apart { instrument: String, aspect: &'static str },
    /// Two requests for one name differ in this aspect. They share one stream.
    Joined { instrument: String, aspect: &'static str },
    /// Two instruments have the same name in Prometheus. They share it, or the older one keeps it.
    Meeting { instrument: String, scope: String, other: String, shares: bool },
    /// The buckets that an operator configured cannot be used.
    Buckets { instrument: String, problem: String },
}

impl Warning {
    /// Logs the warning once, no matter how often the instrument is created again.
    pub(crate) fn log(&self, logged: &LogOnce) {
        let subject = match self {
            // Log one line per instrument, whatever its requests differ in.
            Self::Joined { instrument, .. } => {
                &Self::Joined { instrument: instrument.clone(), aspect: "" }
            }
            other => other,
        };
        if !logged.is_new(subject) {
            return;
        }
        match self {
            Self::Apart { instrument, aspect } => tracing::warn!(
                instrument,
                "instrument was created twice with a different {aspect}: both are exported under the same name; use \
                 the same {aspect} in both places, or rename one of them"
            ),
            Self::Joined { instrument, aspect } => tracing::warn!(
                instrument,
                "instrument was created twice with a different {aspect}: only one of the two is used; use the same \
                 {aspect} in both places"
            ),
            Self::Meeting { instrument, scope, other, shares: false } => tracing::warn!(
                instrument,
                older = other,
                scope,
                "instrument is not exported to Prometheus because an older instrument has the same name there; rename \
                 one of them, or rename or drop one with a view"
            ),
            Self::Meeting { instrument, scope, other, shares: true } => tracing::warn!(
                instrument,
                older = other,
                scope,
                "instrument has the same name in Prometheus as an older one; series with equal labels are merged: sums \
                 and histograms are added up, and only one of several gauges is exported; rename one of the instruments"
            ),
            Self::Buckets { instrument, problem } => {
                tracing::warn!(instrument, "the requested buckets {problem}");
            }
        }
    }
}

/// One scope and its instruments.
pub(crate) struct Scope {
    pub(crate) key: ScopeKey,
    shared: Arc<ScopeShared>,
    /// Sorted by [folded](name::folded) name. Several instruments with the same name differ in another aspect. Readers
    /// share the list; while one does, a new instrument is added to a copy.
    instruments: RwLock<Arc<Vec<Arc<dyn Stored>>>>,
}

impl Scope {
    pub(crate) fn instruments(&self) -> Arc<Vec<Arc<dyn Stored>>> {
        self.instruments.read().unpoisoned().clone()
    }

    pub(crate) fn instrumentation_scope(&self) -> Arc<InstrumentationScope> {
        self.shared.instrumentation_scope()
    }

    /// Returns how Prometheus spells the names in this scope.
    pub(crate) fn spelling(&self) -> Spelling {
        self.shared.spelling()
    }

    /// Returns the metrics that have points, or `None` if no metric has any.
    fn read(&self) -> Option<ScopeMetrics> {
        let instruments = self.instruments();
        // The snapshot is kept, so it should not reserve more memory than it needs.
        let mut metrics = Vec::with_capacity(instruments.len());
        metrics.extend(instruments.iter().filter_map(|instrument| {
            let (descriptor, data) = (instrument.shared().descriptor(), instrument.data());
            (!data.is_empty()).then_some(Metric { descriptor, data })
        }));
        if metrics.len() < metrics.capacity() / 2 {
            metrics.shrink_to_fit();
        }
        let scope = self.instrumentation_scope();
        (!metrics.is_empty()).then_some(ScopeMetrics { scope, metrics })
    }

    /// Returns the settings in `streams` for `instrument`, or `None` for the library's own metrics, which keep their
    /// defaults.
    fn stream_of_stored(
        &self,
        instrument: &dyn Stored,
        streams: &Streams,
    ) -> Option<StreamSettings> {
        let names_limit = instrument.room().is_some_and(|room| room.own_limit().is_some());
        self.stream_of(&instrument.shared().descriptor(), names_limit, streams)
    }

    /// Returns the settings in `streams` for an instrument that may not exist yet.
    fn stream_of(
        &self,
        descriptor: &Descriptor,
        names_limit: bool,
        streams: &Streams,
    ) -> Option<StreamSettings> {
        let scope = &self.instrumentation_scope();
        let request = StreamRequest { scope, descriptor, names_limit };
        (!SelfMetrics::has_scope(&self.key)).then(|| streams(&request))
    }

    fn rename(&self, naming: &Naming) {
        self.shared.rename(self.key.to_instrumentation_scope(naming), self.key.spelling(naming));
    }
}

/// Applies `settings` to `instrument`. Returns a warning if the buckets cannot be used.
fn set_stream(instrument: &dyn Stored, settings: &StreamSettings) -> Option<Warning> {
    let problem = settings.buckets.as_ref().and_then(HistogramBuckets::problem);
    instrument.set_stream(settings.usable_buckets().cloned(), settings.cardinality_limit);
    let instrument = instrument.shared().descriptor().name.clone();
    problem.map(|problem| Warning::Buckets { instrument, problem })
}
