//! Loom's types, under the names that `meterkit-core` uses for the standard library's.

use std::sync::OnceLock;

pub(crate) use loom::hint::spin_loop;
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering, fence};
pub(crate) use loom::sync::{Mutex, MutexGuard};
pub(crate) use loom::thread::yield_now;

/// A small number, because each read visits all stripes.
pub(crate) const STRIPES: usize = 2;

/// Publishes a value like `once_cell`. The real type exchanges a null pointer; this one raises a flag, and the second
/// thread waits for it.
#[derive(Debug)]
pub(crate) struct OnceBox<T> {
    is_set: AtomicBool,
    value: OnceLock<Box<T>>,
}

impl<T> OnceBox<T> {
    pub(crate) fn new() -> Self {
        Self { is_set: AtomicBool::new(false), value: OnceLock::new() }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_set.load(Ordering::Acquire) { self.value.get().map(|it| &**it) } else { None }
    }

    pub(crate) fn set(&self, value: Box<T>) -> Result<(), Box<T>> {
        let set = self.value.set(value);
        match &set {
            Ok(()) => self.is_set.store(true, Ordering::Release),
            Err(_) => {
                while !self.is_set.load(Ordering::Acquire) {
                    yield_now();
                }
            }
        }
        set
    }

    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> Box<T>) -> &T {
        if self.get().is_none() {
            let _ = self.set(make());
        }
        self.get().expect("the value has been set")
    }
}
