//! Remote write to a real Prometheus and a real VictoriaMetrics: they store what was recorded, even through outages.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use integration_tests::peer;
use integration_tests::prometheus_receiver::{PrometheusReceiver, Stored};
use integration_tests::victoria_metrics::VictoriaMetrics;
use meterkit_core::{
    Attributes, Data, Descriptor, ExponentialBuckets, ExponentialHistogramPoint, Kind, Metric,
    NumberPoint, Registry, ScopeMetrics, SeriesId, Value,
};
use meterkit_grafana::{RemoteWrite, RemoteWriteConfig, RemoteWriteTarget};
use meterkit_pipeline::{Cause, ExportError, Snapshot, Target};
use opentelemetry::InstrumentationScope;

fn target(url: &str) -> RemoteWriteTarget {
    let destination = RemoteWrite::new(url).expect("a URL");
    RemoteWriteTarget::new(RemoteWriteConfig::new(destination)).expect("a target")
}

/// Records in `registry`, with timestamps this far in the past.
fn taken(registry: &Registry, seconds_ago: u64) -> Snapshot {
    let resource = [("service.name", "catalog"), ("service.instance.id", "7"), ("host.name", "h")];
    let resource = resource.map(|(key, value)| (key.into(), value.into()));
    Snapshot::new(
        Attributes::from_pairs(resource),
        SystemTime::now() - Duration::from_secs(seconds_ago),
        registry.read(),
    )
}

fn milliseconds(snapshot: &Snapshot) -> i64 {
    snapshot.time.duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

/// The values of the exponential histogram. No negative value is a boundary of classic buckets.
const TOOK: [f64; 11] = [0.0, -0.375, -0.375, 0.001, 0.003, 0.2, 0.2, 0.2, 1.0, 3.5, 1000.0];

/// Records a metric of each kind. The exponential histogram has its default size.
fn recorded() -> Registry {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let requests = meter.counter::<u64>("requests").build().expect("a valid name");
    let tasks = meter.up_down_counter::<i64>("tasks").build().expect("a valid name");
    let load = meter.gauge::<f64>("load").build().expect("a valid name");
    let sizes = meter.histogram::<f64>("sizes").unit("By").buckets([1.0, 10.0]);
    let sizes = sizes.build().expect("valid buckets");
    requests.add(u64::from(u32::MAX) + 5);
    tasks.add(-3);
    load.set(0.25);
    for size in [0.5, 1.0, 2.0, 100.0] {
        sizes.record(size);
    }
    let took = meter.histogram::<f64>("took").unit("s").exponential().build();
    let took = took.expect("a valid name");
    for value in TOOK {
        took.record(value);
    }
    registry
}

/// Returns the name, bound and value of each sample of [`recorded`], except for the exponential histogram.
const RECORDED: [(&str, Option<&str>, f64); 8] = [
    ("backstage_plugin_catalog_load", None, 0.25),
    ("backstage_plugin_catalog_requests_total", None, 4_294_967_300.0),
    ("backstage_plugin_catalog_sizes_bytes_bucket", Some("+Inf"), 4.0),
    ("backstage_plugin_catalog_sizes_bytes_bucket", Some("1"), 2.0),
    ("backstage_plugin_catalog_sizes_bytes_bucket", Some("10"), 3.0),
    ("backstage_plugin_catalog_sizes_bytes_count", None, 4.0),
    ("backstage_plugin_catalog_sizes_bytes_sum", None, 103.5),
    ("backstage_plugin_catalog_tasks", None, -3.0),
];

fn exponential(scopes: &[ScopeMetrics]) -> &ExponentialHistogramPoint {
    let metrics = scopes.iter().flat_map(|scope| &scope.metrics);
    let mut points = metrics.filter_map(|metric| match &metric.data {
        Data::ExponentialHistogram { points, .. } => points.first(),
        _ => None,
    });
    points.next().expect("an exponential histogram")
}

/// Returns its buckets as Prometheus shows them: by their bounds, negative buckets first, without empty buckets.
fn buckets(point: &ExponentialHistogramPoint) -> Vec<(f64, f64, f64)> {
    let point = point.clone().downscaled(8);
    let bounded = |buckets: &ExponentialBuckets| {
        let all = buckets.bounded(point.scale).filter(|(.., count)| *count > 0);
        all.map(|(lower, upper, count)| (lower, upper, count as f64)).collect::<Vec<_>>()
    };
    let mut buckets: Vec<_> =
        bounded(&point.negative).into_iter().rev().map(|(a, b, count)| (-b, -a, count)).collect();
    if point.zero_count > 0 {
        // The threshold that the specification recommends for a histogram without one.
        let around = if point.zero_threshold > 0.0 { point.zero_threshold } else { 1e-128 };
        buckets.push((-around, around, point.zero_count as f64));
    }
    buckets.extend(bounded(&point.positive));
    buckets
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= b.abs() * 1e-9
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_has_all_but_the_histograms_that_it_does_not_know() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let server = PrometheusReceiver::start_by_default(&executable).await;
    let registry = recorded();
    let spool = tempfile::tempdir().expect("a directory");
    let target = || {
        let destination = RemoteWrite::new(&server.remote_write_url()).expect("a URL");
        let config = RemoteWriteConfig::new(destination).with_spool(spool.path());
        RemoteWriteTarget::new(config).expect("a target")
    };
    let mut first = target();
    // One process ends before it can learn what the receiver supports.
    for seconds_ago in [40, 35] {
        let outcome = first.export(&taken(&registry, seconds_ago)).await;
        assert!(matches!(outcome, Err(ExportError::Retryable { .. })), "{outcome:?}");
    }
    drop(first);
    let mut second = target();
    for seconds_ago in [30, 25, 20, 15, 10, 5] {
        let _ = second.export(&taken(&registry, seconds_ago)).await;
    }
    assert_eq!((second.counts().waiting_requests(), second.counts().dropped()), (0, 0));
    assert_eq!(second.counts().refused(), 8, "the histogram of each snapshot");
    let all = server.series(r#"{job="catalog",instance="7",__name__!="target_info"}"#).await;
    let read = all.iter().map(|it| {
        let values = it.samples.iter().map(|(_, value)| *value).collect::<Vec<_>>();
        (it.name.as_str(), it.labels.get("le").map(String::as_str), values)
    });
    let expected = RECORDED.map(|(name, bound, value)| (name, bound, vec![value; 8]));
    assert_eq!(read.collect::<Vec<_>>(), expected);
    // With only supported forms, everything arrives.
    let known = Registry::new();
    let counter = known.scoped("plugin", "catalog").counter::<u64>("requests").build();
    counter.expect("a valid name").add(7);
    assert_eq!(second.export(&taken(&known, 1)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_has_what_was_recorded() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let server = PrometheusReceiver::start(&executable).await;
    let registry = recorded();
    let mut target = target(&server.remote_write_url());
    let snapshot = taken(&registry, 5);
    assert_eq!(target.export(&snapshot).await, Ok(()));
    assert_eq!((target.counts().written(), target.counts().refused()), (10, 0));

    let time = milliseconds(&snapshot);
    let all = server.series(r#"{job="catalog",instance="7"}"#).await;
    let (native, rest): (Vec<Stored>, Vec<Stored>) =
        all.into_iter().partition(|series| !series.histograms.is_empty());
    let (info, numbers): (Vec<Stored>, Vec<Stored>) =
        rest.into_iter().partition(|series| series.name == "target_info");
    for series in numbers.iter().chain(&native) {
        assert_eq!(series.labels["otel_scope_name"], "backstage.plugin.catalog");
    }
    let read: Vec<_> = numbers
        .iter()
        .map(|it| (it.name.as_str(), it.labels.get("le").map(String::as_str), it.samples.clone()))
        .collect();
    assert_eq!(read, RECORDED.map(|(name, bound, value)| (name, bound, vec![(time, value)])));
    assert_eq!(info[0].labels["host_name"], "h");

    let [native] = &*native else { panic!("{native:?}") };
    assert_eq!(native.name, "backstage_plugin_catalog_took_seconds");
    let [(at, histogram)] = &*native.histograms else { panic!("{native:?}") };
    let point = exponential(&snapshot.scopes);
    assert_eq!((*at, histogram.count, histogram.sum), (time, 11.0, point.sum));
    let expected = buckets(point);
    assert_eq!(histogram.buckets.len(), expected.len(), "{histogram:?} {expected:?}");
    for (read, expected) in histogram.buckets.iter().zip(&expected) {
        let is_same = is_near(read.0, expected.0) && is_near(read.1, expected.1);
        assert!(is_same && read.2 == expected.2, "{read:?} {expected:?}");
    }

    let selector = r#"{job="catalog"}"#;
    assert_eq!(server.count_now(selector).await, 10);
    target.shutdown().await;
    assert_eq!(server.count_now(selector).await, 0, "all of them have ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_has_each_of_many_series_over_many_requests() {
    const SERIES: i64 = 10_000;
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let server = PrometheusReceiver::start(&executable).await;
    let registry = Registry::new();
    let mut snapshot = taken(&registry, 5);
    let point = |at: i64| NumberPoint {
        series: SeriesId::new(),
        attributes: Attributes::from_pairs([("at".into(), at.into())]),
        start: UNIX_EPOCH,
        value: Value::I64(at),
    };
    let descriptor = Descriptor {
        name: "many".to_owned(),
        unit: String::new(),
        description: "Many of them.".to_owned(),
        kind: Kind::Gauge,
    };
    snapshot.scopes = vec![ScopeMetrics {
        scope: Arc::new(InstrumentationScope::builder("catalog").build()),
        metrics: vec![Metric {
            descriptor: Arc::new(descriptor),
            data: Data::Gauge((0..SERIES).map(point).collect()),
        }],
    }];
    let mut target = target(&server.remote_write_url());
    assert_eq!(target.export(&snapshot).await, Ok(()));

    let stored = server.series("many").await;
    let time = milliseconds(&snapshot);
    for series in &stored {
        let at: f64 = series.labels["at"].parse().expect("a number");
        assert_eq!(series.samples, [(time, at)]);
    }
    assert_eq!(stored.len() as i64, SERIES);
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_has_no_gap_after_an_outage() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let mut server = PrometheusReceiver::start(&executable).await;
    let mut target = target(&server.remote_write_url());
    let registry = Registry::new();
    let counter = registry.scoped("plugin", "catalog").counter::<u64>("requests");
    let counter = counter.build().expect("a valid name");
    let mut expected = Vec::new();
    for (round, seconds_ago) in (0..).zip([50, 40, 30, 20, 10]) {
        if round == 1 {
            server.stop().await;
        }
        counter.add(1);
        let snapshot = taken(&registry, seconds_ago);
        expected.push((milliseconds(&snapshot), (round + 1) as f64));
        if round == 4 {
            server.run().await;
        }
        let outcome = target.export(&snapshot).await;
        let is_up = round == 0 || round == 4;
        assert_eq!(outcome.is_ok(), is_up, "{round}: {outcome:?}");
    }
    let stored = server.series("backstage_plugin_catalog_requests_total").await;
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert_eq!(stored[0].samples, expected);
    let counts = target.counts();
    assert_eq!((counts.dropped(), counts.refused(), counts.waiting_requests()), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_prometheus_already_has_or_rejects_are_not_sent_again() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let server = PrometheusReceiver::start(&executable).await;
    let registry = recorded();
    let (older, newer) = (taken(&registry, 30), taken(&registry, 20));
    assert_eq!(target(&server.remote_write_url()).export(&newer).await, Ok(()));

    let mut again = target(&server.remote_write_url());
    assert_eq!(again.export(&newer).await, Ok(()), "values that were already sent are skipped");
    // A target never sends timestamps that go back.
    let mut late = target(&server.remote_write_url());
    let outcome = late.export(&older).await;
    assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "out of order: {outcome:?}");
    assert_eq!((late.counts().refused(), late.counts().waiting_requests()), (10, 0));
    assert_eq!(late.export(&taken(&registry, 10)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prometheus_refuses_for_its_time_is_explained() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let server = PrometheusReceiver::start(&executable).await;
    let registry = Registry::new();
    let gauge = registry.scoped("plugin", "catalog").gauge::<u64>("queue.length");
    let gauge = gauge.build().expect("a valid name");
    gauge.set(1);
    let newer = taken(&registry, 20);
    assert_eq!(target(&server.remote_write_url()).export(&newer).await, Ok(()));

    gauge.set(2);
    let duplicate = Snapshot { time: newer.time, ..taken(&registry, 20) };
    let outcome = target(&server.remote_write_url()).export(&duplicate).await;
    assert_eq!(outcome, Ok(()), "Prometheus keeps the first value, and does not say so");
    let ahead =
        Snapshot { time: SystemTime::now() + Duration::from_secs(3600), ..taken(&registry, 0) };
    for (snapshot, said, explanation) in [
        (taken(&registry, 30), "out of order sample", "the clock of this machine was set back"),
        (ahead, "too far in the future", "the clock of this machine is ahead of the receiver's"),
        (taken(&registry, 100_000), "out of bounds", "the clock of this machine is behind"),
    ] {
        // Another process, because a target never sends timestamps that go back.
        let outcome = target(&server.remote_write_url()).export(&snapshot).await;
        let error = outcome.expect_err(said);
        assert_eq!(error.cause(), Cause::Http(400));
        let text = error.to_string();
        assert!(text.contains(said) && text.contains(explanation), "{said}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn victoria_metrics_has_what_was_recorded() {
    let Some(executable) = peer::find("victoria-metrics") else {
        return;
    };
    let server = VictoriaMetrics::start(&executable).await;
    let registry = recorded();
    let mut target = target(&server.remote_write_url());
    let snapshot = taken(&registry, 5);
    assert_eq!(target.export(&snapshot).await, Ok(()));
    let stored = server.series(r#"{job="catalog",instance="7"}"#).await;
    assert_eq!(target.counts().written(), stored.len() as u64);
    assert_eq!(target.counts().refused(), 0);
    let (exponential, numbers): (Vec<_>, Vec<_>) =
        stored.into_iter().partition(|series| series.name.contains("_took_"));
    let read: Vec<_> = numbers
        .iter()
        .filter(|series| series.name != "target_info")
        .map(|it| (it.name.as_str(), it.labels.get("le").map(String::as_str), it.values.clone()))
        .collect();
    assert_eq!(read, RECORDED.map(|(name, bound, value)| (name, bound, vec![value])));

    // The server supports version 1.0 only, in which the exponential histogram becomes a classic one.
    let point = self::exponential(&snapshot.scopes);
    let mut bounds = 0;
    for series in &exponential {
        let expected = match series.labels.get("le") {
            Some(bound) => {
                bounds += 1;
                let bound = number(&bound.replace("Inf", "inf"));
                TOOK.iter().filter(|value| **value <= bound).count() as f64
            }
            None if series.name.ends_with("_count") => TOOK.len() as f64,
            None => point.sum,
        };
        assert_eq!(series.values, [expected], "{series:?}");
    }
    assert!(bounds > 3, "{exponential:?}");
}

fn number(text: &str) -> f64 {
    text.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn victoria_metrics_has_no_gap_after_an_outage() {
    let Some(executable) = peer::find("victoria-metrics") else {
        return;
    };
    let mut server = VictoriaMetrics::start(&executable).await;
    let mut target = target(&server.remote_write_url());
    let registry = Registry::new();
    let counter = registry.scoped("plugin", "catalog").counter::<u64>("requests");
    let counter = counter.build().expect("a valid name");
    for (round, seconds_ago) in (0..).zip([50, 40, 30, 20, 10]) {
        if round == 1 {
            server.stop().await;
        }
        counter.add(1);
        if round == 4 {
            server.run().await;
        }
        let outcome = target.export(&taken(&registry, seconds_ago)).await;
        assert_eq!(outcome.is_ok(), round == 0 || round == 4, "{round}: {outcome:?}");
    }
    let stored = server.series("backstage_plugin_catalog_requests_total").await;
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert_eq!(stored[0].values, [1.0, 2.0, 3.0, 4.0, 5.0]);
}
