//! Locks that outlive panics.

use std::sync::PoisonError;

/// Takes what a lock guards, even if a thread panicked while it held the lock.
///
/// User code never runs under a lock, and everything behind one is valid between any two statements: one panic must not
/// end recording or collection for the rest of the process.
pub trait Unpoisoned {
    /// The guard, or for [`Condvar::wait_timeout`](std::sync::Condvar::wait_timeout) the guard and the reason.
    type Guarded;

    /// Returns the guard, poisoned or not.
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
    fn a_panic_under_a_lock_does_not_take_it_away() {
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
