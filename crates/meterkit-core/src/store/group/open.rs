//! Series of an open label set: found by the hash of their labels.
//!
//! The first ones come into a table that is read without locks, and keep their places there: when one is removed, its
//! place waits for the same labels to return. Once such places have used up the table's room, further series go into a
//! map behind a lock, from which they can go again: memory stays bounded however many label sets come and go.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Bucket;
use std::sync::RwLock;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicUsize, fence};

use foldhash::fast::RandomState;

use super::addresses::Addresses;
use super::idle::Activity;
use super::table::SeriesTable;
use crate::store::cell::Cell;
use crate::store::entry::Entry;
use crate::store::handle::Handle;
use crate::store::label_set::{LabelSet, Query};
use crate::unpoisoned::Unpoisoned;

pub(crate) struct OpenSeries<H> {
    hasher: RandomState,
    table: SeriesTable<Member<H>>,
    later: RwLock<HashMap<u64, Vec<Later<H>>>>,
    /// How many there are in `later`.
    later_len: AtomicUsize,
}

/// A series, and the labels by which it is found.
pub(crate) enum Member<H> {
    /// By its own labels.
    Own(H),
    /// By labels that were declared after a recording by attributes had made it. The member that has it by its own
    /// labels has left it to this one.
    Heir(Box<(LabelSet, H)>),
}

impl<H: Handle> Member<H> {
    #[inline]
    pub(crate) fn labels(&self) -> &LabelSet {
        match self {
            Self::Own(handle) => handle.series().labels(),
            Self::Heir(heir) => &heir.0,
        }
    }

    #[inline]
    pub(crate) fn handle(&self) -> &H {
        match self {
            Self::Own(handle) => handle,
            Self::Heir(heir) => &heir.1,
        }
    }

    /// Returns whether another member has the series now.
    fn has_left(&self) -> bool {
        matches!(self, Self::Own(handle) if handle.series().has_moved())
    }
}

/// A series that can go again.
struct Later<H> {
    member: Member<H>,
    activity: Activity,
}

impl<H: Handle> Later<H> {
    /// Returns whether the series was removed, and nobody holds it. While nobody can come to hold it.
    fn may_go(&self) -> bool {
        let series = self.member.handle().series();
        if !series.is_alone() {
            return false;
        }
        // Sees what those did who let go of it. They may have recorded in it, or shown it again.
        fence(Acquire);
        series.cell().is_empty() && series.is_hidden()
    }
}

impl<H: Handle> OpenSeries<H> {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            table: SeriesTable::new(),
            later: RwLock::default(),
            later_len: AtomicUsize::new(0),
        }
    }

    /// Returns how many series have a place in the table.
    pub(crate) fn places(&self) -> usize {
        self.table.len()
    }

    /// Returns the series with that place in the table, unless another place has it now.
    pub(crate) fn at(&self, place: usize) -> Option<&H> {
        let member = self.table.entry(place).filter(|member| !member.has_left())?;
        Some(member.handle())
    }

    pub(crate) fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    #[inline]
    pub(crate) fn hash(&self, query: &impl Query) -> u64 {
        query.hash(&self.hasher)
    }

    /// Returns the series with these labels, if this thread found it at these addresses before. Takes no lock.
    #[inline(always)]
    pub(crate) fn recall(&self, addresses: Addresses, query: &impl Query) -> Option<&H> {
        let member = self.table.entry(addresses.recall()?)?;
        query.is(member.labels()).then(|| member.handle())
    }

    /// Returns the series with these labels and its slot, if it has one in the table. Takes no lock.
    #[inline]
    pub(crate) fn get(&self, hash: u64, query: &(impl Query + ?Sized)) -> Option<(usize, &H)> {
        // Apart, so that the loop over the index does not prepare comparisons that it mostly makes once.
        #[inline(never)]
        fn is(query: &(impl Query + ?Sized), stored: &LabelSet) -> bool {
            query.is(stored)
        }
        let (slot, member) = self.table.find(hash, |member| is(query, member.labels()))?;
        Some((slot, member.handle()))
    }

    /// Returns the series with these labels, if it is one of those that can go again.
    pub(crate) fn get_later(&self, hash: u64, query: &dyn Query) -> Option<H> {
        if self.later_len() == 0 {
            return None;
        }
        let candidate = |at: usize| {
            let later = self.later.read().unpoisoned();
            let member = &later.get(&hash)?.get(at)?.member;
            Some((member.labels().clone(), member.handle().clone()))
        };
        // The caller's code hands out the labels: they are compared when the lock is free again.
        let mut candidates = (0..).map_while(candidate);
        candidates.find(|(labels, _)| query.is(labels)).map(|(_, handle)| handle)
    }

    /// Returns the series with these labels, made by `make` unless it is there or `make` returns none. Up to `places`
    /// series have a place in the table.
    pub(crate) fn get_or_make(
        &self,
        hash: u64,
        labels: LabelSet,
        places: usize,
        make: impl FnOnce(LabelSet) -> Option<Member<H>>,
    ) -> Option<Entry<'_, H>> {
        let is_it = |member: &Member<H>, labels: &LabelSet| member.labels() == labels;
        self.table.with_writers_excluded(|writer| {
            if let Some(member) = self.table.get(hash, |member| is_it(member, &labels)) {
                return Some(Entry::kept(member.handle()));
            }
            let mut later = self.later.write().unpoisoned();
            let bucket = later.get(&hash).into_iter().flatten();
            if let Some(known) = bucket.map(|it| &it.member).find(|member| is_it(member, &labels)) {
                return Some(Entry::shared(known.handle().clone()));
            }
            match self.table.insert(writer, hash, places, make(labels)?) {
                Ok(member) => Some(Entry::kept(member.handle())),
                Err(member) => {
                    let handle = member.handle().clone();
                    handle.series().set_later();
                    let kept = Later { member, activity: Activity::default() };
                    later.entry(hash).or_default().push(kept);
                    self.later_len.fetch_add(1, Release);
                    Some(Entry::shared(handle))
                }
            }
        })
    }

    /// Calls `each` with all series and the labels by which they are found.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&LabelSet, &H)) {
        let table = self.table.iter().filter(|member| !member.has_left());
        table.for_each(|member| each(member.labels(), member.handle()));
        let later = self.later.read().unpoisoned();
        let members = later.values().flatten().map(|it| &it.member);
        let all: Vec<_> = members.map(|it| (it.labels().clone(), it.handle().clone())).collect();
        drop(later);
        all.iter().for_each(|(labels, handle)| each(labels, handle));
    }

    /// Those that can go again, after `is_over` said of each whether it is: one that nobody else holds goes.
    pub(crate) fn sweep(&self, is_over: &mut dyn FnMut(&H, &mut Activity) -> bool) -> Vec<H> {
        if self.later_len() == 0 {
            return Vec::new();
        }
        let mut gone = Vec::new();
        let mut later = self.later.write().unpoisoned();
        for bucket in later.values_mut() {
            // Under the lock nobody can come to hold what nobody holds, so nothing can be recorded in it either.
            let mut goes =
                |it: &mut Later<H>| is_over(it.member.handle(), &mut it.activity) && it.may_go();
            let mut at = 0;
            while at < bucket.len() {
                if goes(&mut bucket[at]) {
                    gone.push(bucket.swap_remove(at));
                } else {
                    at += 1;
                }
            }
        }
        later.retain(|_, bucket| !bucket.is_empty());
        self.later_len.fetch_sub(gone.len(), Release);
        let left = later.values().flatten().map(|it| it.member.handle().clone()).collect();
        drop(later);
        drop(gone);
        left
    }

    /// Lets a series go that was removed, unless someone else holds it: then the next reading does.
    pub(crate) fn let_go(&self, hash: u64, handle: H) {
        let mut later = self.later.write().unpoisoned();
        let Bucket::Occupied(mut bucket) = later.entry(hash) else { return };
        let is_it = |it: &Later<H>| it.member.handle().series().is_same(handle.series());
        let at = bucket.get().iter().position(is_it);
        drop(handle);
        let Some(at) = at.filter(|at| bucket.get()[*at].may_go()) else { return };
        let gone = bucket.get_mut().swap_remove(at);
        if bucket.get().is_empty() {
            bucket.remove();
        }
        self.later_len.fetch_sub(1, Release);
        drop(later);
        drop(gone);
    }

    pub(crate) fn later_len(&self) -> usize {
        self.later_len.load(Acquire)
    }
}
