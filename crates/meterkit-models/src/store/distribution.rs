//! Models of histogram rows: how they are claimed, created and read.

#[path = "../../../meterkit-core/src/store/distribution/row.rs"]
mod row;
#[path = "../../../meterkit-core/src/store/distribution/rows.rs"]
mod rows;

use loom::sync::Arc;
use loom::thread;

use self::row::{Moments, Row};
use self::rows::{Countable, Rows};

impl Countable for Row {
    type Place = usize;

    fn alike(&self) -> Self {
        Self::new(self.len())
    }

    fn try_record(&self, place: usize, value: f64) -> bool {
        self.try_record(place, value)
    }
}

fn record(row: &Row) {
    while !row.try_record(0, 1.0) {
        thread::yield_now();
    }
}

/// The reader has a thread of its own, and recorders run first. A recorder loads before it exchanges, and Loom then no
/// longer sees whether other threads have loaded before, so it would not try to let the reader go first.
pub(crate) fn what_is_read_fits_together() {
    let row = Arc::new(Row::new(1));
    let reader = row.clone();
    let reader = thread::spawn(move || {
        let mut counts = [0];
        let moments = reader.read(&mut counts);
        assert_eq!(moments.sum, counts[0] as f64);
        assert_eq!(moments.extremes().is_some(), counts[0] > 0);
    });
    record(&row);
    record(&row);
    reader.join().expect("no panic");
    let mut counts = [0];
    let moments = row.read(&mut counts);
    assert_eq!((counts, moments.sum), ([2], 2.0));
}

pub(crate) fn recorders_keep_out_of_each_others_way() {
    let row = Arc::new(Row::new(1));
    let other = row.clone();
    let other = thread::spawn(move || record(&other));
    record(&row);
    other.join().expect("no panic");
    let mut counts = [0];
    let moments = row.read(&mut counts);
    assert_eq!((counts, moments.sum), ([2], 2.0));
}

pub(crate) fn a_reset_takes_what_it_forgets() {
    let row = Arc::new(Row::new(1));
    let recorders = [(); 2].map(|()| {
        let row = row.clone();
        thread::spawn(move || row.try_record(0, 1.0))
    });
    let (mut taken, mut left) = ([0], [0]);
    let claim = row.claim();
    let moments = claim.read(&mut taken);
    claim.clear();
    drop(claim);
    assert_eq!(moments.sum, taken[0] as f64);
    let recorded = recorders.map(|it| u64::from(it.join().expect("no panic")));
    let moments = row.read(&mut left);
    assert_eq!(moments.sum, left[0] as f64);
    assert_eq!(taken[0] + left[0], recorded.iter().sum::<u64>());
}

pub(crate) fn rows_that_are_made_meanwhile_lose_nothing() {
    let rows = Arc::new(Rows::new(Row::new(1)));
    // Recorders find the first row in use until there are more rows.
    let claim = rows.first().claim();
    let recorders = [(); 2].map(|()| {
        let rows = rows.clone();
        thread::spawn(move || rows.try_record(0, 1.0))
    });
    drop(claim);
    let seen = total(&rows);
    let recorded = recorders.map(|it| u64::from(it.join().expect("no panic")));
    let all = recorded.iter().sum::<u64>();
    assert!(seen <= all, "{seen} of {all}");
    assert_eq!(total(&rows), all);
}

fn total(rows: &Rows<Row>) -> u64 {
    rows.iter()
        .map(|row| {
            let mut counts = [0];
            let Moments { sum, .. } = row.read(&mut counts);
            assert_eq!(sum, counts[0] as f64);
            counts[0]
        })
        .sum()
}
