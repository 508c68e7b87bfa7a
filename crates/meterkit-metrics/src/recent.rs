//! A cache of the handles that a thread has looked up recently.
//!
//! Macros of the crate `metrics` look up a handle wherever they record. Each thread has handles of its own, so that threads
//! do not compete for reference counts.

use std::cell::RefCell;

use metrics::Key;

/// How many pairs of handles a thread remembers for each kind. A power of two.
const PAIRS: usize = 256;

/// The handles that a thread has looked up recently, of one kind.
pub(crate) struct Recent<T>(RefCell<Vec<Pair<T>>>);

/// Two handles whose keys share a place, the one that was used last first.
type Pair<T> = [Option<Box<Remembered<T>>>; 2];

struct Remembered<T> {
    recorder: u64,
    key: Key,
    handle: T,
}

impl<T: Clone> Recent<T> {
    pub(crate) const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    /// Returns the handle of this recorder for this key, if it is remembered.
    #[inline]
    pub(crate) fn get(&self, recorder: u64, key: &Key) -> Option<T> {
        let mut pairs = self.0.try_borrow_mut().ok()?;
        let [first, second] = pairs.get_mut(place(key))?;
        let is_it = |slot: &Option<Box<Remembered<T>>>| {
            slot.as_ref().is_some_and(|it| it.recorder == recorder && it.key == *key)
        };
        if !is_it(first) {
            if !is_it(second) {
                return None;
            }
            std::mem::swap(first, second);
        }
        first.as_ref().map(|it| it.handle.clone())
    }

    /// Remembers a handle, in place of the one at its place that was used less recently.
    pub(crate) fn remember(&self, recorder: u64, key: &Key, handle: &T) {
        let (key, handle) = (key.clone(), handle.clone());
        let remembered = Box::new(Remembered { recorder, key, handle });
        let forgotten = self.0.try_borrow_mut().ok().and_then(|mut pairs| {
            if pairs.is_empty() {
                pairs.resize_with(PAIRS, || [None, None]);
            }
            let [first, second] = pairs.get_mut(place(&remembered.key))?;
            std::mem::replace(second, first.replace(remembered))
        });
        // Separate statement: nothing is borrowed while the handle is dropped.
        drop(forgotten);
    }
}

/// Returns the place of a key.
#[inline]
fn place(key: &Key) -> usize {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    (key.get_hash().wrapping_mul(SPREAD) >> (u64::BITS - PAIRS.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_keys_at_one_place_the_two_used_last_are_remembered() {
        let keys = (0..).map(|n| Key::from_name(format!("name{n}")));
        let keys: Vec<_> = keys.filter(|key| place(key) == 7).take(3).collect();
        let recent = Recent::new();
        recent.remember(1, &keys[0], &0);
        recent.remember(1, &keys[1], &1);
        assert_eq!(recent.get(1, &keys[0]), Some(0));
        recent.remember(1, &keys[2], &2);
        let found = keys.iter().map(|key| recent.get(1, key));
        assert_eq!(found.collect::<Vec<_>>(), [Some(0), None, Some(2)]);
        assert_eq!(recent.get(2, &keys[0]), None, "another recorder has other handles");
    }
}
