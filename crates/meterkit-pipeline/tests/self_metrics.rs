//! Self-metrics about collection and delivery, as the pipeline's own targets receive them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use meterkit_core::{Attributes, Data, Meter, Registry};
use meterkit_fakes::catalog_pipeline;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Step};
use meterkit_fakes::snapshots::{histogram, metrics, points, value};
use meterkit_pipeline::{Pipeline, PipelineBuilder, Snapshot};

use crate::block_on::block_on;

const EXPORTED: &str = "otel.sdk.exporter.metric_data_point.exported";
const INFLIGHT: &str = "otel.sdk.exporter.metric_data_point.inflight";
const OPERATION: &str = "otel.sdk.exporter.operation.duration";
const COLLECTION: &str = "otel.sdk.metric_reader.collection.duration";
const LAST_SUCCESS: &str = "meterkit.target.last_success";
const QUEUE_SIZE: &str = "meterkit.target.queue.size";
const QUEUE_DROPPED: &str = "meterkit.target.queue.dropped";

/// Returns a registry with two series, and a pipeline that starts a new collection for each request.
fn catalog() -> (Meter, PipelineBuilder) {
    let (meter, builder) = catalog_pipeline();
    for name in ["requests", "errors"] {
        meter.counter::<u64>(name).build().expect("a good name").increment();
    }
    (meter, builder)
}

/// Returns the number of exported points, by the name of the component and the cause of failure.
fn exported(snapshot: &Snapshot) -> Vec<(String, Option<String>, f64)> {
    let points = points(snapshot, EXPORTED).into_iter();
    let mut exported: Vec<_> = points
        .map(|point| {
            let attributes = &point.attributes;
            let component = text(attributes, "otel.component.name").expect("it has a name");
            (component, text(attributes, "error.type"), point.value.as_f64())
        })
        .collect();
    exported.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
    exported
}

fn text(attributes: &Attributes, key: &str) -> Option<String> {
    attributes.get(key).map(|value| value.to_string())
}

fn row(component: &str, error: Option<&str>, points: f64) -> (String, Option<String>, f64) {
    (component.to_owned(), error.map(str::to_owned), points)
}

#[test]
fn an_export_that_went_well_is_told_of_in_the_next_one() {
    let (_meter, builder) = catalog();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    pipeline.flush_blocking(PATIENCE).unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap();

    let exports = seen.exports();
    assert_eq!(exports[0].len(), 2, "the first snapshot has no self-metrics yet");
    let second = &exports[1];
    assert_eq!(exported(second), [row("scripted/0", None, 2.0)]);
    assert_eq!(value(second, INFLIGHT), Some(0.0));
    assert_eq!(histogram(second, OPERATION).count, 1);
    assert_eq!(histogram(second, COLLECTION).count, 1);
    let last_success = value(second, LAST_SUCCESS).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((before..=now).contains(&last_success), "{before} {last_success} {now}");
    let component = &points(second, INFLIGHT)[0].attributes;
    assert_eq!(text(component, "otel.component.type").unwrap(), "scripted_metric_exporter");
}

#[test]
fn units_and_buckets_are_those_of_the_semantic_conventions() {
    let (_meter, builder) = catalog();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap();
    let export = seen.exports().pop().unwrap();
    let units = [
        (EXPORTED, "{data_point}"),
        (INFLIGHT, "{data_point}"),
        (OPERATION, "s"),
        (COLLECTION, "s"),
        (LAST_SUCCESS, "s"),
    ];
    for (name, unit) in units {
        let found = metrics(&export, name);
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(found[0].descriptor.unit, unit, "{name}");
        match &found[0].data {
            Data::Histogram { bounds, .. } => assert!(bounds.is_empty(), "{name}: one bucket"),
            Data::Sum { monotonic, .. } => assert_eq!(*monotonic, name == EXPORTED, "{name}"),
            _ => assert_eq!(name, LAST_SUCCESS),
        }
    }
    let scopes = export.scopes.iter().filter(|scope| scope.scope.name() == "meterkit");
    assert_eq!(scopes.map(|scope| scope.metrics.len()).sum::<usize>(), units.len());
}

#[test]
fn attempts_of_one_export_count_once_and_a_failure_says_what_kind() {
    let (_meter, builder) = catalog();
    let (target, seen) = ScriptedTarget::new("scripted", [Step::Fail, Step::Fail, Step::Refuse]);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap_err();
    let failed = pipeline.source().snapshot_blocking();
    assert_eq!(seen.attempts(), 3);
    assert_eq!(exported(&failed), [row("scripted/0", Some("400"), 2.0)]);
    assert_eq!(histogram(&failed, OPERATION).count, 1);
    assert_eq!(value(&failed, INFLIGHT), Some(0.0));
    assert_eq!(value(&failed, LAST_SUCCESS), Some(0.0), "there was no success yet");
    let operations = attributes(&failed, OPERATION);
    let [operation] = &operations[..] else { panic!("{operations:?}") };
    for (key, expected) in [
        ("error.type", Some("400")),
        ("http.response.status_code", Some("400")),
        ("rpc.response.status_code", None),
        ("meterkit.retryable", Some("false")),
    ] {
        assert_eq!(text(operation, key).as_deref(), expected, "{key}");
    }
}

#[test]
fn points_are_in_flight_until_the_last_attempt_is_over() {
    let (_meter, builder) = catalog();
    let (target, seen) = ScriptedTarget::always("scripted", Step::Hang);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    pipeline.flush_blocking(Duration::from_millis(10)).unwrap_err();
    seen.wait_for(1);
    let hanging = pipeline.source().snapshot_blocking();
    assert_eq!(value(&hanging, INFLIGHT), Some(2.0));
    assert_eq!(exported(&hanging), []);
}

#[test]
fn points_that_the_receiver_rejects_count_as_failed_the_others_as_exported() {
    let (_meter, builder) = catalog();
    let (target, _seen) = ScriptedTarget::new("scripted", []);
    let pipeline = builder.target(target.rejecting(1), ONLY_WHEN_ASKED).start().unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap();
    let snapshot = pipeline.source().snapshot_blocking();
    let expected = [row("scripted/0", None, 1.0), row("scripted/0", Some("rejected"), 1.0)];
    assert_eq!(exported(&snapshot), expected);
    let operation = histogram(&snapshot, OPERATION);
    assert_eq!(text(&operation.attributes, "error.type").unwrap(), "rejected");
}

#[test]
fn points_that_the_receiver_refuses_during_shutdown_count_as_rejected() {
    let (_meter, builder) = catalog();
    let (target, _seen) =
        ScriptedTarget::always("scripted", Step::FailFor(Duration::from_secs(3600)));
    let target = target.with_queue(9).rejecting_in_the_end(1);
    let (release, released) = tokio::sync::oneshot::channel();
    // While this service runs, the pipeline has not ended, so its self-metrics still exist.
    let lingering = |_, _| async { drop(released.await) };
    let builder = builder.target(target, ONLY_WHEN_ASKED).service(lingering);
    let pipeline = builder.start().unwrap();
    std::thread::scope(|threads| {
        let shutdown = threads.spawn(|| pipeline.shutdown_blocking(PATIENCE).unwrap_err());
        let end = Instant::now() + PATIENCE;
        // Watch the health: another collection would change the number of exported points.
        while pipeline.health().targets[0].rejected_points == 0 {
            assert!(Instant::now() < end, "{}", pipeline.health());
            std::thread::yield_now();
        }
        let expected = [row("scripted/0", None, 1.0), row("scripted/0", Some("rejected"), 1.0)];
        let mut snapshot = pipeline.source().snapshot_blocking();
        while exported(&snapshot) != expected {
            assert!(Instant::now() < end, "{:?}", exported(&snapshot));
            snapshot = pipeline.source().snapshot_blocking();
        }
        assert_eq!(value(&snapshot, INFLIGHT), Some(0.0));
        release.send(()).unwrap();
        shutdown.join().unwrap();
    });
}

#[test]
fn what_waits_in_a_target_is_told_and_so_is_what_it_gave_up() {
    let (_meter, builder) = catalog();
    let (target, _seen) = ScriptedTarget::new("scripted", [Step::Refuse; 3]);
    let pipeline = builder.target(target.with_queue(2), ONLY_WHEN_ASKED).start().unwrap();
    for (waiting, dropped) in [(10.0, 0.0), (20.0, 0.0), (20.0, 2.0)] {
        pipeline.flush_blocking(PATIENCE).unwrap_err();
        let snapshot = pipeline.source().snapshot_blocking();
        assert_eq!(value(&snapshot, QUEUE_SIZE), Some(waiting));
        assert_eq!(value(&snapshot, QUEUE_DROPPED), Some(dropped));
    }
    let of = &points(&pipeline.source().snapshot_blocking(), QUEUE_SIZE)[0].attributes;
    assert_eq!(text(of, "otel.component.name").unwrap(), "scripted/0");
    pipeline.flush_blocking(PATIENCE).unwrap();
    let snapshot = pipeline.source().snapshot_blocking();
    assert_eq!(value(&snapshot, QUEUE_SIZE), Some(0.0));
    assert_eq!(value(&snapshot, QUEUE_DROPPED), Some(2.0), "dropped values are counted once");
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    let after = pipeline.source().snapshot_blocking();
    assert_eq!((points(&after, QUEUE_SIZE), points(&after, QUEUE_DROPPED)), (vec![], vec![]));
}

#[test]
fn a_target_that_panics_leaves_nothing_in_flight() {
    let (_meter, builder) = catalog();
    let (target, seen) = ScriptedTarget::always("scripted", Step::Panic);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap_err();
    assert_eq!(seen.attempts(), 1);
    let snapshot = pipeline.source().snapshot_blocking();
    assert_eq!(value(&snapshot, INFLIGHT), Some(0.0));
    assert_eq!(exported(&snapshot), [row("scripted/0", Some("panic"), 2.0)]);
}

#[test]
fn each_target_has_its_own_series_even_with_equal_names() {
    let (_meter, builder) = catalog();
    let (first, _) = ScriptedTarget::new("scripted", []);
    let (second, _) = ScriptedTarget::new("scripted", [Step::Refuse]);
    let (other, _) = ScriptedTarget::new("other", []);
    let pipeline = [first, second, other]
        .into_iter()
        .fold(builder, |builder, target| builder.target(target, ONLY_WHEN_ASKED))
        .start()
        .unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap_err();
    let expected = [
        row("other/0", None, 2.0),
        row("scripted/0", None, 2.0),
        row("scripted/1", Some("400"), 2.0),
    ];
    assert_eq!(exported(&pipeline.source().snapshot_blocking()), expected);
}

/// Returns the attributes of each series of a metric.
fn attributes(snapshot: &Snapshot, metric: &str) -> Vec<Attributes> {
    let points = metrics(snapshot, metric).into_iter().flat_map(|it| match &it.data {
        Data::Histogram { points, .. } => points.iter().map(|it| it.attributes.clone()).collect(),
        Data::Gauge(points) | Data::Sum { points, .. } => {
            points.iter().map(|it| it.attributes.clone()).collect::<Vec<_>>()
        }
        _ => panic!("{it:?}"),
    });
    points.collect()
}

/// Returns the server that each series of a metric names, by the name of the component.
fn servers(snapshot: &Snapshot, metric: &str) -> Vec<(String, Option<String>, Option<String>)> {
    let mut servers: Vec<_> = attributes(snapshot, metric)
        .iter()
        .map(|attributes| {
            let component = text(attributes, "otel.component.name").expect("it has a name");
            (component, text(attributes, "server.address"), text(attributes, "server.port"))
        })
        .collect();
    servers.sort_unstable();
    servers
}

#[test]
fn metrics_of_exporters_name_the_server_that_a_target_sends_to() {
    let (_meter, builder) = catalog();
    let (remote, _) = ScriptedTarget::new("remote", [Step::Succeed, Step::Refuse]);
    let (local, _) = ScriptedTarget::new("local", []);
    let pipeline = builder
        .target(remote.sending_to("collector.example.com", 4318), ONLY_WHEN_ASKED)
        .target(local, ONLY_WHEN_ASKED)
        .start()
        .unwrap();
    let source = pipeline.source();
    source.endpoint("scrape", "a_type", "http://127.0.0.1:9464").answered(1, Duration::ZERO);
    pipeline.flush_blocking(PATIENCE).unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap_err();
    let snapshot = source.snapshot_blocking();

    let nowhere = |component: &str| (component.to_owned(), None, None);
    let host = || Some("collector.example.com".to_owned());
    let remote = ("remote/0".to_owned(), host(), Some("4318".to_owned()));
    let one_each = [nowhere("local/0"), remote.clone(), nowhere("scrape/0")];
    let one_failed = [nowhere("local/0"), remote.clone(), remote, nowhere("scrape/0")];
    assert_eq!(servers(&snapshot, INFLIGHT), one_each);
    assert_eq!(servers(&snapshot, EXPORTED), one_failed);
    assert_eq!(servers(&snapshot, OPERATION), one_failed);
    assert_eq!(
        servers(&snapshot, LAST_SUCCESS),
        ["local/0", "remote/0", "scrape/0"].map(nowhere),
        "only metrics for which the conventions define the attribute have it"
    );
    assert_eq!(servers(&snapshot, COLLECTION), [nowhere("pipeline/0")]);
}

#[test]
fn an_endpoint_counts_each_answer_once_however_often_it_is_created() {
    let (_meter, builder) = catalog();
    let pipeline = builder.start().unwrap();
    let source = pipeline.source();
    for _ in 0..2 {
        let snapshot = block_on(source.snapshot()).unwrap();
        let endpoint = source.endpoint("prometheus", "a_type", "http://127.0.0.1/metrics");
        endpoint.answered(snapshot.len().min(2), Duration::from_millis(3));
    }
    let snapshot = source.snapshot_blocking();
    assert_eq!(exported(&snapshot), [row("prometheus/0", None, 4.0)]);
    assert_eq!(histogram(&snapshot, OPERATION).count, 2);
    assert!(histogram(&snapshot, OPERATION).min.unwrap() >= 0.003);
}

#[test]
fn exporting_again_and_again_adds_no_series() {
    let (_meter, builder) = catalog();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    for _ in 0..6 {
        pipeline.flush_blocking(PATIENCE).unwrap();
    }
    let lengths: Vec<_> = seen.exports().iter().map(Snapshot::len).collect();
    assert_eq!(lengths[2..], [lengths[1]; 4], "{lengths:?}");
}

#[test]
fn a_snapshot_that_is_fresh_is_not_taken_anew_for_what_was_told_of_it() {
    let (_meter, builder) = catalog();
    let pipeline = builder.snapshot_max_age(PATIENCE).start().unwrap();
    let source = pipeline.source();
    let first = source.snapshot_blocking();
    source.endpoint("prometheus", "a_type", "here").answered(2, Duration::ZERO);
    assert!(std::sync::Arc::ptr_eq(&first, &source.snapshot_blocking()));
}

#[test]
fn a_pipeline_that_has_ended_leaves_no_series_of_its_targets_behind() {
    let (_meter, builder) = catalog();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let target = target.sending_to("collector.example.com", 4318);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap();
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    assert_eq!(exported(&seen.exports()[1]), [row("scripted/0", None, 2.0)]);
    let after = pipeline.source().snapshot_blocking();
    for name in [EXPORTED, INFLIGHT, LAST_SUCCESS] {
        assert_eq!(points(&after, name), [], "{name}");
    }
}

#[test]
fn a_program_that_made_something_else_of_a_name_keeps_it() {
    let registry = Registry::new();
    let own = registry.semconv("meterkit").gauge::<i64>(EXPORTED).build().unwrap();
    own.set(7);
    let (target, _seen) = ScriptedTarget::new("scripted", []);
    let builder = Pipeline::builder(registry).unwrap().snapshot_max_age(Duration::ZERO);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap();
    let snapshot = pipeline.source().snapshot_blocking();
    assert_eq!(value(&snapshot, EXPORTED), Some(7.0));
    assert_eq!(value(&snapshot, INFLIGHT), Some(0.0));
}

#[test]
fn a_disabled_scope_keeps_the_self_metrics_out_of_all_exports() {
    let registry = Registry::new();
    registry.set_disabled_scopes("meterkit".parse().unwrap());
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let builder = Pipeline::builder(registry).unwrap();
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    for _ in 0..3 {
        pipeline.flush_blocking(PATIENCE).unwrap();
    }
    assert!(seen.exports().iter().all(Snapshot::is_empty));
    assert_eq!(pipeline.health().targets[0].consecutive_failures, 0);
}
