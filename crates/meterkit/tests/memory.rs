//! Queues and caches take the configured memory and at most a fifth more. These tests have their own binary, so that
//! they count only their own allocations.

use std::alloc::System;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use meterkit_core::{Attributes, Data, NumberPoint, Registry, SeriesId, Value};
use meterkit_datadog::{DatadogConfig, DatadogTarget};
use meterkit_grafana::{RemoteWrite, RemoteWriteConfig, RemoteWriteTarget};
use meterkit_otlp::{OtlpConfig, OtlpTarget, Protocol};
use meterkit_pipeline::{Snapshot, Target};
use meterkit_prometheus::{Exposition, Format, Names};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Lets only one test count at a time.
static COUNTING: Mutex<()> = Mutex::new(());

/// Returns the number of bytes that the program has allocated.
fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Fails if the memory allocated since there were `before` bytes exceeds `configured` by more than a fifth.
#[track_caller]
fn assert_bounded(before: usize, configured: usize, what: &str) {
    let taken = live().saturating_sub(before);
    assert!(taken * 10 <= configured * 12, "{what}: {taken} bytes where {configured} are allowed");
}

/// Creates counters with a series for each shard, and a function that increments them.
fn registry(series: u64) -> (Registry, impl Fn()) {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let counters: Vec<_> = (0..series)
        .map(|at| meter.counter::<u64>(format!("requests.of_{at}")).build().expect("a new name"))
        .collect();
    (registry, move || counters.iter().zip(1..).for_each(|(counter, by)| counter.add(by * 7)))
}

fn snapshot(registry: &Registry, second: u64) -> Snapshot {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    Snapshot::new(Attributes::empty(), time, registry.read())
}

/// Returns the settings for a receiver that never exists.
fn config(queue: usize) -> RemoteWriteConfig {
    let destination = RemoteWrite::new("http://127.0.0.1:1/push").expect("a URL");
    RemoteWriteConfig::new(destination).with_queue(queue, Duration::from_secs(1_000_000))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn the_queue_of_remote_write_takes_what_is_configured_however_large_requests_are() {
    let _alone = COUNTING.lock();
    let runtime = runtime();
    for (series, queue) in [(1, 200_000), (30, 300_000), (3000, 2_000_000)] {
        let (registry, grow) = registry(series);
        let mut target = RemoteWriteTarget::new(config(queue)).expect("a target");
        let counts = target.counts();
        let mut export = |second| {
            grow();
            let snapshot = snapshot(&registry, second);
            runtime.block_on(target.export(&snapshot)).expect_err("there is no receiver");
        };
        export(1);
        let (before, mut second) = (live(), 1);
        while counts.dropped() < 10 * series {
            second += 1;
            export(second);
        }
        assert!(counts.waiting_bytes() as usize * 10 > queue * 8, "the queue is full");
        assert_bounded(before, queue, &format!("a queue of requests for {series} series"));

        // All values become too old. This takes a second timestamp, because the first one may be a mistake of the
        // clock.
        export(second + 10_000_000);
        export(second + 10_000_001);
        assert_eq!(counts.waiting_requests(), if series > 2000 { 4 } else { 2 });
        assert_bounded(before, queue / 5, "a queue that was full");
    }
}

#[test]
fn data_of_an_earlier_process_takes_no_more_than_the_queue() {
    let _alone = COUNTING.lock();
    let runtime = runtime();
    let directory = tempfile::tempdir().expect("a directory");
    let (registry, grow) = registry(300);
    let mut target =
        RemoteWriteTarget::new(config(4_000_000).with_spool(directory.path())).expect("a target");
    while target.counts().waiting_bytes() < 1_000_000 {
        grow();
        let snapshot = snapshot(&registry, target.counts().waiting_requests() + 1);
        runtime.block_on(target.export(&snapshot)).expect_err("there is no receiver");
    }
    drop(target);
    let before = live();
    let config = config(150_000).with_spool(directory.path());
    let target = RemoteWriteTarget::new(config).expect("a target");
    assert!(target.counts().dropped() > 0);
    assert_bounded(before, 150_000, "a queue with what was on disk");
}

#[test]
fn a_target_without_a_queue_keeps_nothing_of_an_export_that_failed() {
    let _alone = COUNTING.lock();
    let runtime = runtime();
    let (registry, grow) = registry(1000);
    grow();
    let otlp = |protocol| {
        let config = OtlpConfig::new(protocol, "http://127.0.0.1:1").expect("a URL");
        let config = config.with_max_request_bytes(10_000);
        Box::new(OtlpTarget::new(config).expect("a target")) as Box<dyn Target>
    };
    let datadog = DatadogConfig::api("key").expect("a key");
    let datadog = datadog.with_endpoint("http://127.0.0.1:1").expect("a URL");
    let agent = "unix:///nowhere/dsd.socket".parse().expect("an address");
    for mut target in [
        otlp(Protocol::HttpProtobuf),
        otlp(Protocol::HttpJson),
        otlp(Protocol::Grpc),
        Box::new(DatadogTarget::new(datadog).expect("a target")),
        Box::new(DatadogTarget::new(DatadogConfig::agent(agent)).expect("a target")),
    ] {
        let mut export = |second| {
            let snapshot = snapshot(&registry, second);
            runtime.block_on(target.export(&snapshot)).expect_err("there is no receiver");
        };
        export(1);
        let before = live();
        (2..10).for_each(export);
        // This is less than a tenth of what one export takes.
        assert_bounded(before, 20_000, target.component_type());
    }
}

#[test]
fn a_scrape_takes_a_few_pieces_and_hardly_any_allocations_however_long_it_is() {
    const SERIES: i64 = 100_000;
    let _alone = COUNTING.lock();
    let point = |at: i64| NumberPoint {
        series: SeriesId::new(),
        attributes: Attributes::from_pairs([("number".into(), at.into())]),
        start: SystemTime::UNIX_EPOCH,
        value: Value::I64(at),
    };
    let (registry, grow) = registry(1);
    grow();
    let mut snapshot = snapshot(&registry, 1);
    snapshot.scopes[0].metrics[0].data = Data::Gauge((0..SERIES).map(point).collect());
    let snapshot = Arc::new(snapshot);
    for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
        let (before, allocations) = (live(), ALLOCATOR.stats().allocations);
        let (mut most, mut length) = (0, 0);
        for piece in Exposition::new(snapshot.clone(), format, Names::default()) {
            length += piece.len();
            most = most.max(live() - before);
        }
        let allocations = ALLOCATOR.stats().allocations - allocations;
        assert!(length > 4_000_000, "{format:?}: {length} bytes");
        assert!(most < 1_000_000, "{format:?}: {most} bytes at a time");
        // Two allocations for each MiB, in addition to those at the start.
        let allowed = 2 * length / (1024 * 1024) + 60;
        assert!(allocations <= allowed, "{format:?}: {allocations} allocations for {length} bytes");
    }
}

#[test]
fn an_instrument_without_labels_takes_less_than_a_kilobyte_with_its_first_snapshot() {
    const INSTRUMENTS: u64 = 10_000;
    const BYTES: usize = 850;
    let _alone = COUNTING.lock();
    // Warm up: the first instrument of a process creates what all of them share.
    drop(registry(1).0.read());
    let before = live();
    let (registry, _) = registry(INSTRUMENTS);
    let read = registry.read();
    assert_eq!(read[0].metrics.len(), INSTRUMENTS as usize);
    assert_bounded(before, INSTRUMENTS as usize * BYTES, "instruments and their first snapshot");
}
