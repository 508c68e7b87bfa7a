//! Limits how long threads look for contention, that is, for other threads that add to the same sums.

use std::cell::Cell;

/// How many additions of a thread a look takes on average. They last longer than the collection that asked for the
/// look, and cost some nanoseconds each.
pub(crate) const ADDITIONS: u16 = 16 * 1024;

/// How many conflicts in one look indicate contention. Threads that seldom add at the same moment do not reach this
/// number by chance.
const OFTEN: u8 = 64;

/// The progress of this thread's look. It covers all instruments, because a count per instrument would be a number for
/// which threads compete, too.
#[derive(Clone, Copy)]
struct Progress {
    /// How many additions are left.
    left: u16,
    meetings: u8,
}

impl Progress {
    const NONE: Self = Self { left: ADDITIONS, meetings: 0 };
}

thread_local! {
    static PROGRESS: Cell<Progress> = const { Cell::new(Progress::NONE) };
}

/// Counts an addition of this thread during a look. Returns whether it was the last one, which ends the look.
pub(crate) fn is_last() -> bool {
    let counted = PROGRESS.try_with(|progress| {
        let Progress { left, meetings } = progress.get();
        let is_last = left <= 1;
        progress.set(if is_last { Progress::NONE } else { Progress { left: left - 1, meetings } });
        is_last
    });
    counted.unwrap_or(true)
}

/// Counts a conflict with another thread in a series. Returns whether conflicts are frequent, and then starts a new
/// count.
pub(crate) fn meets_often() -> bool {
    let counted = PROGRESS.try_with(|progress| {
        let Progress { left, meetings } = progress.get();
        let is_often = meetings + 1 >= OFTEN;
        progress.set(Progress { left, meetings: if is_often { 0 } else { meetings + 1 } });
        is_often
    });
    counted.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_ends_and_the_next_one_takes_as_long() {
        for _ in 0..2 {
            assert!((1..ADDITIONS).all(|_| !is_last()));
            assert!(is_last());
        }
    }

    #[test]
    fn conflicts_of_one_look_add_up_and_those_of_two_looks_do_not() {
        for _ in 0..2 {
            assert!((1..OFTEN).all(|_| !meets_often()));
            assert!(meets_often());
        }
        assert!((1..OFTEN).all(|_| !meets_often()));
        assert!((0..ADDITIONS).any(|_| is_last()));
        assert!(!meets_often());
    }
}
