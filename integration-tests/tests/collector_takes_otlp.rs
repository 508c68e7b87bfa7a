//! OTLP to a real OpenTelemetry Collector: it receives exactly what was recorded.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use integration_tests::collector::Collector;
use integration_tests::peer;
use meterkit_core::{Attributes, Registry};
use meterkit_otlp::{
    Compression, OtlpConfig, OtlpTarget, Protocol, TemporalityPreference, Transport,
};
use meterkit_pipeline::{Pipeline, Schedule};
use serde_json::{Value, json};

/// An interval that never elapses: only a flush exports.
const WHEN_ASKED: Schedule =
    Schedule { interval: Duration::from_secs(24 * 3600), timeout: Duration::from_secs(30) };
const PATIENCE: Duration = Duration::from_secs(60);

const PROTOCOLS: [Protocol; 3] = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];

fn start(registry: Registry, config: OtlpConfig) -> Pipeline {
    let target = OtlpTarget::new(config).expect("a target");
    let resource = Attributes::from_pairs([
        ("service.name".into(), "catalog".into()),
        ("process.pid".into(), 7.into()),
    ]);
    let builder = Pipeline::builder(registry)
        .expect("no other pipeline uses the registry")
        .resource(resource);
    builder.target(target, WHEN_ASKED).start().expect("the pipeline starts")
}

fn config(protocol: Protocol, collector: &Collector) -> OtlpConfig {
    let url = if protocol == Protocol::Grpc { collector.grpc_url() } else { collector.http_url() };
    OtlpConfig::new(protocol, &url).expect("a URL")
}

fn scope(request: &Value) -> &Value {
    let scopes = request["resourceMetrics"][0]["scopeMetrics"].as_array().expect("scopes");
    let ours = scopes.iter().find(|scope| scope["scope"]["name"] == "backstage.plugin.catalog");
    ours.expect("our scope")
}

/// Returns the metric of this program's scope with this name.
fn metric(request: &Value, name: &str) -> Value {
    let mut metrics = scope(request)["metrics"].as_array().expect("metrics").iter();
    let name = format!("backstage.plugin.catalog.{name}");
    metrics.find(|metric| metric["name"] == name.as_str()).expect("the metric").clone()
}

fn nanoseconds(point: &Value, field: &str) -> u128 {
    point[field].as_str().expect("text").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_is_received() {
    let Some(executable) = peer::find("meterkit-otelcol") else {
        return;
    };
    for protocol in PROTOCOLS {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let collector = Collector::start(&executable).await;
            let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
            let registry = Registry::new();
            let meter =
                registry.scoped("plugin", "catalog").version("1.2").attribute("tier", "gold");
            let requests = meter.counter::<u64>("requests").unit("{request}").attribute("shard", 7);
            let requests = requests.description("Requests.").build().expect("a valid name");
            let tasks = meter.up_down_counter::<i64>("tasks").build().expect("a valid name");
            let load = meter.gauge::<f64>("load").build().expect("a valid name");
            let sizes = meter.histogram::<f64>("sizes").unit("By").buckets([1.0, 10.0]);
            let sizes = sizes.build().expect("valid buckets");
            let config = config(protocol, &collector)
                .with_transport(Transport::default().with_compression(compression));
            let pipeline = start(registry, config);
            requests.add(u64::MAX);
            tasks.add(-3);
            load.set(0.25);
            for size in [0.5, 1.0, 2.0, 100.0] {
                sizes.record(size);
            }
            pipeline.flush(PATIENCE).await.expect("the receiver accepts the metrics");

            let received = collector.received();
            let [request] = received.as_slice() else {
                panic!("{received:?}");
            };
            let resource = &request["resourceMetrics"][0]["resource"]["attributes"];
            let pid = json!({"key": "process.pid", "value": {"intValue": "7"}});
            let name = json!({"key": "service.name", "value": {"stringValue": "catalog"}});
            assert_eq!(*resource, json!([pid, name]), "{protocol} {compression}");

            let tier = json!({"key": "tier", "value": {"stringValue": "gold"}});
            let scope = &scope(request)["scope"];
            assert_eq!((&scope["version"], &scope["attributes"]), (&json!("1.2"), &json!([&tier])));

            let requests = metric(request, "requests");
            assert_eq!(
                (&requests["unit"], &requests["description"]),
                (&json!("{request}"), &json!("Requests."))
            );
            let sum = &requests["sum"];
            assert_eq!(
                (&sum["aggregationTemporality"], &sum["isMonotonic"]),
                (&json!(2), &json!(true))
            );
            let point = &sum["dataPoints"][0];
            assert_eq!(point["asDouble"], u64::MAX as f64, "OTLP has no integer as large");
            let shard = json!({"key": "shard", "value": {"intValue": "7"}});
            assert_eq!(point["attributes"], json!([shard, tier]), "{point}");
            let (start, time) =
                (nanoseconds(point, "startTimeUnixNano"), nanoseconds(point, "timeUnixNano"));
            assert!(before.as_nanos() <= start && start <= time, "{point}");

            let tasks = &metric(request, "tasks")["sum"];
            assert_eq!(
                (&tasks["dataPoints"][0]["asInt"], &tasks["isMonotonic"]),
                (&json!("-3"), &Value::Null)
            );
            assert_eq!(metric(request, "load")["gauge"]["dataPoints"][0]["asDouble"], 0.25);
            let sizes = metric(request, "sizes");
            assert_eq!(
                (&sizes["unit"], &sizes["histogram"]["aggregationTemporality"]),
                (&json!("By"), &json!(2))
            );
            let point = &sizes["histogram"]["dataPoints"][0];
            for (field, expected) in [
                ("count", json!("4")),
                ("sum", json!(103.5)),
                ("min", json!(0.5)),
                ("max", json!(100)),
                ("explicitBounds", json!([1, 10])),
                ("bucketCounts", json!(["2", "1", "1"])),
            ] {
                assert_eq!(point[field].to_string(), expected.to_string(), "{field} of {point}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exponential_histograms_are_received_bucket_by_bucket() {
    let Some(executable) = peer::find("meterkit-otelcol") else {
        return;
    };
    for protocol in PROTOCOLS {
        for (preference, second) in [
            (TemporalityPreference::Cumulative, ["7", "2", r#"["2","0","0","1","2"]"#]),
            (TemporalityPreference::Delta, ["2", "null", r#"["1","0","0","1"]"#]),
        ] {
            let collector = Collector::start(&executable).await;
            let registry = Registry::new();
            let sizes = registry.scoped("plugin", "catalog").histogram::<f64>("sizes");
            // At scale 1, each bucket ends at 1.41 times its start: at 1, 1.41, 2, 2.83 and 4.
            let sizes = sizes.exponential_with(160, 1).build().expect("valid limits");
            let config = config(protocol, &collector).with_temporality(preference);
            let pipeline = start(registry, config);
            for size in [0.0, 0.0, 0.75, 3.0, 4.0] {
                sizes.record(size);
            }
            pipeline.flush(PATIENCE).await.expect("the receiver accepts the metrics");
            sizes.record(1.0);
            sizes.record(2.5);
            pipeline.shutdown(PATIENCE).await.expect("the receiver accepts the metrics");

            let first = ["5", "2", r#"["1","0","0","0","2"]"#];
            let received = collector.received();
            assert_eq!(received.len(), 2, "{received:?}");
            for (request, [count, zeros, buckets]) in received.iter().zip([first, second]) {
                let point = &metric(request, "sizes")["exponentialHistogram"]["dataPoints"][0];
                let part = |name: &str| point[name].to_string().replace('"', "");
                assert_eq!((part("count"), part("zeroCount")), (count.into(), zeros.into()));
                assert_eq!(
                    (&point["scale"], &point["positive"]["offset"]),
                    (&json!(1), &json!(-1))
                );
                assert_eq!(point["positive"]["bucketCounts"].to_string(), buckets, "{point}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_exact_after_a_restart_in_the_middle() {
    let Some(executable) = peer::find("meterkit-otelcol") else {
        return;
    };
    for protocol in PROTOCOLS {
        for (preference, expected) in [
            (TemporalityPreference::Cumulative, ["10", "30", "60"]),
            (TemporalityPreference::Delta, ["10", "20", "30"]),
        ] {
            let mut collector = Collector::start(&executable).await;
            let registry = Registry::new();
            let meter = registry.scoped("plugin", "catalog");
            let requests = meter.counter::<u64>("requests").build().expect("a valid name");
            let config = config(protocol, &collector).with_temporality(preference);
            let pipeline = start(registry, config);
            requests.add(10);
            pipeline.flush(PATIENCE).await.expect("the receiver accepts the metrics");
            collector.stop().await;
            requests.add(20);
            let (flushed, ()) = tokio::join!(pipeline.flush(PATIENCE), collector.run());
            flushed.expect("the target retries until the collector is back");
            requests.add(30);
            pipeline.shutdown(PATIENCE).await.expect("the receiver accepts the metrics");

            let received = collector.received();
            let sums = received.iter().map(|request| metric(request, "requests")["sum"].clone());
            let points: Vec<Value> = sums.map(|sum| sum["dataPoints"][0].clone()).collect();
            let values: Vec<_> = points.iter().map(|point| point["asInt"].clone()).collect();
            assert_eq!(values, expected, "{protocol} {preference}");
            for pair in points.windows(2) {
                let start = match preference {
                    TemporalityPreference::Cumulative => &pair[0]["startTimeUnixNano"],
                    _ => &pair[0]["timeUnixNano"],
                };
                assert_eq!(pair[1]["startTimeUnixNano"], *start, "no gap and no overlap");
            }
        }
    }
}
