//! What cells are made of. `meterkit-models` has Loom's types in this place, and runs the same cells on them.

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering, fence};
pub(crate) use std::sync::{Mutex, MutexGuard};
pub(crate) use std::thread::yield_now;

pub(crate) use once_cell::race::OnceBox;

/// Among how many numbers the threads divide that compete for one sum. More threads share them.
pub(crate) const STRIPES: usize = 16;
