//! Models of sums: how stripes are created, and how readers take what they find.

use loom::sync::Arc;
use loom::thread;

use crate::store::cell::Cell;
use crate::store::sum::SumCell;

/// Adds to the cell as a series does.
fn add(cell: &SumCell, value: u64) {
    if !cell.add_to_stripe(value) {
        cell.add(value);
    }
}

/// One thread adds beside the stripes, creates them, and adds to one of them. The other adds to the sum as it finds it.
fn add_six(cell: &Arc<SumCell>) -> [thread::JoinHandle<()>; 2] {
    let (maker, other) = (cell.clone(), cell.clone());
    let maker = thread::spawn(move || {
        add(&maker, 1_u64);
        maker.stripe::<u64>();
        add(&maker, 2_u64);
    });
    [maker, thread::spawn(move || add(&other, 3_u64))]
}

fn join(threads: [thread::JoinHandle<()>; 2]) {
    for thread in threads {
        thread.join().expect("no panic");
    }
}

pub(crate) fn a_sum_that_rises_never_falls() {
    let cell = Arc::new(SumCell::new());
    let threads = add_six(&cell);
    let first = cell.get::<u64>();
    let second = cell.get::<u64>();
    assert!(first <= second, "{second} after {first}");
    join(threads);
    assert_eq!(cell.get::<u64>(), 6);
}

pub(crate) fn what_another_reader_took_is_not_missed() {
    let cell = Arc::new(SumCell::new());
    cell.add(5_u64);
    let reader = cell.clone();
    let reader = thread::spawn(move || assert_eq!(reader.get::<u64>(), 5));
    cell.stripe::<u64>();
    assert_eq!(cell.get::<u64>(), 5);
    reader.join().expect("no panic");
}

pub(crate) fn readers_take_turns() {
    let cell = Arc::new(SumCell::new());
    cell.add(4_u64);
    cell.stripe::<u64>();
    add(&cell, 2_u64);
    let reader = cell.clone();
    let reader = thread::spawn(move || reader.get::<u64>());
    assert_eq!(cell.get::<u64>(), 6);
    assert_eq!(reader.join().expect("no panic"), 6);
    assert_eq!(cell.get::<u64>(), 6);
}

pub(crate) fn an_idle_check_takes_what_it_saw() {
    let cell = Arc::new(SumCell::new());
    let threads = add_six(&cell);
    let mut mark = 0;
    cell.was_touched(&mut mark);
    let taken = if cell.reset_unless_touched(mark) { mark } else { 0 };
    join(threads);
    assert_eq!(taken + cell.get::<u64>(), 6);
    let mut mark = 0;
    assert_eq!(cell.was_touched(&mut mark), taken < 6);
    assert!(!cell.was_touched(&mut mark) && cell.reset_unless_touched(mark) && cell.is_empty());
}

pub(crate) fn a_reset_misses_nothing_that_came_before() {
    let cell = Arc::new(SumCell::new());
    cell.add(5_u64);
    // Meanwhile, a reader moves the sum to its stripes.
    let other = cell.clone();
    let other = thread::spawn(move || {
        other.stripe::<u64>();
        let seen = other.get::<u64>();
        assert!([0, 1, 5].contains(&seen), "{seen}");
    });
    cell.reset();
    add(&cell, 1_u64);
    other.join().expect("no panic");
    assert_eq!(cell.get::<u64>(), 1);
}
