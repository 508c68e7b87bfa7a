//! The Prometheus names of instruments, and the decision which instrument keeps a name that several have.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};

use foldhash::fast::RandomState;
use meterkit_rules::prometheus_name::{FamilyType, Names, TARGET_INFO};

use super::instrument::Stored;
use super::scope_shared::ScopeShared;
use super::scopes::{Warning, insert_with_little_room};
use super::shared::{Door, Shared};
use crate::Kind;
use crate::data::Descriptor;
use crate::order;
use crate::scope::Spelling;
use crate::unpoisoned::Unpoisoned;

/// The names that the instruments of a registry have in Prometheus.
///
/// Instruments with the same name and type share a family. If their types differ, or if a name equals that of a
/// histogram's buckets, sum or count, Prometheus can have only one of the instruments. The oldest one keeps the name,
/// even if it has no values. In OpenMetrics, where more families clash, counters lose their type instead; see
/// [`Names::open_metrics`].
#[derive(Clone, Default)]
pub struct PrometheusNames {
    claims: Arc<Mutex<Claims>>,
    /// Data that exporters derived from the names during one collection, for the next one.
    kept: Arc<Mutex<KeptByNames>>,
}

type KeptByNames = Vec<(Names, Arc<Kept>)>;

type Kept = dyn Any + Send + Sync;

/// The families that a target with Prometheus names leaves out, and the order in which it writes the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameMeetings {
    /// Families whose name belongs to an older instrument or the resource.
    hidden: HashSet<Family>,
    /// Counters that can be exported only as families of unknown type.
    untyped: HashSet<Family>,
    /// The ages of instruments that share a family with another one in their scope, by the address of their descriptor.
    sharing: HashMap<usize, u64>,
    literal: Arc<LiteralNames>,
}

impl NameMeetings {
    /// Returns whether this family must be left out because an older instrument, or the resource, has its name.
    pub fn hide(&self, name: &str, of: FamilyType) -> bool {
        !self.hidden.is_empty() && self.hidden.contains(&(name.to_owned(), of))
    }

    /// Returns whether this family can be exported only without its type.
    pub fn take_type(&self, name: &str, of: FamilyType) -> bool {
        !self.untyped.is_empty() && self.untyped.contains(&(name.to_owned(), of))
    }

    /// Returns a number that orders the instruments of a scope that share a family: the younger an instrument, the
    /// larger.
    pub fn age(&self, metric: &Arc<Descriptor>) -> u64 {
        self.sharing.get(&(Arc::as_ptr(metric) as usize)).copied().unwrap_or_default()
    }

    /// Returns the name of the family to which a metric of this scope and kind belongs.
    pub fn family(&self, scope: &str, metric: &Descriptor, kind: Kind, names: Names) -> String {
        name_in(names, metric, kind, self.is_literal(scope, metric))
    }

    /// Returns whether this metric of this scope already has a Prometheus name, because another library records it or
    /// the code requests it.
    pub fn is_literal(&self, scope: &str, metric: &Descriptor) -> bool {
        self.literal.names.get(scope).is_some_and(|names| names.contains_key(&metric.name))
    }

    /// Returns whether another library records this metric of this scope.
    pub fn is_import(&self, scope: &str, metric: &Descriptor) -> bool {
        self.literal.names.get(scope).and_then(|names| names.get(&metric.name)) == Some(&true)
    }

    /// Returns whether series have labels that name this scope. Imported and plain metrics have only their own labels.
    pub fn shows_scope(&self, scope: &str) -> bool {
        !self.literal.unseen_scopes.contains(scope)
    }
}

impl PrometheusNames {
    /// Returns the name clashes of all metrics under this way of naming.
    pub fn meetings(&self, names: Names) -> NameMeetings {
        let mut claims = self.lock();
        let at = claims.index(names);
        let hidden = claims.indices[at].hidden(&claims.instruments).collect();
        let untyped = claims.indices[at].untyped(&claims.instruments).collect();
        let sharing = claims.sharing.iter().flat_map(|(younger, older)| [*older, *younger]);
        let address = |age| {
            let descriptor = claims.instruments.get(age)?.descriptor();
            Some((Arc::as_ptr(&descriptor) as usize, u64::from(age)))
        };
        let literal = claims.literal.clone();
        NameMeetings { hidden, untyped, sharing: sharing.filter_map(address).collect(), literal }
    }

    /// Returns the same names without the data that exporters [keep](Self::keep), for collections whose metrics differ
    /// from those of other collections.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self { claims: self.claims.clone(), kept: Arc::default() }
    }

    /// Returns the data that was [kept](Self::keep) for these names.
    pub fn kept(&self, names: Names) -> Option<Arc<Kept>> {
        let kept = self.kept.lock().unpoisoned();
        kept.iter().find(|(of, _)| *of == names).map(|(_, kept)| kept.clone())
    }

    /// Keeps data that an exporter derived from these names for the next collection, until an instrument is unloaded or
    /// renamed. Replaces earlier data for these names.
    pub fn keep(&self, names: Names, made: Arc<Kept>) {
        let mut kept = self.kept.lock().unpoisoned();
        kept.retain(|(of, _)| *of != names);
        kept.push((names, made));
    }

    fn forget_kept(&self) {
        let kept = std::mem::take(&mut *self.kept.lock().unpoisoned());
        // Separate statement: release the lock before the values are dropped.
        drop(kept);
    }

    fn lock(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unpoisoned()
    }

    /// Adds a scope whose metrics another library records.
    pub(crate) fn add_bridge(&self, scope: &'static str) {
        let mut claims = self.lock();
        Arc::make_mut(&mut claims.literal).unseen_scopes.insert(scope.to_owned());
    }

    /// Returns the full names, sorted, of the instruments that Prometheus does not see completely.
    pub(crate) fn instruments(&self) -> Vec<String> {
        let claims = self.lock();
        let hidden = claims.indices.iter().flat_map(|index| {
            let hidden = index.hidden(&claims.instruments);
            hidden.flat_map(|family| index.ages(&family, &claims.instruments).collect::<Vec<_>>())
        });
        let all = hidden.chain(claims.sharing.keys().copied());
        let all = all.filter_map(|age| claims.instruments.get(age));
        let all = all.filter(|it| !it.is_off());
        let mut names: Vec<_> = all.map(|it| it.descriptor().name.clone()).collect();
        order::sort(&mut names);
        names.dedup();
        names
    }

    /// Returns the declared instrument of this scope that would clash with a new one, and the name that both would have
    /// in Prometheus.
    pub(super) fn declared(
        &self,
        scope: &Arc<ScopeShared>,
        wanted: &Descriptor,
    ) -> Option<(String, String)> {
        let claims = self.lock();
        let own = family(wanted, Names::default(), scope.spelling() != Spelling::Translated);
        if own.0 == TARGET_INFO {
            return Some(("the resource's metric".to_owned(), own.0));
        }
        let mut met = claims.met_in(scope, &own);
        let (instrument, other) = met.find(|(it, _)| it.door() == Door::Facade)?;
        let both = Names::default().meeting((&own.0, own.1), (&other.0, other.1))?;
        Some((format!("`{}`", instrument.descriptor().name), both))
    }

    /// Claims the names of a new instrument. `seen` is the list of metrics that targets receive in its place, if views
    /// change it. Returns a warning if an older instrument has one of its names.
    pub(super) fn claim(&self, instrument: &Arc<Shared>, seen: Option<Seen>) -> Option<Warning> {
        let mut claims = self.lock();
        claims.made = claims.made.saturating_add(1);
        instrument.age.store(claims.made, Relaxed);
        claims.add(instrument.clone(), seen)
    }

    /// Releases the names of removed instruments.
    pub(super) fn release(&self, instruments: &[Arc<dyn Stored>]) {
        self.forget_kept();
        self.lock().remove(instruments.iter().map(|it| it.shared().age.load(Relaxed)).collect());
    }

    /// Claims the names of all instruments again. `seen` maps the ages of instruments that views change to the metrics
    /// that targets receive in their place.
    pub(super) fn renew(&self, mut seen: HashMap<u32, Seen>) -> Vec<Warning> {
        self.forget_kept();
        let mut claims = self.lock();
        let before = std::mem::take(&mut claims.instruments);
        claims.indices.iter_mut().for_each(|index| *index = Index::new(index.names));
        claims.within.clear();
        claims.sharing.clear();
        Arc::make_mut(&mut claims.literal).names.clear();
        let renewed = before.by_age.into_iter().filter_map(|instrument| {
            let seen = seen.remove(&age_of(&instrument));
            claims.add(instrument, seen)
        });
        renewed.collect()
    }
}

impl fmt::Debug for PrometheusNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusNames").finish_non_exhaustive()
    }
}

/// The metrics that targets receive in place of an instrument that views change.
pub(super) type Seen = Vec<Arc<Descriptor>>;

/// All instruments that have names.
#[derive(Default)]
struct Instruments {
    by_age: Vec<Arc<Shared>>,
    /// The metrics that targets receive in place of instruments that views change, by age.
    seen: HashMap<u32, Seen>,
}

impl Instruments {
    fn get(&self, age: u32) -> Option<&Arc<Shared>> {
        self.by_age.binary_search_by_key(&age, age_of).ok().map(|at| &self.by_age[at])
    }

    fn is_on(&self, age: u32) -> bool {
        self.get(age).is_some_and(|instrument| !instrument.is_off())
    }

    /// Returns the families of the metrics that targets receive for an instrument.
    fn families(&self, instrument: &Shared, names: Names) -> Vec<Family> {
        let own = instrument.descriptor();
        let seen = self.seen.get(&instrument.age.load(Relaxed));
        let seen = seen.map_or_else(|| std::slice::from_ref(&own), |seen| &**seen);
        let is_literal = is_literal(instrument);
        // A name that a view sets is translated like other names.
        let family =
            |seen: &Arc<Descriptor>| family(seen, names, is_literal && seen.name == own.name);
        seen.iter().map(family).collect()
    }
}

fn age_of(instrument: &Arc<Shared>) -> u32 {
    instrument.age.load(Relaxed)
}

/// Returns whether the name of the instrument is already a Prometheus name.
fn is_literal(instrument: &Shared) -> bool {
    instrument.door() == Door::Import || instrument.scope.spelling() != Spelling::Translated
}

/// Returns the family of the instrument itself, regardless of views.
fn own_family(instrument: &Shared) -> Family {
    family(&instrument.descriptor(), Names::default(), is_literal(instrument))
}

/// All instruments and their names.
struct Claims {
    /// How many instruments have been created.
    made: u32,
    instruments: Instruments,
    /// The ages of instruments by the hash of their scope and own family, regardless of views.
    within: Ages,
    hasher: RandomState,
    /// Instruments that share a family with an older one in their scope, and may therefore have the same series. Maps
    /// the younger one's age to the older one's.
    sharing: BTreeMap<u32, u32>,
    /// One index per way of naming that targets use. The default always exists and comes first.
    indices: Vec<Index>,
    literal: Arc<LiteralNames>,
}

/// Names that are already Prometheus names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct LiteralNames {
    /// For each scope name: the names of its metrics, and whether another library records them.
    names: HashMap<String, HashMap<String, bool>>,
    /// Scopes that do not appear in labels.
    unseen_scopes: HashSet<String>,
}

impl Default for Claims {
    fn default() -> Self {
        let indices = vec![Index::new(Names::default())];
        let (instruments, within, hasher, sharing, literal) = Default::default();
        Self { made: 0, instruments, within, hasher, sharing, indices, literal }
    }
}

impl Claims {
    /// Returns the position of the index for these names. Builds the index on first use.
    fn index(&mut self, names: Names) -> usize {
        let known = self.indices.iter().position(|index| index.names == names);
        known.unwrap_or_else(|| {
            let mut index = Index::new(names);
            for instrument in &self.instruments.by_age {
                index.add(instrument, &self.instruments);
            }
            self.indices.push(index);
            self.indices.len() - 1
        })
    }

    /// Returns the instruments in a scope that clash with or share a family, each with its own family.
    fn met_in(
        &self,
        scope: &Arc<ScopeShared>,
        (name, of): &Family,
    ) -> impl Iterator<Item = (&Arc<Shared>, Family)> {
        Names::default().neighbors((name, *of)).filter_map(move |near| {
            let is_it = |it: &&Arc<Shared>| Arc::ptr_eq(&it.scope, scope) && own_family(it) == near;
            let mut ages = self.within.of(self.hash_in(scope, &near));
            let instrument = ages.find_map(|age| self.instruments.get(age).filter(is_it))?;
            Some((instrument, near))
        })
    }

    fn hash_in(&self, scope: &Arc<ScopeShared>, family: &Family) -> u64 {
        self.hasher.hash_one((Arc::as_ptr(scope) as usize, family))
    }

    fn add(&mut self, instrument: Arc<Shared>, seen: Option<Seen>) -> Option<Warning> {
        let (age, scope, own) = (age_of(&instrument), &instrument.scope, own_family(&instrument));
        if is_literal(&instrument) {
            let literal = Arc::make_mut(&mut self.literal);
            let name = scope.instrumentation_scope().name().to_owned();
            if scope.spelling() == Spelling::WithoutScope {
                literal.unseen_scopes.insert(name.clone());
            }
            let names = literal.names.entry(name).or_default();
            names.insert(instrument.descriptor().name.clone(), instrument.door() == Door::Import);
        }
        self.instruments.seen.extend(seen.map(|seen| (age, seen)));
        let sharing = self.met_in(scope, &own).find(|(_, other)| *other == own);
        let sharing = sharing.map(|(older, _)| age_of(older));
        let mut older = sharing;
        for index in &mut self.indices {
            older = index.add(&instrument, &self.instruments).or(older);
        }
        self.sharing.extend(sharing.map(|older| (age, older)));
        self.within.add(self.hash_in(scope, &own), age);
        let by_age = &mut self.instruments.by_age;
        insert_with_little_room(by_age, by_age.len(), instrument.clone());
        let is_seen = |age: &u32| *age == RESOURCE || self.instruments.is_on(*age);
        let older = older.filter(is_seen).filter(|_| !instrument.is_off())?;
        let name = |it: &Arc<Shared>| it.descriptor().name.clone();
        let (instrument, scope) =
            (name(&instrument), scope.instrumentation_scope().name().to_owned());
        let other = self.instruments.get(older).map_or_else(|| TARGET_INFO.to_owned(), name);
        Some(Warning::Meeting { instrument, scope, other, shares: sharing == Some(older) })
    }

    /// Removes the instruments with these ages.
    fn remove(&mut self, ages: HashSet<u32>) {
        let by_age = &mut self.instruments.by_age;
        // Does not visit all instruments, because programs can unload many scopes.
        let take = |age: u32| {
            let at = by_age.binary_search_by_key(&age, age_of).ok()?;
            Some(by_age.remove(at))
        };
        let gone: Vec<_> = ages.into_iter().filter_map(take).collect();
        for instrument in gone {
            self.indices.iter_mut().for_each(|index| index.remove(&instrument, &self.instruments));
            let (age, hash) =
                (age_of(&instrument), self.hash_in(&instrument.scope, &own_family(&instrument)));
            self.within.remove(hash, age);
            self.instruments.seen.remove(&age);
            // The whole scope is removed, including the instruments that share a family with this one.
            self.sharing.remove(&age);
        }
    }
}

/// The families of all instruments under one way of naming.
struct Index {
    names: Names,
    /// The ages of instruments by the hash of their families.
    families: Ages,
    hasher: RandomState,
    /// Families that clashed with another one when they were added.
    contested: BTreeSet<Family>,
}

impl Index {
    fn new(names: Names) -> Self {
        let (families, hasher, contested) = Default::default();
        Self { names, families, hasher, contested }
    }

    /// Adds the families of an instrument. Returns an older instrument that has the name of one of them.
    fn add(&mut self, instrument: &Arc<Shared>, known: &Instruments) -> Option<u32> {
        let (age, mut older) = (age_of(instrument), None);
        for own in known.families(instrument, self.names) {
            let first = self.ages(&own, known).next().unwrap_or(age);
            if self.names.meets_resource((&own.0, own.1)) {
                older = Some(RESOURCE).filter(|_| self.is_left_out_for_resource(&own));
                self.contested.insert(own.clone());
            }
            let met: Vec<_> = self.met_by(&own, known).collect();
            for other in met {
                let is_older = |age: &u32| *age < first && self.excludes(&own, &other);
                older = older.or_else(|| self.ages(&other, known).next().filter(is_older));
                self.contested.extend([other, own.clone()]);
            }
            self.families.add(self.hasher.hash_one(&own), age);
        }
        older
    }

    fn remove(&mut self, instrument: &Arc<Shared>, known: &Instruments) {
        for own in known.families(instrument, self.names) {
            self.families.remove(self.hasher.hash_one(&own), age_of(instrument));
            if self.ages(&own, known).next().is_none() {
                self.contested.remove(&own);
            }
        }
    }

    /// Returns the ages of the instruments of a family in ascending order.
    fn ages(&self, family: &Family, known: &Instruments) -> impl Iterator<Item = u32> {
        let has_it = |it: &Arc<Shared>| known.families(it, self.names).contains(family);
        let ages = self.families.of(self.hasher.hash_one(family));
        ages.filter(move |age| known.get(*age).is_some_and(has_it))
    }

    /// Returns the other families that clash with a family.
    fn met_by(&self, own: &Family, known: &Instruments) -> impl Iterator<Item = Family> {
        let near = self.names.neighbors((&own.0, own.1)).filter(move |near| near != own);
        near.filter(|near| self.ages(near, known).next().is_some())
    }

    /// Returns the families that clash with an older one. Disabled instruments take no names from others.
    fn hidden(&self, known: &Instruments) -> impl Iterator<Item = Family> {
        let is_on = |age: &u32| known.is_on(*age);
        let age = move |family: &Family| self.ages(family, known).find(is_on);
        let hidden = self.contested.iter().filter(move |own| {
            let own_age = age(own);
            let is_older = |other: &_| age(other).is_some_and(|other| Some(other) < own_age);
            let hides = |other: Family| is_older(&other) && self.excludes(own, &other);
            self.is_left_out_for_resource(own)
                || own_age.is_some() && self.met_by(own, known).any(hides)
        });
        hidden.cloned()
    }

    /// Returns the counters that clash with another family of any age and are exported as families of unknown type.
    fn untyped(&self, known: &Instruments) -> impl Iterator<Item = Family> {
        let is_on = |age| known.is_on(age);
        let untyped = self.contested.iter().filter(move |own| {
            let meets = |other| !self.excludes(own, &other) && self.ages(&other, known).any(is_on);
            own.1 == FamilyType::Counter
                && (self.names.meets_resource((&own.0, own.1))
                    || self.met_by(own, known).any(meets))
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

/// The age of the resource, which also has a metric in Prometheus.
const RESOURCE: u32 = 0;

type Family = (String, FamilyType);

/// Returns the family to which a metric belongs.
fn family(metric: &Descriptor, names: Names, is_literal: bool) -> Family {
    (name_in(names, metric, metric.kind, is_literal), metric.kind.into())
}

/// Returns the name of a metric in Prometheus.
fn name_in(names: Names, metric: &Descriptor, kind: Kind, is_literal: bool) -> String {
    let names = if is_literal { names.untranslated() } else { names };
    names.family(&metric.name, &metric.unit, kind)
}

/// The ages of instruments by the hash of a name. A program has thousands of instruments, whose names would take more
/// memory than all other data about them. The caller therefore checks whether an instrument really has the name.
#[derive(Default)]
struct Ages(BTreeSet<(u32, u32)>);

impl Ages {
    fn add(&mut self, hash: u64, age: u32) {
        self.0.insert((hash as u32, age));
    }

    fn remove(&mut self, hash: u64, age: u32) {
        self.0.remove(&(hash as u32, age));
    }

    fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the ages under a hash in ascending order.
    fn of(&self, hash: u64) -> impl Iterator<Item = u32> {
        let hash = hash as u32;
        self.0.range((hash, 0)..=(hash, u32::MAX)).map(|(_, age)| *age)
    }
}
