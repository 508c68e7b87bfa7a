//! The test kit: what it collects, how collections are examined, and the isolation between kits. The messages of failed
//! assertions are tested in `testing_failures.rs`.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use meterkit::data::Value;
use meterkit::testing::{Seen, TestKit, assert_metric, assert_no_metric};
use meterkit::{InstrumentError, LabelValue, Labels, Registry};

const OPERATIONS: &str = "backstage.plugin.catalog.operations";

#[derive(Labels)]
struct Operation {
    kind: Kind,
    success: bool,
}

#[derive(Clone, Copy, LabelValue)]
enum Kind {
    Create,
    Delete,
}

/// Creates two operations, a distribution and a gauge, and thereby the self-metric of the group.
fn catalog() -> Result<TestKit, InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.scoped("plugin", "catalog").version("1.2");
    let operations = meter.counter_group::<Operation, u64>("operations").build()?;
    operations.with(Operation { kind: Kind::Create, success: true }).add(3);
    operations.with(Operation { kind: Kind::Delete, success: false }).increment();
    let duration = meter.histogram::<f64>("duration").unit("s").buckets([0.1, 1.0]).build()?;
    duration.record(0.25);
    duration.record(7.5);
    meter.gauge::<f64>("ratio").build()?.set(-0.5);
    Ok(kit)
}

#[test]
fn everything_that_a_target_would_see_is_a_text_that_can_be_checked_in()
-> Result<(), InstrumentError> {
    assert_eq!(
        catalog()?.collect().to_string(),
        r#"# backstage.plugin.catalog 1.2
backstage.plugin.catalog.duration count=2 sum=7.75 min=0.25 max=7.5 ≤0.1:0 ≤1:1 ≤inf:1
backstage.plugin.catalog.operations{kind="create",success="true"} 3
backstage.plugin.catalog.operations{kind="delete",success="false"} 1
backstage.plugin.catalog.ratio -0.5
# meterkit
meterkit.series{instrument="backstage.plugin.catalog.operations"} 2
"#
    );
    Ok(())
}

#[test]
fn the_text_names_version_schema_and_attributes_of_a_scope() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.semconv("http").version("2").schema_url("https://example.com/schema");
    meter.attribute("tier", "gold").counter::<u64>("requests").build()?.increment();
    assert_eq!(
        kit.collect().to_string(),
        "# http 2 https://example.com/schema {tier=\"gold\"}\nrequests{tier=\"gold\"} 1\n"
    );
    Ok(())
}

#[test]
fn self_metrics_and_other_scopes_are_easy_to_leave_out() -> Result<(), InstrumentError> {
    let kit = catalog()?;
    kit.semconv("http").counter::<u64>("requests").build()?.increment();
    let seen = kit.collect();
    assert_eq!(seen.names().len(), 5);
    let own = seen.without_self_metrics();
    assert_eq!(
        own.names(),
        [
            "backstage.plugin.catalog.duration",
            OPERATIONS,
            "backstage.plugin.catalog.ratio",
            "requests"
        ]
    );
    assert_eq!(seen.scope("http").names(), ["requests"]);
    assert_eq!(seen.scope("meterkit").names(), ["meterkit.series"]);
    assert!(seen.scope("nobody").names().is_empty());
    Ok(())
}

#[test]
fn series_are_looked_up_by_full_name_and_labels() -> Result<(), InstrumentError> {
    let seen = catalog()?.collect();
    assert_eq!(
        seen.value(OPERATIONS, [("success", "true"), ("kind", "create")]),
        Some(Value::U64(3))
    );
    assert_eq!(seen.value(OPERATIONS, [("kind", "create")]), None, "all labels must be given");
    assert_eq!(seen.value("backstage.plugin.catalog.ratio", []), Some(Value::F64(-0.5)));
    assert_eq!(seen.value("nothing", []), None);
    assert_eq!(seen.series(OPERATIONS).len(), 2);

    let point = seen.histogram("backstage.plugin.catalog.duration", []).expect("recorded");
    assert_eq!((point.count, point.sum, point.min, point.max), (2, 7.75, Some(0.25), Some(7.5)));
    let series = seen.get("backstage.plugin.catalog.duration", []).expect("recorded");
    assert_eq!(series.bounds(), Some([0.1, 1.0].as_slice()));
    assert_eq!(series.descriptor().unit, "s");
    assert_eq!(seen.series(OPERATIONS)[0].label("success"), Some(true.into()), "types are kept");
    Ok(())
}

#[test]
fn the_clock_moves_timers_start_times_and_idle_timeouts() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.scoped("plugin", "catalog");
    let duration = meter.histogram::<f64>("duration").unit("s").build()?;
    let minute = Duration::from_secs(60);
    let operations = meter.counter_group::<Operation, u64>("operations").idle_timeout(minute);
    let operations = operations.build()?;

    let timer = duration.start_timer();
    kit.advance(Duration::from_millis(1500));
    drop(timer);
    assert_metric!(kit, "backstage.plugin.catalog.duration" sum == 1.5);

    let begun = kit.clock().now();
    operations.with(Operation { kind: Kind::Create, success: true }).increment();
    assert_eq!(kit.collect().series(OPERATIONS)[0].start(), begun);
    kit.advance(minute);
    assert_no_metric!(kit, OPERATIONS);
    Ok(())
}

#[test]
fn a_collection_runs_callbacks_once_and_later_recordings_do_not_change_what_was_seen()
-> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.scoped("plugin", "catalog");
    let runs = AtomicU64::new(0);
    let _rows =
        meter.observable_gauge::<u64>("rows").observe(move || runs.fetch_add(1, Relaxed) + 1)?;
    let requests = meter.counter::<u64>("requests").build()?;

    let first = kit.collect();
    requests.increment();
    assert_metric!(first, "backstage.plugin.catalog.rows" == 1);
    assert_metric!(first, "backstage.plugin.catalog.requests" == 0);
    let second = kit.collect();
    assert_metric!(second, "backstage.plugin.catalog.rows" == 2);
    assert_metric!(second, "backstage.plugin.catalog.requests" == 1);
    Ok(())
}

#[test]
fn a_delta_is_what_came_since_and_gauges_stay() -> Result<(), InstrumentError> {
    let kit = catalog()?;
    let meter = kit.scoped("plugin", "catalog").version("1.2");
    let operations = meter.counter_group::<Operation, u64>("operations").build()?;
    let duration = meter.histogram::<f64>("duration").unit("s").buckets([0.1, 1.0]).build()?;

    let first = kit.collect();
    operations.with(Operation { kind: Kind::Create, success: true }).add(2);
    duration.record(0.05);
    let delta = kit.collect().since(&first);
    assert_metric!(delta, OPERATIONS { kind = Kind::Create, success = true } == 2);
    assert_metric!(delta, OPERATIONS { kind = Kind::Delete, success = false } == 0);
    assert_metric!(delta, "backstage.plugin.catalog.duration" count == 1, buckets == [1, 0, 0]);
    assert_metric!(delta, "backstage.plugin.catalog.ratio" == -0.5);
    Ok(())
}

#[cfg(feature = "prometheus")]
#[test]
fn the_text_of_prometheus_is_what_a_scrape_returns() -> Result<(), Box<dyn std::error::Error>> {
    let kit = catalog()?;
    kit.registry().plain().counter::<u64>("plain_requests").build()?.increment();
    let before = kit.collect();
    // Collect before the scrape, because the registry reports the scrape in its own metrics.
    let text = kit.collect().prometheus_text();
    let telemetry = meterkit::Telemetry::builder().registry(kit.registry().clone()).install()?;
    let scraped = String::from_utf8(telemetry.scrape().text_blocking().to_vec())?;
    // The resource belongs to the process, not to the kit.
    let scraped: String =
        scraped.split_inclusive('\n').filter(|line| !line.contains("target_info")).collect();

    assert_eq!(text, scraped);
    assert!(text.contains("# TYPE backstage_plugin_catalog_operations_total counter\n"), "{text}");
    assert!(text.contains("\nplain_requests 1\n"), "{text}");
    let since = kit.collect().since(&before).prometheus_text();
    assert!(since.contains("\nplain_requests 0\n"), "{since}");
    telemetry.shutdown_blocking()?;
    Ok(())
}

#[test]
fn collections_of_a_pipeline_can_be_examined_too() -> Result<(), Box<dyn std::error::Error>> {
    let kit = catalog()?;
    // Collect before the pipeline does, because the registry reports the pipeline in its own metrics.
    let text = kit.collect().to_string();
    let telemetry = meterkit::Telemetry::builder().registry(kit.registry().clone()).install()?;
    let seen = Seen::from(telemetry.source().snapshot_blocking());
    assert_metric!(seen, OPERATIONS { kind = Kind::Create, .. } == 3);
    assert_eq!(seen.to_string(), text);
    telemetry.shutdown_blocking()?;
    Ok(())
}

#[test]
fn kits_in_parallel_see_nothing_of_each_other() {
    std::thread::scope(|scope| {
        for thread in 1..=8 {
            scope.spawn(move || {
                let kit = TestKit::new();
                let meter = kit.scoped("plugin", "catalog");
                let requests = meter.counter::<u64>("requests").build().expect("a good name");
                for _ in 0..thread {
                    requests.increment();
                    std::thread::yield_now();
                }
                kit.advance(Duration::from_secs(thread));
                assert_metric!(kit, "backstage.plugin.catalog.requests" == thread);
                let elapsed = kit.clock().now().duration_since(TestKit::new().clock().now());
                assert_eq!(elapsed.ok(), Some(Duration::from_secs(thread)));
            });
        }
    });
    assert_no_metric!(Registry::global(), "backstage.plugin.catalog.requests");
}

#[test]
fn assertions_take_kits_registries_and_references_and_names_in_any_form()
-> Result<(), InstrumentError> {
    let kit = catalog()?;
    let seen = kit.collect();
    assert_metric!(kit, OPERATIONS { kind = "create", success = true } == 3);
    assert_metric!(&kit, OPERATIONS { kind = "create", success = true } == 3);
    assert_metric!(kit.registry(), OPERATIONS { kind = "create", success = true } == 3);
    assert_metric!(catalog()?, OPERATIONS { kind = "create", success = true } == 3);
    let name = String::from(OPERATIONS);
    assert_metric!(seen, name { kind = "create", success = true } == 3);
    assert_metric!(seen, (format!("{}.operations", "backstage.plugin.catalog")) { success = false, .. } == 1);
    assert_metric!(seen, (concat!("backstage.plugin.catalog", ".ratio")) == -0.5);
    assert_metric!(seen, "backstage.plugin.catalog.ratio");
    Ok(())
}

#[test]
fn labels_are_whatever_labels_can_be() -> Result<(), InstrumentError> {
    #[derive(Labels)]
    struct Everything {
        #[label(name = "http.route")]
        route: String,
        r#type: Kind,
        status: u16,
        cached: Option<bool>,
    }

    let kit = TestKit::new();
    let group = kit.semconv("http").counter_group::<Everything, u64>("requests").build()?;
    let route = || "/a\"b".to_owned();
    group
        .with(Everything { route: route(), r#type: Kind::Delete, status: 404, cached: None })
        .add(2);
    assert_metric!(kit, "requests" { "http.route" = "/a\"b", type = "delete", status = 404 } == 2);
    assert_metric!(kit, "requests" {
        http.route = route(),
        type = Kind::Delete,
        status = 400 + 4,
        cached = None::<bool>,
    } == 2);
    assert_metric!(kit, "requests" { status = "404", .. });
    assert_no_metric!(kit, "requests" { cached = true, .. });
    assert_no_metric!(kit, "requests" { status = 404 });
    assert_no_metric!(kit, "requests" {},);
    assert_no_metric!(kit, "responses",);
    assert_metric!(kit, "requests" { .. },);
    Ok(())
}

#[test]
fn numbers_compare_by_size_whatever_their_type() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.semconv("numbers");
    meter.counter::<u64>("unsigned").build()?.add(u64::MAX);
    meter.up_down_counter::<i64>("signed").build()?.add(-7);
    meter.gauge::<f64>("float").build()?.set(2.0);
    assert_metric!(kit, "unsigned" == u64::MAX, > i64::MAX, != u64::MAX - 1);
    assert_metric!(kit, "signed" == -7, < 0, <= -7_i8, >= -7.0, in -8..=-7);
    assert_metric!(kit, "float" == 2, == 2_usize, == Value::U64(2), in 1.5.., in ..2.5);
    Ok(())
}

#[test]
fn an_exponential_histogram_is_seen_with_its_buckets() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.scoped("plugin", "catalog");
    let sizes = meter.histogram::<f64>("sizes").exponential_with(160, 0).build()?;
    [1.5, 3.0, 3.5, 0.0, -5.0].iter().for_each(|size| sizes.record(*size));
    let seen = kit.collect();
    assert_eq!(
        seen.to_string(),
        "# backstage.plugin.catalog\n\
         backstage.plugin.catalog.sizes count=5 sum=3 min=-5 max=3.5 scale=0 ≥-8:1 0:1 ≤2:1 ≤4:2\n",
    );
    let name = "backstage.plugin.catalog.sizes";
    assert_metric!(seen, (name) count == 5, sum == 3, min == -5, max in 3.0..4.0);
    let point = seen.exponential_histogram(name, []).unwrap();
    assert_eq!((point.scale, point.positive.count(1)), (0, 2));
    sizes.record(100.0);
    assert_metric!(kit.collect().since(&seen), (name) count == 1, sum == 100);
    Ok(())
}
