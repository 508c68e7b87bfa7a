//! What counters were raised to with `absolute`.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use meterkit_core::Unpoisoned;
use metrics::Key;

/// How many counters are remembered. Handles of further ones each know only their own totals.
const REMEMBERED: usize = 100_000;

/// The highest totals that counters were raised to, by key. They outlast series: what a removed series had counted must not
/// be added again when the total goes on.
#[derive(Clone, Default)]
pub(crate) struct Totals(Arc<Mutex<HashMap<Key, Arc<AtomicU64>>>>);

impl Totals {
    /// Returns the highest total of a counter, shared by all its handles.
    #[expect(clippy::mutable_key_type, reason = "the hash of a key does not change")]
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
