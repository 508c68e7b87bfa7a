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

/// All scopes, and how they are named.
#[derive(Default)]
pub(crate) struct Scopes {
    /// Held while an instrument is made, so that whoever changes all of them misses none.
    naming: RwLock<Naming>,
    switches: RwLock<Switches>,
    scopes: RwLock<BTreeMap<ScopeKey, Arc<Scope>>>,
    /// How values are kept; as the code says by default.
    streams: RwLock<Option<Streams>>,
    is_redirected: AtomicBool,
    pub(crate) prometheus_names: PrometheusNames,
}

impl Scopes {
    pub(crate) fn naming(&self) -> Naming {
        self.naming.read().unpoisoned().clone()
    }

    /// Renames everything, or nothing if a name would get too long. Returns the instruments whose names meet then.
    /// Hold no lock when you log them.
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
            // Patterns may name the namespace.
            let switch = switches.of(&scope.key, &naming);
            scope.instruments().iter().for_each(|instrument| instrument.switch(switch));
        }
        *current = naming;
        duplicates.extend(self.renew_prometheus_names());
        Ok(duplicates)
    }

    /// Disables the scopes in `patterns`, and no others.
    pub(crate) fn set_disabled(&self, patterns: ScopePatterns) {
        let naming = self.naming.write().unpoisoned();
        let switches = Switches::new(patterns);
        for scope in self.all() {
            let switch = switches.of(&scope.key, &naming);
            scope.instruments().iter().for_each(|instrument| instrument.switch(switch));
        }
        *self.switches.write().unpoisoned() = switches;
    }

    /// Makes every recording check whether its thread records elsewhere.
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

    /// Returns the patterns of disabled scopes that no scope has been like, as written.
    pub(crate) fn unmatched_patterns(&self) -> Vec<String> {
        self.switches.read().unpoisoned().unmatched()
    }

    /// Puts attributes on every series.
    pub(crate) fn set_attributes(&self, attributes: FixedAttributes, settings: &Settings) {
        let _naming = self.naming.write().unpoisoned();
        settings.set_attributes(attributes);
        for scope in self.all() {
            scope.shared.renew_keys(settings);
            scope.instruments().iter().for_each(|instrument| instrument.shared().renew_keys());
        }
    }

    /// Sets how the values of all instruments are kept, those to come included.
    ///
    /// Returns what is wrong with that. Hold no lock when you log it.
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

    /// Takes the scopes away that are what `key` says, and gives them to the caller, who holds no lock when they go.
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

    /// Returns what all instruments hold now: scopes by name, metrics by name, points by attributes.
    pub(crate) fn read(&self) -> Vec<ScopeMetrics> {
        let mut scopes: Vec<ScopeMetrics> =
            self.all().iter().filter_map(|scope| scope.read()).collect();
        ScopeMetrics::sort(&mut scopes);
        scopes
    }

    /// Returns the instrument with this name in the scope, and whether it was made, because it did not exist yet.
    ///
    /// One that the code declares must be what is declared under its name already. One that is asked for through
    /// OpenTelemetry's API is never refused: it is a stream of its own where the one that exists is something else.
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
        // OpenTelemetry takes names that differ in case only for one.
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
                // What an operator says depends on the options. Problems were reported when the instrument was made.
                let settings = stream_of(&known.shared().descriptor(), options.limit.is_some());
                let _ = settings.map(|settings| set_stream(&*known, &settings));
            }
            return Ok((known, false, warning.into_iter().collect()));
        }
        let difference = streams.first().and_then(|known| {
            // Each has the description that its own request brought.
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
            // Before there are series: otherwise, they would be sorted anew.
            shared.set_buckets(buckets.clone());
        }
        let made = make(shared);
        // Without options, another request may still declare some.
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

    /// Returns whether the scope has this very instrument.
    pub(crate) fn has_instrument(&self, key: &ScopeKey, shared: &Shared) -> bool {
        let key = key.canonical(&self.naming());
        let scopes = self.scopes.read().unpoisoned();
        let instruments = scopes.get(&key).map(|scope| scope.instruments()).unwrap_or_default();
        instruments.iter().any(|instrument| std::ptr::eq(&**instrument.shared(), shared))
    }

    /// Returns the key of the scope that has an instrument.
    pub(crate) fn key_of(&self, instrument: &Shared) -> Option<ScopeKey> {
        let mut scopes = self.all().into_iter();
        let scope = scopes.find(|scope| Arc::ptr_eq(&scope.shared, &instrument.scope))?;
        Some(scope.key.clone())
    }

    /// Returns every scope, as they are now.
    pub(crate) fn all(&self) -> Vec<Arc<Scope>> {
        let scopes = self.scopes.read().unpoisoned();
        scopes.values().cloned().collect()
    }

    /// Returns the scope, and makes it if it does not exist yet.
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

/// Inserts an item into a list of thousands that mostly is read, and that should not have room for twice as many.
pub(super) fn insert_with_little_room<T>(list: &mut Vec<T>, at: usize, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 8 + 4);
    }
    list.insert(at, item);
}

/// An instrument, whether it was made just now, and what to log when no lock is held.
pub(crate) type Found = (Arc<dyn Stored>, bool, Vec<Warning>);

/// Returns where the instruments are, or would be, that have this name but for what [folding](name::folded) removes.
fn places_of(instruments: &[Arc<dyn Stored>], name: &str) -> Range<usize> {
    let cmp = |it: &Arc<dyn Stored>| name::cmp_folded(it.shared().identity.name(), name);
    let start = instruments.partition_point(|it| cmp(it).is_lt());
    let alike = instruments[start..].partition_point(|it| cmp(it).is_eq());
    start..start + alike
}

/// Returns the instrument among `streams`, which have one name, that a request is for.
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

/// What is wrong with a request, to be logged when no lock is held.
#[derive(Hash)]
pub(crate) enum Warning {
    /// Two requests for one name differ in this aspect; each is a stream of its own.
    Apart { instrument: String, aspect: &'static str },
    /// Two requests for one name differ in this aspect; one stream is both.
    Joined { instrument: String, aspect: &'static str },
    /// Prometheus has both under one name; they share it, or the older one has it.
    Meeting { instrument: String, scope: String, other: String, shares: bool },
    /// The buckets that an operator asked for cannot be used.
    Buckets { instrument: String, problem: String },
}

impl Warning {
    /// Logs the warning, once however often an instrument is made again.
    pub(crate) fn log(&self, logged: &LogOnce) {
        let subject = match self {
            // Whatever its requests differ in.
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
                "instrument is made twice with another {aspect}: both are exported under one name; use the same \
                 {aspect} in both places, or another name"
            ),
            Self::Joined { instrument, aspect } => tracing::warn!(
                instrument,
                "instrument is made twice with another {aspect}: one is used for both; use the same {aspect} in both \
                 places"
            ),
            Self::Meeting { instrument, scope, other, shares: false } => tracing::warn!(
                instrument,
                older = other,
                scope,
                "instrument is left out in Prometheus, where an older one has its name; rename one of them, or select one \
                 with a view that renames or drops it"
            ),
            Self::Meeting { instrument, scope, other, shares: true } => tracing::warn!(
                instrument,
                older = other,
                scope,
                "instrument has the name of an older one in Prometheus, where series with equal labels are joined: sums and \
                 histograms are added, of gauges one is exported; rename one of the instruments"
            ),
            Self::Buckets { instrument, problem } => {
                tracing::warn!(instrument, "the buckets that were asked for {problem}");
            }
        }
    }
}

/// One scope and its instruments.
pub(crate) struct Scope {
    pub(crate) key: ScopeKey,
    shared: Arc<ScopeShared>,
    /// In the order of their [folded](name::folded) names. Several of one name are something else each. Whoever reads all
    /// of them shares the list; a new instrument changes a copy while someone does.
    instruments: RwLock<Arc<Vec<Arc<dyn Stored>>>>,
}

impl Scope {
    pub(crate) fn instruments(&self) -> Arc<Vec<Arc<dyn Stored>>> {
        self.instruments.read().unpoisoned().clone()
    }

    pub(crate) fn instrumentation_scope(&self) -> Arc<InstrumentationScope> {
        self.shared.instrumentation_scope()
    }

    /// Returns what Prometheus gets of the names in this scope.
    pub(crate) fn spelling(&self) -> Spelling {
        self.shared.spelling()
    }

    /// Returns the metrics that have points, or `None` when none has.
    fn read(&self) -> Option<ScopeMetrics> {
        let instruments = self.instruments();
        // The snapshot is kept: it should have no more room than it needs.
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

    /// Returns what `streams` says of `instrument`. What the library tells of itself stays as it is.
    fn stream_of_stored(
        &self,
        instrument: &dyn Stored,
        streams: &Streams,
    ) -> Option<StreamSettings> {
        let names_limit = instrument.room().is_some_and(|room| room.own_limit().is_some());
        self.stream_of(&instrument.shared().descriptor(), names_limit, streams)
    }

    /// Returns the same of an instrument that may be yet to come.
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

/// Keeps the values of `instrument` as `settings` say.
fn set_stream(instrument: &dyn Stored, settings: &StreamSettings) -> Option<Warning> {
    let problem = settings.buckets.as_ref().and_then(HistogramBuckets::problem);
    instrument.set_stream(settings.usable_buckets().cloned(), settings.cardinality_limit);
    let instrument = instrument.shared().descriptor().name.clone();
    problem.map(|problem| Warning::Buckets { instrument, problem })
}
