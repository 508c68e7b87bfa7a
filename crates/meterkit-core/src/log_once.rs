//! What was logged already.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::unpoisoned::Unpoisoned;

/// Decides what is worth a log line: calls, recordings and exports repeat, the log must not.
///
/// A subject is whatever a line is about: an instrument and what is wrong with it, or the reason that a receiver gives.
///
/// ```
/// use meterkit_core::LogOnce;
///
/// let logged = LogOnce::default();
/// assert!(logged.is_new("bad metric"));
/// assert!(!logged.is_new("bad metric"));
/// assert_eq!(logged.suppressed(), 1);
/// ```
#[derive(Debug, Default)]
pub struct LogOnce {
    /// Hashes of the subjects, so that memory is bounded however long they are.
    logged: Mutex<HashSet<u64>>,
    hasher: RandomState,
    suppressed: AtomicU64,
}

impl LogOnce {
    /// How many subjects are logged. Names, and the answers of a receiver, may be other ones each time.
    pub const LIMIT: usize = 256;

    /// Returns whether to log this subject: once, as long as there are not too many.
    pub fn is_new<S: Hash + ?Sized>(&self, subject: &S) -> bool {
        let hash = self.hasher.hash_one(subject);
        let mut logged = self.logged.lock().unpoisoned();
        let is_new = logged.len() < Self::LIMIT && logged.insert(hash);
        drop(logged);
        if !is_new {
            self.suppressed.fetch_add(1, Relaxed);
        }
        is_new
    }

    /// Returns how many lines were not logged.
    pub fn suppressed(&self) -> u64 {
        self.suppressed.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_new_once_and_at_some_point_none_is() {
        let logged = LogOnce::default();
        assert!(logged.is_new("bad metric") && !logged.is_new("bad metric"));
        assert!(logged.is_new(&("bad metric", 2)));
        let more = (0..1000).filter(|at| logged.is_new(&format!("bad metric {at}"))).count();
        assert_eq!(more, LogOnce::LIMIT - 2);
        assert_eq!(logged.suppressed(), 1 + 1000 - more as u64);
    }
}
