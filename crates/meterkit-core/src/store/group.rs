//! The series of one labelled instrument: found by label set, made when first asked for, limited in number, and taken
//! out again.

use std::collections::HashSet;
use std::sync::atomic::AtomicIsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::closed::ClosedSeries;
use super::entry::Entry;
use super::handle::Handle;
use super::member::Member;
use super::open::{OpenSeries, Place};
use super::overflow::Overflow;
use super::reading::Reading;
use super::series::SeriesRef;
use super::settings::Settings;
use super::shared::{LabelSet, OVERFLOW, Shared};
use super::value_cap::{Capped, ValueCap};
use crate::labels::{LabelKey, Labels};

pub(crate) struct SeriesGroup<H: Handle> {
    keys: &'static [LabelKey],
    members: Members<H>,
    caps: Box<[Option<ValueCap>]>,
    overflow: Overflow<H>,
    options: GroupOptions,
    /// How many of the members were removed.
    hidden: AtomicIsize,
    reading: Mutex<Reading>,
    settings: Arc<Settings>,
}

/// What a group may have that is not part of its identity.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GroupOptions {
    /// The instrument's own limit; the registry's counts when it has none.
    pub(crate) limit: Option<usize>,
    /// After how long without recordings a series is removed.
    pub(crate) idle_timeout: Option<Duration>,
}

/// How many series a group has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) series: usize,
    /// How often recordings went to the overflow series.
    pub(crate) overflowed: u64,
}

#[expect(clippy::large_enum_variant, reason = "a further pointer would cost each look-up")]
pub(super) enum Members<H> {
    Closed(ClosedSeries<H>),
    Open(OpenSeries<H>),
}

impl<H: Handle> SeriesGroup<H> {
    pub(crate) fn new(
        keys: &'static [LabelKey],
        settings: &Arc<Settings>,
        options: GroupOptions,
    ) -> Self {
        let limit = options.limit.unwrap_or_else(|| settings.cardinality_limit.load(Relaxed));
        let members = match LabelKey::closed_sets(keys).filter(|sets| *sets <= limit) {
            Some(sets) => Members::Closed(ClosedSeries::new(keys, sets)),
            None => Members::Open(OpenSeries::new(keys.len())),
        };
        Self {
            keys,
            members,
            caps: ValueCap::of(keys),
            overflow: Overflow::new(),
            options,
            hidden: AtomicIsize::new(0),
            reading: Mutex::default(),
            settings: settings.clone(),
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
            Members::Closed(closed) => match labels.index().and_then(|place| closed.get(place)) {
                Some(member) if !member.is_hidden() => Entry::kept(&member.handle),
                _ => self.make_closed(closed, labels, shared, sdk),
            },
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
                    None => open.get_later(hash, &labels).is_some_and(|member| self.hide(&member)),
                }
            }
        }
    }

    /// Takes all series out of every later export.
    pub(crate) fn clear(&self) {
        self.for_each_member(|member| {
            self.hide(member);
        });
        if let Some(member) = self.overflow.get() {
            member.set_hidden(true);
            member.handle.series().reset();
        }
    }

    /// Makes all series of a closed set, with a value to be exported from now on.
    pub(crate) fn make_all(&self, shared: &Arc<Shared>, sdk: &H::Sdk) {
        if let Members::Closed(closed) = &self.members {
            for place in 0..closed.places() {
                if let Some(member) = self.closed_member(closed, place, shared, sdk) {
                    if member.is_empty() {
                        member.handle.zero();
                    }
                }
            }
        }
    }

    /// Calls `each` with every series, removed ones included.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&H)) {
        self.for_each_member(|member| each(&member.handle));
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
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.settings.clock.elapsed();
        let idle_timeout = self.options.idle_timeout;
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
                let Some(timeout) = idle_timeout else { return false };
                let is_over = activity.resets(&member.handle, timeout, now);
                if is_over && member.set_hidden(true) {
                    self.count_hidden();
                }
                is_over
            },
        )
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage { series: self.live(), overflowed: self.overflow.uses() }
    }

    /// Keeps new series out while `work` runs.
    pub(crate) fn with_creation_paused<R>(&self, work: impl FnOnce() -> R) -> R {
        match &self.members {
            Members::Closed(closed) => closed.with_creation_paused(work),
            Members::Open(open) => open.with_creation_paused(work),
        }
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
        if let Some(member) = open.get(hash, labels) {
            self.show(member);
            return Entry::kept(&member.handle);
        }
        if let Some(member) = open.get_later(hash, labels) {
            self.show(&member);
            return Entry::shared(member);
        }
        if !self.has_room() {
            return self.overflow(shared, sdk);
        }
        let values = open.values(labels);
        let made = open.get_or_make(&values, self.limit(), || {
            self.take_room().then(|| make(values.clone(), shared, sdk))
        });
        match made {
            Some(Place::Table(member)) => {
                self.show(member);
                Entry::kept(&member.handle)
            }
            Some(Place::Later(member)) => {
                self.show(&member);
                Entry::shared(member)
            }
            None => self.overflow(shared, sdk),
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
        if closed.get(place).is_none() && !self.has_room() {
            return None;
        }
        let member = closed.get_or_make(place, |values| {
            self.take_room().then(|| make(values.into(), shared, sdk))
        })?;
        self.show(member);
        Some(member)
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

    /// Takes a series out of every later export, until it is asked for or recorded in again. Whether it was in.
    fn hide(&self, member: &Member<H>) -> bool {
        let is_change = member.set_hidden(true);
        if is_change {
            self.count_hidden();
        }
        member.handle.series().reset();
        is_change
    }

    fn count_hidden(&self) {
        self.hidden.fetch_add(1, Release);
        self.settings.series.give_back(1);
    }

    /// Has the series in exports, if it was removed.
    fn show(&self, member: &Member<H>) {
        if member.is_hidden() && member.set_hidden(false) {
            self.hidden.fetch_sub(1, Release);
            self.settings.series.take();
        }
    }

    fn has_room(&self) -> bool {
        self.live() < self.limit() && self.settings.series.has_room()
    }

    /// Takes the place of one more series, if there is room for it. While no other is made.
    fn take_room(&self) -> bool {
        self.live() < self.limit() && self.settings.series.try_take()
    }

    fn limit(&self) -> usize {
        let default = || self.settings.cardinality_limit.load(Relaxed);
        self.options.limit.unwrap_or_else(default)
    }

    /// How many series are in exports.
    fn live(&self) -> usize {
        let made = match &self.members {
            Members::Closed(closed) => closed.len(),
            Members::Open(open) => open.len(),
        };
        // Who hides and who shows a series at once may count in either order.
        made.saturating_sub(usize::try_from(self.hidden.load(Acquire)).unwrap_or(0))
    }

    fn for_each_member(&self, each: impl FnMut(&Member<H>)) {
        match &self.members {
            Members::Closed(closed) => closed.iter().for_each(each),
            Members::Open(open) => open.for_each(each),
        }
    }

    fn warn_of_overflow(&self, shared: &Shared) {
        let instrument = &shared.descriptor().name;
        if self.live() < self.limit() {
            return tracing::warn!(
                instrument,
                limit = self.settings.series.limit(),
                "series limit of the process reached: label sets that are new, of this instrument and others, are \
                 recorded together as {OVERFLOW}=true; remove series, or raise METERKIT_SERIES_LIMIT"
            );
        }
        let mut values = vec![HashSet::new(); self.keys.len()];
        self.for_each_member(|member| {
            for (seen, value) in values.iter_mut().zip(&*member.labels) {
                seen.insert(value.clone());
            }
        });
        let most = values.iter().zip(self.keys).max_by_key(|(seen, _)| seen.len());
        let (key, count) = most.map_or(("", 0), |(seen, key)| (key.name(), seen.len()));
        tracing::warn!(
            instrument,
            limit = self.limit(),
            label = key,
            values = count,
            "cardinality limit reached: further label sets are recorded together as \
             {OVERFLOW}=true; give label `{key}` fewer values, or raise METERKIT_CARDINALITY_LIMIT"
        );
    }
}

fn make<H: Handle>(values: LabelSet, shared: &Arc<Shared>, sdk: &H::Sdk) -> Member<H> {
    Member::new(SeriesRef::make(values, false, shared, sdk))
}

impl<H: Handle> Drop for SeriesGroup<H> {
    fn drop(&mut self) {
        self.settings.series.give_back(self.live());
    }
}
