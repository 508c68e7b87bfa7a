//! Series by hash: look-ups take no lock and touch no shared counter, so they cost the same on any number of threads.
//!
//! Entries only ever come: a slot of the arena is written once, then the index points at it. When the index is half
//! full a larger one takes over; readers of the old one still find everything that was in it, and whoever misses there
//! looks again under the writers' lock.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, OnceLock};

use crate::unpoisoned::Unpoisoned;

/// Slots of the first index; each further one has four times as many.
const FIRST_INDEX: usize = 16;
const INDEXES: usize = 14;

/// Entries of the first arena chunk; each further one has twice as many, so that at most half of the arena is empty.
const FIRST_CHUNK: usize = 4;
const CHUNKS: usize = 26;

pub(crate) struct SeriesTable<V> {
    /// An entry of an index: the upper half of the hash, and the place in the arena. Zero is empty.
    indexes: [OnceLock<Box<[AtomicU64]>>; INDEXES],
    current: AtomicUsize,
    chunks: [OnceLock<Box<[OnceLock<V>]>>; CHUNKS],
    len: AtomicUsize,
    writer: Mutex<()>,
}

impl<V> SeriesTable<V> {
    pub(crate) fn new() -> Self {
        let table = Self {
            indexes: [const { OnceLock::new() }; INDEXES],
            current: AtomicUsize::new(0),
            chunks: [const { OnceLock::new() }; CHUNKS],
            len: AtomicUsize::new(0),
            writer: Mutex::new(()),
        };
        let _ = table.indexes[0].set(empty_index(FIRST_INDEX));
        table
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Acquire)
    }

    /// The entry with this hash that `is_it` accepts.
    #[inline]
    pub(crate) fn get(&self, hash: u64, is_it: impl Fn(&V) -> bool) -> Option<&V> {
        let index = self.indexes[self.current.load(Acquire)].get()?;
        let tag = hash >> 32;
        let mask = index.len() - 1;
        let mut at = tag as usize & mask;
        loop {
            let entry = index[at].load(Acquire);
            if entry == 0 {
                return None;
            }
            if entry >> 32 == tag {
                let value = self.at(Address::from_entry(entry))?;
                if is_it(value) {
                    return Some(value);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds an entry. Gives it back when it would be one more than `limit`.
    pub(crate) fn insert(
        &self,
        _writer: &Writer<'_>,
        hash: u64,
        limit: usize,
        value: V,
    ) -> Result<&V, V> {
        let slot = self.len.load(Relaxed);
        let place = Address::of(slot);
        if slot >= limit || place.chunk >= CHUNKS {
            return Err(value);
        }
        let len = FIRST_CHUNK << place.chunk;
        let chunk =
            self.chunks[place.chunk].get_or_init(|| (0..len).map(|_| OnceLock::new()).collect());
        // Slots beyond the length are empty: nobody else writes to them meanwhile.
        let value = chunk[place.offset].get_or_init(|| value);
        self.publish(place.to_entry(hash), slot);
        self.len.store(slot + 1, Release);
        Ok(value)
    }

    /// Keeps new entries out while `work` runs, which may add some itself.
    pub(crate) fn with_writers_excluded<R>(&self, work: impl FnOnce(&Writer<'_>) -> R) -> R {
        // Entries are complete before they are published: a panic while making one leaves nothing half done.
        let writer = Writer(self.writer.lock().unpoisoned());
        work(&writer)
    }

    /// Entries in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        (0..self.len()).filter_map(|slot| self.entry(slot))
    }

    pub(crate) fn entry(&self, slot: usize) -> Option<&V> {
        self.at(Address::of(slot))
    }

    #[inline]
    fn at(&self, place: Address) -> Option<&V> {
        self.chunks.get(place.chunk)?.get()?.get(place.offset)?.get()
    }

    /// Writes an entry into the index, into a larger one when this one is half full.
    fn publish(&self, new: u64, slot: usize) {
        let current = self.current.load(Relaxed);
        // The first index is made with the table, and each further one before it becomes the current one.
        let Some(index) = self.indexes[current].get() else {
            return;
        };
        if (slot + 1) * 2 <= index.len() || current + 1 == INDEXES {
            return insert(index, new);
        }
        let larger = empty_index(index.len() * 4);
        for entry in index {
            let entry = entry.load(Relaxed);
            if entry != 0 {
                insert(&larger, entry);
            }
        }
        insert(&larger, new);
        if self.indexes[current + 1].set(larger).is_ok() {
            self.current.store(current + 1, Release);
        }
    }
}

/// The right to add entries.
pub(crate) struct Writer<'a>(#[expect(dead_code, reason = "held")] MutexGuard<'a, ()>);

fn empty_index(len: usize) -> Box<[AtomicU64]> {
    (0..len).map(|_| AtomicU64::new(0)).collect()
}

/// Only under the writers' lock, or before the index is shared.
fn insert(index: &[AtomicU64], entry: u64) {
    let mask = index.len() - 1;
    let mut at = (entry >> 32) as usize & mask;
    while index[at].load(Relaxed) != 0 {
        at = (at + 1) & mask;
    }
    index[at].store(entry, Release);
}

/// Where a slot is: chunk `k` holds `FIRST_CHUNK * 2^k` entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Address {
    chunk: usize,
    offset: usize,
}

impl Address {
    /// In an index entry, the chunk plus one stands above the offset, so that no entry is zero.
    const OFFSET_BITS: u32 = 27;

    fn of(slot: usize) -> Self {
        let chunk = (slot / FIRST_CHUNK + 1).ilog2() as usize;
        let before = FIRST_CHUNK * ((1 << chunk) - 1);
        Self { chunk, offset: slot - before }
    }

    fn to_entry(self, hash: u64) -> u64 {
        let place = (self.chunk as u64 + 1) << Self::OFFSET_BITS | self.offset as u64;
        hash >> 32 << 32 | place
    }

    #[inline]
    fn from_entry(entry: u64) -> Self {
        let place = entry as u32;
        Self {
            chunk: (place >> Self::OFFSET_BITS) as usize - 1,
            offset: (place & ((1 << Self::OFFSET_BITS) - 1)) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// The entry with this value, made unless it is there.
    fn find_or_add(table: &SeriesTable<u64>, hash: u64, value: u64) -> Option<&u64> {
        table.with_writers_excluded(|writer| {
            let known = table.get(hash, |known| *known == value);
            known.or_else(|| table.insert(writer, hash, 5_000, value).ok())
        })
    }

    #[test]
    fn every_slot_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for slot in 0..100_000 {
            let place = Address::of(slot);
            assert_eq!((place.chunk, place.offset), expected, "slot {slot}");
            assert_eq!(Address::from_entry(place.to_entry(u64::MAX)), place);
            expected.1 += 1;
            if expected.1 == FIRST_CHUNK << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
    }

    #[test]
    fn entries_whose_hashes_collide_are_told_apart() {
        let table = SeriesTable::new();
        for value in 0..50 {
            find_or_add(&table, 7 << 32, value);
        }
        for value in 0..50 {
            assert_eq!(table.get(7 << 32, |v| *v == value), Some(&value));
        }
        assert_eq!(table.get(7 << 32, |v| *v == 50), None);
    }

    #[test]
    fn threads_that_race_for_the_same_entries_all_get_the_same_ones() {
        let table = SeriesTable::new();
        let hash = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let seen: Vec<Vec<usize>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        (0..5_000)
                            .map(|n| {
                                let is_it = |v: &u64| *v == n;
                                let found = table.get(hash(n), is_it);
                                let entry = found.or_else(|| find_or_add(&table, hash(n), n));
                                std::ptr::from_ref(entry.unwrap()) as usize
                            })
                            .collect()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(table.len(), 5_000);
        let mut all: Vec<u64> = table.iter().copied().collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..5_000));
    }
}
