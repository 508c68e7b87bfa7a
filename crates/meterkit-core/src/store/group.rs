//! Series of one instrument: found by label set, made when first asked for, limited in number, and taken out again.

mod closed;
pub(crate) mod keyed;
mod member;
mod members;
mod open;
mod overflow;
mod reading;
mod room;
mod table;
mod value_cap;

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};

use self::closed::ClosedSeries;
pub(crate) use self::closed::Places;
use self::keyed::ByKey;
pub(crate) use self::member::Member;
use self::members::Members;
use self::open::{OpenSeries, Place};
pub(crate) use self::overflow::{Overflow, warn as warn_of_overflow};
use self::reading::Reading;
pub(crate) use self::room::{GroupOptions, Room};
pub(crate) use self::value_cap::{Capped, ValueCap};
use super::entry::Entry;
use super::handle::{self, Handle};
use super::label_set::{Declared, LabelSet, Query, hash_declared};
use super::settings::Settings;
use super::shared::Shared;
use crate::labels::{LabelKey, Labels};
use crate::unpoisoned::Unpoisoned;

/// Closed label sets of up to this many have a place each from the start: some hundred kilobytes. Larger ones are found
/// as open ones are.
pub(crate) const MOST_PLACES: usize = 4096;

/// Series with the same keys, or found by attributes.
pub(crate) struct SeriesGroup<H: Handle> {
    keys: &'static [LabelKey],
    members: Members<H>,
    caps: Box<[Option<ValueCap>]>,
    common: Arc<Common<H>>,
    is_zero_initialized: AtomicBool,
    reading: Mutex<Reading>,
}

/// What all groups of one instrument have in common.
pub(crate) struct Common<H> {
    pub(crate) room: Room,
    pub(crate) overflow: Overflow<H>,
}

impl<H: Handle> Common<H> {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { room: Room::new(settings), overflow: Overflow::new() }
    }
}

/// How many series an instrument has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) series: usize,
    /// How often recordings went to the overflow series.
    pub(crate) overflowed: u64,
}

impl<H: Handle> SeriesGroup<H> {
    /// Returns a group whose series have declared labels.
    pub(crate) fn declared(keys: &'static [LabelKey], common: Arc<Common<H>>) -> Self {
        let most = common.room.limit().min(MOST_PLACES);
        let members = match LabelKey::closed_sets(keys).filter(|sets| *sets <= most) {
            Some(sets) => Members::Closed(ClosedSeries::new(keys, sets)),
            None => Members::Open(OpenSeries::new()),
        };
        Self { keys, members, caps: ValueCap::of(keys), ..Self::keyed(common) }
    }

    /// Returns a group whose series have any keys.
    pub(crate) fn keyed(common: Arc<Common<H>>) -> Self {
        Self {
            keys: &[],
            members: Members::Open(OpenSeries::new()),
            caps: Box::default(),
            common,
            is_zero_initialized: AtomicBool::new(false),
            reading: Mutex::default(),
        }
    }

    /// Returns the series of each closed label set; none for an open one.
    pub(crate) fn places(&self) -> Places<H> {
        match &self.members {
            Members::Closed(closed) => closed.places().clone(),
            Members::Open(_) => Arc::new([]),
        }
    }

    /// Returns the series with these labels. Takes no lock and allocates nothing when it exists.
    #[inline]
    pub(crate) fn with(&self, labels: &impl Labels, shared: &Arc<Shared>) -> Entry<'_, H> {
        let found = match &self.members {
            // Those that exist have been found by their places before.
            Members::Closed(closed) => self.make_closed(closed, labels, shared),
            Members::Open(_) if self.caps.is_empty() => {
                self.find(&self.declares(labels), shared, || true)
            }
            Members::Open(_) => {
                let capped = Capped { labels, caps: &self.caps, learns: true };
                self.find(&self.declares(&capped), shared, || true)
            }
        };
        found.unwrap_or_else(|| self.overflow(shared))
    }

    /// Returns the series with these attributes, of a group that is keyed by them. `may_make` is asked before one is
    /// made, while no other can be; `None` if it says no.
    #[inline]
    pub(crate) fn with_attributes(
        &self,
        query: &ByKey<'_>,
        shared: &Arc<Shared>,
        may_make: impl Fn() -> bool,
    ) -> Option<Entry<'_, H>> {
        self.find(query, shared, &may_make).or_else(|| may_make().then(|| self.overflow(shared)))
    }

    /// Takes the series with these labels out of every later export. Returns whether there was one.
    pub(crate) fn remove(&self, labels: &impl Labels) -> bool {
        if !ValueCap::let_through(&self.caps, labels) {
            return false;
        }
        match &self.members {
            Members::Closed(closed) => {
                let place = LabelKey::place_of(self.keys, labels);
                place.and_then(|place| closed.get(place)).is_some_and(|member| self.hide(member))
            }
            Members::Open(open) => {
                let capped = Capped { labels, caps: &self.caps, learns: false };
                let query = self.declares(&capped);
                let hash = open.hash(&query);
                match open.get(hash, &query) {
                    Some(member) => self.hide(member),
                    None => open.get_later(hash, &query).is_some_and(|member| {
                        let is_change = self.hide(&member);
                        open.let_go(hash, member);
                        is_change
                    }),
                }
            }
        }
    }

    /// Takes all series out of every later export.
    pub(crate) fn clear(&self) {
        self.members.for_each(|member| {
            self.hide(member);
        });
        if let Members::Open(open) = &self.members {
            open.sweep(|member, _| member.is_hidden() && member.is_empty());
        }
        if let Some(member) = self.common.overflow.get() {
            let _reading = self.lock_reading();
            member.set_hidden(true);
            member.handle.series().reset();
        }
    }

    /// Restarts all series without taking them out.
    pub(crate) fn restart(&self) {
        let _reading = self.lock_reading();
        self.for_each(|handle| {
            handle.series().reset();
            if self.is_zero_initialized.load(Relaxed) {
                handle.zero();
            }
        });
    }

    /// Makes all series of a closed set, with a value to be exported from now on. Returns the instrument's own limit
    /// as an error when it allows fewer; below another limit, there are as many as may be.
    pub(crate) fn make_all(&self, shared: &Arc<Shared>) -> Result<(), usize> {
        let sets = LabelKey::closed_sets(self.keys).unwrap_or(0);
        let room = &self.common.room;
        if let Some(limit) = room.own_limit().filter(|limit| sets > *limit) {
            return Err(limit);
        }
        if sets > room.limit() {
            overflow::warn_of_fewer(shared, room, sets);
        }
        self.is_zero_initialized.store(true, Relaxed);
        let zero = |member: &Member<H>| {
            if self.readmit(member) && member.is_empty() {
                member.handle.zero();
            }
        };
        for place in 0..sets {
            match &self.members {
                Members::Closed(closed) => {
                    self.closed_member(closed, place, shared).into_iter().for_each(zero);
                }
                // The limit was lower when the group was made.
                Members::Open(open) => {
                    let labels = LabelSet::declared(LabelKey::nth_set(self.keys, place));
                    let hash = hash_declared(open.hasher(), &labels);
                    let made = open.get_or_make(hash, &labels, room.limit(), || {
                        room.try_take().then(|| make(labels.clone(), shared))
                    });
                    match made {
                        Some(Place::Table(member)) => zero(member),
                        Some(Place::Later(member)) => zero(&member),
                        None => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes over a series that was made by attributes: from now on it is found by `labels`.
    pub(crate) fn adopt(&self, member: &Member<H>, labels: LabelSet) {
        match &self.members {
            Members::Closed(closed) => {
                if let Some(place) = LabelKey::place_of_values(self.keys, &labels) {
                    closed.get_or_make(place, |_| Some(member.move_to(labels)));
                }
            }
            Members::Open(open) => {
                let (hash, limit) =
                    (hash_declared(open.hasher(), &labels), self.common.room.limit());
                open.get_or_make(hash, &labels, limit, || Some(member.move_to(labels.clone())));
            }
        }
    }

    /// Calls `each` with every member, including removed ones.
    pub(crate) fn for_each_member(&self, each: impl FnMut(&Member<H>)) {
        self.members.for_each(each);
    }

    /// Calls `each` with every series, including removed ones.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&H)) {
        self.members.for_each(|member| each(&member.handle));
    }

    /// Calls `read` with all series but the overflow series, ordered by their attributes.
    pub(crate) fn in_order<R>(
        &self,
        shared: &Shared,
        read: impl FnOnce(&mut dyn Iterator<Item = &H>) -> R,
    ) -> R {
        let mut reading = self.lock_reading();
        let now = shared.settings.clock.elapsed();
        reading.read(&self.members, shared, read, |member, activity| {
            if member.has_moved() || (member.is_hidden() && member.is_empty()) {
                return true;
            }
            // Someone may have kept a handle and recorded with it.
            self.show(member);
            let Some(timeout) = self.common.room.idle_timeout() else { return false };
            let is_over = activity.resets(&member.handle, timeout, now);
            if is_over && member.set_hidden(true) {
                self.common.room.give_back();
            }
            is_over
        })
    }

    /// Keeps new series out while `work` runs.
    pub(crate) fn with_creation_paused<R>(&self, work: impl FnOnce() -> R) -> R {
        self.members.with_creation_paused(work)
    }

    fn declares<'a, L: Labels>(&self, labels: &'a L) -> Declared<'a, L> {
        Declared { labels, key_count: self.keys.len() }
    }

    /// Returns the series of an open set, made if there is room for it.
    #[inline]
    fn find(
        &self,
        query: &impl Query,
        shared: &Arc<Shared>,
        may_make: impl Fn() -> bool,
    ) -> Option<Entry<'_, H>> {
        let Members::Open(open) = &self.members else { return None };
        let hash = open.hash(query);
        match open.get(hash, query) {
            Some(member) if !member.is_hidden() => Some(Entry::kept(&member.handle)),
            _ => self.make_open(open, hash, query, shared, may_make),
        }
    }

    #[cold]
    fn make_open<'a>(
        &'a self,
        open: &'a OpenSeries<H>,
        hash: u64,
        query: &impl Query,
        shared: &Arc<Shared>,
        may_make: impl Fn() -> bool,
    ) -> Option<Entry<'a, H>> {
        let place = match open.get(hash, query) {
            Some(member) => Some(Place::Table(member)),
            None => open.get_later(hash, query).map(Place::Later),
        };
        let room = &self.common.room;
        let place = place.or_else(|| {
            // Past the limit, nothing is collected that would not be stored.
            let labels = room.is_free().then(|| query.to_stored())?;
            // Of these values: a second visit of the caller's labels may hand out others than the first.
            let hash = query.hash_stored(open.hasher(), &labels);
            open.get_or_make(hash, &labels, room.limit(), || {
                (may_make() && room.try_take()).then(|| make(labels.clone(), shared))
            })
        });
        match place {
            Some(Place::Table(member)) if self.readmit(member) => Some(Entry::kept(&member.handle)),
            Some(Place::Later(member)) if self.readmit(&member) => Some(Entry::shared(member)),
            _ => None,
        }
    }

    #[cold]
    fn make_closed<'a>(
        &'a self,
        closed: &'a ClosedSeries<H>,
        labels: &impl Labels,
        shared: &Arc<Shared>,
    ) -> Option<Entry<'a, H>> {
        let place = LabelKey::place_of(self.keys, labels)?;
        let member = self.closed_member(closed, place, shared)?;
        Some(Entry::kept(&member.handle))
    }

    /// Returns the series at that place, shown again or made, unless there is no room for it.
    fn closed_member<'a>(
        &'a self,
        closed: &'a ClosedSeries<H>,
        place: usize,
        shared: &Arc<Shared>,
    ) -> Option<&'a Member<H>> {
        let room = &self.common.room;
        let member = match closed.get(place) {
            Some(member) => member,
            None if !room.is_free() => return None,
            None => closed.get_or_make(place, |values| {
                room.try_take().then(|| make(LabelSet::declared(values), shared))
            })?,
        };
        self.readmit(member).then_some(member)
    }

    #[inline]
    pub(crate) fn overflow(&self, shared: &Arc<Shared>) -> Entry<'_, H> {
        let overflow = &self.common.overflow;
        loop {
            if let Some(handle) = overflow.use_it() {
                return Entry::kept(handle);
            }
            // Under the same lock as other new series, for whoever looks at all of them at once.
            if self.with_creation_paused(|| overflow.make(shared)) {
                self.warn_of_overflow(shared);
            }
        }
    }

    /// Takes a series out of every later export, until it is asked for or recorded in again. Returns whether it was in,
    /// or would have been in the next.
    fn hide(&self, member: &Member<H>) -> bool {
        // No reading sees a new value with an old start.
        let _reading = self.lock_reading();
        if member.has_moved() {
            return false;
        }
        let is_change = member.set_hidden(true);
        if is_change {
            self.common.room.give_back();
        }
        let is_recorded = !member.is_empty();
        member.handle.series().reset();
        is_change || is_recorded
    }

    /// Puts the series into exports, if it was removed. What was recorded in it must get there, whatever the limit.
    fn show(&self, member: &Member<H>) {
        if member.is_hidden() {
            // First of all: whoever hides it again gives back what was taken here.
            self.common.room.take();
            if !member.set_hidden(false) {
                self.common.room.give_back();
            }
        }
    }

    /// Puts the series into exports, if it was removed and there is room for it. Returns whether it is in.
    fn readmit(&self, member: &Member<H>) -> bool {
        if !member.is_hidden() {
            return true;
        }
        let has_room = self.common.room.try_take();
        if has_room && !member.set_hidden(false) {
            // Someone else was faster.
            self.common.room.give_back();
        }
        // One that is removed again by now was in: what is recorded in it brings it back.
        has_room || !member.is_hidden()
    }

    fn lock_reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unpoisoned()
    }

    fn warn_of_overflow(&self, shared: &Shared) {
        let mut series = Vec::new();
        self.members.for_each(|member| series.push(member.labels.clone()));
        overflow::warn(shared, &self.common.room, series.iter());
    }
}

fn make<H: Handle>(labels: LabelSet, shared: &Arc<Shared>) -> Member<H> {
    Member::new(labels.clone(), handle::make(labels, shared))
}

#[cfg(test)]
mod tests;
