//! A cache of the handles that a thread has looked up recently.
//!
//! Macros of the crate `metrics` look up a handle wherever they record. Each thread has handles of its own, so that threads
//! do not compete for reference counts.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::{mem, ptr};

use metrics::Key;

/// How many pairs of handles a thread remembers for each kind. Powers of two: a thread begins with the smallest, and
/// doubles it when it has forgotten as many handles as it has pairs.
const PAIRS: RangeInclusive<usize> = 16..=256;

/// The handles that a thread has looked up recently, of one kind.
pub(crate) struct Recent<T>(RefCell<Pairs<T>>);

struct Pairs<T> {
    /// None before the first handle.
    pairs: Vec<Pair<T>>,
    /// How many handles were forgotten since there are so many pairs.
    forgotten: usize,
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
        Self(RefCell::new(Pairs { pairs: Vec::new(), forgotten: 0 }))
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

    /// Remembers a handle, in place of the one at its place that was used less recently.
    pub(crate) fn remember(&self, recorder: u64, key: &Key, handle: &T) {
        let (key, handle) = (key.clone(), handle.clone());
        let new = Box::new(Remembered { recorder, key, handle });
        let forgotten = self.0.try_borrow_mut().ok().and_then(|mut pairs| pairs.insert(new));
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
        let place = upper * self.pairs.len() as u64 >> u32::BITS;
        self.pairs.get_mut(place as usize)
    }

    /// Adds a handle. Returns the one that has to go.
    fn insert(&mut self, new: Box<Remembered<T>>) -> Option<Box<Remembered<T>>> {
        if self.pairs.is_empty() {
            self.pairs.resize_with(*PAIRS.start(), || [None, None]);
        } else if self.forgotten >= self.pairs.len() && self.pairs.len() < *PAIRS.end() {
            self.double();
        }
        let [first, second] = self.pair(&new.key)?;
        let forgotten = mem::replace(second, first.replace(new));
        self.forgotten += usize::from(forgotten.is_some());
        forgotten
    }

    fn double(&mut self) {
        let pairs = mem::take(&mut self.pairs);
        self.pairs.resize_with(2 * pairs.len(), || [None, None]);
        self.forgotten = 0;
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
    fn of_keys_at_one_place_the_two_used_last_are_remembered() {
        let recent = Recent::new();
        recent.remember(1, &key(0), &usize::MAX);
        let place = |key: &Key| {
            let mut pairs = recent.0.borrow_mut();
            ptr::from_mut(pairs.pair(key).expect("pairs")).addr()
        };
        let keys: Vec<_> =
            (1..).map(key).filter(|it| place(it) == place(&key(0))).take(2).collect();
        recent.remember(1, &keys[0], &0);
        assert_eq!(recent.get(1, &key(0)), Some(usize::MAX));
        recent.remember(1, &keys[1], &1);
        let found = [&key(0), &keys[0], &keys[1]].map(|key| recent.get(1, key));
        assert_eq!(found, [Some(usize::MAX), None, Some(1)]);
        assert_eq!(recent.get(2, &key(0)), None, "another recorder has other handles");
    }

    #[test]
    fn a_thread_that_uses_many_handles_comes_to_remember_most_of_them_and_no_more_than_it_may() {
        let recent = Recent::new();
        // Returns how many are not remembered.
        let use_all = |keys: usize| {
            let forgotten = (0..keys).filter(|n| match recent.get(1, &key(*n)) {
                Some(found) => found != *n,
                None => {
                    recent.remember(1, &key(*n), n);
                    true
                }
            });
            forgotten.count()
        };
        let forgotten: Vec<_> = (0..10).map(|_| use_all(100)).collect();
        assert!(forgotten[9] < 10, "{forgotten:?}");
        let forgotten: Vec<_> = (0..3).map(|_| use_all(5_000)).collect();
        assert!(forgotten[2] > 4_000, "{forgotten:?}");
        assert_eq!(recent.0.borrow().pairs.len(), *PAIRS.end());
    }
}
