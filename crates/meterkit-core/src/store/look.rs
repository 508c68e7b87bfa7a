//! How long threads look for others that add to the same sums.

use std::cell::Cell;

/// How many additions a look takes on average. They last longer than a collection of the sums that asked for the look, and
/// cost some nanoseconds each.
pub(crate) const ADDITIONS: u16 = 16 * 1024;

thread_local! {
    static LEFT: Cell<u16> = const { Cell::new(ADDITIONS) };
}

/// Counts an addition of this thread during a look. Returns whether it is the last one, and the look ends.
///
/// The thread counts for all instruments together: a count of each would be a number for which threads compete, too.
pub(crate) fn is_last() -> bool {
    let counted = LEFT.try_with(|left| {
        let is_last = left.get() <= 1;
        left.set(if is_last { ADDITIONS } else { left.get() - 1 });
        is_last
    });
    counted.unwrap_or(true)
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
}
