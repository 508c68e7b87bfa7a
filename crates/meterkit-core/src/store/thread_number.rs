//! A small number for the current thread, used to spread threads over stripes and rows.

use std::cell::Cell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Returns the number of the current thread: the lowest number that was free when the thread first asked.
///
/// Callers must not rely on unique numbers: with more than [`MOST`] threads, or while a thread ends, numbers repeat.
#[inline]
pub(crate) fn thread_number() -> usize {
    match NUMBER.try_with(Cell::get) {
        Ok(UNKNOWN) => first_number(),
        Ok(number) => number,
        Err(_) => 0,
    }
}

/// How many threads can have a number of their own at the same time.
const MOST: usize = 64 * 64;

/// The value of [`NUMBER`] before the thread has a number.
const UNKNOWN: usize = usize::MAX;

thread_local! {
    /// Separate from `HELD`, whose destructor would make each access check whether it has run.
    static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
    static HELD: Held = Held(NUMBERS.take());
}

static NUMBERS: Numbers = Numbers::new();

#[cold]
fn first_number() -> usize {
    let number = HELD.try_with(|held| held.0).ok().flatten().unwrap_or(0);
    let _ = NUMBER.try_with(|it| it.set(number));
    number
}

/// The number of a thread, if one was free. Released when the thread ends.
struct Held(Option<usize>);

impl Drop for Held {
    fn drop(&mut self) {
        // Other destructors of this thread may still record.
        let _ = NUMBER.try_with(|it| it.set(0));
        if let Some(number) = self.0 {
            NUMBERS.give_back(number);
        }
    }
}

/// A bit for each number that is taken. There is no lock, because threads take their number while they record.
struct Numbers([AtomicU64; MOST / 64]);

impl Numbers {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; MOST / 64])
    }

    /// Takes and returns the lowest free number, if there is one.
    fn take(&self) -> Option<usize> {
        self.0.iter().enumerate().find_map(|(at, word)| {
            let lowest = |taken: u64| (taken != u64::MAX).then(|| taken | (taken + 1));
            let before = word.fetch_update(Relaxed, Relaxed, lowest).ok()?;
            Some(at * 64 + before.trailing_ones() as usize)
        })
    }

    fn give_back(&self, number: usize) {
        self.0[number / 64].fetch_and(!(1 << (number % 64)), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn the_lowest_free_number_comes_next() {
        let numbers = Numbers::new();
        for expected in 0..200 {
            assert_eq!(numbers.take(), Some(expected));
        }
        for free in [170, 3, 64] {
            numbers.give_back(free);
        }
        let next: Vec<_> = (0..4).map(|_| numbers.take()).collect();
        assert_eq!(next, [Some(3), Some(64), Some(170), Some(200)]);
    }

    #[test]
    fn there_are_no_numbers_left_once_all_are_taken() {
        let numbers = Numbers::new();
        assert!((0..MOST).all(|expected| numbers.take() == Some(expected)));
        assert_eq!(numbers.take(), None);
        numbers.give_back(MOST - 1);
        assert_eq!(numbers.take(), Some(MOST - 1));
    }

    #[test]
    fn threads_that_run_at_once_have_different_numbers() {
        const THREADS: usize = 100;
        let all_have_one = Barrier::new(THREADS);
        let numbers: HashSet<usize> = thread::scope(|scope| {
            let number = || {
                let number = thread_number();
                assert_eq!(number, thread_number());
                all_have_one.wait();
                number
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(number)).collect();
            threads.into_iter().map(|it| it.join().expect("no panic")).collect()
        });
        assert_eq!(numbers.len(), THREADS);
    }

    #[test]
    fn threads_that_follow_each_other_share_a_number() {
        let number = || thread::spawn(thread_number).join().expect("no panic");
        // The other tests of this process have threads, too, but far fewer.
        assert!((0..2 * MOST).all(|_| number() < MOST / 2));
    }

    #[test]
    fn a_destructor_that_runs_while_the_thread_ends_gets_a_number() {
        struct AsksLate(std::sync::mpsc::Sender<usize>);

        impl Drop for AsksLate {
            fn drop(&mut self) {
                let _ = self.0.send(thread_number());
            }
        }

        thread_local! {
            static BEFORE: Cell<Option<AsksLate>> = const { Cell::new(None) };
            static AFTER: Cell<Option<AsksLate>> = const { Cell::new(None) };
        }

        let (sender, asked) = std::sync::mpsc::channel();
        let number = thread::spawn(move || {
            // Whatever the order of destructors is, one of the two runs after the number was released.
            BEFORE.set(Some(AsksLate(sender.clone())));
            let number = thread_number();
            AFTER.set(Some(AsksLate(sender)));
            number
        });
        let number = number.join().expect("no panic");
        assert!(asked.iter().all(|late| late == number || late == 0));
    }
}
