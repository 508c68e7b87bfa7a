//! What counters were raised to with `absolute`.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use meterkit_core::Unpoisoned;
use metrics::Key;

/// How many counters are remembered. Beyond that, each handle knows only the totals that it was given itself.
const REMEMBERED: usize = 100_000;

/// The highest totals that counters were raised to, by key. They outlast series: what a series had counted before it was
/// removed must not be added again.
#[derive(Clone, Default)]
pub(crate) struct Totals(Arc<Mutex<HashMap<Key, Arc<AtomicU64>>>>);

impl Totals {
    /// Returns the highest total of a counter, which all its handles share.
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
