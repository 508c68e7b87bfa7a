//! The rows of one series: one, and more once several threads record in it at the same time.

use std::num::NonZero;
use std::sync::atomic::AtomicUsize;
use std::thread::available_parallelism;

use crate::store::atomic::Ordering::{AcqRel, Relaxed};
use crate::store::atomic::{AtomicBool, AtomicU8, OnceBox, spin_loop, yield_now};
use crate::store::thread_number::thread_number;

/// A place where values are counted, by one thread at a time.
pub(super) trait Countable {
    /// Where a value belongs.
    type Place: Copy;

    /// Returns a row without values that is otherwise like this one, and shares no line of memory with another row.
    fn alike(&self) -> Self;

    /// Counts a value, unless someone else uses the row. Returns whether it did.
    fn try_record(&self, place: Self::Place, value: f64) -> bool;
}

/// The rows of one series.
#[derive(Debug)]
pub(super) struct Rows<R> {
    first: R,
    /// Made once threads have met in the first one several times.
    more: OnceBox<More<R>>,
    /// How often recorders found the only row in use.
    meetings: AtomicU8,
}

/// As many rows as there may be besides the first one.
#[derive(Debug)]
struct More<R>(Box<[Further<R>]>);

/// One of the further rows.
#[derive(Debug)]
struct Further<R> {
    /// Whether some thread makes it, or has.
    is_taken: AtomicBool,
    row: OnceBox<Apart<R>>,
}

/// Not in one line of memory with others, nor in the one beside, since processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Apart<R>(R);

/// After how many meetings there are more rows.
const MEETINGS: u8 = 8;

/// How many further rows a series may have.
const MOST_ROWS: usize = 64;

/// How often a recorder tries again where there is one row only.
const RETRIES: usize = 8;

impl<R: Countable> Rows<R> {
    pub(super) fn new(first: R) -> Self {
        // Known before anyone records: finding out takes a look at files.
        most_rows();
        Self { first, more: OnceBox::new(), meetings: AtomicU8::new(0) }
    }

    pub(super) fn first(&self) -> &R {
        &self.first
    }

    /// Counts a value in one of the rows, unless others use all of them. Returns whether it did.
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
        // The first row comes last: it shares memory with what all recorders read.
        from_own.iter().chain(before).any(|it| it.try_record(&self.first, place, value))
            || self.first.try_record(place, value)
    }

    /// Returns all rows that there are.
    pub(super) fn iter(&self) -> impl Iterator<Item = &R> {
        let more = self.more.get().into_iter().flat_map(|more| &more.0);
        let more = more.filter_map(|further| further.row.get()).map(|apart| &apart.0);
        std::iter::once(&self.first).chain(more)
    }

    /// Makes sure that there will be no further rows, and returns those that there are. May be called once.
    pub(super) fn close(&self) -> impl Iterator<Item = &R> {
        for further in &self.more.get_or_init(|| Box::new(More(Box::default()))).0 {
            let is_made = further.is_taken.swap(true, AcqRel);
            // Whoever has taken it is making it now.
            while is_made && further.row.get().is_none() {
                yield_now();
            }
        }
        self.iter()
    }
}

impl<R> More<R> {
    /// Returns where the row is that the current thread tries first.
    #[inline]
    fn own_index(&self) -> usize {
        // Their number is a power of two, or zero: a division would take longer than counting.
        thread_number() & self.0.len().saturating_sub(1)
    }

    /// Returns the row that the current thread tries first, if it is made.
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
        // Nobody else has it yet.
        let is_recorded = row.try_record(place, value);
        let _ = self.row.set(Box::new(Apart(row)));
        is_recorded
    }
}

/// Returns how many further rows a series may have: two for each thread that can run, so that these seldom choose the same
/// one, and eight at least. A power of two.
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
