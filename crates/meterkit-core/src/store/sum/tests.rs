use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use super::*;

const THREADS: u64 = 4;
const ROUNDS: u64 = 20_000;

/// Adds like a series does.
fn add_aside<T: Number>(cell: &SumCell, value: T) {
    if !cell.add_to_stripe(value) {
        cell.add(value);
    }
}

/// Returns a sum with stripes to which several threads have each added `value`.
fn striped<T: Number>(value: T) -> SumCell {
    let cell = SumCell::new();
    cell.add(value);
    cell.stripe::<T>();
    thread::scope(|scope| {
        for _ in 1..THREADS {
            scope.spawn(|| add_aside(&cell, value));
        }
    });
    cell
}

#[test]
fn a_sum_includes_its_stripes_and_earlier_additions() {
    assert_eq!(striped(3_u64).get::<u64>(), 3 * THREADS);
    assert_eq!(striped(-3_i64).get::<i64>(), -3 * THREADS as i64);
    assert_eq!(striped(0.5_f64).get::<f64>(), 0.5 * THREADS as f64);
}

#[test]
fn an_addition_beside_the_stripes_is_counted() {
    let cell = striped(3_u64);
    assert_eq!(cell.get::<u64>(), 12);
    cell.add(5_u64);
    assert_eq!(cell.get::<u64>(), 17);
    cell.add(5_u64);
    assert_eq!(cell.get::<u64>(), 22);
}

#[test]
fn stripes_stop_at_the_ends_of_their_type() {
    assert_eq!(striped(u64::MAX / 2).get::<u64>(), u64::MAX);
    assert_eq!(striped(i64::MIN / 2).get::<i64>(), i64::MIN);
    assert_eq!(striped(f64::MAX).get::<f64>(), f64::MAX);
    let cell = striped(u64::MAX);
    add_aside(&cell, 7_u64);
    assert_eq!(cell.get::<u64>(), u64::MAX);
}

#[test]
fn stripes_that_cancel_each_other_are_empty() {
    let cell = UpDownCell::new();
    cell.sum.stripe::<i64>();
    add_aside(&cell.sum, 7_i64);
    assert!(!cell.is_empty());
    thread::scope(|scope| {
        scope.spawn(|| add_aside(&cell.sum, -7_i64));
    });
    assert!(cell.is_empty());
    let mut mark = 0;
    assert!(!cell.was_touched(&mut mark));
    assert!(cell.reset_unless_touched(mark));
}

#[test]
fn a_striped_sum_is_touched_when_it_changes_and_only_then() {
    let cell = striped(3_u64);
    let mut mark = 0;
    assert!(cell.was_touched(&mut mark));
    assert!(!cell.was_touched(&mut mark));
    assert_eq!(cell.get::<u64>(), 12);
    assert!(!cell.was_touched(&mut mark), "reading is not recording");
    add_aside(&cell, 0_u64);
    assert!(!cell.was_touched(&mut mark), "adding zero changes nothing");
    add_aside(&cell, 1_u64);
    assert!(!cell.reset_unless_touched(mark));
    assert_eq!(cell.get::<u64>(), 13);
    assert!(cell.was_touched(&mut mark));
    assert!(cell.reset_unless_touched(mark));
    assert!(cell.is_empty());
}

#[test]
fn stripes_that_were_made_since_the_mark_was_taken_hide_nothing() {
    let cell = SumCell::new();
    cell.add(3_u64);
    let mut mark = 0;
    cell.was_touched(&mut mark);
    cell.stripe::<u64>();
    assert!(!cell.was_touched(&mut mark));
    add_aside(&cell, 2_u64);
    assert!(!cell.reset_unless_touched(mark));
    assert_eq!(cell.get::<u64>(), 5);
}

#[test]
fn a_reset_discards_additions_in_the_stripes_and_beside_them() {
    let cell = striped(3_u64);
    cell.add(5_u64);
    cell.reset();
    assert!(cell.is_empty());
    add_aside(&cell, 4_u64);
    assert_eq!(cell.get::<u64>(), 4);
}

#[test]
fn a_thread_that_is_alone_meets_nobody() {
    let cell = SumCell::new();
    for _ in 0..1_000 {
        assert!(!cell.add_and_meet(1_u64));
    }
    assert_eq!(cell.get::<u64>(), 1_000);
}

#[test]
fn threads_that_compete_meet_and_lose_nothing() {
    let cell = SumCell::new();
    let (has_met, added) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            // Repeated until it happens: a busy machine may take long to run both threads at once.
            scope.spawn(|| {
                while !has_met.load(SeqCst) {
                    for _ in 0..100 {
                        has_met.fetch_or(cell.add_and_meet(1_u64), SeqCst);
                    }
                    added.fetch_add(100, SeqCst);
                }
            });
        }
    });
    assert_eq!(cell.get::<u64>(), added.load(SeqCst));
}

/// Adds with several threads while `meanwhile` runs repeatedly. Returns the final sum.
fn add_while<T: Number>(value: T, cell: &SumCell, mut meanwhile: impl FnMut() + Send) -> T {
    let is_done = AtomicBool::new(false);
    let start = Barrier::new(THREADS as usize + 1);
    thread::scope(|scope| {
        let add = |thread| {
            start.wait();
            for round in 0..ROUNDS {
                add_aside(cell, value);
                if thread == 0 && round == ROUNDS / 2 {
                    cell.stripe::<T>();
                }
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|it| scope.spawn(move || add(it))).collect();
        let reader = scope.spawn(|| {
            start.wait();
            while !is_done.load(SeqCst) {
                meanwhile();
            }
        });
        for thread in threads {
            thread.join().expect("no panic");
        }
        is_done.store(true, SeqCst);
        reader.join().expect("no panic");
    });
    cell.get()
}

#[test]
fn a_sum_that_only_rises_never_falls_while_stripes_are_made() {
    let cell = SumCell::new();
    let mut last = 0;
    let total = add_while(3_u64, &cell, || {
        let now = cell.get::<u64>();
        assert!(now >= last, "{now} after {last}");
        last = now;
    });
    assert_eq!(total, 3 * THREADS * ROUNDS);
    let cell = SumCell::new();
    assert_eq!(add_while(0.5_f64, &cell, || ()), 0.5 * (THREADS * ROUNDS) as f64);
}

#[test]
fn an_idle_check_that_resets_takes_exactly_what_it_saw() {
    let cell = SumCell::new();
    let (mut mark, mut taken) = (0, 0);
    let left = add_while(3_u64, &cell, || {
        cell.was_touched(&mut mark);
        if cell.reset_unless_touched(mark) {
            taken += mark;
            mark = 0;
        }
    });
    assert_eq!(taken + left, 3 * THREADS * ROUNDS);
}
