//! Everything that happens to the series of a group except recording: creating, reading, removing and showing them.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard};

use foldhash::fast::RandomState;
use opentelemetry::{KeyValue, Value};

use super::idle::Gone;
use super::keyed::AsDeclared;
use super::later::{Later, LaterSeries};
use super::overflow;
use super::reading::{IsOver, MANY, Reading, sorted};
use super::room::Room;
use super::table::Writer;
use crate::data::{AttributesByPlace, NumberPoints};
use crate::labels::LabelKey;
use crate::store::handle::AnyHandle;
use crate::store::label_set::{KeySetId, LabelSet, Query, hash_declared};
use crate::store::points;
use crate::store::settings::{DropReason, Settings};
use crate::store::shared::{PointKeys, Shared};
use crate::unpoisoned::Unpoisoned;

/// The series of one instrument, independent of their handle type, so that their management is compiled only once.
pub(crate) trait Members: Send + Sync {
    fn upkeep(&self) -> &Upkeep;

    /// Returns the only series of an instrument that declares no labels.
    fn plain(&self) -> Option<&dyn AnyHandle>;
    fn overflow(&self) -> Option<&dyn AnyHandle>;
    /// Returns the series by place. The result may outlive the group.
    fn kept(&self, keys: Arc<PointKeys>) -> Box<dyn AttributesByPlace>;
    /// Creates the overflow series. Returns whether it did not exist before. The caller must ensure that no other
    /// thread creates a series.
    fn make_overflow(&self, shared: &Arc<Shared>) -> bool;

    /// Returns the number of places for series of closed label sets.
    fn closed_places(&self) -> usize;
    /// Returns the labels of the closed series at a place. Calls the user's code.
    fn closed_labels(&self, place: usize) -> Option<LabelSet>;
    fn closed_at(&self, place: usize) -> Option<&dyn AnyHandle>;
    /// Creates the series at a place unless it exists. The caller must ensure that no other thread creates a series.
    fn make_closed(&self, place: usize, labels: LabelSet, shared: &Arc<Shared>);

    /// Returns how many series have slots in the table of series that are found by their values.
    fn open_slots(&self) -> usize;
    /// Returns the series in a slot, with the labels by which it is found.
    fn open_at(&self, slot: usize) -> Option<OpenMember<'_>>;
    fn find_open(&self, hash: u64, is_it: &dyn Fn(&LabelSet) -> bool) -> Option<usize>;
    /// Returns the hasher for labels.
    fn hasher(&self) -> &RandomState;
    /// Returns the series without a slot, or `None` until a series is looked up by its values.
    fn later(&self) -> Option<&LaterSeries>;
    fn lock_open(&self) -> Writer<'_>;
    /// Adds a series to the table. Returns it as an error if the table has `limit` series, and returns `None` if its
    /// handle has another type.
    fn add_open(
        &self,
        writer: &Writer<'_>,
        hash: u64,
        limit: usize,
        new: NewMember<'_>,
    ) -> Option<Result<usize, Later>>;
}

/// The state of a group that does not depend on the type of its handles.
pub(crate) struct Upkeep {
    pub(crate) room: Room,
    /// Held while series are created, labels are declared, or all series are changed.
    creation: Mutex<()>,
    /// The result of the last reading, or `None` while there are no series with labels.
    reading: Mutex<Option<Box<Reading>>>,
}

/// A series that is found by its values.
pub(crate) struct OpenMember<'a> {
    /// The labels by which it is found.
    pub(crate) labels: &'a LabelSet,
    pub(crate) handle: &'a dyn AnyHandle,
    /// Whether the series has moved to another member.
    pub(crate) has_left: bool,
}

/// A series to be added to those that are found by their values.
pub(crate) enum NewMember<'a> {
    /// A series to be created.
    Own(LabelSet, &'a Arc<Shared>),
    /// An existing series that is found by other labels so far.
    Heir(LabelSet, Box<dyn AnyHandle>),
}

/// A series found by its values.
pub(crate) enum Found {
    /// In a slot of the table.
    Slot(usize),
    /// The series can be dropped again.
    Later(Box<dyn AnyHandle>),
}

impl Upkeep {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { room: Room::new(settings), creation: Mutex::default(), reading: Mutex::default() }
    }

    pub(super) fn lock_creation(&self) -> MutexGuard<'_, ()> {
        // A series is complete before it can be found, so a panic during creation leaves no inconsistent state.
        self.creation.lock().unpoisoned()
    }

    pub(super) fn lock_reading(&self) -> MutexGuard<'_, Option<Box<Reading>>> {
        self.reading.lock().unpoisoned()
    }

    /// Removes the series from all later exports, until it is looked up or recorded in again. Returns whether it was
    /// exported, or would have been in the next export.
    fn hide(&self, handle: &dyn AnyHandle) -> bool {
        // Held so that no reading sees a new value with an old start.
        let _reading = self.lock_reading();
        let is_change = handle.head().set_hidden(true);
        if is_change {
            self.room.give_back();
        }
        let is_recorded = !handle.cell().is_empty();
        handle.reset();
        is_change || is_recorded
    }

    /// Shows the series in exports again if it was removed. Ignores the limit, because values that were recorded in it
    /// must be exported.
    fn show(&self, handle: &dyn AnyHandle) {
        if handle.head().is_hidden() {
            // Taken first, because a thread that hides the series again gives back the room that is taken here.
            self.room.take();
            if !handle.head().set_hidden(false) {
                self.room.give_back();
            }
        }
    }

    /// Shows the series in exports again if it was removed and there is room for it. Returns whether it is shown.
    fn readmit(&self, handle: &dyn AnyHandle) -> bool {
        let head = handle.head();
        if !head.is_hidden() {
            return true;
        }
        let has_room = self.room.try_take();
        if has_room && !head.set_hidden(false) {
            // Another thread has shown it first.
            self.room.give_back();
        }
        // If the series was removed again in the meantime, it was shown, and recording in it shows it again.
        has_room || !head.is_hidden()
    }
}

impl dyn Members + '_ {
    /// Returns the number of places. Places of closed series come before places of open series.
    pub(super) fn places(&self) -> usize {
        self.closed_places() + self.open_slots()
    }

    /// Returns the series at a place, unless it has moved to another place.
    pub(super) fn at(&self, place: usize) -> Option<&dyn AnyHandle> {
        match place.checked_sub(self.closed_places()) {
            None => self.closed_at(place),
            Some(slot) => self.open_at(slot).filter(|it| !it.has_left).map(|it| it.handle),
        }
    }

    /// Calls `each` with every series except plain and overflow series, and the labels by which it is found. Includes
    /// removed series.
    fn for_each_labeled(&self, each: &mut dyn FnMut(&LabelSet, &dyn AnyHandle)) {
        for place in 0..self.closed_places() {
            if let Some(handle) = self.closed_at(place) {
                each(handle.head().labels(), handle);
            }
        }
        self.for_each_open(each);
    }

    fn for_each_open(&self, each: &mut dyn FnMut(&LabelSet, &dyn AnyHandle)) {
        for slot in 0..self.open_slots() {
            if let Some(member) = self.open_at(slot).filter(|it| !it.has_left) {
                each(member.labels, member.handle);
            }
        }
        if let Some(later) = self.later() {
            later.for_each(each);
        }
    }

    /// Returns all series except plain, overflow and removed ones, with the labels by which they are found.
    pub(crate) fn labeled(&self) -> Vec<(LabelSet, Box<dyn AnyHandle>)> {
        let mut found = Vec::new();
        self.for_each_labeled(&mut |labels, handle| {
            if !handle.is_gone() {
                found.push((labels.clone(), handle.to_box()));
            }
        });
        found
    }

    /// Calls `each` with every series, including removed ones.
    fn for_each(&self, each: &mut dyn FnMut(&dyn AnyHandle)) {
        self.plain().into_iter().for_each(&mut *each);
        self.for_each_labeled(&mut |_, handle| each(handle));
        self.overflow().into_iter().for_each(each);
    }

    /// Calls `change` once, then `each` with every existing series. Series that are created later see the change.
    pub(crate) fn for_all(&self, change: &mut dyn FnMut(), each: &mut dyn FnMut(&dyn AnyHandle)) {
        let _creation = self.upkeep().lock_creation();
        change();
        self.for_each(each);
    }

    /// Removes the closed series at a place from all later exports. Returns whether it existed.
    pub(super) fn remove_closed(&self, place: usize) -> bool {
        self.closed_at(place).is_some_and(|handle| self.upkeep().hide(handle))
    }

    /// Removes the series that `query` finds from all later exports. Returns whether it existed.
    pub(super) fn remove_open(&self, query: &dyn Query) -> bool {
        let Some(later) = self.later() else { return false };
        let hash = query.hash(self.hasher());
        if let Some(slot) = self.find_open(hash, &|stored| query.is(stored)) {
            return self.open_at(slot).is_some_and(|it| self.upkeep().hide(it.handle));
        }
        later.get(hash, query).is_some_and(|handle| {
            let is_change = self.upkeep().hide(&*handle);
            later.let_go(hash, handle);
            is_change
        })
    }

    /// Removes all series except a plain one from all later exports.
    pub(crate) fn clear(&self) {
        self.for_each_labeled(&mut |_, handle| {
            self.upkeep().hide(handle);
        });
        if let Some(later) = self.later() {
            later.sweep(&mut |handle, _| handle.is_gone());
        }
        if let Some(handle) = self.overflow() {
            let _reading = self.upkeep().lock_reading();
            handle.head().set_hidden(true);
            handle.reset();
        }
    }

    /// Restarts all series without removing them.
    pub(crate) fn restart(&self) {
        let _reading = self.upkeep().lock_reading();
        self.for_each(&mut |handle| handle.reset());
        let closed = (0..self.closed_places()).filter_map(|place| self.closed_at(place));
        self.plain().into_iter().chain(closed).for_each(<dyn AnyHandle>::zero_again);
        self.for_each_open(&mut |labels, handle| {
            if labels.keys() == KeySetId::DECLARED {
                handle.zero_again();
            }
        });
    }

    /// Exports all series of a closed set from now on, as zero where nothing was recorded. Fails with the instrument's
    /// own limit if it allows fewer series. If another limit does, only as many series are exported as it allows.
    pub(crate) fn zero_initialize(&self, shared: &Arc<Shared>) -> Result<(), usize> {
        let room = &self.upkeep().room;
        let keys = shared.label_keys();
        let sets = LabelKey::closed_sets(keys).unwrap_or(0);
        if let Some(limit) = room.own_limit().filter(|limit| sets > *limit) {
            return Err(limit);
        }
        if sets > room.limit() {
            overflow::warn_of_fewer(shared, room, sets);
        }
        shared.export_empty();
        let zero = |handle: &dyn AnyHandle| {
            if self.upkeep().readmit(handle) && handle.cell().is_empty() {
                handle.zero();
            }
        };
        for place in 0..sets {
            if self.closed_places() > 0 {
                self.closed_member(place, shared).into_iter().for_each(zero);
                continue;
            }
            // The set has no places because the limit was lower when the labels were declared.
            let labels = LabelSet::declared(LabelKey::nth_set(keys, place));
            let hash = hash_declared(self.hasher(), &labels);
            let found = self.make_open_member(hash, labels, shared, &|| true);
            found.as_ref().and_then(|it| self.handle_of(it)).into_iter().for_each(zero);
        }
        Ok(())
    }

    /// Calls `read` with all series sorted by their attributes, and the overflow series last.
    pub(crate) fn in_order(
        &self,
        shared: &Shared,
        read: &mut dyn FnMut(&mut dyn Iterator<Item = &dyn AnyHandle>),
    ) {
        let overflow = self.overflow().filter(|handle| !handle.is_gone());
        let Some(plain) = self.plain() else {
            return self.others_in_order(shared, &mut |others| {
                read(&mut others.map(|handle| -> &dyn AnyHandle { handle }).chain(overflow));
            });
        };
        if self.later().is_none() {
            return read(&mut std::iter::once(plain).chain(overflow));
        }
        self.others_in_order(shared, &mut |others| {
            let others = others.map(|handle| -> &dyn AnyHandle { handle });
            let all = sorted(others.chain([plain]).collect(), &shared.keys());
            read(&mut all.into_iter().chain(overflow));
        });
    }

    /// Returns the same numbers as `in_order`, by place. Returns `None` if there are few series, or
    /// series without a place.
    pub(crate) fn numbers(&self, shared: &Shared) -> Option<NumberPoints> {
        let places = self.places();
        let has_later = self.later().is_some_and(|later| later.len() > 0);
        if places < MANY || has_later || self.plain().is_some() {
            return None;
        }
        let mut numbers = None;
        self.read(shared, &mut |last, is_over| {
            numbers = Some(last.read_numbers(self, places, shared, is_over));
        });
        let (series, values) = numbers?;
        let overflow = self.overflow().filter(|handle| !handle.is_gone());
        let last = overflow.and_then(|it| points::number(it, &shared.keys()));
        Some(NumberPoints::of_stored(series, shared.identity.number, values, last))
    }

    /// Calls `read` with all series except plain and overflow ones, sorted by their attributes.
    fn others_in_order(
        &self,
        shared: &Shared,
        read: &mut dyn FnMut(&mut dyn Iterator<Item = &dyn AnyHandle>),
    ) {
        self.read(shared, &mut |last, is_over| last.read(self, shared, &mut *read, is_over));
    }

    /// Calls `read` with the result of the last reading, and a function that returns whether a series is over.
    fn read(&self, shared: &Shared, read: &mut dyn FnMut(&mut Reading, &IsOver<'_>)) {
        let upkeep = self.upkeep();
        let rule = upkeep.room.idle_rule();
        let undelivered = Cell::new(0);
        let mut reading = upkeep.lock_reading();
        let last = reading.get_or_insert_default();
        read(last, &|handle, activity| {
            if handle.is_gone() {
                return true;
            }
            // A user may have kept a handle and recorded with it.
            upkeep.show(handle);
            let (Some(rule), Some(activity)) = (&rule, activity) else { return false };
            let gone = activity.resets(handle, rule);
            if gone.is_some() && handle.head().set_hidden(true) {
                upkeep.room.give_back();
            }
            undelivered.set(undelivered.get() + u64::from(gone == Some(Gone::Undelivered)));
            gone.is_some()
        });
        drop(reading);
        if undelivered.get() > 0 {
            shared.dropped_values(DropReason::Undelivered, undelivered.get());
        }
    }

    /// Returns the series that `query` finds, creating it if there is room and `may_make` returns `true`.
    pub(super) fn make_open(
        &self,
        hash: u64,
        query: &dyn Query,
        shared: &Arc<Shared>,
        may_make: &dyn Fn() -> bool,
    ) -> Option<Found> {
        let found = match self.find_open(hash, &|stored| query.is(stored)) {
            Some(slot) => Some(Found::Slot(slot)),
            None => self.later()?.get(hash, query).map(Found::Later),
        };
        let found = found.or_else(|| {
            // Beyond the limit, the series would not be stored, so its labels are not gathered.
            let labels = self.upkeep().room.is_free().then(|| query.to_stored())?;
            // The hash is that of the gathered values, because the caller's labels may return different values on each
            // visit.
            let hash = query.hash_stored(self.hasher(), &labels);
            self.make_open_member(hash, labels, shared, may_make)
        });
        found.filter(|it| self.handle_of(it).is_some_and(|handle| self.upkeep().readmit(handle)))
    }

    fn handle_of<'a>(&'a self, found: &'a Found) -> Option<&'a dyn AnyHandle> {
        match found {
            Found::Slot(slot) => self.open_at(*slot).map(|it| it.handle),
            Found::Later(handle) => Some(&**handle),
        }
    }

    /// Returns the series with these labels, creating it if there is room and `may_make` returns `true`.
    fn make_open_member(
        &self,
        hash: u64,
        labels: LabelSet,
        shared: &Arc<Shared>,
        may_make: &dyn Fn() -> bool,
    ) -> Option<Found> {
        let _creation = self.upkeep().lock_creation();
        self.get_or_add(hash, labels, &mut |labels| {
            let may_make = may_make() && self.upkeep().room.try_take();
            may_make.then(|| NewMember::Own(labels, shared))
        })
    }

    /// Makes a series available under these labels, too, unless another series already has them.
    pub(super) fn inherit(&self, hash: u64, labels: LabelSet, handle: Box<dyn AnyHandle>) {
        let mut handle = Some(handle);
        self.get_or_add(hash, labels, &mut |labels| {
            handle.take().map(|handle| NewMember::Heir(labels, handle))
        });
    }

    /// Returns the series with these labels. If it does not exist, adds the result of `make`, unless that is `None`.
    /// The table has slots for as many series as the limit of the group allows.
    fn get_or_add<'a>(
        &self,
        hash: u64,
        labels: LabelSet,
        make: &mut dyn FnMut(LabelSet) -> Option<NewMember<'a>>,
    ) -> Option<Found> {
        let writer = self.lock_open();
        if let Some(slot) = self.find_open(hash, &|stored| *stored == labels) {
            return Some(Found::Slot(slot));
        }
        let mut later = self.later()?.lock();
        if let Some(known) = later.get(hash, &labels) {
            return Some(Found::Later(known));
        }
        Some(match self.add_open(&writer, hash, self.upkeep().room.limit(), make(labels)?)? {
            Ok(slot) => Found::Slot(slot),
            Err(kept) => Found::Later(later.add(hash, kept)),
        })
    }

    /// Returns the closed series at a place, showing or creating it if needed and if there is room.
    pub(super) fn closed_member(
        &self,
        place: usize,
        shared: &Arc<Shared>,
    ) -> Option<&dyn AnyHandle> {
        let upkeep = self.upkeep();
        if self.closed_at(place).is_none() {
            if !upkeep.room.is_free() {
                return None;
            }
            // Listing the values runs the user's code, so it is done without the lock.
            let labels = self.closed_labels(place)?;
            let _creation = upkeep.lock_creation();
            if self.closed_at(place).is_none() && upkeep.room.try_take() {
                self.make_closed(place, labels, shared);
            }
        }
        self.closed_at(place).filter(|handle| upkeep.readmit(*handle))
    }

    /// Removes and returns the series without labels, if one was recorded by attributes before the code declared the
    /// instrument.
    pub(super) fn take_plain(&self) -> Option<Box<dyn AnyHandle>> {
        let mut recorded = None;
        self.for_each_labeled(&mut |_, handle| {
            let head = handle.head();
            if head.labels().is_empty() {
                head.set_moved();
                // A removed series takes no room.
                if !head.set_hidden(false) {
                    self.upkeep().room.give_back();
                }
                recorded = Some(handle.to_box());
            }
        });
        recorded
    }

    /// Returns the series recorded by attributes that have the declared labels, together with those labels. Marks them
    /// as moved from their places.
    pub(super) fn take_declared(
        &self,
        keys: &'static [LabelKey],
        shared: &Shared,
    ) -> Vec<(LabelSet, Box<dyn AnyHandle>)> {
        let (point_keys, mut taken) = (shared.keys(), Vec::new());
        self.for_each_open(&mut |labels, handle| {
            let own = point_keys.own_attributes(labels);
            let own: Vec<KeyValue> =
                own.map(|(key, value)| KeyValue::new(key, Value::from(&value))).collect();
            let labels = AsDeclared::new(keys, &own).and_then(|labels| labels.to_values(keys));
            if let Some(labels) = labels {
                handle.head().set_moved();
                taken.push((LabelSet::declared(labels), handle.to_box()));
            }
        });
        taken
    }

    /// Creates the overflow series, and logs why recordings go there.
    pub(super) fn begin_overflow(&self, shared: &Arc<Shared>) {
        // Created under the same lock as other series, so that operations on all series include it.
        let creation = self.upkeep().lock_creation();
        let is_new = self.make_overflow(shared);
        drop(creation);
        if is_new {
            let mut series = Vec::new();
            self.for_each_labeled(&mut |_, handle| series.push(handle.head().labels().clone()));
            overflow::warn(shared, &self.upkeep().room, &mut series.iter());
        }
    }
}
