//! Tests of histogram cells that several threads use at once.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;

use opentelemetry::InstrumentationScope;

use super::*;
use crate::Kind;
use crate::buckets::{ExponentialLimits, HistogramBuckets};
use crate::data::SignedBuckets;
use crate::number::NumberType;
use crate::scope::Spelling;
use crate::store::clock::Clock;
use crate::store::identity::Identity;
use crate::store::scope_shared::ScopeShared;
use crate::store::shared::Door;

const THREADS: usize = 4;
const VALUES: usize = 20_000;

fn explicit() -> HistogramBuckets {
    HistogramBuckets::Explicit([1.0, 2.0, 3.0].into())
}

/// Few buckets, so that the scale decreases.
fn exponential() -> HistogramBuckets {
    HistogramBuckets::Exponential(ExponentialLimits { max_size: 4, max_scale: 20 })
}

/// Returns an instrument with these buckets whose values are not sent to a sink.
fn instrument(buckets: HistogramBuckets) -> Shared {
    let settings = Arc::new(Settings::new(Clock::system()));
    settings.expect_listener(false);
    let mut identity = Identity::bare("sizes".to_owned(), Kind::Histogram, NumberType::F64);
    identity.set_buckets(buckets, true);
    let scope = Arc::new(ScopeShared::new(
        InstrumentationScope::default(),
        Spelling::Translated,
        Arc::default(),
        &settings,
    ));
    Shared::new(identity, scope, settings, Door::Facade)
}

fn cell(shared: &Shared) -> DistributionCell {
    let cell = DistributionCell::new(shared);
    cell.feed(&shared.feed.get(), &shared.settings, Attributes::empty);
    cell
}

/// Returns how many values there are in each bucket.
fn counts(distribution: &Distribution) -> Vec<u64> {
    match &distribution.counts {
        Counts::Explicit(counts) => counts.to_vec(),
        Counts::Exponential(counts) => {
            let SignedBuckets { zero_count, positive, negative, .. } = counts.signed();
            [zero_count].into_iter().chain(positive.counts).chain(negative.counts).collect()
        }
    }
}

/// Makes threads record 0, 1, 2, 3 and 4 in turn, while `meanwhile` is called repeatedly.
fn record_while(cell: &DistributionCell, shared: &Shared, mut meanwhile: impl FnMut()) {
    let running = AtomicUsize::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                (0..VALUES).for_each(|n| cell.record((n % 5) as f64, &shared.settings));
                running.fetch_sub(1, Release);
            });
        }
        while running.load(Relaxed) > 0 {
            meanwhile();
        }
    });
}

#[test]
fn no_value_is_lost_and_each_read_fits_together() {
    for buckets in [explicit(), exponential()] {
        let shared = instrument(buckets);
        let (cell, mut before) = (cell(&shared), 0);
        record_while(&cell, &shared, || {
            let read = cell.read();
            assert_eq!(counts(&read).iter().sum::<u64>(), read.count);
            assert!((before..=(THREADS * VALUES) as u64).contains(&read.count));
            before = read.count;
        });
        let read = cell.read();
        assert_eq!(read.count, (THREADS * VALUES) as u64);
        assert_eq!(read.moments.sum, (2 * THREADS * VALUES) as f64);
        assert_eq!(read.moments.extremes(), Some((0.0, 4.0)));
    }
}

#[test]
fn intervals_taken_during_recordings_add_up_to_the_total() {
    for buckets in [explicit(), exponential()] {
        let shared = instrument(buckets);
        let (cell, mut taken) = (cell(&shared), 0);
        let mut take = || {
            let before = taken;
            let (total, interval) = cell.read_and_take(true);
            if let Some(interval) = &interval {
                assert!(0.0 <= interval.min && interval.min <= interval.max);
                taken += interval.count;
                let in_buckets = interval.buckets.as_ref().map(|it| {
                    let counts = it.positive.counts.iter().chain(&it.negative.counts);
                    counts.sum::<u64>() + it.zero_count
                });
                assert_eq!(in_buckets.unwrap_or(interval.count), interval.count);
            }
            assert_eq!((total.count, interval.is_some()), (taken, taken > before));
        };
        record_while(&cell, &shared, &mut take);
        take();
        let total = cell.read();
        assert_eq!((taken, total.count), ((THREADS * VALUES) as u64, taken));
        assert_eq!(total.moments.extremes(), Some((0.0, 4.0)));
    }
}

#[test]
fn values_that_come_while_others_are_forgotten_are_kept() {
    for (buckets, takes) in [(explicit(), false), (explicit(), true), (exponential(), true)] {
        let shared = instrument(buckets);
        let (cell, mut forgotten, mut mark) = (cell(&shared), 0, 0);
        record_while(&cell, &shared, || {
            if takes {
                cell.read_and_take(true);
            }
            cell.was_touched(&mut mark);
            if cell.reset_unless_touched(mark) {
                forgotten += mark;
            }
        });
        assert_eq!(forgotten + cell.read().count, (THREADS * VALUES) as u64);
    }
}

#[test]
fn values_recorded_while_buckets_change_are_in_the_new_buckets() {
    let other = HistogramBuckets::Explicit([2.0].into());
    for own in [explicit(), exponential()] {
        let shared = instrument(own);
        let (cell, mut rounds) = (cell(&shared), 0);
        record_while(&cell, &shared, || {
            rounds += 1;
            if rounds == 3 {
                shared.set_buckets(other.clone());
                cell.sort_anew(&shared);
            }
            cell.read();
        });
        // Needed if the recorders finished before the third round, which happens on a busy machine.
        shared.set_buckets(other.clone());
        cell.sort_anew(&shared);
        let (read, _) = cell.read_by(true, &shared, false).expect("the new buckets");
        assert_eq!(counts(&read).len(), 2);
        assert_eq!(counts(&read).iter().sum::<u64>(), (THREADS * VALUES) as u64);
        assert_eq!(read.moments.sum, (2 * THREADS * VALUES) as f64);
        assert!(cell.read_by(false, &shared, false).is_none());
    }
}

#[test]
fn threads_that_compete_repeatedly_get_rows_of_their_own() {
    let shared = instrument(explicit());
    let cell = cell(&shared);
    let Sorted::Explicit { rows, .. } = &cell.sorted else { panic!("explicit buckets") };
    let claim = rows.first().claim();
    (0..20).for_each(|_| cell.record(1.0, &shared.settings));
    // A recorder that finds the only row in use several times makes another row rather than wait.
    assert_eq!((rows.first().count(), cell.sorted.count(None)), (0, 20));
    drop(claim);
    // From then on, no thread begins with the first row, because it shares memory with data that all recorders read.
    (0..20).for_each(|_| cell.record(1.0, &shared.settings));
    assert_eq!((rows.iter().count(), rows.first().count()), (2, 0));
    assert_eq!(cell.read().count, 40);
}

#[test]
fn a_value_that_no_row_takes_waits_for_nobody_else() {
    // All existing rows are in use, but a new one can always be made.
    let shared = instrument(explicit());
    let cell = cell(&shared);
    let Sorted::Explicit { rows, .. } = &cell.sorted else { panic!("explicit buckets") };
    let mut claims = vec![rows.first().claim()];
    for round in 1..4 {
        cell.record(1.0, &shared.settings);
        assert_eq!(cell.sorted.count(None), round);
        claims.extend(rows.iter().skip(claims.len()).map(|row| row.claim()));
    }
}
