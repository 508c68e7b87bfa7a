//! The identity of a series, independent of its labels.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The identity of a series, valid for as long as the series counts from the same start.
///
/// A series receives its id together with its start time. A series that is removed or reset and then returns is a new
/// series with a new id, even if its attributes are the same. Ids are unique within the process and have no meaning
/// outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(u64);

impl SeriesId {
    /// The bit that is set in ids from hashes, so that they never equal an id from the counter.
    const HASHED: u64 = 1 << 63;

    /// Returns an id that no other series has.
    #[expect(clippy::new_without_default, reason = "two defaults would not be equal")]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Relaxed))
    }

    /// Returns the id of a series that is not kept in a store, from a hash of the data that identifies it. The same
    /// hash yields the same id.
    pub const fn from_hash(hash: u64) -> Self {
        Self(hash | Self::HASHED)
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }
}
