//! Locks that remain usable after a panic.

use std::sync::PoisonError;

/// Locks without poisoning: returns the guard even if a thread panicked while it held the lock.
///
/// User code never runs under a lock, and the data behind a lock is valid between any two statements. Therefore a panic
/// must not end recording or collection for the rest of the process.
pub trait Unpoisoned {
    /// The type of the guard, or for [`Condvar::wait_timeout`](std::sync::Condvar::wait_timeout) the guard and the
    /// result of waiting.
    type Guarded;

    /// Returns the guard, whether or not the lock is poisoned.
    fn unpoisoned(self) -> Self::Guarded;
}

impl<G> Unpoisoned for Result<G, PoisonError<G>> {
    type Guarded = G;

    fn unpoisoned(self) -> G {
        self.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::Unpoisoned;

    #[test]
    fn a_lock_stays_usable_after_a_panic_under_it() {
        let lock = Mutex::new(1);
        let panicked = std::panic::catch_unwind(|| {
            let mut held = lock.lock().unpoisoned();
            *held += 1;
            panic!("under the lock");
        });
        assert!(panicked.is_err() && lock.is_poisoned());
        assert_eq!(*lock.lock().unpoisoned(), 2);
    }
}
