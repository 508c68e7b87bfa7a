//! What tells series apart, whatever their labels.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The identity of a series, for as long as it counts from one start.
///
/// A series gets its id together with its start time. One that is removed or reset and comes back is another series,
/// with another id, even though its attributes are the same. Ids are unique within the process and mean nothing
/// outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(u64);

impl SeriesId {
    /// Set in ids that come from a hash, so that they never meet those that are counted.
    const HASHED: u64 = 1 << 63;

    /// Returns an id that no series has had before.
    #[expect(clippy::new_without_default, reason = "two defaults would not be equal")]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Relaxed))
    }

    /// Returns the id of a series that is not counted in a store, from a hash of whatever identifies it: the same for
    /// the same hash.
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
