//! One instrument in the store: what it is, and its series.

use std::any::Any;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock};

use opentelemetry::{KeyValue, Value};

use super::cell::Cell;
use super::entry::Entry;
use super::feed::MakeSink;
use super::group::keyed::{AsDeclared, KeyedSeries};
use super::group::{Common, Places, Room, SeriesGroup, Usage};
use super::handle::{self, Handle};
use super::label_set::LabelSet;
use super::shared::{Shared, Switch};
use crate::buckets::HistogramBuckets;
use crate::data::{Data, SeriesId};
use crate::kind::Kind;
use crate::labels::{LabelKey, Labels};
use crate::unpoisoned::Unpoisoned;

/// An instrument with all its series. `H` is the handle that users hold.
pub struct Core<H: Handle> {
    pub(crate) shared: Arc<Shared>,
    common: Arc<Common<H>>,
    /// The series of the labels that the code declares, once it does.
    declared: OnceLock<DeclaredSeries<H>>,
    /// All other series that are recorded by attributes, once there is one.
    keyed: OnceLock<Box<KeyedSeries<H>>>,
    /// Held while labels are declared, and while something changes for all series.
    changes: Mutex<()>,
    /// What look-ups return while the instrument is off.
    nowhere: OnceLock<H>,
}

enum DeclaredSeries<H: Handle> {
    Plain(H),
    Group(Box<SeriesGroup<H>>),
}

impl<H: Handle> Core<H> {
    /// Returns an instrument whose labels are not declared yet.
    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            common: Arc::new(Common::new(shared.settings.clone())),
            shared: Arc::new(shared),
            declared: OnceLock::new(),
            keyed: OnceLock::new(),
            changes: Mutex::default(),
            nowhere: OnceLock::new(),
        }
    }

    /// Returns the handle of an instrument that declares no labels.
    pub(crate) fn plain(&self) -> &H {
        match self.declared.get() {
            Some(DeclaredSeries::Plain(handle)) => handle,
            _ => self.nowhere(),
        }
    }

    /// Returns the series of each closed label set; none for an open one.
    pub(crate) fn places(&self) -> Places<H> {
        match self.declared.get() {
            Some(DeclaredSeries::Group(group)) => group.places(),
            _ => Arc::new([]),
        }
    }

    // Apart, so that finding a place is small enough to stand where the caller is.
    #[inline(never)]
    pub(crate) fn with(&self, labels: &impl Labels) -> Entry<'_, H> {
        match self.declared.get() {
            Some(DeclaredSeries::Plain(handle)) => Entry::kept(handle),
            Some(DeclaredSeries::Group(group)) if !self.shared.is_off() => {
                group.with(labels, &self.shared)
            }
            _ => Entry::kept(self.nowhere()),
        }
    }

    /// Returns the series with these attributes: one with declared labels, if these are the declared ones.
    #[inline]
    pub(crate) fn with_attributes(&self, attributes: &[KeyValue]) -> Entry<'_, H> {
        if self.shared.is_off() {
            return Entry::kept(self.nowhere());
        }
        loop {
            let declared = self.declared.get();
            let found = declared.and_then(|it| self.with_declared(it, attributes));
            let found = found.or_else(|| {
                // Labels that are declared meanwhile may be these: then once more.
                let may_make = || self.declared.get().is_some() == declared.is_some();
                let keyed = self.keyed.get().map(|keyed| &**keyed);
                let keyed = keyed.or_else(|| self.make_keyed(may_make))?;
                keyed.with(attributes, &self.shared, may_make)
            });
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Returns what holds the series that are found by attributes, unless `may_make` says no.
    #[cold]
    fn make_keyed(&self, may_make: impl Fn() -> bool) -> Option<&KeyedSeries<H>> {
        // Whoever holds the lock pauses the creation of series, and would miss those that are made here.
        let _changes = self.changes.lock().unpoisoned();
        let make = || Box::new(KeyedSeries::new(self.common.clone()));
        may_make().then(|| &**self.keyed.get_or_init(make))
    }

    fn with_declared<'a>(
        &'a self,
        declared: &'a DeclaredSeries<H>,
        attributes: &[KeyValue],
    ) -> Option<Entry<'a, H>> {
        let keys = self.shared.label_keys();
        let labels = AsDeclared::new(keys, attributes)?;
        let is_closed = LabelKey::closed_sets(keys).is_some();
        match declared {
            DeclaredSeries::Plain(handle) => Some(Entry::kept(handle)),
            DeclaredSeries::Group(_)
                if is_closed && LabelKey::place_of(keys, &labels).is_none() =>
            {
                None
            }
            DeclaredSeries::Group(group) => Some(group.with(&labels, &self.shared)),
        }
    }

    /// Takes the series with these labels out of every later export. Returns whether there was one.
    pub(crate) fn remove(&self, labels: &impl Labels) -> bool {
        match self.declared.get() {
            Some(DeclaredSeries::Group(group)) => group.remove(labels),
            _ => false,
        }
    }

    /// Takes all series but a plain one out of every later export.
    pub(crate) fn clear(&self) {
        self.groups().for_each(SeriesGroup::clear);
    }

    /// Makes all series of a closed set, exported as zero from now on. Returns the limit as an error when it allows
    /// fewer.
    pub(crate) fn zero_initialize(&self) -> Result<(), usize> {
        match self.declared.get() {
            Some(DeclaredSeries::Plain(handle)) if handle.series().cell().is_empty() => {
                handle.zero();
                Ok(())
            }
            Some(DeclaredSeries::Group(group)) => group.make_all(&self.shared),
            _ => Ok(()),
        }
    }

    /// Calls `change` once, then `each` with every series that was made before; later ones see what it changed.
    pub(crate) fn for_all(&self, change: impl FnOnce(), mut each: impl FnMut(&H)) {
        let _changes = self.changes.lock().unpoisoned();
        self.with_creation_paused(|| {
            change();
            if let Some(DeclaredSeries::Plain(handle)) = self.declared.get() {
                each(handle);
            }
            self.groups().for_each(|group| group.for_each(&mut each));
            self.common.overflow.get().into_iter().for_each(|member| each(&member.handle));
        });
    }

    fn with_creation_paused<R>(&self, work: impl FnOnce() -> R) -> R {
        let keyed = self.keyed.get().map(|keyed| &keyed.group);
        match (self.declared.get(), keyed) {
            (Some(DeclaredSeries::Group(declared)), Some(keyed)) => {
                keyed.with_creation_paused(|| declared.with_creation_paused(work))
            }
            (Some(DeclaredSeries::Group(declared)), None) => declared.with_creation_paused(work),
            (_, Some(keyed)) => keyed.with_creation_paused(work),
            _ => work(),
        }
    }

    /// Returns the handle of the one series that a plain instrument has.
    fn plain_handle(&self) -> H {
        let mut recorded = None;
        if let Some(keyed) = self.keyed.get() {
            keyed.group.for_each_member(|member| {
                if member.labels.is_empty() && !member.has_moved() {
                    recorded = Some(member.move_to(LabelSet::none()).handle);
                    // A plain series takes no room.
                    self.common.room.give_back();
                }
            });
        }
        recorded.unwrap_or_else(|| handle::make(LabelSet::none(), &self.shared))
    }

    /// Leaves series with declared labels to their group.
    fn leave_to(&self, group: &SeriesGroup<H>, keys: &'static [LabelKey]) {
        let Some(keyed) = self.keyed.get() else { return };
        let point_keys = self.shared.keys();
        keyed.group.for_each_member(|member| {
            let own = point_keys.own_attributes(&member.labels);
            let own: Vec<KeyValue> =
                own.map(|(key, value)| KeyValue::new(key, Value::from(&value))).collect();
            let labels = AsDeclared::new(keys, &own).and_then(|labels| labels.to_values(keys));
            if let Some(labels) = labels.filter(|_| !member.has_moved()) {
                group.adopt(member, LabelSet::declared(labels));
            }
        });
    }

    fn groups(&self) -> impl Iterator<Item = &SeriesGroup<H>> {
        let declared = match self.declared.get() {
            Some(DeclaredSeries::Group(group)) => Some(&**group),
            _ => None,
        };
        declared.into_iter().chain(self.keyed.get().map(|keyed| &keyed.group))
    }

    #[cold]
    fn nowhere(&self) -> &H {
        self.nowhere.get_or_init(|| {
            // Nothing waits in it, and it feeds nothing: the instrument may be on again while someone still holds it.
            let off = Arc::new(self.shared.off_for_good());
            handle::make(LabelSet::none(), &off)
        })
    }
}

/// What the registry needs of an instrument, whatever its type.
pub(crate) trait Stored: Send + Sync {
    fn shared(&self) -> &Shared;
    /// Declares the labels. Returns those that were declared before, if others were.
    fn declare(&self, keys: &'static [LabelKey]) -> Result<(), &'static [LabelKey]> {
        self.shared().declare(keys)
    }
    fn data(&self) -> Data;
    /// Returns how many series there are; `None` without labels.
    fn usage(&self) -> Option<Usage>;
    /// Sets whether values are recorded and exported.
    fn switch(&self, to: Switch);
    /// Forgets these series. They begin anew if they return.
    fn forget(&self, _series: &HashSet<SeriesId>) {}
    /// Returns the room that there is for series.
    fn room(&self) -> &Room;
    /// Returns how many series there may be.
    fn limit(&self) -> usize;
    /// Keeps values as an operator asks for.
    fn set_stream(&self, buckets: Option<HistogramBuckets>, cardinality_limit: Option<usize>);
    /// Sends the values of a histogram to sinks too, or to none any more.
    fn feed(&self, _to: Option<MakeSink>) {}
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<H: Handle> Stored for Core<H> {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Series with these labels that were recorded by attributes before stay what they are.
    fn declare(&self, keys: &'static [LabelKey]) -> Result<(), &'static [LabelKey]> {
        let _changes = self.changes.lock().unpoisoned();
        self.shared.declare(keys)?;
        self.with_creation_paused(|| {
            self.declared.get_or_init(|| match keys {
                [] => DeclaredSeries::Plain(self.plain_handle()),
                keys => {
                    let group = SeriesGroup::declared(keys, self.common.clone());
                    self.leave_to(&group, keys);
                    DeclaredSeries::Group(Box::new(group))
                }
            });
        });
        Ok(())
    }

    fn data(&self) -> Data {
        let shared = &self.shared;
        if shared.is_off() {
            return H::data(shared, &mut std::iter::empty());
        }
        let overflow = self.common.overflow.shown();
        match (self.declared.get(), self.keyed.get()) {
            (None, None) => read(shared, &mut std::iter::empty(), overflow),
            (Some(DeclaredSeries::Plain(handle)), None) => {
                read(shared, &mut std::iter::once(handle), overflow)
            }
            (Some(DeclaredSeries::Group(group)), None) => {
                group.in_order(shared, |series| read(shared, series, overflow))
            }
            (None, Some(keyed)) => {
                keyed.group.in_order(shared, |series| read(shared, series, overflow))
            }
            (Some(declared), Some(keyed)) => {
                // Both are read at once: no series is seen while it is removed.
                let with_keyed = |mut all: Vec<H>| {
                    keyed.group.in_order(shared, |series| {
                        all.extend(series.cloned());
                        let keys = shared.keys();
                        all.sort_by_cached_key(|handle| handle.series().attributes(&keys));
                        read(shared, &mut all.iter(), overflow)
                    })
                };
                match declared {
                    DeclaredSeries::Plain(handle) => with_keyed(vec![handle.clone()]),
                    DeclaredSeries::Group(group) => {
                        group.in_order(shared, |series| with_keyed(series.cloned().collect()))
                    }
                }
            }
        }
    }

    fn usage(&self) -> Option<Usage> {
        let Common { room, overflow, .. } = &*self.common;
        let usage = Usage { series: room.taken(), overflowed: overflow.uses() };
        let is_group = matches!(self.declared.get(), Some(DeclaredSeries::Group(_)));
        // An instrument that is recorded without attributes has no labels either.
        (is_group || usage.series > 1).then_some(usage)
    }

    fn switch(&self, to: Switch) {
        let is_back = to == Switch::On && self.shared.is_off();
        self.shared.switch(to);
        if to == Switch::Unloaded {
            // One that is made again under this name begins later, even if the clock stands still.
            let settings = &self.shared.settings;
            settings.start_after(settings.start());
            self.clear();
            if let Some(nowhere) = self.nowhere.get() {
                nowhere.series().shared.switch(to);
            }
        } else if is_back {
            // Targets that take deltas have seen these series go: they begin anew.
            if let Some(DeclaredSeries::Plain(handle)) = self.declared.get() {
                handle.series().reset();
            }
            self.groups().for_each(SeriesGroup::restart);
            self.common.overflow.get().into_iter().for_each(|it| it.handle.series().reset());
        }
    }

    fn room(&self) -> &Room {
        &self.common.room
    }

    fn limit(&self) -> usize {
        match self.declared.get() {
            Some(DeclaredSeries::Plain(_)) if self.keyed.get().is_none() => 1,
            _ => self.common.room.limit(),
        }
    }

    fn set_stream(&self, buckets: Option<HistogramBuckets>, cardinality_limit: Option<usize>) {
        self.common.room.set_limit(cardinality_limit);
        if let Some(buckets) = buckets.filter(|_| H::KIND == Kind::Histogram) {
            H::set_buckets(self, buckets);
        }
    }

    fn feed(&self, to: Option<MakeSink>) {
        if H::KIND == Kind::Histogram {
            let change = || match to {
                Some(make) => self.shared.feed.start(make),
                None => self.shared.feed.stop(),
            };
            self.for_all(change, H::feed);
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// Reads the points of these series, the overflow series last.
fn read<H: Handle>(
    shared: &Shared,
    series: &mut dyn Iterator<Item = &H>,
    overflow: Option<&H>,
) -> Data {
    H::data(shared, &mut series.map(|handle| -> &H { handle }).chain(overflow))
}
