//! Series of an open label set: found by the hash of their labels.
//!
//! The first ones come into a table that is read without locks, and keep their places there: when one is removed, its
//! place waits for the same labels to return. Once such places have used up the table's room, further series go into a
//! map behind a lock, from which they can go again: memory stays bounded however many label sets come and go.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicUsize, fence};
use std::sync::{Arc, RwLock};

use foldhash::fast::RandomState;

use super::table::SeriesTable;
use super::tracked_series::{Activity, TrackedSeries};
use crate::store::handle::Handle;
use crate::store::label_set::{LabelSet, Query};
use crate::unpoisoned::Unpoisoned;

pub(crate) struct OpenSeries<H> {
    hasher: RandomState,
    table: SeriesTable<TrackedSeries<H>>,
    later: RwLock<HashMap<u64, Vec<Later<H>>>>,
    /// How many there are in `later`.
    later_len: AtomicUsize,
}

/// A series that can go again.
struct Later<H> {
    member: Arc<TrackedSeries<H>>,
    activity: Activity,
}

impl<H: Handle> Later<H> {
    /// Returns whether the series was removed, and nobody holds it. While nobody can come to hold it.
    fn may_go(&self) -> bool {
        // After each fence: what those did who let go of it. They may have recorded in it, or shown it again.
        Arc::strong_count(&self.member) == 1
            && after_fence(|| self.member.handle.series().is_alone())
            && after_fence(|| self.member.is_empty() && self.member.is_hidden())
    }
}

/// Where a series is.
pub(crate) enum Located<'a, H> {
    Table(&'a TrackedSeries<H>),
    Later(Arc<TrackedSeries<H>>),
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

    /// Returns the series with that place in the table.
    pub(crate) fn at(&self, place: usize) -> Option<&TrackedSeries<H>> {
        self.table.entry(place)
    }

    pub(crate) fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    #[inline]
    pub(crate) fn hash(&self, query: &impl Query) -> u64 {
        query.hash(&self.hasher)
    }

    /// Returns the series with these labels, if it has a place in the table. Takes no lock.
    #[inline]
    pub(crate) fn get(&self, hash: u64, query: &impl Query) -> Option<&TrackedSeries<H>> {
        self.table.get(hash, |member| query.is(&member.labels))
    }

    /// Returns the series with these labels, if it is one of those that can go again.
    pub(crate) fn get_later(&self, hash: u64, query: &impl Query) -> Option<Arc<TrackedSeries<H>>> {
        if self.later_len() == 0 {
            return None;
        }
        let candidate = |at: usize| {
            let later = self.later.read().unpoisoned();
            Some(later.get(&hash)?.get(at)?.member.clone())
        };
        // The caller's code hands out the labels: they are compared when the lock is free again.
        (0..).map_while(candidate).find(|member| query.is(&member.labels))
    }

    /// Returns the series with these labels, made by `make` unless it is there or `make` returns none. Up to `places`
    /// series have a place in the table.
    pub(crate) fn get_or_make(
        &self,
        hash: u64,
        labels: &LabelSet,
        places: usize,
        make: impl FnOnce() -> Option<TrackedSeries<H>>,
    ) -> Option<Located<'_, H>> {
        let is_it = |member: &TrackedSeries<H>| member.labels == *labels;
        self.table.with_writers_excluded(|writer| {
            if let Some(member) = self.table.get(hash, is_it) {
                return Some(Located::Table(member));
            }
            let mut later = self.later.write().unpoisoned();
            let bucket = later.get(&hash).into_iter().flatten();
            if let Some(known) = bucket.map(|it| &it.member).find(|member| is_it(member)) {
                return Some(Located::Later(known.clone()));
            }
            let made = make()?;
            match self.table.insert(writer, hash, places, made) {
                Ok(member) => Some(Located::Table(member)),
                Err(made) => {
                    let member = Arc::new(made);
                    let kept = Later { member: member.clone(), activity: Activity::default() };
                    later.entry(hash).or_default().push(kept);
                    self.later_len.fetch_add(1, Release);
                    Some(Located::Later(member))
                }
            }
        })
    }

    pub(crate) fn for_each(&self, mut each: impl FnMut(&TrackedSeries<H>)) {
        self.table.iter().for_each(&mut each);
        self.all_later().iter().for_each(|member| each(member));
    }

    /// Those that can go again, after `is_over` said of each whether it is: one that nobody else holds goes.
    pub(crate) fn sweep(
        &self,
        mut is_over: impl FnMut(&TrackedSeries<H>, &mut Activity) -> bool,
    ) -> Vec<Arc<TrackedSeries<H>>> {
        if self.later_len() == 0 {
            return Vec::new();
        }
        let mut gone = Vec::new();
        let mut later = self.later.write().unpoisoned();
        for bucket in later.values_mut() {
            // Under the lock nobody can come to hold what nobody holds, so nothing can be recorded in it either.
            let mut goes = |it: &mut Later<H>| is_over(&it.member, &mut it.activity) && it.may_go();
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
        let left = later.values().flatten().map(|it| it.member.clone()).collect();
        drop(later);
        drop(gone);
        left
    }

    /// Lets a series go that was removed, unless someone else holds it: then the next reading does.
    pub(crate) fn let_go(&self, hash: u64, member: Arc<TrackedSeries<H>>) {
        let mut later = self.later.write().unpoisoned();
        let Entry::Occupied(mut bucket) = later.entry(hash) else { return };
        let at = bucket.get().iter().position(|it| Arc::ptr_eq(&it.member, &member));
        drop(member);
        let Some(at) = at.filter(|at| bucket.get()[*at].may_go()) else { return };
        let gone = bucket.get_mut().swap_remove(at);
        if bucket.get().is_empty() {
            bucket.remove();
        }
        self.later_len.fetch_sub(1, Release);
        drop(later);
        drop(gone);
    }

    fn all_later(&self) -> Vec<Arc<TrackedSeries<H>>> {
        let later = self.later.read().unpoisoned();
        later.values().flatten().map(|it| it.member.clone()).collect()
    }

    pub(crate) fn later_len(&self) -> usize {
        self.later_len.load(Acquire)
    }
}

fn after_fence<R>(look: impl FnOnce() -> R) -> R {
    fence(Acquire);
    look()
}
