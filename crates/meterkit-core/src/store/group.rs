//! Series of one instrument: found by label set, made when first asked for, limited in number, and taken out again.

mod addresses;
mod closed;
mod idle;
pub(crate) mod keyed;
mod open;
mod overflow;
mod reading;
mod room;
mod table;
mod value_cap;

use std::cell::Cell;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use opentelemetry::{KeyValue, Value};

pub(crate) use self::addresses::Addresses;
use self::closed::ClosedSeries;
pub(crate) use self::closed::Places;
use self::idle::Gone;
use self::keyed::{AsDeclared, ByKey};
use self::open::{Member, OpenSeries};
pub(crate) use self::overflow::{Overflow, warn as warn_of_overflow};
use self::reading::Reading;
pub(crate) use self::room::{GroupOptions, Room, collecting, is_collecting};
pub(crate) use self::value_cap::{Capped, ValueCap};
use super::cell::Cell as _;
use super::entry::Entry;
use super::handle::{self, Handle};
use super::label_set::{Declared, KeySetId, LabelSet, Query, hash_declared};
use super::settings::{DropReason, Settings};
use super::shared::Shared;
use crate::labels::{LabelKey, Labels};
use crate::unpoisoned::Unpoisoned;

/// Closed label sets of up to this many have a place each from the start: some hundred kilobytes. Larger ones are found
/// as open ones are.
pub(crate) const MOST_PLACES: usize = 4096;

/// The series of one instrument.
pub(crate) struct SeriesGroup<H: Handle> {
    pub(crate) room: Room,
    pub(crate) overflow: Overflow<H>,
    /// How series with the labels that the code declares are found, once it declares any.
    declared: OnceLock<DeclaredSeries<H>>,
    /// Series that are found by their values, once there is one.
    open: OnceLock<Box<OpenSeries<H>>>,
    is_zero_initialized: AtomicBool,
    /// Held while series are made, labels are declared, or something changes for all series.
    creation: Mutex<()>,
    /// What the last reading left; `None` before there are series with labels.
    reading: Mutex<Option<Box<Reading>>>,
}

/// How series with declared labels are found.
pub(crate) enum DeclaredSeries<H> {
    /// There are no labels: it is this one, which takes no room.
    Plain(H),
    /// By their places.
    Closed(ClosedSeries<H>),
    /// By their values, some of which may be capped.
    Open(Box<[Option<ValueCap>]>),
}

/// How many series an instrument has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) series: usize,
    /// How often recordings went to the overflow series.
    pub(crate) overflowed: u64,
}

impl<H: Handle> SeriesGroup<H> {
    pub(crate) fn new(settings: Arc<Settings>, declared: OnceLock<DeclaredSeries<H>>) -> Self {
        Self {
            room: Room::new(settings),
            overflow: Overflow::new(),
            declared,
            open: OnceLock::new(),
            is_zero_initialized: AtomicBool::new(false),
            creation: Mutex::default(),
            reading: Mutex::default(),
        }
    }

    /// Returns how series with declared labels are found, once labels are declared.
    #[inline]
    pub(crate) fn declared(&self) -> Option<&DeclaredSeries<H>> {
        self.declared.get()
    }

    /// Returns whether series were looked for by their values.
    pub(crate) fn has_open(&self) -> bool {
        self.open.get().is_some()
    }

    /// Declares the labels. Series with these labels that were recorded by attributes before stay what they are.
    ///
    /// Returns the labels that were declared before, if others were.
    pub(crate) fn declare(
        &self,
        keys: &'static [LabelKey],
        shared: &Arc<Shared>,
    ) -> Result<(), &'static [LabelKey]> {
        let _creation = self.lock_creation();
        shared.declare(keys)?;
        if self.declared.get().is_some() {
            return Ok(());
        }
        let most = self.room.limit().min(MOST_PLACES);
        let declared = match LabelKey::closed_sets(keys).filter(|sets| *sets <= most) {
            _ if keys.is_empty() => DeclaredSeries::Plain(self.plain_handle(shared)),
            Some(sets) => DeclaredSeries::Closed(ClosedSeries::new(keys, sets)),
            None => DeclaredSeries::Open(ValueCap::of(keys)),
        };
        if !keys.is_empty() {
            self.leave_to(&declared, keys, shared);
        }
        // Readings count the places of closed series before those of open ones.
        let mut reading = self.lock_reading();
        *reading = None;
        let _ = self.declared.set(declared);
        Ok(())
    }

    /// Returns the series of each closed label set; none for an open one.
    pub(crate) fn places(&self) -> Places<H> {
        match self.closed() {
            Some(closed) => closed.places().clone(),
            None => Arc::new([]),
        }
    }

    /// Returns the series with these labels, which are those that the code declares, if this thread found it lately.
    #[inline(always)]
    pub(crate) fn recall(&self, labels: &impl Labels, addresses: Addresses) -> Option<&H> {
        // Labels that are capped are those of a series only if their values were let through. The number of keys does not
        // matter: nothing is hashed.
        let query = Declared { labels, key_count: 0 };
        let handle = self.open.get()?.recall(addresses, &query)?;
        (!handle.series().is_hidden()).then_some(handle)
    }

    /// Returns the series with these labels, which are those that the code declares. Takes no lock and allocates nothing
    /// when it exists.
    #[inline]
    pub(crate) fn with(
        &self,
        declared: &DeclaredSeries<H>,
        labels: &impl Labels,
        addresses: Addresses,
        shared: &Arc<Shared>,
    ) -> Entry<'_, H> {
        let key_count = shared.label_keys().len();
        let found = match declared {
            // Those that exist have been found by their places before.
            DeclaredSeries::Plain(_) | DeclaredSeries::Closed(_) => {
                self.make_closed(labels, shared)
            }
            DeclaredSeries::Open(caps) if caps.is_empty() => {
                self.find(addresses, &Declared { labels, key_count }, shared, || true)
            }
            DeclaredSeries::Open(caps) => {
                let capped = &Capped { labels, caps, learns: true };
                self.find(addresses, &Declared { labels: capped, key_count }, shared, || true)
            }
        };
        found.unwrap_or_else(|| self.overflow(shared))
    }

    /// Returns the series with these attributes. `may_make` is asked before one is made, while no other can be; `None`
    /// if it says no.
    #[inline]
    pub(crate) fn with_attributes(
        &self,
        query: &ByKey<'_>,
        shared: &Arc<Shared>,
        may_make: impl Fn() -> bool,
    ) -> Option<Entry<'_, H>> {
        let (open, addresses) = (self.open(), query.addresses(Addresses::new(self)));
        let recent = open.recall(addresses, query).filter(|it| !it.series().is_hidden());
        if let Some(handle) = recent {
            return Some(Entry::kept(handle));
        }
        self.find(addresses, query, shared, &may_make)
            .or_else(|| may_make().then(|| self.overflow(shared)))
    }

    /// Takes the series with these labels out of every later export. Returns whether there was one.
    pub(crate) fn remove(&self, labels: &impl Labels, shared: &Shared) -> bool {
        let (keys, open) = (shared.label_keys(), self.open.get());
        match (self.declared.get(), open) {
            (Some(DeclaredSeries::Closed(closed)), _) => {
                let place = LabelKey::place_of(keys, labels);
                place.and_then(|place| closed.get(place)).is_some_and(|handle| self.hide(handle))
            }
            (Some(DeclaredSeries::Open(caps)), Some(open))
                if ValueCap::let_through(caps, labels) =>
            {
                let labels = &Capped { labels, caps, learns: false };
                let query = Declared { labels, key_count: keys.len() };
                let hash = open.hash(&query);
                match open.get(hash, &query) {
                    Some((_, handle)) => self.hide(handle),
                    None => open.get_later(hash, &query).is_some_and(|handle| {
                        let is_change = self.hide(&handle);
                        open.let_go(hash, handle);
                        is_change
                    }),
                }
            }
            _ => false,
        }
    }

    /// Takes all series but a plain one out of every later export.
    pub(crate) fn clear(&self) {
        self.for_each_member(|handle| {
            self.hide(handle);
        });
        if let Some(open) = self.open.get() {
            open.sweep(&mut |handle, _| is_gone(handle));
        }
        if let Some(handle) = self.overflow.get() {
            let _reading = self.lock_reading();
            handle.series().set_hidden(true);
            handle.series().reset();
        }
    }

    /// Restarts all series without taking them out.
    pub(crate) fn restart(&self) {
        let _reading = self.lock_reading();
        self.for_each(|handle| handle.series().reset());
        if self.is_zero_initialized.load(Relaxed) {
            self.closed().into_iter().flat_map(ClosedSeries::iter).for_each(H::zero);
            self.open.get().into_iter().for_each(|open| {
                open.for_each(|labels, handle| {
                    if labels.keys() == KeySetId::DECLARED {
                        handle.zero();
                    }
                });
            });
        }
    }

    /// Exports all series of a closed set from now on, as zero where nothing was recorded. Returns the instrument's own
    /// limit as an error when it allows fewer; below another limit, there are as many as may be.
    pub(crate) fn zero_initialize(&self, shared: &Arc<Shared>) -> Result<(), usize> {
        let keys = shared.label_keys();
        let sets = LabelKey::closed_sets(keys).unwrap_or(0);
        if let Some(limit) = self.room.own_limit().filter(|limit| sets > *limit) {
            return Err(limit);
        }
        if sets > self.room.limit() {
            overflow::warn_of_fewer(shared, &self.room, sets);
        }
        self.is_zero_initialized.store(true, Relaxed);
        let zero = |handle: &H| {
            if self.readmit(handle) && handle.series().cell().is_empty() {
                handle.zero();
            }
        };
        for place in 0..sets {
            if let Some(closed) = self.closed() {
                self.closed_member(closed, place, shared).into_iter().for_each(zero);
                continue;
            }
            // The limit was lower when the labels were declared.
            let (open, labels) = (self.open(), LabelSet::declared(LabelKey::nth_set(keys, place)));
            let hash = hash_declared(open.hasher(), &labels);
            if let Some(member) = self.make_open_member(open, hash, labels, shared, &|| true) {
                zero(&member);
            }
        }
        Ok(())
    }

    /// Calls `change` once, then `each` with every series that was made before; later ones see what it changed.
    pub(crate) fn for_all(&self, change: impl FnOnce(), each: impl FnMut(&H)) {
        let _creation = self.lock_creation();
        change();
        self.for_each(each);
    }

    /// Calls `each` with every member but plain and overflow series, including removed ones.
    fn for_each_member(&self, mut each: impl FnMut(&H)) {
        self.closed().into_iter().flat_map(ClosedSeries::iter).for_each(&mut each);
        self.open.get().into_iter().for_each(|open| open.for_each(|_, handle| each(handle)));
    }

    /// Calls `each` with every series, including removed ones.
    fn for_each(&self, mut each: impl FnMut(&H)) {
        if let Some(DeclaredSeries::Plain(handle)) = self.declared.get() {
            each(handle);
        }
        self.for_each_member(&mut each);
        self.overflow.get().into_iter().for_each(each);
    }

    /// Calls `read` with all series, ordered by their attributes, the overflow series last.
    pub(crate) fn in_order<R>(
        &self,
        shared: &Shared,
        read: impl FnOnce(&mut dyn Iterator<Item = &H>) -> R,
    ) -> R {
        let overflow = self.overflow.shown();
        match (self.declared.get(), self.open.get()) {
            (Some(DeclaredSeries::Plain(handle)), None) => {
                read(&mut std::iter::once(handle).chain(overflow))
            }
            (Some(DeclaredSeries::Plain(handle)), Some(_)) => {
                self.others_in_order(shared, |others| {
                    let keys = shared.keys();
                    let others = others.map(|handle| -> &H { handle });
                    let mut all: Vec<&H> = others.chain([handle]).collect();
                    all.sort_by_cached_key(|handle| handle.series().attributes(&keys));
                    read(&mut all.into_iter().chain(overflow))
                })
            }
            _ => self.others_in_order(shared, |others| {
                read(&mut others.map(|handle| -> &H { handle }).chain(overflow))
            }),
        }
    }

    /// Calls `read` with all series but plain and overflow ones, ordered by their attributes.
    fn others_in_order<R>(
        &self,
        shared: &Shared,
        read: impl FnOnce(&mut dyn Iterator<Item = &H>) -> R,
    ) -> R {
        let rule = self.room.idle_rule();
        let undelivered = Cell::new(0);
        let mut reading = self.lock_reading();
        let last = reading.get_or_insert_default();
        let read = last.read(self, shared, read, |handle, activity| {
            if is_gone(handle) {
                return true;
            }
            // Someone may have kept a handle and recorded with it.
            self.show(handle);
            let (Some(rule), Some(activity)) = (&rule, activity) else { return false };
            let gone = activity.resets(handle.series(), rule);
            if gone.is_some() && handle.series().set_hidden(true) {
                self.room.give_back();
            }
            undelivered.set(undelivered.get() + u64::from(gone == Some(Gone::Undelivered)));
            gone.is_some()
        });
        drop(reading);
        if undelivered.get() > 0 {
            shared.dropped_values(DropReason::Undelivered, undelivered.get());
        }
        read
    }

    fn closed(&self) -> Option<&ClosedSeries<H>> {
        match self.declared.get() {
            Some(DeclaredSeries::Closed(closed)) => Some(closed),
            _ => None,
        }
    }

    /// Returns the addresses of labels that are looked up here.
    #[inline(always)]
    pub(crate) fn addresses(&self, labels: &impl Labels) -> Addresses {
        let mut addresses = Addresses::new(self);
        labels.visit(&mut addresses);
        addresses
    }

    #[inline]
    fn open(&self) -> &OpenSeries<H> {
        self.open.get_or_init(|| Box::new(OpenSeries::new()))
    }

    /// Returns the series that is found by its values, made if there is room for it. Remembers it for labels at the same
    /// addresses.
    #[inline]
    fn find(
        &self,
        addresses: Addresses,
        query: &impl Query,
        shared: &Arc<Shared>,
        may_make: impl Fn() -> bool,
    ) -> Option<Entry<'_, H>> {
        // First of all: one that takes the last room afterwards may be this one.
        let has_room = self.room.is_free();
        let open = self.open();
        let hash = open.hash(query);
        match open.get(hash, query) {
            Some((slot, handle)) if !handle.series().is_hidden() => {
                addresses.remember(slot);
                Some(Entry::kept(handle))
            }
            // Many look-ups come here once there are too many label sets.
            None if !has_room && open.later_len() == 0 => None,
            _ => self.make_open(open, hash, query, shared, &may_make),
        }
    }

    // With `dyn`, here and where else it is not about speed: one copy does for all labels.
    #[cold]
    fn make_open<'a>(
        &'a self,
        open: &'a OpenSeries<H>,
        hash: u64,
        query: &dyn Query,
        shared: &Arc<Shared>,
        may_make: &dyn Fn() -> bool,
    ) -> Option<Entry<'a, H>> {
        let found = match open.get(hash, query) {
            Some((_, handle)) => Some(Entry::kept(handle)),
            None => open.get_later(hash, query).map(Entry::shared),
        };
        let found = found.or_else(|| {
            // Past the limit, nothing is collected that would not be stored.
            let labels = self.room.is_free().then(|| query.to_stored())?;
            // Of these values: a second visit of the caller's labels may hand out others than the first.
            let hash = query.hash_stored(open.hasher(), &labels);
            self.make_open_member(open, hash, labels, shared, may_make)
        });
        found.filter(|handle| self.readmit(handle))
    }

    /// Returns the series of an open set with these labels, made if there is room for it and `may_make` says yes.
    fn make_open_member<'a>(
        &'a self,
        open: &'a OpenSeries<H>,
        hash: u64,
        labels: LabelSet,
        shared: &Arc<Shared>,
        may_make: &dyn Fn() -> bool,
    ) -> Option<Entry<'a, H>> {
        let _creation = self.lock_creation();
        open.get_or_make(hash, labels, self.room.limit(), |labels| {
            let may_make = may_make() && self.room.try_take();
            may_make.then(|| Member::Own(handle::make(labels, shared)))
        })
    }

    #[cold]
    fn make_closed(&self, labels: &impl Labels, shared: &Arc<Shared>) -> Option<Entry<'_, H>> {
        let (closed, place) = (self.closed()?, LabelKey::place_of(shared.label_keys(), labels)?);
        self.closed_member(closed, place, shared).map(Entry::kept)
    }

    /// Returns the series at that place, shown again or made, unless there is no room for it.
    fn closed_member<'a>(
        &'a self,
        closed: &'a ClosedSeries<H>,
        place: usize,
        shared: &Arc<Shared>,
    ) -> Option<&'a H> {
        let handle = match closed.get(place) {
            Some(handle) => handle,
            None if !self.room.is_free() => return None,
            None => {
                // The user's types list their values: not under the lock.
                let labels = closed.labels(place);
                let _creation = self.lock_creation();
                closed.get_or_make(place, || {
                    self.room.try_take().then(|| handle::make(labels, shared))
                })?
            }
        };
        self.readmit(handle).then_some(handle)
    }

    #[inline]
    pub(crate) fn overflow(&self, shared: &Arc<Shared>) -> Entry<'_, H> {
        loop {
            if let Some(handle) = self.overflow.use_it() {
                return Entry::kept(handle);
            }
            // Under the same lock as other new series, for whoever looks at all of them at once.
            let creation = self.lock_creation();
            let is_new = self.overflow.make(shared);
            drop(creation);
            if is_new {
                self.warn_of_overflow(shared);
            }
        }
    }

    /// Returns the handle of the one series that a plain instrument has.
    fn plain_handle(&self, shared: &Arc<Shared>) -> H {
        let mut recorded = None;
        self.for_each_member(|handle| {
            let series = handle.series();
            if series.labels().is_empty() {
                series.set_moved();
                // One that was removed takes no room.
                if !series.set_hidden(false) {
                    self.room.give_back();
                }
                recorded = Some(handle.clone());
            }
        });
        recorded.unwrap_or_else(|| handle::make(LabelSet::none(), shared))
    }

    /// Moves series that were made by attributes to the `declared` ones, if they have the declared labels.
    fn leave_to(&self, declared: &DeclaredSeries<H>, keys: &'static [LabelKey], shared: &Shared) {
        let Some(open) = self.open.get() else { return };
        let (point_keys, mut moved) = (shared.keys(), Vec::new());
        open.for_each(|labels, handle| {
            let own = point_keys.own_attributes(labels);
            let own: Vec<KeyValue> =
                own.map(|(key, value)| KeyValue::new(key, Value::from(&value))).collect();
            let labels = AsDeclared::new(keys, &own).and_then(|labels| labels.to_values(keys));
            if let Some(labels) = labels {
                handle.series().set_moved();
                moved.push((LabelSet::declared(labels), handle.clone()));
            }
        });
        for (labels, handle) in moved {
            match declared {
                DeclaredSeries::Closed(closed) => {
                    let place = LabelKey::place_of_values(keys, &labels);
                    place.and_then(|place| closed.get_or_make(place, || Some(handle)));
                }
                _ => {
                    let hash = hash_declared(open.hasher(), &labels);
                    let heir = |labels| Some(Member::Heir(Box::new((labels, handle))));
                    open.get_or_make(hash, labels, self.room.limit(), heir);
                }
            }
        }
    }

    /// Takes a series out of every later export, until it is asked for or recorded in again. Returns whether it was in,
    /// or would have been in the next.
    fn hide(&self, handle: &H) -> bool {
        // No reading sees a new value with an old start.
        let _reading = self.lock_reading();
        let series = handle.series();
        let is_change = series.set_hidden(true);
        if is_change {
            self.room.give_back();
        }
        let is_recorded = !series.cell().is_empty();
        series.reset();
        is_change || is_recorded
    }

    /// Puts the series into exports, if it was removed. What was recorded in it must get there, whatever the limit.
    fn show(&self, handle: &H) {
        if handle.series().is_hidden() {
            // First of all: whoever hides it again gives back what was taken here.
            self.room.take();
            if !handle.series().set_hidden(false) {
                self.room.give_back();
            }
        }
    }

    /// Puts the series into exports, if it was removed and there is room for it. Returns whether it is in.
    fn readmit(&self, handle: &H) -> bool {
        let series = handle.series();
        if !series.is_hidden() {
            return true;
        }
        let has_room = self.room.try_take();
        if has_room && !series.set_hidden(false) {
            // Someone else was faster.
            self.room.give_back();
        }
        // One that is removed again by now was in: what is recorded in it brings it back.
        has_room || !series.is_hidden()
    }

    fn lock_creation(&self) -> MutexGuard<'_, ()> {
        // A series is complete before it can be found: a panic while making one leaves nothing half done.
        self.creation.lock().unpoisoned()
    }

    fn lock_reading(&self) -> MutexGuard<'_, Option<Box<Reading>>> {
        self.reading.lock().unpoisoned()
    }

    fn warn_of_overflow(&self, shared: &Shared) {
        let mut series = Vec::new();
        self.for_each_member(|handle| series.push(handle.series().labels().clone()));
        overflow::warn(shared, &self.room, series.iter());
    }
}

/// Returns whether the series was removed, and nothing was recorded in it since.
fn is_gone<H: Handle>(handle: &H) -> bool {
    handle.series().is_hidden() && handle.series().cell().is_empty()
}

#[cfg(test)]
mod tests;
