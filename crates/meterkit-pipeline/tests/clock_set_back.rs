//! A system clock that is set back and forth: no interval may end before it starts, and intervals of deltas must not
//! overlap.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use meterkit_core::{Data, ManualClock, Registry, SeriesId};
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget};
use meterkit_pipeline::{Pipeline, Snapshot};

const HOUR: Duration = Duration::from_secs(3600);

/// Returns the id and the start of each point of a monotonic sum or a histogram.
fn starts(snapshot: &Snapshot) -> Vec<(SeriesId, SystemTime)> {
    let metrics = snapshot.scopes.iter().flat_map(|scope| &scope.metrics);
    let starts = metrics.flat_map(|metric| match &metric.data {
        Data::Sum { monotonic: true, points, .. } => {
            points.iter().map(|point| (point.series, point.start)).collect::<Vec<_>>()
        }
        Data::Histogram { points, .. } => {
            points.iter().map(|point| (point.series, point.start)).collect()
        }
        Data::ExponentialHistogram { points, .. } => {
            points.iter().map(|point| (point.series, point.start)).collect()
        }
        _ => Vec::new(),
    });
    starts.collect()
}

#[test]
fn no_interval_ends_before_it_begins_whatever_the_clock_does() {
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    let meter = registry.scoped("plugin", "catalog");
    let requests = meter.counter_group::<Id, u64>("requests").build().unwrap();
    let sizes = meter.histogram::<u64>("sizes").unit("By").build().unwrap();
    let widths = meter.histogram::<u64>("widths").unit("By").exponential().build().unwrap();
    let reads = meter.observable_counter::<u64>("reads").build().unwrap();
    let _reads = reads.callback().observe(|| 7);
    let (totals, seen_totals) = ScriptedTarget::new("totals", []);
    let (deltas, seen_deltas) = ScriptedTarget::new("deltas", []);
    let pipeline = Pipeline::builder(registry)
        .unwrap()
        .target(totals, ONLY_WHEN_ASKED)
        .target(deltas.delta(), ONLY_WHEN_ASKED)
        .start()
        .unwrap();

    // Jumps in seconds, relative to the current time of the clock.
    for (round, jump) in (1..).zip([0, 0, -3600, 0, 0, 7200, 0, -1, -5, 3, -100_000, 0, 0]) {
        clock.advance(Duration::from_secs(10));
        let by = Duration::from_secs(i64::unsigned_abs(jump));
        clock.set(if jump < 0 { clock.now() - by } else { clock.now() + by });
        requests.with(Id(0)).increment();
        requests.with(Id(round)).increment();
        requests.remove(Id(round - 1));
        sizes.record(3);
        widths.record(4);
        pipeline.flush_blocking(PATIENCE).unwrap();
    }

    for seen in [&seen_totals, &seen_deltas] {
        let mut before = None;
        for snapshot in seen.exports() {
            assert!(before < Some(snapshot.time), "snapshots are in order");
            before = Some(snapshot.time);
            for (_, start) in starts(&snapshot) {
                assert!(start <= snapshot.time, "a point starts after it ends");
            }
        }
    }
    let mut until: BTreeMap<SeriesId, SystemTime> = BTreeMap::new();
    for delta in seen_deltas.exports() {
        for (series, start) in starts(&delta) {
            // The last point of a removed series may be missing, so intervals need not be adjacent.
            if let Some(until) = until.insert(series, delta.time) {
                assert!(until <= start, "two intervals overlap");
            }
        }
    }
    let (first, last) = (seen_totals.exports()[0].time, clock.now());
    let times: Vec<_> = seen_totals.exports().iter().map(|snapshot| snapshot.time).collect();
    assert!(last < first, "the clock was set back in the end");
    assert!(times[5] >= first + HOUR, "a clock that is set forward is followed");
}
