//! Series that are idle beyond their timeout while a push target still lacks their last values.

use std::time::Duration;

use meterkit_core::{CounterGroup, ManualClock, Registry};
use meterkit_fakes::catalog_with_clock;
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::log_lines;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Seen, Step};
use meterkit_fakes::snapshots::points;
use meterkit_pipeline::{Pipeline, Snapshot};

const REQUESTS: &str = "backstage.plugin.catalog.requests";
const TIMEOUT: Duration = Duration::from_secs(5);
const HOUR: Duration = Duration::from_secs(3600);

/// A pipeline with one target, and a group whose idle series end after five seconds.
struct Service {
    clock: ManualClock,
    registry: Registry,
    requests: CounterGroup<Id, u64>,
    pipeline: Pipeline,
    seen: Seen,
}

impl Service {
    fn start(target: ScriptedTarget, seen: Seen) -> Self {
        let (clock, registry, meter) = catalog_with_clock();
        let requests = meter.counter_group::<Id, u64>("requests").idle_timeout(TIMEOUT);
        let requests = requests.cardinality_limit(20).build().unwrap();
        let builder = Pipeline::builder(registry.clone()).unwrap();
        let builder = builder.snapshot_max_age(Duration::ZERO).target(target, ONLY_WHEN_ASKED);
        Self { clock, registry, requests, pipeline: builder.start().unwrap(), seen }
    }

    /// Exports `times` times, every ten seconds.
    fn export(&self, times: usize) {
        for _ in 0..times {
            self.clock.advance(2 * TIMEOUT);
            let _ = self.pipeline.flush_blocking(PATIENCE);
        }
    }

    /// Scrapes the pipeline, and returns the number of series.
    fn scrape(&self) -> usize {
        self.clock.advance(2 * TIMEOUT);
        series(&self.pipeline.source().snapshot_blocking())
    }

    fn undelivered(&self) -> f64 {
        let snapshot = self.pipeline.source().snapshot_blocking();
        let dropped = points(&snapshot, "meterkit.dropped");
        dropped.iter().map(|point| point.value.as_f64()).sum()
    }
}

fn series(snapshot: &Snapshot) -> usize {
    points(snapshot, REQUESTS).len()
}

fn total(snapshot: &Snapshot) -> f64 {
    points(snapshot, REQUESTS).iter().map(|point| point.value.as_f64()).sum()
}

fn refusing(times: usize) -> (ScriptedTarget, Seen) {
    ScriptedTarget::new("scripted", vec![Step::Refuse; times])
}

#[test]
fn a_series_that_is_idle_in_an_outage_stays_until_its_last_value_is_acknowledged() {
    let (target, seen) = refusing(10);
    let service = Service::start(target, seen);
    for id in 0..9 {
        service.requests.with(Id(id)).add(id + 1);
        service.export(1);
    }
    service.export(2);
    let last = service.seen.exports().pop().unwrap();
    assert_eq!(
        (series(&last), total(&last)),
        (9, 45.0),
        "the first successful export contains everything"
    );
    service.export(2);
    let last = service.seen.exports().pop().unwrap();
    assert_eq!((series(&last), service.undelivered()), (0, 0.0));
}

#[test]
fn a_series_that_lives_between_two_exports_is_in_the_second() {
    let (target, seen) = refusing(0);
    let service = Service::start(target, seen);
    service.export(1);
    service.requests.with(Id(1)).add(3);
    for _ in 0..4 {
        assert_eq!(service.scrape(), 1);
    }
    service.export(1);
    assert_eq!(total(&service.seen.exports()[1]), 3.0);
    service.export(1);
    assert_eq!(service.scrape(), 0);
}

#[test]
fn a_series_that_lives_between_two_scrapes_is_in_the_second() {
    let (target, seen) = refusing(0);
    let service = Service::start(target, seen);
    assert_eq!(service.scrape(), 0);
    service.requests.with(Id(1)).add(3);
    service.export(5);
    assert_eq!((service.scrape(), service.scrape()), (1, 0));
}

#[test]
fn a_series_that_all_targets_have_ends_after_its_timeout() {
    let (target, seen) = refusing(0);
    let service = Service::start(target, seen);
    service.requests.with(Id(1)).add(3);
    service.export(2);
    let counts: Vec<_> = service.seen.exports().iter().map(series).collect();
    assert_eq!(counts, [1, 0]);
}

#[test]
fn a_target_with_a_queue_and_one_that_takes_deltas_are_not_waited_for() {
    let (target, seen) = refusing(9);
    let service = Service::start(target.with_queue(99), seen);
    service.requests.with(Id(1)).add(3);
    service.export(3);
    let counts: Vec<_> = service.seen.exports().iter().map(series).collect();
    assert_eq!(counts, [1, 0, 0], "the first snapshot is in the queue");

    let (target, seen) = refusing(4);
    let service = Service::start(target.delta(), seen);
    service.requests.with(Id(1)).add(3);
    service.export(3);
    assert_eq!(service.scrape(), 0);
    service.export(2);
    let last = service.seen.exports().pop().unwrap();
    assert_eq!(total(&last), 3.0, "the delta contains the values of ended series");
    assert_eq!(service.undelivered(), 0.0);
}

#[test]
fn after_an_hour_the_value_is_lost_with_a_log_line_and_counted() {
    let (target, seen) = refusing(9);
    let service = Service::start(target, seen);
    service.requests.with(Id(1)).add(3);
    service.requests.with(Id(2)).add(4);
    service.export(1);
    service.clock.advance(HOUR - 2 * TIMEOUT);
    assert_eq!((service.scrape(), service.undelivered()), (2, 0.0));
    let (left, logs) = log_lines::of(|| (service.scrape(), service.undelivered()));
    assert_eq!(left, (0, 2.0));
    assert_eq!(logs.len(), 1, "{logs:?}");
    assert!(logs[0].contains("reason=undelivered"), "{logs:?}");
}

#[test]
fn what_waits_leaves_room_for_new_series() {
    let (target, seen) = refusing(9);
    let service = Service::start(target, seen);
    (0..11).for_each(|id| service.requests.with(Id(id)).increment());
    assert_eq!(
        (service.scrape(), service.scrape()),
        (11, 10),
        "one series beyond half of the limit"
    );
    assert_eq!((service.scrape(), service.undelivered()), (10, 1.0));
}

#[test]
fn without_a_pipeline_nobody_is_waited_for() {
    let (target, seen) = refusing(9);
    let service = Service::start(target, seen);
    service.requests.with(Id(1)).add(3);
    service.export(2);
    assert_eq!(series(&service.seen.exports()[1]), 1);
    let Service { clock, registry, pipeline, .. } = service;
    let _ = pipeline.shutdown_blocking(PATIENCE);
    clock.advance(2 * TIMEOUT);
    let scopes = registry.read();
    let names = scopes.iter().flat_map(|scope| &scope.metrics);
    assert!(!names.map(|metric| &metric.descriptor.name).any(|name| name == REQUESTS));
}

#[test]
fn forgotten_series_that_a_delta_target_lacks_are_counted() {
    let (target, seen) = refusing(9);
    let service = Service::start(target.delta(), seen);
    service.requests.with(Id(1)).add(3);
    service.export(1);
    service.requests.remove(Id(1));
    service.export(1);
    service.clock.advance(HOUR);
    let (left, logs) = log_lines::of(|| (service.scrape(), service.undelivered()));
    assert_eq!(left, (0, 1.0));
    assert!(logs.iter().any(|line| line.contains("series ended")), "{logs:?}");
}
