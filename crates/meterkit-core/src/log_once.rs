//! Suppression of repeated log lines.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::unpoisoned::Unpoisoned;

/// Decides whether to log: calls, recordings and exports repeat, but the log should not.
///
/// A subject identifies what a line is about, for example an instrument and its problem, or the reason that a receiver
/// gave.
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
    /// The hashes of the logged subjects. Hashes bound the memory, however long the subjects are.
    logged: Mutex<HashSet<u64>>,
    hasher: RandomState,
    suppressed: AtomicU64,
}

impl LogOnce {
    /// The maximum number of subjects that are logged. There may be any number of them, because names and answers of
    /// receivers can differ each time.
    pub const LIMIT: usize = 256;

    /// Returns whether to log this subject: true once per subject, until [`LIMIT`](Self::LIMIT) subjects have been
    /// logged.
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

    /// Returns the number of lines that were suppressed.
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
