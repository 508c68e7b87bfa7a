//! Callbacks in an installed program: each runs once per collection, whatever reads it, and async callbacks need no
//! runtime of the program.
#![cfg(feature = "prometheus")]

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::sleep;
use std::time::{Duration, Instant};

use meterkit::data::Value;
use meterkit::testing::{Seen, TestKit, assert_metric};
use meterkit::{Labels, Telemetry};

use crate::batches::{Batches, ONLY_WHEN_ASKED};
use crate::http_get;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// A period longer than any test takes.
const ONCE: Duration = Duration::from_secs(24 * 3600);

#[derive(Labels)]
struct Table {
    table: &'static str,
}

/// Installs two push targets and an endpoint, and never reuses a collection.
fn install(kit: &TestKit) -> Result<(Telemetry, [Batches; 2])> {
    let targets = [Batches::default(), Batches::default()];
    let telemetry = Telemetry::builder()
        .registry(kit.registry().clone())
        .snapshot_max_age(Duration::ZERO)
        .target_with(targets[0].clone(), ONLY_WHEN_ASKED)
        .target_with(targets[1].clone(), ONLY_WHEN_ASKED)
        .prometheus(meterkit::prometheus::PrometheusServer::new().host("127.0.0.1").port(0))
        .install()?;
    Ok((telemetry, targets))
}

#[test]
fn each_callback_runs_once_per_collection_whatever_number_of_targets_and_instruments_it_has()
-> Result {
    let kit = TestKit::new();
    let meter = kit.semconv("database");
    let counted = || {
        let runs = Arc::new(AtomicU64::new(0));
        (runs.clone(), move || runs.fetch_add(1, SeqCst) + 1)
    };
    let (plain_runs, count_plain) = counted();
    let _plain = meter.observable_counter::<u64>("plain").observe(count_plain)?;
    let (group_runs, count_groups) = counted();
    let rows = meter.observable_gauge_group::<Table, u64>("rows").build()?;
    let bytes = meter.observable_up_down_counter_group::<Table, i64>("bytes").build()?;
    let _groups = meter.register_callback([&rows, &bytes], {
        let (rows, bytes) = (rows.clone(), bytes.clone());
        move |observer| {
            let run = count_groups();
            for table in ["entity", "task"] {
                observer.observe_series(&rows, Table { table }, run);
                observer.observe_series(&bytes, Table { table }, run as i64);
            }
        }
    })?;
    let (telemetry, targets) = install(&kit)?;
    let runs = || [plain_runs.load(SeqCst), group_runs.load(SeqCst)];
    assert_eq!(runs(), [0, 0], "nothing has been collected");

    for round in 0..3 {
        telemetry.flush_blocking()?;
        let pushed = 2 * round + 1;
        assert_eq!(runs(), [pushed; 2], "both targets share a collection");
        for target in &targets {
            let seen = target.last();
            assert_metric!(seen, "plain" == pushed);
            assert_metric!(seen, "rows" { table = "entity" } == pushed);
            assert_metric!(seen, "bytes" { table = "task" } == pushed);
        }
        let address = telemetry.prometheus_address().expect("it has an endpoint");
        let text = http_get::scrape(address)?;
        assert_eq!(runs(), [pushed + 1; 2]);
        let line = format!("plain_total{{otel_scope_name=\"database\"}} {}\n", pushed + 1);
        assert!(text.contains(&line), "{text}");
    }
    telemetry.shutdown_blocking()?;
    Ok(())
}

/// Collects until the metric has a series, and returns the collection.
#[track_caller]
fn seen_when(telemetry: &Telemetry, name: &str) -> Seen {
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        let seen = Seen::from(telemetry.source().snapshot_blocking());
        if !seen.series(name).is_empty() {
            return seen;
        }
        assert!(Instant::now() < give_up, "waited too long for {name}:\n{seen}");
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn async_callbacks_run_in_a_program_that_has_no_runtime() -> Result {
    assert!(tokio::runtime::Handle::try_current().is_err());
    let kit = TestKit::new();
    let meter = kit.semconv("database");
    let before = meter.observable_gauge::<u64>("before").refresh_every(ONCE, async || {
        tokio::time::sleep(Duration::from_millis(1)).await;
        1
    })?;
    let target = Batches::default();
    let telemetry = Telemetry::builder()
        .registry(kit.registry().clone())
        .snapshot_max_age(Duration::ZERO)
        .target_with(target.clone(), ONLY_WHEN_ASKED)
        .install()?;
    assert_metric!(seen_when(&telemetry, "before"), "before" == 1);

    let after = meter.observable_gauge_group::<Table, u64>("after");
    let after = after.refresh_every(ONCE, async || {
        tokio::time::sleep(Duration::from_millis(1)).await;
        vec![(Table { table: "entity" }, 2), (Table { table: "task" }, 3)]
    })?;
    assert_metric!(seen_when(&telemetry, "after"), "after" { table = "task" } == 3);

    // The last export contains the latest values.
    telemetry.shutdown_blocking()?;
    let last = target.last();
    assert_metric!(last, "before" == 1);
    assert_eq!(last.value("after", [("table", "entity")]), Some(Value::U64(2)));
    drop((before, after));
    Ok(())
}
