//! How long threads look for others that add to the same sums.

use std::cell::Cell;

/// How many additions a look takes on average. They last longer than a collection of the sums that asked for the look, and
/// cost some nanoseconds each.
pub(crate) const ADDITIONS: u16 = 16 * 1024;

/// How many meetings in a look are more than chance brings about among threads that seldom add at the same moment.
const OFTEN: u8 = 64;

/// How far this thread is with looking. It counts for all instruments together: a count of each would be a number for which
/// threads compete, too.
#[derive(Clone, Copy)]
struct Progress {
    /// Additions that are left.
    left: u16,
    meetings: u8,
}

impl Progress {
    const NONE: Self = Self { left: ADDITIONS, meetings: 0 };
}

thread_local! {
    static PROGRESS: Cell<Progress> = const { Cell::new(Progress::NONE) };
}

/// Counts an addition of this thread during a look. Returns whether it is the last one, and the look ends.
pub(crate) fn is_last() -> bool {
    let counted = PROGRESS.try_with(|progress| {
        let Progress { left, meetings } = progress.get();
        let is_last = left <= 1;
        progress.set(if is_last { Progress::NONE } else { Progress { left: left - 1, meetings } });
        is_last
    });
    counted.unwrap_or(true)
}

/// Counts that this thread met another one in a series. Returns whether that has happened often, and begins anew.
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
    fn meetings_of_one_look_add_up_and_those_of_two_do_not() {
        for _ in 0..2 {
            assert!((1..OFTEN).all(|_| !meets_often()));
            assert!(meets_often());
        }
        assert!((1..OFTEN).all(|_| !meets_often()));
        assert!((0..ADDITIONS).any(|_| is_last()));
        assert!(!meets_often());
    }
}
