//! OpenTelemetry readers see what callbacks report, with the right instrument kind.
#![cfg(feature = "sdk")]

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use meterkit_core::{LabelKey, LabelValue, LabelVisitor, Labels, ManualClock, Meter, Registry};
use meterkit_fakes::scripted_target::PATIENCE;
use meterkit_fakes::snapshots::value;
use opentelemetry_sdk::metrics::Temporality;

use crate::user_reader::{UserReader, catalog, catalog_of};

const READ: &str = "backstage.plugin.catalog.bytes.read";

struct Disk(&'static str);

impl Labels for Disk {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("disk")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

/// Returns the plugin's series as the reader sees them: name, kind, labels, value.
fn all(reader: &UserReader) -> Vec<(String, &'static str, String, f64)> {
    let prefix = "backstage.plugin.catalog";
    let ours = reader.read().into_iter().filter(|reading| reading.scope == prefix);
    ours.map(|it| {
        let short = it.name.trim_start_matches(prefix).trim_start_matches('.').to_owned();
        (short, it.kind, it.labels, it.value)
    })
    .collect()
}

fn series(
    name: &str,
    kind: &'static str,
    labels: &str,
    value: f64,
) -> (String, &'static str, String, f64) {
    (name.to_owned(), kind, labels.to_owned(), value)
}

#[test]
fn a_reader_sees_every_kind_of_observable_instrument() {
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    let guards = [
        meter.observable_counter::<u64>("a.counter").observe(|| 3).unwrap(),
        meter.observable_counter::<f64>("b.counter").observe(|| 0.5).unwrap(),
        meter
            .observable_counter_group::<Disk, u64>("c.counters")
            .observe_with(|observer| {
                observer.observe(Disk("b"), 2);
                observer.observe(Disk("a"), 1);
            })
            .unwrap(),
        meter.observable_up_down_counter::<i64>("d.up_down").observe(|| -4).unwrap(),
        meter.observable_up_down_counter::<f64>("e.up_down").observe(|| -0.25).unwrap(),
        meter
            .observable_up_down_counter_group::<Disk, i64>("f.up_downs")
            .observe_with(|observer| observer.observe(Disk("a"), -1))
            .unwrap(),
        meter.observable_gauge::<u64>("g.gauge").observe(|| 7).unwrap(),
        meter.observable_gauge::<f64>("h.gauge").observe(|| 1.5).unwrap(),
        meter
            .observable_gauge_group::<Disk, i64>("i.gauges")
            .observe_with(|observer| observer.observe(Disk("a"), -7))
            .unwrap(),
    ];
    let together = [
        meter.observable_gauge::<u64>("j.together").build().unwrap(),
        meter.observable_gauge::<u64>("k.together").build().unwrap(),
    ];
    let [j, k] = together.clone();
    let both = meter
        .register_callback([&together[0], &together[1]], move |observer| {
            observer.observe(&j, 1);
            observer.observe(&k, 2);
        })
        .unwrap();
    let _silent = meter.observable_gauge::<u64>("l.silent").build().unwrap();

    let pipeline = builder.start().unwrap();
    let expected = [
        series("a.counter", "rising sum", "", 3.0),
        series("b.counter", "rising sum", "", 0.5),
        series("c.counters", "rising sum", "disk=a", 1.0),
        series("c.counters", "rising sum", "disk=b", 2.0),
        series("d.up_down", "sum", "", -4.0),
        series("e.up_down", "sum", "", -0.25),
        series("f.up_downs", "sum", "disk=a", -1.0),
        series("g.gauge", "gauge", "", 7.0),
        series("h.gauge", "gauge", "", 1.5),
        series("i.gauges", "gauge", "disk=a", -7.0),
        series("j.together", "gauge", "", 1.0),
        series("k.together", "gauge", "", 2.0),
    ];
    assert_eq!(all(&reader), expected);
    assert_eq!(all(&reader), expected, "totals do not add up");

    drop((guards, both));
    let left: Vec<_> = all(&reader).into_iter().map(|(name, ..)| name).collect();
    // The SDK would treat a counter that returns as restarted, so ended counters are reported for an hour.
    assert_eq!(left, ["a.counter", "b.counter", "c.counters", "c.counters"]);
    drop(pipeline);
}

#[test]
fn a_reader_sees_an_instrument_created_after_the_start_with_its_first_value() {
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    let _pipeline = builder.start().unwrap();
    let _read = meter.observable_counter::<u64>("bytes.read").observe(|| 3).unwrap();
    assert_eq!(reader.awaited(READ).value, 3.0);
}

/// Creates a counter whose callback reports the total, or panics if there is none.
fn scripted(meter: &Meter) -> impl Fn(Option<u64>) + use<> {
    let total = Arc::new(Mutex::new(Some(0)));
    let told = total.clone();
    let read = meter.observable_counter::<u64>("bytes.read");
    let callback = move || {
        let total = *told.lock().unwrap();
        total.expect("a bug")
    };
    read.observe(callback).unwrap().forget();
    move |next| *total.lock().unwrap() = next
}

#[test]
fn a_counter_never_falls_for_a_reader() {
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    let (meter, builder, reader) = catalog_of(registry, Temporality::Cumulative);
    let report = scripted(&meter);
    let pipeline = builder.start().unwrap();
    let totals = [
        (Some(100), 100.0),
        (Some(5), 105.0),
        (Some(9), 109.0),
        (None, 109.0),
        (Some(10), 110.0),
        (None, 110.0),
        (Some(1), 111.0),
    ];
    for (total, read) in totals {
        // Long enough for a callback that panicked to be tried again.
        clock.advance(Duration::from_secs(30));
        report(total);
        assert_eq!(reader.one(READ).map(|it| it.value), Some(read), "{total:?}");
        // meterkit's own targets see the total unchanged.
        let ours = value(&pipeline.source().snapshot_blocking(), READ);
        assert_eq!(ours, total.map(|total| total as f64));
    }
}

#[test]
fn a_delta_reader_gets_the_values_since_its_last_reading() {
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    let (meter, builder, reader) = catalog_of(registry, Temporality::Delta);
    let report = scripted(&meter);
    let pipeline = builder.start().unwrap();
    let deltas = [
        (Some(100), 100.0),
        (Some(103), 3.0),
        (Some(5), 5.0),
        (Some(5), 0.0),
        (None, 0.0),
        (Some(9), 4.0),
    ];
    for (total, read) in deltas {
        // Long enough for a callback that panicked to be tried again.
        clock.advance(Duration::from_secs(30));
        report(total);
        // meterkit's own collections take nothing away from the reader.
        pipeline.source().snapshot_blocking();
        assert_eq!(reader.one(READ).map_or(0.0, |it| it.value), read, "{total:?}");
    }
}

#[test]
fn a_reader_is_served_the_last_values_of_a_callback_that_hangs() {
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let runs = AtomicU64::new(0);
    let read = meter.observable_counter::<u64>("bytes.read");
    let _guard = read.budget(Duration::from_millis(50)).observe(move || {
        let run = runs.fetch_add(1, SeqCst) + 1;
        if run > 1 {
            let _ = held.lock().unwrap().recv_timeout(PATIENCE);
        }
        run
    });
    let _pipeline = builder.start().unwrap();
    assert_eq!(reader.awaited(READ).value, 1.0);
    for _ in 0..5 {
        assert_eq!(reader.one(READ).map(|it| it.value), Some(1.0));
    }
    drop(release);
}
