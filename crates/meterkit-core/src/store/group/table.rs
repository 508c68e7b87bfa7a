//! A table that finds series by hash. Look-ups take no lock and touch no shared counter, so their cost does not depend
//! on the number of threads.
//!
//! Entries are only ever added: a slot is written once, then the index points to it. When the index is full, a larger
//! one replaces it. Readers of the old index still find everything that was in it; a reader that misses there looks
//! again under the writers' lock.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize};
use std::sync::{Mutex, MutexGuard, OnceLock};

use crate::unpoisoned::Unpoisoned;

/// The number of entries of the first index, a power of two. Each further index has twice as many.
const FIRST_INDEX: usize = 16;
const INDEXES: usize = 20;

/// The number of slots of the first level. Each further level has twice as many.
const FIRST_LEVEL: usize = 4;
const LEVELS: usize = 21;

/// The most slots that are allocated at once. Large levels are filled in chunks, so that few slots are empty.
const CHUNK: usize = 64;

/// The lowest bit of the level in a packed place. The bits below it suffice for the slots of the largest level.
const LEVEL_SHIFT: u32 = 27;

/// The largest number of slots, which is the number that the largest index has room for.
const MOST_SLOTS: usize = room(FIRST_INDEX << (INDEXES - 1));

pub(crate) struct SeriesTable<V> {
    index: Index,
    levels: [OnceLock<Level<V>>; LEVELS],
    len: AtomicUsize,
    writer: Mutex<()>,
}

/// Finds slots by hash. A type of its own without the type of the values, so that it is compiled only once.
struct Index {
    /// An entry consists of a slot plus one, in as many low bits as the index needs for its places, and the hash in the
    /// bits above. Zero marks an empty place.
    sizes: [OnceLock<Box<[AtomicU32]>>; INDEXES],
    current: AtomicUsize,
}

/// The chunks of a level, each created with its first value.
type Level<V> = Box<[OnceLock<Chunk<V>>]>;

struct Chunk<V> {
    values: Box<[OnceLock<V>]>,
    /// The hashes of the values, because a larger index needs more bits of a hash than a smaller one keeps.
    hashes: Hashes,
}

/// The used parts of the hashes of a chunk. A type of its own without the type of the values, so that it is compiled
/// only once.
struct Hashes(Box<[[AtomicU8; 3]]>);

impl<V> SeriesTable<V> {
    pub(crate) fn new() -> Self {
        Self {
            index: Index::new(),
            levels: [const { OnceLock::new() }; LEVELS],
            len: AtomicUsize::new(0),
            writer: Mutex::new(()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Acquire)
    }

    /// Returns the entry with this hash that `is_it` accepts.
    #[inline]
    pub(crate) fn get(&self, hash: u64, is_it: impl Fn(&V) -> bool) -> Option<&V> {
        self.find(hash, is_it).map(|(_, value)| value)
    }

    /// Returns the entry with this hash that `is_it` accepts, and its slot.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(&V) -> bool) -> Option<(usize, &V)> {
        let index = self.index.current()?;
        let (hash, mask) = (upper(hash), mask(index));
        let mut at = hash & mask;
        loop {
            let entry = index[at as usize].load(Acquire);
            if entry == 0 {
                return None;
            }
            if (entry ^ hash) <= mask {
                let slot = (entry & mask) as usize - 1;
                let value = self.entry(slot)?;
                if is_it(value) {
                    return Some((slot, value));
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds an entry. Returns the value as an error if the table already has `limit` entries.
    pub(crate) fn insert(
        &self,
        _writer: &Writer<'_>,
        hash: u64,
        limit: usize,
        value: V,
    ) -> Result<&V, V> {
        let slot = self.len.load(Relaxed);
        if slot >= limit.min(MOST_SLOTS) {
            return Err(value);
        }
        let place = Place::of(slot);
        let chunks = FIRST_LEVEL << place.level;
        let (chunks, len) = (chunks.div_ceil(CHUNK), chunks.min(CHUNK));
        let level =
            self.levels[place.level].get_or_init(|| (0..chunks).map(|_| OnceLock::new()).collect());
        let chunk = level[place.chunk].get_or_init(|| Chunk::new(len));
        chunk.hashes.set(place.at, upper(hash));
        // Slots beyond the length are empty, and the lock keeps other threads from writing to them.
        let value = chunk.values[place.at].get_or_init(|| value);
        self.index.publish(upper(hash), slot, &|slot| self.hash_at(slot));
        self.len.store(slot + 1, Release);
        Ok(value)
    }

    /// Locks the table against other threads that add entries.
    pub(crate) fn lock(&self) -> Writer<'_> {
        // Entries are complete before they are published, so a panic during creation leaves no inconsistent state.
        Writer(self.writer.lock().unpoisoned())
    }

    #[inline]
    pub(crate) fn entry(&self, slot: usize) -> Option<&V> {
        self.at(Place::of(slot))
    }

    /// Returns the entry at a place, which may stem from another table.
    #[inline(always)]
    pub(crate) fn at(&self, place: Place) -> Option<&V> {
        let Place { level, chunk, at } = place;
        self.levels.get(level)?.get()?.get(chunk)?.get()?.values.get(at)?.get()
    }

    /// Returns the used part of the hash of the value in a slot.
    fn hash_at(&self, slot: usize) -> Option<u32> {
        let Place { level, chunk, at } = Place::of(slot);
        Some(self.levels[level].get()?[chunk].get()?.hashes.get(at))
    }
}

impl Index {
    fn new() -> Self {
        let index =
            Self { sizes: [const { OnceLock::new() }; INDEXES], current: AtomicUsize::new(0) };
        let _ = index.sizes[0].set(empty_index(FIRST_INDEX));
        index
    }

    #[inline]
    fn current(&self) -> Option<&[AtomicU32]> {
        self.sizes[self.current.load(Acquire)].get().map(|index| &**index)
    }

    /// Writes a slot into the index, or into a larger one if the index is full.
    fn publish(&self, hash: u32, slot: usize, hash_at: &dyn Fn(usize) -> Option<u32>) {
        let current = self.current.load(Relaxed);
        // The first index is created with the table, and each further one before it becomes current.
        let Some(index) = self.sizes[current].get() else {
            return;
        };
        if slot < room(index.len()) {
            return insert(index, hash, slot);
        }
        let larger = empty_index(index.len() * 2);
        for slot in 0..slot {
            if let Some(hash) = hash_at(slot) {
                insert(&larger, hash, slot);
            }
        }
        insert(&larger, hash, slot);
        if self.sizes[current + 1].set(larger).is_ok() {
            self.current.store(current + 1, Release);
        }
    }
}

impl<V> Chunk<V> {
    fn new(len: usize) -> Self {
        let values = (0..len).map(|_| OnceLock::new()).collect();
        Self { values, hashes: Hashes::new(len) }
    }
}

impl Hashes {
    fn new(len: usize) -> Self {
        Self((0..len).map(|_| Default::default()).collect())
    }

    /// Returns the used part of the hash of the value at this place.
    fn get(&self, at: usize) -> u32 {
        let [low, middle, high] = self.0[at].each_ref().map(|byte| byte.load(Relaxed));
        u32::from_le_bytes([low, middle, high, 0])
    }

    fn set(&self, at: usize, hash: u32) {
        for (byte, value) in self.0[at].iter().zip(hash.to_le_bytes()) {
            byte.store(value, Relaxed);
        }
    }
}

/// The exclusive right to add entries.
pub(crate) struct Writer<'a>(#[expect(dead_code, reason = "held")] MutexGuard<'a, ()>);

/// Returns the used part of a hash: three bytes, which is enough for the largest index.
#[inline]
fn upper(hash: u64) -> u32 {
    (hash >> 40) as u32
}

/// Returns how many slots an index with this many entries may point to.
const fn room(entries: usize) -> usize {
    entries / 8 * 7
}

fn empty_index(len: usize) -> Box<[AtomicU32]> {
    (0..len).map(|_| AtomicU32::new(0)).collect()
}

/// Returns a mask of the bits of an entry that hold the slot.
#[inline]
fn mask(index: &[AtomicU32]) -> u32 {
    index.len() as u32 - 1
}

/// Inserts a slot into an index. The caller must hold the writers' lock, or have created an index that is not shared
/// yet.
fn insert(index: &[AtomicU32], hash: u32, slot: usize) {
    let mask = mask(index);
    let mut at = hash & mask;
    while index[at as usize].load(Relaxed) != 0 {
        at = (at + 1) & mask;
    }
    index[at as usize].store(hash & !mask | (slot as u32 + 1), Release);
}

/// The place of a slot. Level `k` has `FIRST_LEVEL * 2^k` slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    level: usize,
    chunk: usize,
    at: usize,
}

impl Place {
    #[inline]
    pub(super) fn of(slot: usize) -> Self {
        let level = (slot / FIRST_LEVEL + 1).ilog2() as usize;
        let offset = slot + FIRST_LEVEL - (FIRST_LEVEL << level);
        Self { level, chunk: offset / CHUNK, at: offset % CHUNK }
    }

    /// Packs the place into 32 bits.
    pub(crate) fn to_bits(self) -> u32 {
        ((self.level << LEVEL_SHIFT) | (self.chunk * CHUNK) | self.at) as u32
    }

    /// Unpacks a place from 32 bits.
    #[inline(always)]
    pub(crate) fn from_bits(bits: u32) -> Self {
        let offset = bits as usize & ((1 << LEVEL_SHIFT) - 1);
        let level = (bits >> LEVEL_SHIFT) as usize;
        Self { level, chunk: offset / CHUNK, at: offset % CHUNK }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Returns the entry with this value, adding it if needed.
    fn find_or_add(table: &SeriesTable<u64>, hash: u64, value: u64) -> Option<&u64> {
        let writer = table.lock();
        let known = table.get(hash, |known| *known == value);
        known.or_else(|| table.insert(&writer, hash, 5_000, value).ok())
    }

    #[test]
    fn every_slot_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for slot in 0..100_000 {
            let place = Place::of(slot);
            assert!(place.at < CHUNK);
            assert_eq!((place.level, place.chunk * CHUNK + place.at), expected, "slot {slot}");
            assert_eq!(Place::from_bits(place.to_bits()), place, "slot {slot}");
            expected.1 += 1;
            if expected.1 == FIRST_LEVEL << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        let last = Place::of(MOST_SLOTS - 1);
        assert!(last.level < LEVELS);
        assert_eq!(Place::from_bits(last.to_bits()), last);
    }

    #[test]
    fn entries_are_found_after_the_index_has_grown() {
        let table = SeriesTable::new();
        for value in 0..2_000 {
            find_or_add(&table, u64::MAX - (value << 40), value);
        }
        for value in 0..2_000 {
            assert_eq!(table.get(u64::MAX - (value << 40), |v| *v == value), Some(&value));
            assert_eq!(table.get(u64::MAX - (value << 40), |_| false), None);
        }
    }

    #[test]
    fn entries_whose_hashes_collide_are_told_apart() {
        let table = SeriesTable::new();
        for value in 0..50 {
            find_or_add(&table, 7 << 40, value);
        }
        for value in 0..50 {
            assert_eq!(table.get(7 << 40, |v| *v == value), Some(&value));
        }
        assert_eq!(table.get(7 << 40, |v| *v == 50), None);
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
        let entries = (0..table.len()).filter_map(|slot| table.entry(slot));
        let mut all: Vec<u64> = entries.copied().collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..5_000));
    }
}
