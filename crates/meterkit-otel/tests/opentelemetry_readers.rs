//! OpenTelemetry readers see every instrument of the facade, and each value once.
#![cfg(feature = "sdk")]

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use meterkit_core::{
    CallbackGuard, LabelKey, LabelValue, LabelVisitor, Labels, Naming, NamingPolicy, Registry,
};
use meterkit_fakes::log_lines;
use meterkit_fakes::scripted_target::PATIENCE;
use meterkit_fakes::snapshots::{self, histogram, points, value};
use meterkit_pipeline::Pipeline;
use opentelemetry_sdk::metrics::Temporality;

use crate::user_reader::{UserReader, WithReaders, catalog};

struct Route(&'static str, Option<u16>);

impl Labels for Route {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("http.route"), LabelKey::new("code")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
        visitor.visit(self.1.label());
    }
}

fn name(metric: &str) -> String {
    format!("backstage.plugin.catalog.{metric}")
}

/// Returns the plugin's series as the reader sees them: name, kind, labels, value, count.
fn all(reader: &UserReader) -> Vec<(String, &'static str, String, f64, u64)> {
    let readings = reader.read().into_iter();
    let ours = readings.filter(|reading| reading.scope == "backstage.plugin.catalog");
    ours.map(|it| {
        let short = it.name.trim_start_matches("backstage.plugin.catalog.").to_owned();
        (short, it.kind, it.labels, it.value, it.count)
    })
    .collect()
}

fn series(
    name: &str,
    kind: &'static str,
    labels: &str,
    value: f64,
    count: u64,
) -> (String, &'static str, String, f64, u64) {
    (name.to_owned(), kind, labels.to_owned(), value, count)
}

#[test]
fn an_integer_that_the_sdk_sends_as_zero_is_read_exactly_and_logged_once() {
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    meter.gauge::<u64>("large").build().unwrap().set(1_u64 << 63);
    meter.gauge::<u64>("small").build().unwrap().set((1_u64 << 63) - 1);
    let pipeline = builder.start().unwrap();
    let ((), lines) = log_lines::of(|| {
        for _ in 0..3 {
            assert_eq!(all(&reader)[0].3, 9_223_372_036_854_775_808.0);
        }
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(&format!("instrument={}", name("large"))), "{lines:?}");
    pipeline.shutdown_blocking(PATIENCE).unwrap();
}

#[test]
fn a_reader_sees_every_kind_of_instrument_with_values_from_before_the_start() {
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    meter.counter::<u64>("a.counter").build().unwrap().add(3);
    meter.counter::<f64>("b.counter").build().unwrap().add(0.5);
    meter.up_down_counter::<i64>("c.up_down").build().unwrap().add(-4);
    meter.up_down_counter::<f64>("d.up_down").build().unwrap().add(-0.25);
    meter.gauge::<i64>("e.gauge").build().unwrap().set(-7);
    meter.gauge::<u64>("f.gauge").build().unwrap().set(7);
    meter.gauge::<f64>("g.gauge").build().unwrap().set(1.5);
    let sizes = meter.histogram::<u64>("h.histogram").build().unwrap();
    sizes.record(10);
    sizes.record(20);
    meter.histogram::<f64>("i.histogram").unit("s").build().unwrap().record(0.125);
    let _rows = meter.observable_gauge::<u64>("j.observable").observe(|| 9).unwrap();
    let group = meter.counter_group::<Route, u64>("k.group").build().unwrap();
    group.with(Route("/a", Some(200))).add(1);
    group.with(Route("/b", None)).add(2);
    let sizes = meter.histogram_group::<Route, u64>("l.group").build().unwrap();
    sizes.with(Route("/a", None)).record(5);
    let _unset = meter.gauge::<u64>("m.unset").build().unwrap();
    let _empty = meter.histogram::<u64>("n.empty").build().unwrap();

    let pipeline = builder.start().unwrap();
    let expected = [
        series("a.counter", "rising sum", "", 3.0, 1),
        series("b.counter", "rising sum", "", 0.5, 1),
        series("c.up_down", "sum", "", -4.0, 1),
        series("d.up_down", "sum", "", -0.25, 1),
        series("e.gauge", "gauge", "", -7.0, 1),
        series("f.gauge", "gauge", "", 7.0, 1),
        series("g.gauge", "gauge", "", 1.5, 1),
        series("h.histogram", "histogram", "", 30.0, 2),
        series("i.histogram", "histogram", "", 0.125, 1),
        series("j.observable", "gauge", "", 9.0, 1),
        series("k.group", "rising sum", "code=200,http.route=/a", 1.0, 1),
        series("k.group", "rising sum", "http.route=/b", 2.0, 1),
        series("l.group", "histogram", "http.route=/a", 5.0, 1),
    ];
    assert_eq!(all(&reader), expected);
    assert_eq!(all(&reader), expected, "reading changes nothing");
    drop(pipeline);
}

#[test]
fn a_reader_sees_instruments_and_series_that_are_made_after_the_start() {
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    let early = meter.histogram_group::<Route, u64>("early").build().unwrap();
    let _pipeline = builder.start().unwrap();

    early.with(Route("/late", None)).record(2);
    assert_eq!(reader.one(&name("early")).map(|it| (it.value, it.count)), Some((2.0, 1)));

    meter.counter::<u64>("counter").build().unwrap().add(3);
    let sizes = meter.histogram::<u64>("histogram").build().unwrap();
    for size in 1..=100 {
        sizes.record(size);
    }
    let _rows = meter.observable_gauge::<u64>("observable").observe(|| 4).unwrap();
    assert_eq!(reader.awaited(&name("counter")).value, 3.0);
    let read = reader.awaited(&name("histogram"));
    assert_eq!(
        (read.value, read.count),
        (5050.0, 100),
        "includes values recorded before the twin was created"
    );
    assert_eq!(reader.awaited(&name("observable")).value, 4.0);
}

#[test]
fn observed_values_are_fresh_for_a_reader() {
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    let rows = Arc::new(AtomicU64::new(1));
    let shared = rows.clone();
    let guard = meter.observable_gauge::<u64>("rows").observe(move || shared.load(SeqCst)).unwrap();
    let _pipeline = builder.start().unwrap();
    for value in [5, 9, 2] {
        rows.store(value, SeqCst);
        assert_eq!(reader.one(&name("rows")).map(|it| it.value), Some(value as f64));
    }
    drop(guard);
    assert_eq!(reader.one(&name("rows")), None);
}

#[test]
fn a_reader_of_deltas_gets_each_value_exactly_once() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let sizes = meter.histogram::<u64>("sizes").build().unwrap();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    sizes.record(1);
    requests.add(1);
    let reader = UserReader::new(Temporality::Delta);
    let builder = Pipeline::builder(registry).unwrap();
    let pipeline = builder.reader(reader.clone()).start().unwrap();

    let (mut count, mut sum, mut total) = (0, 0.0, 0.0);
    for round in 2..=6 {
        let read = reader.one(&name("sizes"));
        count += read.as_ref().map_or(0, |it| it.count);
        sum += read.map_or(0.0, |it| it.value);
        // meterkit's own collections take nothing away from the reader.
        pipeline.flush_blocking(PATIENCE).unwrap();
        pipeline.source().snapshot_blocking();
        sizes.record(round);
    }
    let last = reader.read();
    let of = |metric: &str| last.iter().find(|it| it.name == name(metric)).cloned();
    count += of("sizes").map_or(0, |it| it.count);
    sum += of("sizes").map_or(0.0, |it| it.value);
    assert_eq!((count, sum), (6, 21.0));

    requests.add(4);
    total += reader.one(&name("requests")).map_or(0.0, |it| it.value);
    assert_eq!(total, 4.0, "the values since the last reading");
}

#[test]
fn threads_that_record_while_the_pipeline_starts_lose_nothing_on_the_way_to_a_reader() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 5_000; // few enough to be replayed
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    let group = meter.histogram_group::<Route, u64>("sizes").build().unwrap();
    let start = Barrier::new(THREADS as usize + 1);
    let pipeline = std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for round in 0..ROUNDS {
                    let route = ["/a", "/b", "/c", "/d"][round as usize % 4];
                    group.with(Route(route, Some((round / 4 % 50) as u16))).record(1);
                }
            });
        }
        start.wait();
        builder.start().unwrap()
    });
    let read = reader.read();
    assert_eq!(read.iter().map(|it| it.count).sum::<u64>(), THREADS * ROUNDS);
    assert_eq!(read.len(), 200);
    assert!(read.iter().all(|it| it.count == THREADS * ROUNDS / 200), "{read:?}");
    let snapshot = pipeline.source().snapshot_blocking();
    let metric = snapshots::metrics(&snapshot, &name("sizes"));
    assert_eq!(metric.len(), 1);
    assert_eq!(metric[0].data.len(), 200);
}

#[test]
fn values_that_do_not_fit_into_the_replay_are_counted() {
    const ROOM: u64 = 65_536;
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    let sizes = meter.histogram::<u64>("sizes").build().unwrap();
    for _ in 0..ROOM + 10 {
        sizes.record(1);
    }
    let pipeline = builder.start().unwrap();
    sizes.record(1);
    assert_eq!(reader.one(&name("sizes")).map(|it| it.count), Some(ROOM + 1));
    let snapshot = pipeline.source().snapshot_blocking();
    assert_eq!(histogram(&snapshot, &name("sizes")).count, ROOM + 11, "the store has them all");
    let dropped = points(&snapshot, "meterkit.dropped");
    assert_eq!(dropped.len(), 1);
    assert_eq!(
        dropped[0].attributes.get("reason").map(|value| value.to_string()).unwrap(),
        "replay_full"
    );
    assert_eq!(dropped[0].value.as_f64(), 10.0);
}

#[test]
fn a_snapshot_holds_each_instrument_once_while_a_reader_is_there() {
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    meter.counter::<u64>("requests").build().unwrap().add(3);
    meter.histogram::<u64>("sizes").build().unwrap().record(4);
    let pipeline = builder.start().unwrap();
    let later = meter.up_down_counter::<i64>("open").build().unwrap();
    later.add(2);
    reader.awaited(&name("open"));
    for _ in 0..3 {
        reader.read();
        let snapshot = pipeline.source().snapshot_blocking();
        // Leave out the pipeline's self-metrics.
        let scopes = snapshot.scopes.iter().filter(|scope| scope.scope.name() != "meterkit");
        let metrics: Vec<_> = scopes.map(|scope| scope.metrics.len()).collect();
        assert_eq!(metrics, [3], "{snapshot:?}");
        assert_eq!(value(&snapshot, &name("requests")), Some(3.0));
        assert_eq!(histogram(&snapshot, &name("sizes")).count, 1);
        assert_eq!(value(&snapshot, &name("open")), Some(2.0));
    }
}

#[test]
fn names_and_scopes_for_a_reader_follow_the_naming() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog").version("1.0");
    meter.counter::<u64>("requests").build().unwrap().increment();
    registry.set_naming(Naming::new("acme", NamingPolicy::ScopeOnly).unwrap()).unwrap();
    let reader = UserReader::new(Temporality::Cumulative);
    let builder = Pipeline::builder(registry).unwrap().reader(reader.clone());
    let _pipeline = builder.start().unwrap();
    let read = reader.read();
    assert_eq!(read.len(), 1);
    assert_eq!((&*read[0].scope, &*read[0].name), ("acme.plugin.catalog", "requests"));
}

#[test]
fn two_readers_see_the_same() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    let [first, second] = [(); 2].map(|()| UserReader::new(Temporality::Cumulative));
    let pipeline = builder.readers(&[&first, &second]).start().unwrap();
    meter.counter::<u64>("requests").build().unwrap().add(5);
    meter.histogram::<u64>("sizes").build().unwrap().record(5);
    for reader in [&first, &second] {
        reader.awaited(&name("sizes"));
        reader.awaited(&name("requests"));
    }
    assert_eq!(all(&first), all(&second));
    drop(pipeline);
}

#[test]
fn recording_goes_on_after_a_shutdown_ended_the_readers() {
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    let sizes = meter.histogram::<u64>("sizes").build().unwrap();
    let pipeline = builder.start().unwrap();
    sizes.record(1);
    assert_eq!(reader.one(&name("sizes")).map(|it| it.count), Some(1));
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    sizes.record(2);
    let made_later = meter.histogram::<u64>("made_later").build().unwrap();
    made_later.record(3);
    let snapshot = pipeline.source().snapshot_blocking();
    assert_eq!(histogram(&snapshot, &name("sizes")).count, 2);
    assert_eq!(histogram(&snapshot, &name("made_later")).count, 1);
}

#[test]
fn a_reader_that_collects_all_the_time_never_gets_stuck_with_callbacks_that_make_instruments() {
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    let inner = meter.clone();
    let kept: Mutex<Vec<CallbackGuard>> = Mutex::default();
    let next = AtomicU64::new(0);
    let _rows = meter
        .observable_gauge::<u64>("rows")
        .observe(move || {
            let number = next.fetch_add(1, SeqCst);
            if number < 50 {
                let counter = inner.counter::<u64>(format!("made.counter_{number}")).build();
                counter.expect("a good name").increment();
                let sizes = inner.histogram::<u64>(format!("made.sizes_{number}")).build();
                sizes.expect("a good name").record(1);
                let gauge = inner.observable_gauge::<u64>(format!("made.gauge_{number}"));
                kept.lock().unwrap().push(gauge.observe(|| 1).expect("a good name"));
            }
            number
        })
        .unwrap();
    let pipeline = builder.start().unwrap();
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for _ in 0..30 {
            reader.read();
            pipeline.source().snapshot_blocking();
        }
        reader.awaited(&name("made.sizes_0"));
        pipeline.flush_blocking(PATIENCE).unwrap();
        pipeline.shutdown_blocking(PATIENCE).unwrap();
        let _ = done.send(());
    });
    is_done.recv_timeout(PATIENCE).expect("the threads finish without a deadlock or a panic");
}

#[test]
fn a_callback_runs_once_per_reading_however_many_instruments_are_read() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    for number in 0..5 {
        meter
            .counter::<u64>(format!("count.no_{number}"))
            .build()
            .expect("a good name")
            .increment();
    }
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let rows = meter.observable_gauge::<u64>("rows");
    let _guard = rows.observe(move || counted.fetch_add(1, SeqCst)).expect("a good name");
    let reader = UserReader::new(Temporality::Cumulative);
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    let builder = builder.snapshot_max_age(Duration::ZERO).reader(reader.clone());
    let _pipeline = builder.start().expect("a thread");

    reader.read();
    assert_eq!(runs.load(SeqCst), 1);
}
