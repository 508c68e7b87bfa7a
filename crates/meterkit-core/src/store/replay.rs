//! Room for histogram values that wait until it is known whether something listens to them.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Values that may wait in one registry: half a megabyte.
const ROOM: u64 = 65_536;

/// How many more values may wait, and how many found no room.
#[derive(Debug)]
pub(crate) struct ReplayBudget {
    room: AtomicU64,
    dropped: AtomicU64,
}

impl ReplayBudget {
    pub(crate) fn new() -> Self {
        Self { room: AtomicU64::new(ROOM), dropped: AtomicU64::new(0) }
    }

    /// Returns whether one more value may wait.
    pub(crate) fn take(&self) -> bool {
        let taken = self.room.fetch_update(Relaxed, Relaxed, |room| room.checked_sub(1)).is_ok();
        if !taken {
            self.dropped.fetch_add(1, Relaxed);
        }
        taken
    }

    pub(crate) fn give_back(&self, values: usize) {
        self.room.fetch_add(values as u64, Relaxed);
    }

    /// Returns how many values found no room since this was last asked.
    pub(crate) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Relaxed)
    }
}
