//! The atomics and locks that cells use. `meterkit-models` substitutes Loom's types here and runs the same cells on
//! them.

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering, fence};
pub(crate) use std::sync::{Mutex, MutexGuard};
pub(crate) use std::thread::yield_now;

pub(crate) use once_cell::race::OnceBox;

/// The number of stripes among which threads that compete for one sum are spread. Further threads share stripes.
pub(crate) const STRIPES: usize = 16;
