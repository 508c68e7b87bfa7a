//! The state that all series of an instrument share.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::Hash;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU32};
use std::sync::{Arc, OnceLock, RwLock, RwLockWriteGuard};

use once_cell::race::OnceBox;

use super::feed::Feed;
use super::identity::{Difference, Identity};
use super::label_set::{HasLabels, KeySetId, LabelSet};
use super::look;
use super::scope_shared::ScopeShared;
use super::scopes::Warning;
use super::settings::{DropReason, Settings};
use crate::Kind;
use crate::attributes::{AttributeValue, Attributes, Keys};
use crate::buckets::HistogramBuckets;
use crate::data::Descriptor;
use crate::error::InstrumentError;
use crate::labels::LabelKey;
use crate::unpoisoned::Unpoisoned;

/// The attribute that marks the overflow series, which counts recordings beyond the cardinality limit.
pub(crate) const OVERFLOW: &str = "otel.metric.overflow";

/// The state that all series of an instrument share. A program may have thousands of instruments, so fields that few of
/// them need are boxed.
pub struct Shared {
    /// A [`Switch`], and the flags that recording checks with it: [`HAS_STRIPES`], [`LOOK`] and [`REDIRECTED`].
    switch: AtomicU8,
    /// One bit per [`Topic`] that was logged for this instrument or another one with its name, and [`EXPORTS_EMPTY`].
    noted: AtomicU8,
    /// A [`Door`].
    door: AtomicU8,
    /// Whether the code declared at creation that the instrument has no labels.
    is_plain: bool,
    /// Increases from one instrument of a registry to the next. 0 until the instrument is registered.
    pub(super) age: AtomicU32,
    pub(crate) identity: Identity,
    pub(crate) settings: Arc<Settings>,
    pub(crate) scope: Arc<ScopeShared>,
    /// Where the values of a histogram are sent, in addition to its cells.
    pub(crate) feed: Feed,
    rare: OnceBox<Rare>,
}

/// State that most instruments of a scope do not need.
#[derive(Default)]
struct Rare {
    /// What the code declares, for an instrument that was first created through OpenTelemetry's API.
    declared_later: OnceLock<Identity>,
    label_keys: OnceLock<&'static [LabelKey]>,
    /// Replaces the buckets with which the instrument was created.
    buckets: OnceLock<HistogramBuckets>,
    seen: RwLock<Seen>,
}

/// What targets see of an instrument, apart from its values.
#[derive(Default)]
struct Seen {
    /// `None` while the descriptor is the one of the [`Identity`].
    descriptor: Option<Arc<Descriptor>>,
    /// `None` while the series have the [keys](ScopeShared::plain_keys) of all plain instruments of the scope.
    keys: Option<Arc<PointKeys>>,
}

impl Shared {
    pub(crate) fn new(
        identity: Identity,
        scope: Arc<ScopeShared>,
        settings: Arc<Settings>,
        door: Door,
    ) -> Self {
        let feed = match identity.kind {
            Kind::Histogram if door != Door::Import => Feed::new(settings.feeds_by_default()),
            _ => Feed::none(),
        };
        let has_own_keys = door == Door::Import || !identity.attributes().is_empty();
        let shared = Self {
            switch: AtomicU8::new(Switch::On as u8),
            noted: AtomicU8::new(0),
            door: AtomicU8::new(door as u8),
            is_plain: false,
            age: AtomicU32::new(0),
            identity,
            settings,
            scope,
            feed,
            rare: OnceBox::new(),
        };
        if has_own_keys {
            shared.change_keys(|_| ());
        }
        shared
    }

    /// Declares that the instrument has no labels.
    pub(crate) fn without_labels(self) -> Self {
        Self { is_plain: true, ..self }
    }

    /// Returns whether the instrument records nothing.
    #[inline]
    pub(crate) fn is_off(&self) -> bool {
        self.position() != Switch::On as u8
    }

    /// Returns whether recording needs further checks: the instrument is off, or threads may record in another
    /// registry.
    #[inline]
    pub(crate) fn is_off_or_redirected(&self) -> bool {
        self.switch.load(Relaxed) & (POSITION | REDIRECTED) != Switch::On as u8
    }

    /// Returns whether threads may record in another registry.
    pub(crate) fn is_redirected(&self) -> bool {
        self.switch.load(Relaxed) & REDIRECTED != 0
    }

    /// Makes every recording check whether its thread records in another registry.
    pub(crate) fn set_redirected(&self) {
        self.switch.fetch_or(REDIRECTED, Relaxed);
    }

    /// Returns whether an addition needs no further checks: the instrument is on, no series has stripes, and nobody
    /// looks for contention. One byte holds all of this, since recording has no time for more than one load.
    #[inline]
    pub(crate) fn is_simply_on(&self) -> bool {
        self.switch.load(Relaxed) == Switch::On as u8
    }

    /// Returns whether the instrument is on, some series have stripes, and no other flag is set.
    #[inline]
    pub(crate) fn is_on_with_stripes(&self) -> bool {
        self.switch.load(Relaxed) == Switch::On as u8 | HAS_STRIPES
    }

    /// Returns whether an operator has disabled the scope.
    #[inline]
    pub(crate) fn is_disabled(&self) -> bool {
        self.switch.load(Relaxed) == Switch::Disabled as u8
    }

    /// Makes every later addition check whether its series has stripes.
    pub(crate) fn minds_stripes(&self) {
        if self.switch.load(Relaxed) & HAS_STRIPES == 0 {
            self.switch.fetch_or(HAS_STRIPES, Relaxed);
        }
    }

    /// Returns whether additions check for stripes.
    #[cfg(test)]
    pub(crate) fn has_striped_series(&self) -> bool {
        self.switch.load(Relaxed) & HAS_STRIPES != 0
    }

    /// Makes threads that add to a series check for contention for a while. Called when sums are read, because
    /// recording has no time to find out when the next check is due.
    pub(crate) fn ask_for_look(&self) {
        // Writing only where needed leaves the cache line undisturbed for the threads that record.
        if self.switch.load(Relaxed) & (POSITION | LOOK) == Switch::On as u8 {
            self.switch.fetch_or(LOOK, Relaxed);
        }
    }

    /// Returns whether threads that add to a series check for contention.
    pub(crate) fn is_looked_at(&self) -> bool {
        self.switch.load(Relaxed) & LOOK != 0
    }

    /// Ends the check for contention after many additions. A single addition proves nothing: just after a read, the
    /// competing threads may still be waiting for the processor on which the reader runs.
    pub(crate) fn has_looked(&self) {
        if self.is_looked_at() && look::is_last() {
            self.switch.fetch_and(!LOOK, Relaxed);
        }
    }

    pub(crate) fn switch(&self, to: Switch) {
        // This also clears `HAS_STRIPES`. The next check for contention finds the stripes.
        let change = |before| Some(to as u8 | before & REDIRECTED);
        let _ = self.switch.fetch_update(Release, Relaxed, change);
    }

    /// Returns the [`Switch`] as a number.
    #[inline]
    fn position(&self) -> u8 {
        self.switch.load(Relaxed) & POSITION
    }

    /// Returns the instrument that `with` uses while this one is off: it stays off, for the same reason.
    pub(crate) fn off_for_good(&self) -> Self {
        let (identity, settings) = (self.identity.clone(), self.settings.clone());
        let off = Self::new(identity, self.scope.clone(), settings, self.door());
        let descriptor = self.descriptor();
        if !Arc::ptr_eq(&descriptor, off.identity.descriptor()) {
            off.lock_seen().descriptor = Some(descriptor);
        }
        let _ = off.declare(self.label_keys());
        off.feed.stop();
        let reason = self.position().max(Switch::Disabled as u8);
        off.switch.store(reason, Release);
        off
    }

    pub(crate) fn is_unloaded(&self) -> bool {
        self.position() == Switch::Unloaded as u8
    }

    pub(crate) fn is_not_made(&self) -> bool {
        self.position() == Switch::NotMade as u8
    }

    /// Handles a recording while the instrument is off. The value is dropped silently if an operator disabled the
    /// scope; otherwise, the drop is reported.
    #[cold]
    pub(crate) fn refused(&self) {
        match self.position() {
            at if at == Switch::Unloaded as u8 => self.dropped(DropReason::Unloaded),
            at if at == Switch::NotMade as u8 => self.dropped(DropReason::NotMade),
            _ => {}
        }
    }

    /// Counts a value that could not be recorded, and logs the drop once per instrument name.
    #[cold]
    pub(crate) fn dropped(&self, reason: DropReason) {
        self.dropped_values(reason, 1);
    }

    /// Counts lost values, and logs the drop once per instrument name.
    #[cold]
    pub(crate) fn dropped_values(&self, reason: DropReason, values: u64) {
        if self.is_new(Topic::Drop, &reason) {
            tracing::warn!(
                instrument = %self.descriptor().name,
                reason = reason.as_str(),
                "value dropped: {}; further ones are counted in `meterkit.dropped`",
                reason.explanation()
            );
        }
        self.settings.count_dropped(reason, values);
    }

    /// Returns whether to log `subject`, which belongs to `topic`. Answers later calls about the same topic without a
    /// lock. Handles come and go, so the registry remembers by instrument name what was logged.
    pub(crate) fn is_new<S: Hash + ?Sized>(&self, topic: Topic, subject: &S) -> bool {
        let bit = 1 << topic as u8;
        self.noted.load(Relaxed) & bit == 0
            && self.noted.fetch_or(bit, Relaxed) & bit == 0
            && self.settings.logged.is_new(&(topic, &self.descriptor().name, subject))
    }

    /// Returns whether series without a value are exported.
    pub(crate) fn exports_empty(&self) -> bool {
        self.noted.load(Relaxed) & EXPORTS_EMPTY != 0
    }

    pub(crate) fn export_empty(&self) {
        self.noted.fetch_or(EXPORTS_EMPTY, Relaxed);
    }

    /// Logs once why recorded durations do not fit the instrument.
    pub(crate) fn warn_of_duration(&self, problem: &str) {
        if self.is_new(Topic::Duration, problem) {
            tracing::warn!(
                instrument = %self.descriptor().name,
                unit = self.identity.unit(),
                "recorded durations do not fit the instrument: {problem}"
            );
        }
    }

    pub(crate) fn descriptor(&self) -> Arc<Descriptor> {
        let seen = self.rare.get().and_then(|it| it.seen.read().unpoisoned().descriptor.clone());
        seen.unwrap_or_else(|| self.identity.descriptor().clone())
    }

    pub(crate) fn rename(&self, full_name: String) {
        if self.descriptor().name != full_name {
            self.change_descriptor(|descriptor| descriptor.name = full_name);
        }
    }

    /// Changes what targets see of the instrument, apart from its values.
    pub(crate) fn change_descriptor(&self, change: impl FnOnce(&mut Descriptor)) {
        let seen = &mut self.lock_seen().descriptor;
        change(Arc::make_mut(seen.get_or_insert_with(|| self.identity.descriptor().clone())));
    }

    /// Returns the buckets that an operator configured in place of the instrument's own.
    #[inline]
    pub(crate) fn other_buckets(&self) -> Option<&HistogramBuckets> {
        self.rare.get()?.buckets.get()
    }

    /// Returns the buckets into which values are sorted.
    pub(crate) fn buckets(&self) -> &HistogramBuckets {
        self.other_buckets().unwrap_or_else(|| self.identity.buckets())
    }

    /// Returns whether the code or an operator chose the buckets. Otherwise, the buckets depend on the unit.
    pub(crate) fn has_chosen_buckets(&self) -> bool {
        self.identity.chooses_buckets() || self.other_buckets().is_some()
    }

    /// Replaces the buckets. Works only once: values that were counted in buckets cannot be separated again.
    pub(crate) fn set_buckets(&self, buckets: HistogramBuckets) {
        let _ = self.rare().buckets.set(buckets);
    }

    /// Returns the labels that the code declares, or `None` until it does.
    pub(crate) fn declared_keys(&self) -> Option<&'static [LabelKey]> {
        match self.is_plain {
            true => Some(&[]),
            false => self.rare.get()?.label_keys.get().copied(),
        }
    }

    /// Returns the labels that the code declares, or an empty slice until it does.
    pub(crate) fn label_keys(&self) -> &'static [LabelKey] {
        self.declared_keys().unwrap_or_default()
    }

    /// Declares the labels. Returns an error with the labels that were declared before, if they differ.
    pub(crate) fn declare(
        &self,
        label_keys: &'static [LabelKey],
    ) -> Result<(), &'static [LabelKey]> {
        let declare = || {
            *self.rare().label_keys.get_or_init(|| {
                if !label_keys.is_empty() {
                    let names = label_keys.iter().map(|key| Cow::Borrowed(key.name())).collect();
                    self.change_keys(|sets| sets[0] = names);
                }
                label_keys
            })
        };
        let declared = self.declared_keys().unwrap_or_else(declare);
        if declared == label_keys { Ok(()) } else { Err(declared) }
    }

    /// Returns where the instrument comes from. An instrument created both by the facade and through OpenTelemetry's
    /// API counts as the facade's.
    pub(crate) fn door(&self) -> Door {
        match self.door.load(Relaxed) {
            door if door == Door::Facade as u8 => Door::Facade,
            door if door == Door::Import as u8 => Door::Import,
            _ => Door::OpenTelemetry,
        }
    }

    /// Returns the identity that the code declared if the instrument came from the facade, or else its first identity.
    fn declaration(&self) -> &Identity {
        self.rare.get().and_then(|it| it.declared_later.get()).unwrap_or(&self.identity)
    }

    /// Returns the name that the code declares, if it differs from the name in `requested`.
    pub(crate) fn other_name(&self, requested: &Identity) -> Option<&str> {
        let name = self.declaration().name();
        (self.door() == Door::Facade && name != requested.name()).then_some(name)
    }

    /// Checks that `requested` matches the earlier declaration.
    pub(crate) fn check_same(
        &self,
        full_name: &str,
        requested: &Identity,
    ) -> Result<(), InstrumentError> {
        match self.identity.difference(self.declaration().description(), requested) {
            None => Ok(()),
            Some(Difference { aspect, existing, requested }) => Err(InstrumentError::Clash {
                name: full_name.to_owned(),
                aspect,
                existing,
                requested,
            }),
        }
    }

    /// Adds a further request for this instrument, and returns a warning if it differs. The longer description is kept.
    pub(crate) fn join(&self, requested: &Identity, door: Door) -> Option<Warning> {
        if door == Door::Facade && self.door.swap(door as u8, Relaxed) != door as u8 {
            let _ = self.rare().declared_later.set(requested.clone());
        }
        let descriptor = self.descriptor();
        let differs = descriptor.description != requested.description();
        if differs && requested.description().len() > descriptor.description.len() {
            self.change_descriptor(|it| requested.description().clone_into(&mut it.description));
        }
        let chooses = requested.chooses_buckets() && requested.buckets() != self.identity.buckets();
        (differs || chooses).then(|| Warning::Joined {
            instrument: descriptor.name.clone(),
            aspect: if differs { "description" } else { "buckets" },
        })
    }

    /// Returns the keys of all series as they are now.
    pub(crate) fn keys(&self) -> Arc<PointKeys> {
        let own = self.rare.get().and_then(|it| it.seen.read().unpoisoned().keys.clone());
        own.unwrap_or_else(|| self.scope.plain_keys())
    }

    /// Returns the key set with these sorted names, if it exists.
    pub(crate) fn known_key_set(&self, names: &[&str]) -> Option<KeySetId> {
        find_key_set(&self.keys().sets, names)
    }

    /// Returns the key set with these sorted names, creating it if needed. Returns `None` if there are too many key
    /// sets.
    pub(crate) fn key_set(&self, names: &[&str]) -> Option<KeySetId> {
        self.known_key_set(names).or_else(|| {
            let new: KeySet = names.iter().map(|name| Cow::Owned((*name).to_owned())).collect();
            let mut found = None;
            self.change_keys(|sets| {
                found = find_key_set(sets, names);
                if found.is_none() && sets.len() < MOST_KEY_SETS {
                    found = Some(KeySetId(sets.len() as u16));
                    sets.push(new);
                }
            });
            found
        })
    }

    /// Updates the keys after the attributes that all series have were changed; the scope's keys are up to date
    /// already.
    pub(crate) fn renew_keys(&self) {
        let has_own = |rare: &Rare| rare.seen.read().unpoisoned().keys.is_some();
        if self.rare.get().is_some_and(has_own) {
            self.change_keys(|_| ());
        }
    }

    /// Returns the attributes of a series with these labels. `keys` may predate the series.
    #[inline]
    pub(crate) fn attributes(&self, keys: &PointKeys, labels: Arc<dyn HasLabels>) -> Attributes {
        match keys.get(labels.labels().keys()) {
            Some(keys) => Attributes::new(keys.clone(), labels),
            None => self.newer_attributes(labels),
        }
    }

    #[cold]
    fn newer_attributes(&self, labels: Arc<dyn HasLabels>) -> Attributes {
        match self.keys().get(labels.labels().keys()) {
            Some(keys) => Attributes::new(keys.clone(), labels),
            None => Attributes::empty(),
        }
    }

    fn change_keys(&self, change: impl FnOnce(&mut Vec<KeySet>)) {
        let keys = &mut self.lock_seen().keys;
        // Read under the lock: an attribute change in the meantime is either seen here, or renews the keys afterwards.
        let global = self.settings.attributes();
        // Imported metrics keep the labels that the other library gave them.
        let is_import = self.door() == Door::Import;
        let scope: &[_] = if is_import { &[] } else { self.scope.attributes() };
        let fixed = global.iter().chain(scope).chain(self.identity.attributes()).cloned().collect();
        let mut sets = keys.as_ref().map_or_else(PointKeys::no_labels, |keys| keys.sets.clone());
        change(&mut sets);
        *keys = Some(Arc::new(PointKeys::new(sets, &fixed)));
    }

    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    fn lock_seen(&self) -> RwLockWriteGuard<'_, Seen> {
        self.rare().seen.write().unpoisoned()
    }
}

/// Returns the key set with these names, searching only the sets that recordings by attributes added.
fn find_key_set(sets: &[KeySet], names: &[&str]) -> Option<KeySetId> {
    let of_attributes = sets.iter().enumerate().skip(1);
    let mut found = of_attributes.filter(|(_, set)| set.iter().eq(names.iter()));
    found.next().map(|(at, _)| KeySetId(at as u16))
}

/// How many key sets one instrument may have. Most code uses a few. Code that invents keys at run time reaches this
/// limit, and its further recordings go to the overflow series.
const MOST_KEY_SETS: usize = 1000;

/// Where an instrument comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Door {
    /// The code declares it with this library's types.
    Facade,
    /// It was requested through OpenTelemetry's API.
    OpenTelemetry,
    /// Another library records it, in a registry of its own.
    Import,
}

/// A topic that is logged once for each instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// A value could not be recorded.
    Drop,
    /// Recorded durations do not fit the instrument.
    Duration,
    /// Label sets exceeded the limit, or the limit was too low from the start.
    Overflow,
}

/// The flag for exporting series without a value. The lower bits are [`Topic`]s.
const EXPORTS_EMPTY: u8 = 0x80;

/// The bits of a [`Switch`].
const POSITION: u8 = 0x3;
/// Some series of the instrument have stripes.
const HAS_STRIPES: u8 = 0x4;
/// Threads that add to a series check for contention.
const LOOK: u8 = 0x8;
/// Threads check whether they record in another registry.
const REDIRECTED: u8 = 0x10;

/// Whether an instrument records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Switch {
    On,
    /// An operator has disabled the scope.
    Disabled,
    /// The scope was unloaded.
    Unloaded,
    /// The instrument could not be made and is in no registry.
    NotMade,
}

/// The names of the keys that several series of an instrument have in common.
pub(super) type KeySet = Arc<[Cow<'static, str>]>;

/// The keys of an instrument's series, with the attributes that all of them have.
#[derive(Debug)]
pub(crate) struct PointKeys {
    /// Indexed by [`KeySetId`]. The first set holds the keys that the code declares.
    sets: Vec<KeySet>,
    series: Vec<Arc<Keys>>,
    overflow: Arc<Keys>,
}

impl PointKeys {
    /// Returns keys with these attributes for all series. If a key occurs twice, the later value wins.
    pub(super) fn new(sets: Vec<KeySet>, fixed: &Vec<(Cow<'static, str>, AttributeValue)>) -> Self {
        let keys = |set: &KeySet| Arc::new(Keys::new(set.iter().cloned(), fixed));
        Self {
            series: sets.iter().map(keys).collect(),
            overflow: Arc::new(Keys::new([Cow::Borrowed(OVERFLOW)], fixed)),
            sets,
        }
    }

    /// Returns the key sets of an instrument that has not declared any labels.
    pub(super) fn no_labels() -> Vec<KeySet> {
        vec![KeySet::from([])]
    }

    /// Returns the keys of a set, or `None` if the set was added later.
    #[inline]
    fn get(&self, set: KeySetId) -> Option<&Arc<Keys>> {
        let overflow = || (set == KeySetId::OVERFLOW).then_some(&self.overflow);
        self.series.get(usize::from(set.0)).or_else(overflow)
    }

    /// Compares the attributes of two series with these labels.
    pub(crate) fn compare(&self, a: Option<&LabelSet>, b: Option<&LabelSet>) -> Ordering {
        let with_keys = |labels: &'_ LabelSet| self.get(labels.keys());
        match (a, b) {
            (Some(a), Some(b)) => match (with_keys(a), with_keys(b)) {
                (Some(keys), Some(others)) => keys.values(a).cmp(others.values(b)),
                (keys, others) => keys.is_some().cmp(&others.is_some()),
            },
            (a, b) => a.is_some().cmp(&b.is_some()),
        }
    }

    /// Returns the keys that series have in addition to the declared ones.
    pub(crate) fn seen(&self) -> impl Iterator<Item = &str> {
        self.sets.iter().skip(1).flat_map(|set| set.iter().map(|key| &**key))
    }

    /// Returns the attributes of a series with these labels, without the attributes that all series have.
    pub(crate) fn own_attributes(
        &self,
        labels: &LabelSet,
    ) -> impl Iterator<Item = (Cow<'static, str>, AttributeValue)> {
        let names = self.sets.get(usize::from(labels.keys().0)).map_or(&[][..], |names| names);
        let pairs = names.iter().cloned().zip(labels.values());
        pairs.filter_map(|(name, value)| Some((name, value?.into())))
    }
}
