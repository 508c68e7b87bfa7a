//! The rows of one series: a single row, and more once several threads record at the same time.

use std::num::NonZero;
use std::sync::atomic::AtomicUsize;
use std::thread::available_parallelism;

use crate::store::atomic::Ordering::{AcqRel, Relaxed};
use crate::store::atomic::{AtomicBool, AtomicU8, OnceBox, spin_loop, yield_now};
use crate::store::thread_number::thread_number;

/// A place where one thread at a time counts values.
pub(super) trait Countable {
    /// The bucket to which a value belongs.
    type Place: Copy;

    /// Returns an empty row of the same kind that shares no cache line with another row.
    fn alike(&self) -> Self;

    /// Counts a value, unless another thread is using the row. Returns whether the value was counted.
    fn try_record(&self, place: Self::Place, value: f64) -> bool;
}

/// The rows of one series.
#[derive(Debug)]
pub(super) struct Rows<R> {
    first: R,
    /// Created once threads have competed for the first row several times.
    more: OnceBox<More<R>>,
    /// How often a recorder found the only row in use.
    meetings: AtomicU8,
}

/// The places of all rows in addition to the first one.
#[derive(Debug)]
struct More<R>(Box<[Further<R>]>);

/// The place of one additional row.
#[derive(Debug)]
struct Further<R> {
    /// Whether a thread is creating the row, or has created it.
    is_taken: AtomicBool,
    row: OnceBox<Apart<R>>,
}

/// Aligned to two cache lines, since processors fetch them in pairs: no other data shares either of them.
#[derive(Debug)]
#[repr(align(128))]
struct Apart<R>(R);

/// After this many conflicts, more rows are created.
const MEETINGS: u8 = 8;

/// The most additional rows that a series may have.
const MOST_ROWS: usize = 64;

/// How often a recorder tries again while there is only one row.
const RETRIES: usize = 8;

impl<R: Countable> Rows<R> {
    pub(super) fn new(first: R) -> Self {
        // Determined before anyone records, because finding the number of processors may read files.
        most_rows();
        Self { first, more: OnceBox::new(), meetings: AtomicU8::new(0) }
    }

    pub(super) fn first(&self) -> &R {
        &self.first
    }

    /// Counts a value in one of the rows, unless other threads are using all of them. Returns whether the value was
    /// counted.
    #[inline]
    pub(super) fn try_record(&self, place: R::Place, value: f64) -> bool {
        let is_recorded = match self.more.get() {
            None => self.first.try_record(place, value),
            Some(more) => more.own().is_some_and(|row| row.try_record(place, value)),
        };
        is_recorded || self.try_record_beyond(place, value)
    }

    #[inline(never)]
    fn try_record_beyond(&self, place: R::Place, value: f64) -> bool {
        let more = match self.more.get() {
            Some(more) => more,
            None => {
                let meetings = self.meetings.fetch_add(1, Relaxed);
                if meetings < MEETINGS {
                    for _ in 0..RETRIES {
                        spin_loop();
                        if self.first.try_record(place, value) {
                            return true;
                        }
                    }
                }
                let further = || (0..most_rows()).map(|_| Further::new()).collect();
                self.more.get_or_init(|| Box::new(More(further())))
            }
        };
        let (before, from_own) = more.0.split_at(more.own_index());
        // The first row comes last, because it shares memory with data that all recorders read.
        from_own.iter().chain(before).any(|it| it.try_record(&self.first, place, value))
            || self.first.try_record(place, value)
    }

    /// Returns all existing rows.
    pub(super) fn iter(&self) -> impl Iterator<Item = &R> {
        let more = self.more.get().into_iter().flat_map(|more| &more.0);
        let more = more.filter_map(|further| further.row.get()).map(|apart| &apart.0);
        std::iter::once(&self.first).chain(more)
    }

    /// Prevents the creation of further rows, and returns the existing ones. May be called only once.
    pub(super) fn close(&self) -> impl Iterator<Item = &R> {
        for further in &self.more.get_or_init(|| Box::new(More(Box::default()))).0 {
            let is_made = further.is_taken.swap(true, AcqRel);
            // The thread that has taken the place is creating the row now.
            while is_made && further.row.get().is_none() {
                yield_now();
            }
        }
        self.iter()
    }
}

impl<R> More<R> {
    /// Returns the index of the row that the current thread tries first.
    #[inline]
    fn own_index(&self) -> usize {
        // The number of rows is a power of two or zero, so a mask suffices. A division would take longer than counting
        // the value.
        thread_number() & self.0.len().saturating_sub(1)
    }

    /// Returns the row that the current thread tries first, if it exists.
    #[inline]
    fn own(&self) -> Option<&R> {
        Some(&self.0.get(self.own_index())?.row.get()?.0)
    }
}

impl<R: Countable> Further<R> {
    fn new() -> Self {
        Self { is_taken: AtomicBool::new(false), row: OnceBox::new() }
    }

    fn try_record(&self, like: &R, place: R::Place, value: f64) -> bool {
        if let Some(row) = self.row.get() {
            return row.0.try_record(place, value);
        }
        if self.is_taken.load(Relaxed) || self.is_taken.swap(true, AcqRel) {
            return false;
        }
        let row = like.alike();
        // No other thread can use the row yet.
        let is_recorded = row.try_record(place, value);
        let _ = self.row.set(Box::new(Apart(row)));
        is_recorded
    }
}

/// Returns the most additional rows that a series may have, a power of two: at least two for each hardware thread, so
/// that threads seldom choose the same one, with a minimum of 8 and a maximum of [`MOST_ROWS`].
fn most_rows() -> usize {
    static ROWS: AtomicUsize = AtomicUsize::new(0);
    match ROWS.load(Relaxed) {
        0 => {
            let threads = available_parallelism().map_or(1, NonZero::get);
            let rows = (2 * threads).next_power_of_two().clamp(8, MOST_ROWS);
            ROWS.store(rows, Relaxed);
            rows
        }
        rows => rows,
    }
}
