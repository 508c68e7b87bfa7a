//! The series of one labelled instrument: found by label set, made when first asked for, limited in number, and taken
//! out again.

mod closed;
mod member;
mod members;
mod open;
mod overflow;
mod reading;
mod room;
mod table;
mod value_cap;

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::closed::ClosedSeries;
pub(crate) use self::closed::Places;
pub(crate) use self::member::Member;
use self::members::Members;
use self::open::{OpenSeries, Place};
use self::overflow::Overflow;
pub(crate) use self::overflow::warn as warn_of_overflow;
use self::reading::Reading;
pub(crate) use self::room::{GroupOptions, Room};
pub(crate) use self::value_cap::{Capped, ValueCap};
use super::entry::Entry;
use super::handle::{self, Handle};
use super::settings::Settings;
use super::shared::{LabelSet, Shared};
use crate::labels::{LabelKey, Labels};

/// Closed label sets of up to this many have a place each from the start: some hundred kilobytes. Larger ones are found
/// as open ones are.
pub(crate) const MOST_PLACES: usize = 4096;

pub(crate) struct SeriesGroup<H: Handle> {
    keys: &'static [LabelKey],
    members: Members<H>,
    caps: Box<[Option<ValueCap>]>,
    overflow: Overflow<H>,
    room: Room,
    idle_timeout: Option<Duration>,
    is_zero_initialised: AtomicBool,
    reading: Mutex<Reading>,
}

/// How many series a group has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) series: usize,
    /// How often recordings went to the overflow series.
    pub(crate) overflowed: u64,
}

impl<H: Handle> SeriesGroup<H> {
    pub(crate) fn new(
        keys: &'static [LabelKey],
        settings: &Arc<Settings>,
        options: GroupOptions,
    ) -> Self {
        let limit = options.limit.unwrap_or_else(|| settings.cardinality_limit.load(Relaxed));
        let most = limit.min(MOST_PLACES);
        let members = match LabelKey::closed_sets(keys).filter(|sets| *sets <= most) {
            Some(sets) => Members::Closed(ClosedSeries::new(keys, sets)),
            None => Members::Open(OpenSeries::new(keys.len())),
        };
        Self {
            keys,
            members,
            caps: ValueCap::of(keys),
            overflow: Overflow::new(),
            room: Room::new(options, settings.clone()),
            idle_timeout: options.idle_timeout,
            is_zero_initialised: AtomicBool::new(false),
            reading: Mutex::default(),
        }
    }

    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    /// The series of each closed label set; none for an open one.
    pub(crate) fn places(&self) -> Places<H> {
        match &self.members {
            Members::Closed(closed) => closed.places().clone(),
            Members::Open(_) => Arc::new([]),
        }
    }

    /// The series with these labels. Takes no lock and allocates nothing when it exists.
    #[inline]
    pub(crate) fn with(
        &self,
        labels: &impl Labels,
        shared: &Arc<Shared>,
        sdk: &H::Sdk,
    ) -> Entry<'_, H> {
        match &self.members {
            // Those that exist have been found by their places before.
            Members::Closed(closed) => self.make_closed(closed, labels, shared, sdk),
            Members::Open(open) if self.caps.is_empty() => {
                self.with_open(open, labels, shared, sdk)
            }
            Members::Open(open) => self.with_open(
                open,
                &Capped { labels, caps: &self.caps, learns: true },
                shared,
                sdk,
            ),
        }
    }

    /// Takes the series with these labels out of every later export. Whether there was one.
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
                let labels = Capped { labels, caps: &self.caps, learns: false };
                let hash = open.hash(&labels);
                match open.get(hash, &labels) {
                    Some(member) => self.hide(member),
                    None => open.get_later(hash, &labels).is_some_and(|member| {
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
        if let Some(member) = self.overflow.get() {
            let _reading = self.lock_reading();
            member.set_hidden(true);
            member.handle.series().reset();
        }
    }

    /// Has all series begin anew, without taking them out.
    pub(crate) fn restart(&self) {
        let _reading = self.lock_reading();
        self.for_each(|handle| {
            handle.series().reset();
            if self.is_zero_initialised.load(Relaxed) {
                handle.zero();
            }
        });
    }

    /// Makes all series of a closed set, with a value to be exported from now on. Gives the instrument's own limit when
    /// it allows fewer; below another limit, there are as many as may be.
    pub(crate) fn make_all(&self, shared: &Arc<Shared>, sdk: &H::Sdk) -> Result<(), usize> {
        let sets = LabelKey::closed_sets(self.keys).unwrap_or(0);
        if let Some(limit) = self.room.own_limit().filter(|limit| sets > *limit) {
            return Err(limit);
        }
        if sets > self.room.limit() {
            overflow::warn_of_fewer(shared, &self.room, sets);
        }
        self.is_zero_initialised.store(true, Relaxed);
        let zero = |member: &Member<H>| {
            if self.readmit(member) && member.is_empty() {
                member.handle.zero();
            }
        };
        for place in 0..sets {
            match &self.members {
                Members::Closed(closed) => {
                    self.closed_member(closed, place, shared, sdk).into_iter().for_each(zero);
                }
                // The limit was lower when the group was made.
                Members::Open(open) => {
                    let values: LabelSet = LabelKey::nth_set(self.keys, place).into();
                    let made = open.get_or_make(&values, self.room.limit(), || {
                        self.room.try_take().then(|| make(values.clone(), shared, sdk))
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

    /// Calls `each` with every series, removed ones included.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&H)) {
        self.members.for_each(|member| each(&member.handle));
        if let Some(member) = self.overflow.get() {
            each(&member.handle);
        }
    }

    /// Calls `read` with all series, ordered by their attributes, the overflow series last.
    pub(crate) fn in_order<R>(
        &self,
        shared: &Shared,
        read: impl FnOnce(&mut dyn Iterator<Item = &H>) -> R,
    ) -> R {
        let mut reading = self.lock_reading();
        let now = shared.settings.clock.elapsed();
        reading.read(
            &self.members,
            &shared.keys(),
            self.overflow.get(),
            read,
            |member, activity| {
                if member.is_hidden() && member.is_empty() {
                    return true;
                }
                // Someone may have kept a handle and recorded with it.
                self.show(member);
                let Some(timeout) = self.idle_timeout else { return false };
                let is_over = activity.resets(&member.handle, timeout, now);
                if is_over && member.set_hidden(true) {
                    self.room.give_back();
                }
                is_over
            },
        )
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage { series: self.room.taken(), overflowed: self.overflow.uses() }
    }

    /// Keeps new series out while `work` runs.
    pub(crate) fn with_creation_paused<R>(&self, work: impl FnOnce() -> R) -> R {
        self.members.with_creation_paused(work)
    }

    #[inline]
    fn with_open<'a>(
        &'a self,
        open: &'a OpenSeries<H>,
        labels: &impl Labels,
        shared: &Arc<Shared>,
        sdk: &H::Sdk,
    ) -> Entry<'a, H> {
        let hash = open.hash(labels);
        match open.get(hash, labels) {
            Some(member) if !member.is_hidden() => Entry::kept(&member.handle),
            _ => self.make_open(open, hash, labels, shared, sdk),
        }
    }

    #[cold]
    fn make_open<'a>(
        &'a self,
        open: &'a OpenSeries<H>,
        hash: u64,
        labels: &impl Labels,
        shared: &Arc<Shared>,
        sdk: &H::Sdk,
    ) -> Entry<'a, H> {
        let place = match open.get(hash, labels) {
            Some(member) => Some(Place::Table(member)),
            None => open.get_later(hash, labels).map(Place::Later),
        };
        let place = place.or_else(|| {
            // Past the limit, nothing is collected that would not be stored.
            let values = self.room.is_free().then(|| open.values(labels))?;
            open.get_or_make(&values, self.room.limit(), || {
                self.room.try_take().then(|| make(values.clone(), shared, sdk))
            })
        });
        match place {
            Some(Place::Table(member)) if self.readmit(member) => Entry::kept(&member.handle),
            Some(Place::Later(member)) if self.readmit(&member) => Entry::shared(member),
            _ => self.overflow(shared, sdk),
        }
    }

    #[cold]
    fn make_closed<'a>(
        &'a self,
        closed: &'a ClosedSeries<H>,
        labels: &impl Labels,
        shared: &Arc<Shared>,
        sdk: &H::Sdk,
    ) -> Entry<'a, H> {
        let place = LabelKey::place_of(self.keys, labels);
        match place.and_then(|place| self.closed_member(closed, place, shared, sdk)) {
            Some(member) => Entry::kept(&member.handle),
            None => self.overflow(shared, sdk),
        }
    }

    /// The series at that place, shown again or made, unless there is no room for it.
    fn closed_member<'a>(
        &'a self,
        closed: &'a ClosedSeries<H>,
        place: usize,
        shared: &Arc<Shared>,
        sdk: &H::Sdk,
    ) -> Option<&'a Member<H>> {
        let member = match closed.get(place) {
            Some(member) => member,
            None if !self.room.is_free() => return None,
            None => closed.get_or_make(place, |values| {
                self.room.try_take().then(|| make(values.into(), shared, sdk))
            })?,
        };
        self.readmit(member).then_some(member)
    }

    #[inline]
    fn overflow(&self, shared: &Arc<Shared>, sdk: &H::Sdk) -> Entry<'_, H> {
        loop {
            if let Some(handle) = self.overflow.use_it() {
                return Entry::kept(handle);
            }
            // Under the same lock as other new series, for whoever looks at all of them at once.
            if self.with_creation_paused(|| self.overflow.make(shared, sdk)) {
                self.warn_of_overflow(shared);
            }
        }
    }

    /// Takes a series out of every later export, until it is asked for or recorded in again. Whether it was in, or
    /// would have been in the next.
    fn hide(&self, member: &Member<H>) -> bool {
        // No reading sees a new value with an old start.
        let _reading = self.lock_reading();
        let is_change = member.set_hidden(true);
        if is_change {
            self.room.give_back();
        }
        let is_recorded = !member.is_empty();
        member.handle.series().reset();
        is_change || is_recorded
    }

    /// Has the series in exports, if it was removed. What was recorded in it must get there, whatever the limit.
    fn show(&self, member: &Member<H>) {
        if member.is_hidden() {
            // First of all: whoever hides it again gives back what was taken here.
            self.room.take();
            if !member.set_hidden(false) {
                self.room.give_back();
            }
        }
    }

    /// Has the series in exports, if it was removed and there is room for it. Whether it is.
    fn readmit(&self, member: &Member<H>) -> bool {
        if !member.is_hidden() {
            return true;
        }
        let has_room = self.room.try_take();
        if has_room && !member.set_hidden(false) {
            // Someone else was faster.
            self.room.give_back();
        }
        // One that is removed again by now was in: what is recorded in it brings it back.
        has_room || !member.is_hidden()
    }

    fn lock_reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warn_of_overflow(&self, shared: &Shared) {
        let mut values = vec![HashSet::new(); self.keys.len()];
        self.members.for_each(|member| {
            for (seen, value) in values.iter_mut().zip(&*member.labels) {
                seen.insert(value.clone());
            }
        });
        let values = values.iter().zip(self.keys).map(|(seen, key)| (key.name(), seen.len()));
        overflow::warn(shared, &self.room, values);
    }
}

fn make<H: Handle>(values: LabelSet, shared: &Arc<Shared>, sdk: &H::Sdk) -> Member<H> {
    Member::new(handle::make(values, false, shared, sdk))
}

#[cfg(test)]
mod tests;
