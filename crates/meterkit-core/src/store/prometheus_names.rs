//! The names that instruments have in Prometheus, and which instrument keeps a name that several have.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard};

use foldhash::fast::RandomState;
use meterkit_rules::prometheus_name::{FamilyType, Names, TARGET_INFO};

use super::instrument::Stored;
use super::scopes::{Scope, Warning};
use super::shared::Door;
use crate::Kind;
use crate::data::Descriptor;
use crate::unpoisoned::Unpoisoned;

/// The names that the instruments of a registry have in Prometheus.
///
/// Instruments of one name and type share a family. Where types differ, or where a name is that of a histogram's
/// buckets, sum or count, Prometheus can have only one: it gets the oldest instrument, whichever has values. In
/// OpenMetrics, where more families meet, counters lose their type instead; see [`Names::open_metrics`].
#[derive(Clone, Default)]
pub struct PrometheusNames(Arc<Inner>);

#[derive(Default)]
struct Inner {
    claims: Mutex<Claims>,
    /// What exporters derived from the names of a collection, for the next one.
    kept: Mutex<Vec<(Names, Arc<Kept>)>>,
}

type Kept = dyn Any + Send + Sync;

/// What a target that writes Prometheus' names leaves out, and in which order it writes the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameMeetings {
    /// Families whose name an older instrument has.
    hidden: HashSet<Family>,
    /// Counters that can stay only as families of unknown type.
    untyped: HashSet<Family>,
    /// The ages of instruments that share a family with another one of their scope, by the address of what describes
    /// them.
    sharing: HashMap<usize, u64>,
    imports: Arc<Imports>,
}

impl NameMeetings {
    /// Returns whether an older instrument, or the resource, has the name of this family.
    pub fn hide(&self, name: &str, of: FamilyType) -> bool {
        !self.hidden.is_empty() && self.hidden.contains(&(name.to_owned(), of))
    }

    /// Returns whether this family can be exported only without its type.
    pub fn take_type(&self, name: &str, of: FamilyType) -> bool {
        !self.untyped.is_empty() && self.untyped.contains(&(name.to_owned(), of))
    }

    /// Returns a number that rises with the age of the instruments of a scope that share a family.
    pub fn age(&self, metric: &Arc<Descriptor>) -> u64 {
        self.sharing.get(&(Arc::as_ptr(metric) as usize)).copied().unwrap_or_default()
    }

    /// Returns the name of the family that a metric of this scope and kind is in.
    pub fn family(&self, scope: &str, metric: &Descriptor, kind: Kind, names: Names) -> String {
        name_in(names, metric, kind, self.is_import(scope, metric))
    }

    /// Returns whether another library counts this metric of this scope.
    pub fn is_import(&self, scope: &str, metric: &Descriptor) -> bool {
        self.imports.names.get(scope).is_some_and(|names| names.contains(&metric.name))
    }

    /// Returns whether the labels of series say that they are of this scope. What another library counts has no labels
    /// but its own.
    pub fn shows_scope(&self, scope: &str) -> bool {
        !self.imports.bridges.contains(scope)
    }
}

impl PrometheusNames {
    /// Returns what Prometheus cannot have, under these names.
    pub fn meetings(&self, names: Names) -> NameMeetings {
        let mut claims = self.lock();
        let at = claims.index(names);
        let hidden = claims.indices[at].hidden(&claims.by_age).collect();
        let untyped = claims.indices[at].untyped(&claims.by_age).collect();
        let sharing = claims.sharing.iter().flat_map(|(younger, older)| [*older, *younger]);
        let address =
            |age| Some((Arc::as_ptr(&claims.by_age.get(&age)?.descriptor()) as usize, age));
        let imports = claims.imports.clone();
        NameMeetings { hidden, untyped, sharing: sharing.filter_map(address).collect(), imports }
    }

    /// Returns what was [kept](Self::keep) for these names.
    pub fn kept(&self, names: Names) -> Option<Arc<Kept>> {
        let kept = self.0.kept.lock().unpoisoned();
        kept.iter().find(|(of, _)| *of == names).map(|(_, kept)| kept.clone())
    }

    /// Keeps what an exporter derived from these names for the next collection, in place of what was kept before, until
    /// an instrument is unloaded or renamed.
    pub fn keep(&self, names: Names, made: Arc<Kept>) {
        let mut kept = self.0.kept.lock().unpoisoned();
        kept.retain(|(of, _)| *of != names);
        kept.push((names, made));
    }

    fn forget_kept(&self) {
        let kept = std::mem::take(&mut *self.0.kept.lock().unpoisoned());
        // Separate statement: release the lock before the values are dropped.
        drop(kept);
    }

    fn lock(&self) -> MutexGuard<'_, Claims> {
        self.0.claims.lock().unpoisoned()
    }

    /// Adds a scope of what another library counts.
    pub(crate) fn add_bridge(&self, scope: &'static str) {
        let mut claims = self.lock();
        Arc::make_mut(&mut claims.imports).bridges.insert(scope);
    }

    /// Returns the full names of the instruments that Prometheus does not see in full.
    pub(crate) fn instruments(&self) -> BTreeSet<String> {
        let claims = self.lock();
        let hidden = claims.indices.iter().flat_map(|index| {
            let hidden = index.hidden(&claims.by_age);
            hidden.flat_map(|family| index.ages(&family, &claims.by_age).collect::<Vec<_>>())
        });
        let all = hidden.chain(claims.sharing.keys().copied());
        let all = all.filter_map(|age| claims.by_age.get(&age));
        all.filter(|claim| claim.is_on()).map(|claim| claim.descriptor().name.clone()).collect()
    }

    /// Returns the declared instrument of this scope that a further one would meet, and the name under which Prometheus
    /// would have both.
    pub(super) fn declared(
        &self,
        scope: &Arc<Scope>,
        wanted: &Descriptor,
    ) -> Option<(String, String)> {
        let claims = self.lock();
        let own = family(wanted, Names::default(), false);
        if own.0 == TARGET_INFO {
            return Some(("the resource's metric".to_owned(), own.0));
        }
        let mut met = claims.met_in(scope, &own);
        let (_, claim, other) = met.find(|(_, claim, _)| claim.is_declared())?;
        let both = Names::default().meeting((&own.0, own.1), (&other.0, other.1))?;
        Some((format!("`{}`", claim.descriptor().name), both))
    }

    /// Takes the names of a new instrument. `seen` is what targets get of it. Returns what to log if an older instrument
    /// has one of its names.
    pub(super) fn claim(
        &self,
        scope: &Arc<Scope>,
        instrument: &Arc<dyn Stored>,
        seen: Option<Vec<Arc<Descriptor>>>,
    ) -> Option<Warning> {
        let mut claims = self.lock();
        let made = claims.made + 1;
        let age = *instrument.shared().age.get_or_init(|| made);
        claims.made = made;
        let (scope, instrument) = (scope.clone(), instrument.clone());
        claims.add(age, Claim { scope, instrument, seen: seen.map(Vec::into_boxed_slice) })
    }

    /// Releases the names of an instrument that goes.
    pub(super) fn release(&self, instrument: &dyn Stored) {
        self.forget_kept();
        if let Some(age) = instrument.shared().age.get() {
            self.lock().remove(*age);
        }
    }

    /// Takes the names of all instruments anew. `seen` returns what targets get of one.
    pub(super) fn renew(
        &self,
        seen: impl Fn(&Scope, &dyn Stored) -> Option<Vec<Arc<Descriptor>>>,
    ) -> Vec<Warning> {
        self.forget_kept();
        let mut claims = self.lock();
        let before = std::mem::take(&mut claims.by_age);
        claims.indices.iter_mut().for_each(|index| *index = Index::new(index.names));
        claims.within.clear();
        claims.sharing.clear();
        let renewed = before.into_iter().filter_map(|(age, mut claim)| {
            claim.seen = seen(&claim.scope, &*claim.instrument).map(Vec::into_boxed_slice);
            claims.add(age, claim)
        });
        renewed.collect()
    }
}

impl fmt::Debug for PrometheusNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusNames").finish_non_exhaustive()
    }
}

/// An instrument that has names.
struct Claim {
    scope: Arc<Scope>,
    instrument: Arc<dyn Stored>,
    /// The metrics that views make of it, for targets; `None` if targets get the instrument itself.
    seen: Option<Box<[Arc<Descriptor>]>>,
}

impl Claim {
    fn descriptor(&self) -> Arc<Descriptor> {
        self.instrument.shared().descriptor()
    }

    fn is_on(&self) -> bool {
        !self.instrument.shared().is_off()
    }

    fn is_declared(&self) -> bool {
        self.instrument.shared().door() == Door::Facade
    }

    fn is_import(&self) -> bool {
        self.instrument.shared().door() == Door::Import
    }

    /// Returns the family of the instrument itself, whatever targets get.
    fn own_family(&self) -> Family {
        family(&self.descriptor(), Names::default(), self.is_import())
    }

    /// Returns the families of the metrics that targets get.
    fn families(&self, names: Names) -> Vec<Family> {
        let own = self.descriptor();
        let seen = self.seen.as_deref().unwrap_or_else(|| std::slice::from_ref(&own));
        // A name that a view sets follows our rules.
        let is_import = |seen: &Descriptor| self.is_import() && seen.name == own.name;
        seen.iter().map(|seen| family(seen, names, is_import(seen))).collect()
    }
}

/// All instruments by age, and their names.
struct Claims {
    made: u64,
    by_age: BTreeMap<u64, Claim>,
    /// The hashes of scopes with their families, whatever targets get, with the ages of their instruments.
    within: BTreeSet<(u64, u64)>,
    hasher: RandomState,
    /// Instruments that share a family with an older one of their scope, and so may have the same series.
    sharing: BTreeMap<u64, u64>,
    /// One per way of naming that targets use. The default is always there, and first.
    indices: Vec<Index>,
    imports: Arc<Imports>,
}

/// What other libraries count: their names are those of Prometheus already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Imports {
    /// Names of metrics by the names of their scopes.
    names: HashMap<String, HashSet<String>>,
    /// Scopes that do not show in labels.
    bridges: HashSet<&'static str>,
}

impl Default for Claims {
    fn default() -> Self {
        let indices = vec![Index::new(Names::default())];
        let (by_age, within, hasher, sharing, imports) = Default::default();
        Self { made: 0, by_age, within, hasher, sharing, indices, imports }
    }
}

impl Claims {
    /// Returns the place of the index of these names. The first time, it is made of all instruments.
    fn index(&mut self, names: Names) -> usize {
        let known = self.indices.iter().position(|index| index.names == names);
        known.unwrap_or_else(|| {
            let mut index = Index::new(names);
            for (age, claim) in &self.by_age {
                index.add(*age, claim, &self.by_age);
            }
            self.indices.push(index);
            self.indices.len() - 1
        })
    }

    /// Returns the instruments of a scope that a family of it meets, each with its own family.
    fn met_in(
        &self,
        scope: &Arc<Scope>,
        (name, of): &Family,
    ) -> impl Iterator<Item = (u64, &Claim, Family)> {
        Names::default().neighbors((name, *of)).filter_map(move |near| {
            let mut ages = ages(&self.within, self.hash_in(scope, &near));
            let is_it =
                |claim: &&Claim| Arc::ptr_eq(&claim.scope, scope) && claim.own_family() == near;
            let (age, claim) =
                ages.find_map(|age| Some((age, self.by_age.get(&age).filter(is_it)?)))?;
            Some((age, claim, near))
        })
    }

    fn hash_in(&self, scope: &Arc<Scope>, family: &Family) -> u64 {
        self.hasher.hash_one((Arc::as_ptr(scope) as usize, family))
    }

    fn add(&mut self, age: u64, claim: Claim) -> Option<Warning> {
        let descriptor = claim.descriptor();
        let own = claim.own_family();
        if claim.is_import() {
            let scope = claim.scope.instrumentation_scope().name().to_owned();
            let names = &mut Arc::make_mut(&mut self.imports).names;
            names.entry(scope).or_default().insert(descriptor.name.clone());
        }
        let sharing = self.met_in(&claim.scope, &own).find(|(.., other)| *other == own);
        let sharing = sharing.map(|(older, ..)| older);
        let mut older = sharing;
        for index in &mut self.indices {
            older = index.add(age, &claim, &self.by_age).or(older);
        }
        self.sharing.extend(sharing.map(|older| (age, older)));
        self.within.insert((self.hash_in(&claim.scope, &own), age));
        let scope = claim.scope.instrumentation_scope();
        let is_on = |claim: &Claim| claim.is_on();
        let is_seen = |age: &u64| *age == RESOURCE || self.by_age.get(age).is_some_and(is_on);
        let older = older.filter(is_seen).filter(|_| claim.is_on());
        self.by_age.insert(age, claim);
        let older = older?;
        let (instrument, shares) = (descriptor.name.clone(), sharing == Some(older));
        let scope = scope.name().to_owned();
        let other = self.by_age.get(&older).map(|claim| claim.descriptor().name.clone());
        let other = other.unwrap_or_else(|| TARGET_INFO.to_owned());
        Some(Warning::Meeting { instrument, scope, other, shares })
    }

    fn remove(&mut self, age: u64) {
        let Some(claim) = self.by_age.remove(&age) else { return };
        self.indices.iter_mut().for_each(|index| index.remove(age, &claim, &self.by_age));
        let hash = self.hash_in(&claim.scope, &claim.own_family());
        self.within.remove(&(hash, age));
        // The whole scope goes, and those that share with this one go with it.
        self.sharing.remove(&age);
    }
}

/// The families of all instruments under one way of naming.
struct Index {
    names: Names,
    /// The hashes of families, with the ages of their instruments: a program has thousands, whose names would take more
    /// memory than all else that is kept of them.
    families: BTreeSet<(u64, u64)>,
    hasher: RandomState,
    /// Those that met another one when they were added.
    contested: BTreeSet<Family>,
}

impl Index {
    fn new(names: Names) -> Self {
        let (families, hasher, contested) = Default::default();
        Self { names, families, hasher, contested }
    }

    /// Adds the families of an instrument. Returns an older one that has the name of one of them.
    fn add(&mut self, age: u64, claim: &Claim, claims: &BTreeMap<u64, Claim>) -> Option<u64> {
        let mut older = None;
        for own in claim.families(self.names) {
            let first = self.ages(&own, claims).next().unwrap_or(age);
            if self.names.meets_resource((&own.0, own.1)) {
                older = Some(RESOURCE).filter(|_| self.is_left_out_for_resource(&own));
                self.contested.insert(own.clone());
            }
            let met: Vec<_> = self.met_by(&own, claims).collect();
            for other in met {
                let is_older = |age: &u64| *age < first && self.excludes(&own, &other);
                older = older.or_else(|| self.ages(&other, claims).next().filter(is_older));
                self.contested.extend([other, own.clone()]);
            }
            self.families.insert((self.hasher.hash_one(&own), age));
        }
        older
    }

    fn remove(&mut self, age: u64, claim: &Claim, claims: &BTreeMap<u64, Claim>) {
        for own in claim.families(self.names) {
            self.families.remove(&(self.hasher.hash_one(&own), age));
            if self.ages(&own, claims).next().is_none() {
                self.contested.remove(&own);
            }
        }
    }

    /// Returns the ages of the instruments of a family, rising.
    fn ages(&self, family: &Family, claims: &BTreeMap<u64, Claim>) -> impl Iterator<Item = u64> {
        let has_it = |claim: &Claim| claim.families(self.names).contains(family);
        let ages = ages(&self.families, self.hasher.hash_one(family));
        ages.filter(move |age| claims.get(age).is_some_and(has_it))
    }

    /// Returns the other families that a family meets.
    fn met_by(&self, own: &Family, claims: &BTreeMap<u64, Claim>) -> impl Iterator<Item = Family> {
        let near = self.names.neighbors((&own.0, own.1)).filter(move |near| near != own);
        near.filter(|near| self.ages(near, claims).next().is_some())
    }

    /// Returns the families that meet an older one. Disabled instruments take no name from others.
    fn hidden(&self, claims: &BTreeMap<u64, Claim>) -> impl Iterator<Item = Family> {
        let is_on = |age: &u64| claims.get(age).is_some_and(Claim::is_on);
        let age = move |family: &Family| self.ages(family, claims).find(is_on);
        let hidden = self.contested.iter().filter(move |own| {
            let own_age = age(own);
            let is_older = |other: &_| age(other).is_some_and(|other| Some(other) < own_age);
            let hides = |other: Family| is_older(&other) && self.excludes(own, &other);
            self.is_left_out_for_resource(own)
                || own_age.is_some() && self.met_by(own, claims).any(hides)
        });
        hidden.cloned()
    }

    /// Returns the counters that meet another family, of any age, and stay as families of unknown type.
    fn untyped(&self, claims: &BTreeMap<u64, Claim>) -> impl Iterator<Item = Family> {
        let is_on = |age: u64| claims.get(&age).is_some_and(Claim::is_on);
        let untyped = self.contested.iter().filter(move |own| {
            let meets = |other| !self.excludes(own, &other) && self.ages(&other, claims).any(is_on);
            own.1 == FamilyType::Counter
                && (self.names.meets_resource((&own.0, own.1))
                    || self.met_by(own, claims).any(meets))
        });
        untyped.cloned()
    }

    fn excludes(&self, (name, of): &Family, (other, of_other): &Family) -> bool {
        self.names.exclude((name, *of), (other, *of_other))
    }

    fn is_left_out_for_resource(&self, (name, of): &Family) -> bool {
        let stays = self.names.is_open_metrics() && *of == FamilyType::Counter;
        self.names.meets_resource((name, *of)) && !stays
    }
}

/// The age of the resource, which has a metric in Prometheus too.
const RESOURCE: u64 = 0;

type Family = (String, FamilyType);

/// Returns the family that a metric is in.
fn family(metric: &Descriptor, names: Names, is_import: bool) -> Family {
    (name_in(names, metric, metric.kind, is_import), metric.kind.into())
}

/// Returns the name of a metric in Prometheus.
fn name_in(names: Names, metric: &Descriptor, kind: Kind, is_import: bool) -> String {
    let names = if is_import { names.untranslated() } else { names };
    names.family(&metric.name, &metric.unit, kind)
}

/// Returns the ages of the instruments that a set has under a hash, rising.
fn ages(set: &BTreeSet<(u64, u64)>, hash: u64) -> impl Iterator<Item = u64> {
    set.range((hash, 0)..=(hash, u64::MAX)).map(|(_, age)| *age)
}
