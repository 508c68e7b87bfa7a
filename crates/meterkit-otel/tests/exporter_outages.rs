//! OpenTelemetry exporters that fail, hang or panic, and what happens to their batches and to other targets.
#![cfg(feature = "sdk")]

use std::time::Duration;

use meterkit_core::Meter;
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::rerun;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget};
use meterkit_fakes::snapshots::value;
use meterkit_otel::OtelMeter;
use meterkit_otel::sdk::Mirror;
use meterkit_pipeline::{Pipeline, PipelineBuilder, Schedule};
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::Temporality::{Cumulative, Delta};

use crate::scripted_exporter::Step::{Accept, Block, Hang, Panic, Refuse};
use crate::scripted_exporter::{self, Offers, ScriptedExporter, Step, WithExporters};

fn catalog() -> (Meter, PipelineBuilder) {
    let (registry, meter) = scripted_exporter::catalog();
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    (meter, builder.snapshot_max_age(Duration::ZERO))
}

fn start(
    temporality: opentelemetry_sdk::metrics::Temporality,
    steps: &[Step],
) -> (Meter, Pipeline, Offers) {
    let (meter, builder) = catalog();
    let (exporter, offers) = ScriptedExporter::new(temporality, steps);
    let pipeline = builder.exporters([exporter], &[]).start().expect("a thread");
    (meter, pipeline, offers)
}

#[test]
fn a_batch_that_failed_is_offered_again_unchanged_at_later_intervals() {
    for temporality in [Cumulative, Delta] {
        let (meter, pipeline, offers) = start(temporality, &[Refuse, Panic, Refuse]);
        let requests = meter.counter::<u64>("requests").build().unwrap();
        let sizes = meter.histogram::<f64>("sizes").build().unwrap();
        for (offered, add) in [(1, 3), (2, 4), (3, 5), (5, 6)] {
            requests.add(add);
            sizes.record(add as f64);
            // The interval is a day: a batch that is refused within it is not offered again.
            assert_eq!(pipeline.flush_blocking(PATIENCE).is_ok(), offered == 5);
            assert_eq!(offers.count(), offered);
        }
        let all = offers.all();
        let batch = &all[0];
        assert!(batch.text.contains("requests") && batch.text.contains("sizes"));
        assert!(all[1..4].iter().all(|again| again.text == batch.text));
        // The last flush delivers the batch, and then the values recorded meanwhile.
        assert_ne!(all[4].text, batch.text);
        let expected = if temporality == Delta { [3.0, 15.0] } else { [3.0, 18.0] };
        assert_eq!(offers.values("requests"), expected);
        assert_eq!(offers.values("sizes"), expected);
    }
}

#[test]
fn each_interval_offers_a_refused_batch_once() {
    let (meter, builder) = catalog();
    meter.counter::<u64>("requests").build().unwrap().add(1);
    let (exporter, offers) = ScriptedExporter::new(Delta, &[Refuse; 3]);
    let mut mirror = Mirror::new();
    let schedule = Schedule { interval: Duration::from_millis(20), timeout: PATIENCE };
    let builder = builder.target(mirror.exporter(exporter), schedule);
    let pipeline = mirror.attach(builder).start().unwrap();
    offers.wait_for(5);
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    let all = offers.all();
    let steps: Vec<_> = all.iter().map(|offer| offer.step).take(4).collect();
    assert_eq!(steps, [Refuse, Refuse, Refuse, Accept]);
    assert!(all[1..4].iter().all(|again| again.text == all[0].text));
    assert_eq!(offers.sum("requests"), 1.0);
    // There are as many failures as refusals: no offer was made in between.
    let health = &pipeline.health().targets[0];
    assert_eq!((health.consecutive_failures, health.queue.unwrap().requests), (0, 0));
}

#[test]
fn deltas_survive_an_outage_exactly() {
    let (meter, pipeline, offers) =
        start(Delta, &[Accept, Refuse, Refuse, Panic, Refuse, Accept, Accept, Refuse, Refuse]);
    let requests = meter.counter_group::<Id, u64>("requests").build().unwrap();
    let open = meter.up_down_counter::<i64>("open").build().unwrap();
    let sizes = meter.histogram_group::<Id, u64>("sizes").build().unwrap();
    let otel = meter.otel();
    let calls = otel.u64_counter("calls").build();
    let bound = calls.bind(&[KeyValue::new("peer", "b")]);
    let waits = otel.f64_histogram("waits").build();
    for round in 1..=12_u64 {
        for id in 0..3 {
            requests.with(Id(id)).add(round);
            sizes.with(Id(id)).record(round);
        }
        open.add(if round % 3 == 0 { -5 } else { 7 });
        calls.add(round, &[KeyValue::new("peer", "a")]);
        bound.add(round);
        waits.record(round as f64, &[KeyValue::new("peer", "a")]);
        let _ = pipeline.flush_blocking(PATIENCE);
    }
    let recorded = f64::from((1..=12).sum::<u32>());
    for id in 0..3 {
        for name in ["requests", "sizes"] {
            let points = offers.points(name).into_iter();
            let of_id: Vec<_> = points.filter(|it| it.labels == format!("id={id}")).collect();
            assert_eq!(of_id.iter().map(|it| it.value).sum::<f64>(), recorded, "{name} {id}");
            if name == "sizes" {
                assert_eq!(of_id.iter().map(|it| it.count).sum::<u64>(), 12);
            }
        }
    }
    assert_eq!(offers.sum("calls"), 2.0 * recorded);
    assert_eq!(offers.sum("waits"), recorded);
    assert_eq!(offers.points("waits").iter().map(|it| it.count).sum::<u64>(), 12);
    // By OpenTelemetry's specification, delta temporality still exports cumulative up-down counters.
    assert_eq!(offers.values("open").last(), Some(&36.0));
}

#[test]
fn a_batch_is_dropped_counted_and_logged_once_after_ten_offers() {
    // Capturing the logs of all threads requires a separate process.
    if rerun("a_batch_is_dropped_counted_and_logged_once_after_ten_offers", &[]).is_some() {
        return;
    }
    let (((meter, pipeline, offers), requests, failures), lines) =
        log_lines::of_all_threads(|| {
            let (meter, builder) = catalog();
            let (exporter, offers) = ScriptedExporter::new(Delta, &[Refuse; 10]);
            let pipeline = builder.exporters([exporter], &[]).start().expect("a thread");
            let requests = meter.counter_group::<Id, u64>("requests").build().unwrap();
            requests.with(Id(1)).add(1);
            requests.with(Id(2)).add(1);
            let flush = |_| pipeline.flush_blocking(PATIENCE).is_err();
            let failures = (0..9).filter(|at| flush(*at)).count();
            let queue = pipeline.health().targets[0].queue.expect("the target keeps a batch");
            assert_eq!((queue.requests, queue.dropped_values), (1, 0), "nine are not enough");
            requests.with(Id(1)).add(5);
            assert!(flush(9));
            ((meter, pipeline, offers), requests, failures)
        });
    assert_eq!((failures, offers.count()), (9, 10));
    let batch = offers.all().remove(0);
    let points = batch.readings.len();
    let health = pipeline.health();
    let queue = health.targets[0].queue.expect("the target keeps a batch");
    assert_eq!((queue.requests, queue.dropped_values), (0, points as u64));
    assert!(health.to_string().contains(&format!("values dropped: {points}")), "{health}");
    let dropped: Vec<_> = lines.iter().filter(|line| line.contains("batch dropped")).collect();
    let [dropped] = dropped[..] else { panic!("{lines:?}") };
    assert!(dropped.starts_with("ERROR ") && dropped.contains(&format!("points={points}")));
    assert!(dropped.contains("offers=10") && dropped.contains("the receiver is down"), "{dropped}");

    // Values recorded since the dropped batch was collected are not lost with it.
    requests.with(Id(2)).add(7);
    pipeline.flush_blocking(PATIENCE).expect("the exporter accepts again");
    let sent: Vec<_> = offers.points("requests").iter().map(|it| it.value).collect();
    assert_eq!(sent, [5.0, 7.0]);
    let snapshot = pipeline.source().snapshot_blocking();
    let counted = value(&snapshot, "meterkit.target.queue.dropped");
    assert_eq!(counted, Some(points as f64), "{:?}", meter);
}

#[test]
fn exporters_that_block_hang_or_panic_disturb_nobody_else() {
    let (meter, builder) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let (good, accepted) = ScriptedExporter::new(Delta, &[]);
    let bad = [Block, Hang, Panic].map(|step| ScriptedExporter::always(Delta, step));
    let all: Vec<_> = bad.iter().map(|(_, offers)| offers.clone()).collect();
    let [block, hang, panic] = bad.map(|(exporter, _)| exporter);
    let builder = builder.target(target.delta(), ONLY_WHEN_ASKED);
    let pipeline = builder.exporters([block, hang, panic, good], &[]).start().unwrap();
    for add in 1..=3 {
        requests.add(add);
        let failed = pipeline.flush_blocking(Duration::from_millis(300)).expect_err("three fail");
        let missed = failed.to_string().matches("not finished by the deadline").count();
        assert!(missed >= 2, "{failed}");
        for offers in [&all[2], &accepted] {
            offers.wait_for(add as usize);
        }
        seen.wait_for(add as usize);
    }
    // An exporter that still holds a batch gets no other batch.
    let offered: Vec<_> = all.iter().map(Offers::count).collect();
    assert_eq!(offered, [1, 1, 3]);
    assert_eq!(value(&pipeline.source().snapshot_blocking(), "requests"), Some(6.0));
    let exports: Vec<_> = seen.exports().iter().map(|it| value(it, "requests")).collect();
    assert_eq!(exports, [Some(1.0), Some(2.0), Some(3.0)]);
    assert_eq!(accepted.values("requests"), [1.0, 2.0, 3.0]);

    requests.add(4);
    let failed = pipeline.shutdown_blocking(Duration::from_secs(2)).expect_err("three fail");
    let failed = failed.to_string();
    assert_eq!(failed.matches("not finished by the deadline").count(), 2, "{failed}");
    assert!(failed.contains("the exporter has a bug"), "{failed}");
    assert_eq!((accepted.sum("requests"), accepted.shutdowns()), (10.0, 1));
    assert_eq!(value(&seen.exports()[3], "requests"), Some(4.0));
    all[0].release();
}

#[test]
fn an_offer_that_outlasts_the_timeout_is_waited_for_and_counts_once() {
    let (meter, builder) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let sizes = meter.histogram::<u64>("sizes").build().unwrap();
    let (exporter, offers) = ScriptedExporter::new(Delta, &[Block]);
    let mut mirror = Mirror::new();
    let schedule =
        Schedule { interval: Duration::from_millis(1), timeout: Duration::from_millis(10) };
    requests.add(1);
    sizes.record(1);
    let builder = builder.target(mirror.exporter(exporter), schedule);
    let pipeline = mirror.attach(builder).start().unwrap();
    offers.wait_for(1);
    // A flush does not wait for the end of the back-off.
    let flush = || pipeline.flush_blocking(Duration::from_secs(60));
    while pipeline.health().targets[0].consecutive_failures < 5 {
        let _ = flush();
    }
    requests.add(2);
    sizes.record(2);
    assert_eq!(offers.count(), 1);
    offers.release();
    while offers.sum("requests") < 2.0 || offers.sum("sizes") < 2.0 {
        let _ = flush();
    }
    assert_eq!(offers.all()[0].step, Block);
    let blocked = &offers.all()[0].readings;
    for name in ["requests", "sizes"] {
        let of_blocked = blocked.iter().find(|it| it.name == name).map(|it| it.value);
        assert_eq!((of_blocked, offers.sum(name)), (Some(1.0), 2.0), "{name}");
    }
}

#[test]
fn attempts_that_time_out_at_every_step_lose_nothing() {
    let (meter, builder) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let sizes = meter.histogram::<u64>("sizes").build().unwrap();
    let (exporter, offers) = ScriptedExporter::new(Delta, &[Accept, Refuse]);
    let mut mirror = Mirror::new();
    // Every attempt times out before the step that it started finishes.
    let schedule = Schedule { interval: Duration::from_millis(1), timeout: Duration::ZERO };
    let builder = builder.target(mirror.exporter(exporter), schedule);
    let pipeline = mirror.attach(builder).start().unwrap();
    // A flush does not wait for the end of the back-off.
    let flush_until = |offered| {
        while offers.count() < offered {
            let _ = pipeline.flush_blocking(Duration::from_secs(60));
        }
    };
    for offered in 1..=10 {
        requests.add(1);
        sizes.record(1);
        flush_until(offered);
    }
    flush_until(offers.count() + 2);
    assert_eq!((offers.sum("requests"), offers.sum("sizes")), (10.0, 10.0));
}
