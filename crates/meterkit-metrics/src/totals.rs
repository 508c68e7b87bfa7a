//! The totals that counters were raised to with `absolute`.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use meterkit_core::Unpoisoned;
use metrics::Key;

/// The maximum number of counters whose totals are shared. Beyond it, each handle knows only its own totals.
const REMEMBERED: usize = 100_000;

/// The highest totals that counters were raised to, by key. A total outlives its series, because the count of a removed
/// series must not be added again.
#[derive(Clone, Default)]
pub(crate) struct Totals(Arc<Mutex<HashMap<Key, Arc<AtomicU64>>>>);

impl Totals {
    /// Returns the highest total of a counter, which all handles of the counter share.
    pub(crate) fn of(&self, key: &Key) -> Arc<AtomicU64> {
        let mut totals = self.0.lock().unpoisoned();
        if let Some(known) = totals.get(key) {
            return known.clone();
        }
        let total = Arc::default();
        if totals.len() < REMEMBERED {
            totals.insert(key.clone(), Arc::clone(&total));
        }
        total
    }
}
