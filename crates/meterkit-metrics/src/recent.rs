//! A cache of the handles that a thread has looked up recently.
//!
//! Macros of the crate `metrics` look up a handle wherever they record. Each thread has handles of its own, so that threads
//! do not compete for reference counts.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::{mem, ptr};

use metrics::Key;

/// How many pairs of handles a thread remembers for each kind. Powers of two: a thread begins with the smallest, and
/// doubles it when it had as many handles without a free place as it has pairs.
const PAIRS: RangeInclusive<usize> = 16..=512;

/// Of how many handles without a free place one takes the place of another: a thread that uses more handles than it
/// remembers should keep some of them long enough to find them again.
const ONE_OF: usize = 8;

/// The handles that a thread has looked up recently, of one kind.
pub(crate) struct Recent<T>(RefCell<Pairs<T>>);

struct Pairs<T> {
    /// None before the first handle.
    pairs: Vec<Pair<T>>,
    /// How many handles had no free place since there are so many pairs.
    crowded: usize,
}

/// Two handles whose keys share a place, the one that was used last first.
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

    /// Returns the handle of this recorder for this key, if it is remembered.
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

    /// Remembers a handle if there is a free place for it. Sometimes replaces another handle if there is not.
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
        // The upper half of the hash, scaled to the number of pairs. Twice as many divide each pair among two.
        let place = (upper * self.pairs.len() as u64) >> u32::BITS;
        self.pairs.get_mut(place as usize)
    }

    /// Returns whether to remember a handle, once there are as many pairs as are of use.
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

    /// Adds a handle. Returns the one that has to go.
    fn insert(&mut self, new: Box<Remembered<T>>) -> Option<Box<Remembered<T>>> {
        let [first, second] = self.pair(&new.key)?;
        mem::replace(second, first.replace(new))
    }

    fn double(&mut self) {
        let pairs = mem::take(&mut self.pairs);
        self.pairs.resize_with(2 * pairs.len(), || [None, None]);
        self.crowded = 0;
        // Of each pair, the handle that was used last comes last.
        for known in pairs.into_iter().flat_map(|[first, second]| [second, first]).flatten() {
            self.insert(known);
        }
    }
}

/// Returns whether two keys are written in the same way. Of the same labels in another order, a handle of its own is
/// remembered: to compare those would take longer than all else.
#[inline]
fn is_same(known: &Key, key: &Key) -> bool {
    let (known_labels, labels) = (known.labels().as_slice(), key.labels().as_slice());
    // Mostly both are the same static.
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
    fn a_thread_comes_to_remember_all_handles_that_it_uses_or_many_of_them() {
        let recent = Recent::new();
        // Returns how many are remembered.
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
