//! Conformance, cases 1 to 16: the behavior of counters and gauges in the systems that meterkit learns from, expressed
//! in meterkit's API. Where meterkit follows another rule, the test explains why.

use std::time::Duration;

use meterkit::data::Value;
use meterkit::testing::{TestKit, assert_metric, assert_no_metric};
use meterkit::{Counter, InstrumentError, Labels, Telemetry};

use crate::batches::{Batches, ONLY_WHEN_ASKED};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

#[derive(Labels)]
struct Key<'a> {
    key: &'a str,
}

/// A label that may be absent, for a metric with a plain series and labeled ones.
#[derive(Labels)]
struct Typed<'a> {
    r#type: Option<&'a str>,
}

#[test]
fn case_01_two_handles_of_one_counter_share_its_series() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let first = kit.semconv("test").counter::<u64>("requests").build()?;
    first.increment();
    first.add(2);
    assert_eq!(first.value(), 3);

    let second = kit.semconv("test").counter::<u64>("requests").build()?;
    second.increment();
    assert_eq!((first.value(), second.value()), (4, 4));
    assert_metric!(kit, "requests" == 4);
    assert_eq!(kit.collect().series("requests").len(), 1);
    Ok(())
}

/// The original panics. In meterkit, recording never panics: a value that cannot be recorded is dropped, and the drop
/// is counted. On a `u64` counter, a negative value does not even compile.
#[test]
fn case_02_a_counter_does_not_fall() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let bytes = kit.semconv("test").counter::<f64>("bytes").build()?;
    bytes.add(5.0);
    bytes.add(-1.0);
    assert_metric!(kit, "bytes" == 5);
    assert_metric!(kit, "meterkit.dropped" { reason = "negative" } == 1);
    Ok(())
}

#[test]
fn case_03_two_handles_of_one_gauge_share_its_series() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let first = kit.semconv("test").gauge::<f64>("temperature").build()?;
    first.set(1.5);
    assert_metric!(kit, "temperature" == 1.5);

    kit.semconv("test").gauge::<f64>("temperature").build()?.set(2.0);
    assert_eq!(first.value(), 2.0);
    assert_metric!(kit, "temperature" == 2);
    assert_eq!(kit.collect().series("temperature").len(), 1);
    Ok(())
}

#[test]
fn case_04_a_series_exists_once_its_labels_are_used() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let requests = kit.semconv("test").counter_group::<Key, u64>("requests").build()?;
    let series = || kit.collect().series("requests").len();
    assert_eq!(series(), 0);

    requests.with(Key { key: "foo" }).increment();
    assert_eq!(series(), 1);
    requests.with(Key { key: "foo" }).add(2);
    assert_eq!(series(), 1);
    assert_metric!(kit, "requests" { key = "foo" } == 3);

    requests.with(Key { key: "bar" }).add(5);
    assert_eq!(series(), 2);
    assert_metric!(kit, "requests" { key = "foo" } == 3);
    assert_metric!(kit, "requests" { key = "bar" } == 5);
    Ok(())
}

#[test]
fn case_05_each_series_of_a_gauge_holds_its_last_value() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let temperature = kit.semconv("test").gauge_group::<Key, f64>("temperature").build()?;
    temperature.with(Key { key: "foo" }).set(1.5);
    temperature.with(Key { key: "foo" }).set(2.5);
    temperature.with(Key { key: "bar" }).set(3.5);
    assert_eq!(kit.collect().series("temperature").len(), 2);
    assert_metric!(kit, "temperature" { key = "foo" } == 2.5);
    assert_metric!(kit, "temperature" { key = "bar" } == 3.5);
    Ok(())
}

/// The original finds the current service through the current request, and silently loses what is recorded outside a
/// request. In meterkit, nothing depends on where code runs: a service has its own scope, or is a label that may be
/// absent, and every recording arrives.
#[test]
fn case_06_what_is_recorded_outside_any_service_is_not_lost() -> Result<(), InstrumentError> {
    #[derive(Labels)]
    struct Service {
        service: Option<&'static str>,
    }
    let kit = TestKit::new();
    let shared = kit.scoped("core", "tasks").counter_group::<Service, u64>("runs").build()?;
    let of = |service| shared.with(Service { service });
    of(None).increment();
    of(Some("svc1")).increment();
    of(Some("svc1")).add(2);
    of(Some("svc2")).increment();
    const RUNS: &str = "backstage.core.tasks.runs";
    assert_metric!(kit, RUNS {} == 1);
    assert_metric!(kit, RUNS { service = "svc1" } == 3);
    assert_metric!(kit, RUNS { service = "svc2" } == 1);

    let own = |service| kit.scoped("service", service).counter::<u64>("runs").build();
    own("svc1")?.add(3);
    own("svc2")?.add(1);
    assert_metric!(kit, "backstage.service.svc1.runs" == 3);
    assert_metric!(kit, "backstage.service.svc2.runs" == 1);
    Ok(())
}

#[test]
fn case_07_a_gauge_that_was_never_set_is_not_exported() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let plain = kit.semconv("test").gauge::<i64>("plain").build()?;
    let group = kit.semconv("test").gauge_group::<Key, i64>("group").build()?;
    let (set, unset) = (group.with(Key { key: "a" }), group.with(Key { key: "b" }));
    assert_no_metric!(kit, "plain");
    assert_no_metric!(kit, "group");

    set.set(1);
    assert_metric!(kit, "group" { key = "a" } == 1);
    assert_no_metric!(kit, "group" { key = "b" });
    assert_eq!(
        (plain.value(), unset.value()),
        (0, 0),
        "a handle has a value even without a series"
    );
    Ok(())
}

/// A plain counter is different on purpose: it is exported as zero from the start, so that rate computations see its
/// first increment.
#[test]
fn case_07_a_plain_counter_is_exported_from_the_start() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let _requests = kit.semconv("test").counter::<u64>("requests").build()?;
    assert_metric!(kit, "requests" == 0);
    Ok(())
}

/// meterkit has no `i64` counters, because a count is never negative. The other number type is `f64`.
#[test]
fn case_08_a_counter_counts_with_and_without_labels_in_each_type() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.semconv("test");
    let whole = meter.counter_group::<Typed, u64>("whole").build()?;
    let float = meter.counter_group::<Typed, f64>("float").build()?;
    for _ in 0..3 {
        whole.with(Typed { r#type: None }).increment();
    }
    for _ in 0..2 {
        whole.with(Typed { r#type: Some("requests") }).increment();
    }
    for _ in 0..4 {
        float.with(Typed { r#type: None }).increment();
    }
    float.with(Typed { r#type: Some("errors") }).increment();

    let seen = kit.collect();
    assert_metric!(seen, "whole" {} == 3);
    assert_metric!(seen, "whole" { type = "requests" } == 2);
    assert_metric!(seen, "float" {} == 4);
    assert_metric!(seen, "float" { type = "errors" } == 1);
    assert_eq!((seen.series("whole").len(), seen.series("float").len()), (2, 2));
    Ok(())
}

#[test]
fn case_09_gauges_lose_no_digit() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.semconv("test");
    let float = meter.gauge_group::<Typed, f64>("float").build()?;
    float.with(Typed { r#type: None }).set(42.5);
    float.with(Typed { r#type: Some("temperature") }).set(99.9);
    let whole = meter.gauge_group::<Typed, i64>("whole").build()?;
    for (label, value) in [
        (None, 12_345),
        (Some("count"), 67_890),
        (Some("large"), i64::MAX),
        (Some("small"), i64::MIN),
    ] {
        whole.with(Typed { r#type: label }).set(value);
    }

    let seen = kit.collect();
    assert_metric!(seen, "float" {} == 42.5);
    assert_metric!(seen, "float" { type = "temperature" } == 99.9);
    assert_eq!(seen.value("whole", []), Some(Value::I64(12_345)));
    assert_eq!(seen.value("whole", [("type", "count")]), Some(Value::I64(67_890)));
    assert_eq!(seen.value("whole", [("type", "large")]), Some(Value::I64(i64::MAX)));
    assert_eq!(seen.value("whole", [("type", "small")]), Some(Value::I64(i64::MIN)));
    Ok(())
}

#[test]
fn case_10_floats_come_out_as_they_went_in() -> Result<(), InstrumentError> {
    use std::f64::consts::{E, PI};

    let kit = TestKit::new();
    let gauge = kit.semconv("test").gauge::<f64>("gauge").build()?;
    for value in [
        0.0,
        -0.0,
        1.0,
        -1.0,
        f64::MIN,
        f64::MAX,
        f64::EPSILON,
        PI,
        E,
        1.23456789012345,
        -9.87654321098765,
    ] {
        gauge.set(value);
        let Some(Value::F64(read)) = kit.collect().value("gauge", []) else {
            panic!("{value} is gone");
        };
        assert_eq!(read.to_bits(), value.to_bits(), "{value} came out as {read}");
    }
    Ok(())
}

/// The original keeps NaN and infinities. meterkit drops and counts them: most targets reject them, and a single one
/// would spoil everything that is computed from the series.
#[test]
fn case_10_nan_and_infinities_leave_a_gauge_as_it_was() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let gauge = kit.semconv("test").gauge::<f64>("gauge").build()?;
    gauge.set(1.0);
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        gauge.set(value);
        assert_metric!(kit, "gauge" == 1);
    }
    assert_metric!(kit, "meterkit.dropped" { reason = "not_finite" } == 3);
    Ok(())
}

#[test]
fn case_11_threads_lose_no_recording() -> Result<(), InstrumentError> {
    #[derive(Labels)]
    struct Thread {
        thread: u64,
    }
    let kit = TestKit::new();
    let meter = kit.semconv("test");
    let requests = meter.counter::<u64>("requests").build()?;
    let progress = meter.gauge_group::<Thread, u64>("progress").build()?;
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| (0..1000).for_each(|_| requests.increment()));
        }
        for thread in 0..8 {
            let progress = &progress;
            scope.spawn(move || {
                for i in 0..100 {
                    progress.with(Thread { thread }).set(thread * 100 + i);
                }
            });
        }
    });
    let seen = kit.collect();
    assert_metric!(seen, "requests" == 10_000);
    assert_eq!(seen.series("progress").len(), 8);
    for thread in 0..8 {
        assert_metric!(seen, "progress" { thread = thread } == thread * 100 + 99);
    }
    Ok(())
}

#[test]
fn case_11_threads_make_instruments_side_by_side() {
    let kit = TestKit::new();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let meter = kit.semconv("test");
            scope.spawn(move || {
                for i in 0..50 {
                    let counter = meter.counter::<u64>(format!("counter.t{thread}.n{i}")).build();
                    counter.expect("a good name").increment();
                    let gauge = meter.gauge::<i64>(format!("gauge.t{thread}.n{i}")).build();
                    gauge.expect("a good name").set(i);
                }
            });
        }
    });
    let seen = kit.collect();
    let of = |kind: &str| seen.names().into_iter().filter(|name| name.starts_with(kind)).count();
    assert_eq!((of("counter."), of("gauge.")), (800, 800));
}

#[test]
fn case_12_collections_do_not_disturb_recording() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let requests = kit.semconv("test").counter::<u64>("requests").build()?;
    let keys = kit.semconv("test").counter_group::<Key, u64>("keys").build()?;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..1000 {
                requests.increment();
                keys.with(Key { key: &(i % 50).to_string() }).increment();
            }
        });
        scope.spawn(|| {
            let mut before = 0.0;
            for _ in 0..100 {
                let now = kit.collect().value("requests", []).map_or(0.0, Value::as_f64);
                assert!(now >= before, "{now} after {before}");
                before = now;
            }
        });
    });
    let seen = kit.collect();
    assert_metric!(seen, "requests" == 1000);
    assert_eq!(seen.series("keys").len(), 50);
    Ok(())
}

#[tokio::test]
async fn case_12_a_task_may_record_while_a_pipeline_collects() -> Result {
    let kit = TestKit::new();
    let requests = kit.semconv("test").counter::<u64>("requests").build()?;
    let telemetry = Telemetry::builder()
        .registry(kit.registry().clone())
        .snapshot_max_age(Duration::ZERO)
        .install()?;
    let updating = tokio::spawn(async move {
        for _ in 0..100 {
            requests.increment();
            tokio::task::yield_now().await;
        }
    });
    while !updating.is_finished() {
        telemetry.source().snapshot().await?;
    }
    updating.await?;
    assert_metric!(kit, "requests" == 100);
    telemetry.shutdown().await?;
    Ok(())
}

#[derive(Labels)]
struct Request {
    service: u8,
    endpoint: u8,
    status: u8,
}

fn requests() -> impl Iterator<Item = Request> {
    let endpoints = (0..20).flat_map(|service| (0..50).map(move |endpoint| (service, endpoint)));
    endpoints.flat_map(|(service, endpoint)| {
        (0..10).map(move |status| Request { service, endpoint, status })
    })
}

/// meterkit needs a higher limit for this many series.
#[test]
fn case_13_ten_thousand_label_sets_are_as_many_series() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let group = kit.semconv("test").counter_group::<Request, u64>("requests");
    let group = group.cardinality_limit(10_000).build()?;
    requests().for_each(|request| group.with(request).increment());

    let seen = kit.collect();
    let series = seen.series("requests");
    assert_eq!(series.len(), 10_000);
    assert!(series.iter().all(|it| it.labels().iter().count() == 3));
    assert!(series.iter().all(|it| it.value() == Some(Value::U64(1))));
    Ok(())
}

/// In the original, only a warning in the manual keeps a metric small. In meterkit, the limit is 2000 series by
/// default; further label sets go to one series, so that the total stays correct.
#[test]
fn case_13_by_default_the_number_of_series_is_limited() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let group = kit.semconv("test").counter_group::<Request, u64>("requests").build()?;
    requests().for_each(|request| group.with(request).increment());

    let seen = kit.collect();
    let own = seen.series("requests").len() as u64 - 1;
    assert!(own <= 2000, "{own} series");
    assert_metric!(seen, "requests" { otel.metric.overflow = true } == 10_000 - own);
    assert_metric!(seen, "meterkit.overflow" { instrument = "requests" } == 10_000 - own);
    Ok(())
}

#[test]
fn case_14_a_series_has_begun_when_it_was_first_asked_for() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    kit.advance(Duration::from_secs(5));
    let begun = kit.clock().now();
    let make = || -> Result<Counter, InstrumentError> {
        kit.semconv("test").counter::<u64>("requests").build()
    };
    make()?.increment();
    kit.advance(Duration::from_secs(60));
    make()?.increment();
    assert_eq!(kit.collect().series("requests")[0].start(), begun);

    let keys = kit.semconv("test").counter_group::<Key, u64>("keys").build()?;
    kit.advance(Duration::from_secs(60));
    let used = kit.clock().now();
    keys.with(Key { key: "foo" }).increment();
    kit.advance(Duration::from_secs(60));
    keys.with(Key { key: "foo" }).increment();
    assert_eq!(kit.collect().series("keys")[0].start(), used);
    Ok(())
}

#[test]
fn case_15_collecting_needs_no_target() -> Result {
    let kit = TestKit::new();
    kit.semconv("test").counter::<u64>("requests").build()?.increment();
    assert_metric!(kit, "requests" == 1);

    let telemetry = Telemetry::builder().registry(kit.registry().clone()).install()?;
    telemetry.flush_blocking()?;
    telemetry.shutdown_blocking()?;
    Ok(())
}

#[test]
fn case_16_a_target_gets_one_batch_per_export() -> Result {
    let kit = TestKit::new();
    let requests = kit.semconv("test").counter::<u64>("requests").build()?;
    let batches = Batches::default();
    let telemetry = Telemetry::builder()
        .registry(kit.registry().clone())
        .target_with(batches.clone(), ONLY_WHEN_ASKED)
        .install()?;
    assert_eq!(batches.len(), 0, "no export at the start");
    for export in 1..=3 {
        requests.increment();
        telemetry.flush_blocking()?;
        assert_eq!(batches.len(), export);
        assert_metric!(batches.last(), "requests" == export);
    }
    telemetry.shutdown_blocking()?;
    assert_eq!(batches.len(), 4, "the shutdown exports once more");
    Ok(())
}
