//! Series for which a group's table had no slot. Unlike series in the table, they can be dropped.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Bucket;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicUsize, fence};
use std::sync::{RwLock, RwLockWriteGuard};

use super::idle::Activity;
use crate::store::handle::AnyHandle;
use crate::store::label_set::{LabelSet, Query};
use crate::unpoisoned::Unpoisoned;

/// Series in a map behind a lock, from which they can be removed.
#[derive(Default)]
pub(crate) struct LaterSeries {
    by_hash: RwLock<HashMap<u64, Vec<Later>>>,
    len: AtomicUsize,
}

/// A series that can be dropped.
pub(crate) struct Later {
    handle: Box<dyn AnyHandle>,
    /// The labels by which the series is found, unless they are its own labels.
    inherited: Option<LabelSet>,
    activity: Activity,
}

impl Later {
    pub(crate) fn new(handle: Box<dyn AnyHandle>, inherited: Option<LabelSet>) -> Self {
        handle.head().set_later();
        Self { handle, inherited, activity: Activity::default() }
    }

    fn labels(&self) -> &LabelSet {
        self.inherited.as_ref().unwrap_or_else(|| self.handle.head().labels())
    }

    /// Returns whether the series was removed and nobody holds it. The caller must ensure that nobody can obtain a
    /// handle in the meantime.
    fn may_go(&self) -> bool {
        if !self.handle.is_alone() {
            return false;
        }
        // Makes the actions of threads that dropped their handles visible. They may have recorded in the series, or
        // shown it again.
        fence(Acquire);
        self.handle.is_gone()
    }
}

impl LaterSeries {
    pub(crate) fn len(&self) -> usize {
        self.len.load(Acquire)
    }

    /// Returns the series with these labels.
    pub(crate) fn get(&self, hash: u64, query: &dyn Query) -> Option<Box<dyn AnyHandle>> {
        if self.len() == 0 {
            return None;
        }
        let candidate = |at: usize| {
            let by_hash = self.by_hash.read().unpoisoned();
            let later = by_hash.get(&hash)?.get(at)?;
            Some((later.labels().clone(), later.handle.to_box()))
        };
        // Labels are compared without the lock, because reading the query's labels runs the caller's code.
        let mut candidates = (0..).map_while(candidate);
        candidates.find(|(labels, _)| query.is(labels)).map(|(_, handle)| handle)
    }

    /// Locks the map while a series is looked up and possibly added.
    pub(crate) fn lock(&self) -> LockedLater<'_> {
        LockedLater { by_hash: self.by_hash.write().unpoisoned(), len: &self.len }
    }

    /// Calls `each` with every series and the labels by which it is found.
    pub(crate) fn for_each(&self, each: &mut dyn FnMut(&LabelSet, &dyn AnyHandle)) {
        if self.len() == 0 {
            return;
        }
        let by_hash = self.by_hash.read().unpoisoned();
        let all: Vec<_> = by_hash
            .values()
            .flatten()
            .map(|later| (later.labels().clone(), later.handle.to_box()))
            .collect();
        drop(by_hash);
        all.iter().for_each(|(labels, handle)| each(labels, &**handle));
    }

    /// Drops the series for which `is_over` returns `true` and that nobody else holds. Returns the remaining series.
    pub(crate) fn sweep(
        &self,
        is_over: &mut dyn FnMut(&dyn AnyHandle, &mut Activity) -> bool,
    ) -> Vec<Box<dyn AnyHandle>> {
        if self.len() == 0 {
            return Vec::new();
        }
        let mut gone = Vec::new();
        let mut by_hash = self.by_hash.write().unpoisoned();
        for bucket in by_hash.values_mut() {
            // Under the lock, nobody can obtain a handle of a series that nobody holds, so nothing can be recorded in
            // it either.
            let mut goes = |it: &mut Later| is_over(&*it.handle, &mut it.activity) && it.may_go();
            let mut at = 0;
            while at < bucket.len() {
                if goes(&mut bucket[at]) {
                    gone.push(bucket.swap_remove(at));
                } else {
                    at += 1;
                }
            }
        }
        by_hash.retain(|_, bucket| !bucket.is_empty());
        self.len.fetch_sub(gone.len(), Release);
        let left = by_hash.values().flatten().map(|it| it.handle.to_box()).collect();
        drop(by_hash);
        drop(gone);
        left
    }

    /// Drops a series that was removed, unless someone else holds it. In that case, the next reading drops it.
    pub(crate) fn let_go(&self, hash: u64, handle: Box<dyn AnyHandle>) {
        let mut by_hash = self.by_hash.write().unpoisoned();
        let Bucket::Occupied(mut bucket) = by_hash.entry(hash) else { return };
        let is_it = |it: &Later| std::ptr::eq(it.handle.head(), handle.head());
        let at = bucket.get().iter().position(is_it);
        drop(handle);
        let Some(at) = at.filter(|at| bucket.get()[*at].may_go()) else { return };
        let gone = bucket.get_mut().swap_remove(at);
        if bucket.get().is_empty() {
            bucket.remove();
        }
        self.len.fetch_sub(1, Release);
        drop(by_hash);
        drop(gone);
    }
}

/// The exclusive right to add series.
pub(crate) struct LockedLater<'a> {
    by_hash: RwLockWriteGuard<'a, HashMap<u64, Vec<Later>>>,
    len: &'a AtomicUsize,
}

impl LockedLater<'_> {
    /// Returns the series with these labels.
    pub(crate) fn get(&self, hash: u64, labels: &LabelSet) -> Option<Box<dyn AnyHandle>> {
        let mut bucket = self.by_hash.get(&hash).into_iter().flatten();
        bucket.find(|later| later.labels() == labels).map(|later| later.handle.to_box())
    }

    /// Adds a series and returns a handle to it.
    pub(crate) fn add(&mut self, hash: u64, later: Later) -> Box<dyn AnyHandle> {
        let handle = later.handle.to_box();
        self.by_hash.entry(hash).or_default().push(later);
        self.len.fetch_add(1, Release);
        handle
    }
}
