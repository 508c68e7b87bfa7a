//! Import of metrics that another library counts in a registry of its own.
//!
//! Each collection gathers these metrics. The store then treats them like values from callbacks: series have ids and
//! start times, limits apply, and a series that the other registry no longer has becomes absent.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use meterkit_rules::prometheus_name::TARGET_INFO;
use opentelemetry::KeyValue;

use super::observable::CallbackGuard;
use super::self_metrics;
use crate::Kind;
use crate::attributes::AttributeValue;
use crate::buckets::HistogramBuckets;
use crate::data::{Descriptor, Reading};
use crate::number::NumberType;
use crate::order;
use crate::registry::Registry;
use crate::scope::{ScopeId, ScopeKey};
use crate::store::callbacks::{CallbackOptions, Routine};
use crate::store::group::GroupOptions;
use crate::store::identity::Identity;
use crate::store::instrument::MakeStored;
use crate::store::observed::{Draft, Observed};
use crate::store::settings::DropReason;
use crate::store::shared::{Door, Shared};
use crate::unpoisoned::Unpoisoned;

/// The prefix of the labels that carry the scope of a series, according to OpenTelemetry's "Prometheus and OpenMetrics
/// Compatibility".
const SCOPE_LABEL: &str = "otel_scope_";

thread_local! {
    static IS_IMPORTING: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this thread is gathering metrics of another library. Code that exposes metrics of this library in
/// that library's registry must leave them out now: otherwise they would come back as metrics of that library.
#[doc(hidden)] // for the crates that bridge other registries
pub fn is_importing() -> bool {
    IS_IMPORTING.get()
}

impl Registry {
    /// Registers `gather`, which each collection calls to obtain the metrics that another library counts. They belong
    /// to `scope`, which does not appear in Prometheus: names and labels there are the same as in the other library.
    ///
    /// Like any callback, `gather` has a budget, and may fail or panic without affecting other callbacks.
    #[doc(hidden)] // for the crates that bridge other registries
    pub fn import(
        &self,
        scope: &'static str,
        gather: impl Fn(&mut Import<'_>) -> Result<(), String> + Send + Sync + 'static,
    ) -> CallbackGuard {
        self_metrics::count_drops(self);
        self.inner.scopes.prometheus_names.add_bridge(scope);
        let registry = Arc::downgrade(&self.inner);
        // Counters may have counted for longer, but this library has only seen them from now on.
        let last_run = AtomicU64::new(self.inner.settings.start());
        let known = Mutex::<Known>::default();
        let collect = move |drafts: &mut Vec<Draft>| {
            let Some(inner) = registry.upgrade() else { return Ok(()) };
            let since = last_run.swap(inner.settings.start(), Relaxed);
            // Runs of one callback never overlap, so this lock is never contended.
            let known = &mut *known.lock().unpoisoned();
            known.last = 0;
            let own = None;
            let registry = Self { inner };
            let _importing = Importing::begin();
            gather(&mut Import { registry, scope, drafts, known, since, own })
        };
        let options = CallbackOptions { name: Some(scope), ..CallbackOptions::default() };
        let callback = self.callback(Vec::new(), Routine::Collect(Box::new(collect)), options);
        CallbackGuard::register(self, callback)
    }
}

/// A family of metrics of another library.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "what Prometheus knows")]
pub struct ImportedFamily<'a> {
    /// The name, as in Prometheus.
    pub name: &'a str,
    /// The unit in UCUM notation, or empty if the family has none.
    pub unit: &'a str,
    /// What the family counts or measures, or empty if it has no description.
    pub description: &'a str,
    /// The kind of the metrics.
    pub kind: Kind,
}

/// Receives the metrics of another library.
pub struct Import<'a> {
    registry: Registry,
    scope: &'static str,
    drafts: &'a mut Vec<Draft>,
    known: &'a mut Known,
    /// The time at which the last run began.
    since: u64,
    /// The names of the scopes that contain metrics of this library. Computed when the first series with scope labels
    /// arrives.
    own: Option<HashSet<String>>,
}

/// The families of earlier runs.
#[derive(Default)]
struct Known {
    /// The properties that distinguish the drafts, in the order of the drafts.
    streams: Vec<Stream>,
    by_name: HashMap<String, Vec<usize>>,
    /// The index of the draft that was found last.
    last: usize,
}

/// The properties that distinguish metrics with the same name.
#[derive(PartialEq)]
struct Stream {
    /// The scope according to the labels of the series, if they carry one.
    scope: Option<ScopeKey>,
    name: String,
    unit: String,
    kind: Kind,
    number: NumberType,
    bounds: Arc<[f64]>,
}

impl Import<'_> {
    /// Imports one series of a family. If several series have the same labels, the last one wins.
    ///
    /// Labels that carry the OpenTelemetry scope of a series are converted to that scope. A series in a scope of this
    /// library is skipped, with a warning, because it came from this library.
    ///
    /// A counter value that is negative, NaN or infinite is dropped and counted in `meterkit.dropped`.
    pub fn observe(
        &mut self,
        family: &ImportedFamily<'_>,
        mut labels: Vec<KeyValue>,
        reading: Reading,
    ) {
        if matches!(family.name, TARGET_INFO | "otel_scope_info") {
            // These families describe the program and its scopes, which are known already.
            return;
        }
        // Prometheus treats a label with an empty value like a missing label.
        labels.retain(|label| !label.value.as_str().is_empty());
        let has_scope = labels.iter().any(|label| label.key.as_str().starts_with(SCOPE_LABEL));
        let scope = has_scope.then(|| take_scope(&mut labels));
        if scope.as_ref().is_some_and(|scope| self.is_own(scope)) {
            self.warn_of_loop(family.name);
            return;
        }
        let (number, bounds) = match &reading {
            Reading::Number(value) => (value.number_type(), Arc::default()),
            Reading::Histogram(histogram) => (NumberType::F64, histogram.bounds.clone()),
            Reading::Summary(_) => (NumberType::F64, Arc::default()),
        };
        let is_it = |it: &Stream| {
            it.name == family.name
                && (it.kind, it.number) == (family.kind, number)
                && (&it.unit[..], &it.bounds, &it.scope) == (family.unit, &bounds, &scope)
        };
        let at = self.known.find(family.name, is_it).or_else(|| {
            let (name, unit) = (family.name.to_owned(), family.unit.to_owned());
            let stream = Stream {
                scope: scope.clone(),
                name,
                unit,
                kind: family.kind,
                number,
                bounds: bounds.clone(),
            };
            self.add(stream, family.description)
        });
        let Some(draft) = at.and_then(|at| self.drafts.get_mut(at)) else { return };
        if may_be(&draft.instrument().shared, &reading) {
            draft.report_by_attributes(&labels, reading);
        }
    }

    /// Logs, once per problem, that a family cannot be imported.
    pub fn refuse(&self, family: &str, problem: &str) {
        if self.registry.inner.settings.logged.is_new(&(self.scope, family, problem)) {
            tracing::warn!(
                scope = self.scope,
                family,
                "skipped a series of another library: {problem}"
            );
        }
    }

    /// Creates the instrument of a stream. Returns the index of its draft, or `None` if it cannot be created.
    fn add(&mut self, stream: Stream, description: &str) -> Option<usize> {
        let Stream { scope, name, unit, kind, number, bounds } = &stream;
        let bridge = || ScopeKey::from(ScopeId::Semconv(self.scope.to_owned()));
        let described = Descriptor {
            name: name.clone(),
            unit: unit.clone(),
            description: description.to_owned(),
            kind: *kind,
        };
        let mut identity = Identity::new(described, *number);
        if *kind == Kind::Histogram {
            identity.set_buckets(HistogramBuckets::Explicit(bounds.clone().into()), true);
        }
        let (key, options) = (scope.clone().unwrap_or_else(bridge), GroupOptions::default());
        let since = self.since;
        let make: MakeStored<'_> = Box::new(move |shared| Arc::new(Observed::since(shared, since)));
        let found = self.registry.find_or_make(&key, identity, Door::Import, options, make);
        match found.and_then(|found| found.typed::<Observed>()) {
            Ok(instrument) => {
                let mut draft = instrument.attach();
                draft.begin();
                self.drafts.push(draft);
                self.known.add(stream);
                Some(self.drafts.len() - 1)
            }
            Err(error) => {
                self.refuse(name, &error.to_string());
                None
            }
        }
    }

    /// Returns whether the scope contains metrics of this library, or is the default scope of this import.
    fn is_own(&mut self, scope: &ScopeKey) -> bool {
        let ScopeId::Semconv(name) = &scope.id else { return false };
        let scopes = &self.registry.inner.scopes;
        let own = self.own.get_or_insert_with(|| {
            let is_own = |shared: &Shared| shared.door() != Door::Import;
            let scopes = scopes.all().into_iter();
            let own = scopes.filter(|it| it.instruments().iter().any(|it| is_own(it.shared())));
            own.map(|scope| scope.instrumentation_scope().name().to_owned()).collect()
        });
        name == self.scope || own.contains(name)
    }

    fn warn_of_loop(&self, family: &str) {
        if self.registry.inner.settings.logged.is_new(&("import loop", self.scope)) {
            tracing::warn!(
                scope = self.scope,
                family,
                "an imported registry contains metrics of this library, which are skipped; import from one registry, and \
                 expose metrics of this library in another one"
            );
        }
    }
}

impl Known {
    /// Returns the index of the stream with this name for which `is_it` returns true. Streams tend to arrive in the
    /// same order each time, so the neighborhood of the last match is searched first.
    fn find(&mut self, name: &str, is_it: impl Fn(&Stream) -> bool) -> Option<usize> {
        let is_at = |at: &usize| self.streams.get(*at).is_some_and(&is_it);
        let near = [self.last, self.last + 1].into_iter().find(is_at);
        let found = near.or_else(|| self.by_name.get(name)?.iter().copied().find(is_at));
        self.last = found.unwrap_or(self.last);
        found
    }

    fn add(&mut self, stream: Stream) {
        self.last = self.streams.len();
        self.by_name.entry(stream.name.clone()).or_default().push(self.last);
        self.streams.push(stream);
    }
}

/// Removes the labels that carry the scope, and returns the scope.
fn take_scope(labels: &mut Vec<KeyValue>) -> ScopeKey {
    let (scope, own): (Vec<_>, Vec<_>) = std::mem::take(labels)
        .into_iter()
        .partition(|label| label.key.as_str().starts_with(SCOPE_LABEL));
    *labels = own;
    let mut key = ScopeKey::from(ScopeId::Semconv(String::new()));
    let mut attributes = Vec::new();
    for KeyValue { key: label, value, .. } in scope {
        let value = value.as_str().into_owned();
        match label.as_str().strip_prefix(SCOPE_LABEL).unwrap_or_default() {
            "name" => key.id = ScopeId::Semconv(value),
            "version" => key.version = Some(value.into()),
            "schema_url" => key.schema_url = Some(value.into()),
            other => attributes.push((other.to_owned().into(), AttributeValue::from(value))),
        }
    }
    order::sort(&mut attributes);
    key.attributes = attributes;
    key
}

/// Returns whether the instrument accepts the value. If not, the value is counted as dropped.
fn may_be(shared: &Shared, reading: &Reading) -> bool {
    let Reading::Number(value) = reading else { return true };
    let value = value.as_f64();
    let reason = match shared.identity.kind {
        Kind::ObservableCounter if !value.is_finite() => Some(DropReason::NotFinite),
        Kind::ObservableCounter if value < 0.0 => Some(DropReason::Negative),
        _ => None,
    };
    reason.inspect(|reason| shared.dropped(*reason)).is_none()
}

/// Marks this thread as gathering metrics of another library while it exists.
struct Importing;

impl Importing {
    fn begin() -> Self {
        IS_IMPORTING.set(true);
        Self
    }
}

impl Drop for Importing {
    fn drop(&mut self) {
        IS_IMPORTING.set(false);
    }
}

impl fmt::Debug for Import<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").field("scope", &self.scope).finish_non_exhaustive()
    }
}
