//! A per-thread cache of recently used handles.
//!
//! The macros of the crate `metrics` look up a handle whenever they record. Each thread has its own handles, so that
//! threads do not contend for reference counts.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::{mem, ptr};

use metrics::Key;

/// The number of pairs of handles that a thread caches per kind: a power of two in this range. A thread starts with the
/// minimum, and doubles the number when as many handles as it has pairs found no free place.
const PAIRS: RangeInclusive<usize> = 16..=512;

/// If no place is free, only one out of this many handles replaces another handle. A thread that uses more handles than
/// it can cache thus keeps some of them long enough to find them again.
const ONE_OF: usize = 8;

/// The recently used handles of a thread, for one kind of metric.
pub(crate) struct Recent<T>(RefCell<Pairs<T>>);

struct Pairs<T> {
    /// Empty until the first handle is cached.
    pairs: Vec<Pair<T>>,
    /// The number of handles that found no free place since the number of pairs last changed.
    crowded: usize,
}

/// Two handles whose keys share a place. The most recently used handle comes first.
type Pair<T> = [Option<Box<Remembered<T>>>; 2];

struct Remembered<T> {
    recorder: u64,
    key: Key,
    handle: T,
}

impl<T: Clone> Recent<T> {
    pub(crate) const fn new() -> Self {
        Self(RefCell::new(Pairs { pairs: Vec::new(), crowded: 0 }))
    }

    /// Returns the recorder's handle for this key, if the handle is cached.
    #[inline]
    pub(crate) fn get(&self, recorder: u64, key: &Key) -> Option<T> {
        let mut remembered = self.0.try_borrow_mut().ok()?;
        let [first, second] = remembered.pair(key)?;
        let is_it = |slot: &Option<Box<Remembered<T>>>| {
            slot.as_ref().is_some_and(|it| it.recorder == recorder && is_same(&it.key, key))
        };
        if !is_it(first) {
            if !is_it(second) {
                return None;
            }
            mem::swap(first, second);
        }
        first.as_ref().map(|it| it.handle.clone())
    }

    /// Caches a handle if there is a free place. Otherwise, only one out of [`ONE_OF`] handles replaces another handle.
    pub(crate) fn remember(&self, recorder: u64, key: &Key, handle: &T) {
        let forgotten = self.0.try_borrow_mut().ok().and_then(|mut pairs| {
            pairs.admits(key).then(|| {
                let (key, handle) = (key.clone(), handle.clone());
                pairs.insert(Box::new(Remembered { recorder, key, handle }))
            })
        });
        // Separate statement: nothing is borrowed while the handle is dropped.
        drop(forgotten);
    }
}

impl<T> Pairs<T> {
    #[inline]
    fn pair(&mut self, key: &Key) -> Option<&mut Pair<T>> {
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let upper = key.get_hash().wrapping_mul(SPREAD) >> u32::BITS;
        // Scale the upper half of the hash to the number of pairs. Doubling the number splits each pair into two.
        let place = (upper * self.pairs.len() as u64) >> u32::BITS;
        self.pairs.get_mut(place as usize)
    }

    /// Adjusts the number of pairs, then returns whether to cache a handle with this key.
    fn admits(&mut self, key: &Key) -> bool {
        let is_crowded = self.pair(key).is_some_and(|[_, second]| second.is_some());
        self.crowded += usize::from(is_crowded);
        if self.pairs.is_empty() {
            self.pairs.resize_with(*PAIRS.start(), || [None, None]);
        } else if self.crowded >= self.pairs.len() && self.pairs.len() < *PAIRS.end() {
            self.double();
        }
        !is_crowded || self.crowded % ONE_OF == 0
    }

    /// Adds a handle. Returns the handle that it replaces, if any.
    fn insert(&mut self, new: Box<Remembered<T>>) -> Option<Box<Remembered<T>>> {
        let [first, second] = self.pair(&new.key)?;
        mem::replace(second, first.replace(new))
    }

    fn double(&mut self) {
        let pairs = mem::take(&mut self.pairs);
        self.pairs.resize_with(2 * pairs.len(), || [None, None]);
        self.crowded = 0;
        // Insert the most recently used handle of each pair last.
        for known in pairs.into_iter().flat_map(|[first, second]| [second, first]).flatten() {
            self.insert(known);
        }
    }
}

/// Returns whether two keys are identical, including the order of their labels. The same labels in another order get a
/// handle of their own, because an order-independent comparison would take longer than the rest of the look-up.
#[inline]
fn is_same(known: &Key, key: &Key) -> bool {
    let (known_labels, labels) = (known.labels().as_slice(), key.labels().as_slice());
    // Usually both keys are the same static, so compare addresses first.
    known.get_hash() == key.get_hash()
        && (ptr::eq(known.name(), key.name()) || known.name() == key.name())
        && (ptr::eq(known_labels, labels) || known_labels == labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        Key::from_name(format!("name{n}"))
    }

    #[test]
    fn a_handle_is_found_by_its_recorder_and_key_until_others_need_its_place() {
        let recent = Recent::new();
        recent.remember(1, &key(0), &0);
        assert_eq!(recent.get(1, &key(0)), Some(0));
        assert_eq!(recent.get(2, &key(0)), None, "another recorder has other handles");
        (0..10_000).for_each(|n| recent.remember(2, &key(n), &n));
        assert_eq!(recent.get(1, &key(0)), None);
    }

    #[test]
    fn a_thread_caches_all_handles_that_it_uses_or_many_of_them() {
        let recent = Recent::new();
        // Returns the number of cached handles.
        let use_all = |keys: usize| {
            let remembered = (0..keys).filter(|n| match recent.get(1, &key(*n)) {
                Some(found) => {
                    assert_eq!(found, *n);
                    true
                }
                None => {
                    recent.remember(1, &key(*n), n);
                    false
                }
            });
            remembered.count()
        };
        let remembered: Vec<_> = (0..20).map(|_| use_all(100)).collect();
        assert!(remembered[19] > 90, "{remembered:?}");
        let remembered: Vec<_> = (0..20).map(|_| use_all(2_000)).collect();
        assert!(remembered[19] > 500, "{remembered:?}");
        assert_eq!(recent.0.borrow().pairs.len(), *PAIRS.end());
    }
}
