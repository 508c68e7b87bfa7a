//! Instrumentation libraries by others, which record through OpenTelemetry's API, at every target.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::get;
use http::{Request, StatusCode};
use meterkit::Telemetry;
use meterkit_datadog::{DatadogConfig, DatadogTarget};
use meterkit_fakes::datadog::Intake;
use meterkit_fakes::{otlp, remote_write};
use meterkit_grafana::{RemoteWrite, RemoteWriteConfig, RemoteWriteTarget};
use meterkit_otlp::{Compression, OtlpConfig, OtlpTarget, Protocol, Transport};
use opentelemetry::global;
use opentelemetry_instrumentation_tower::http::server;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use opentelemetry_sdk::metrics::InMemoryMetricExporter;
use tower::ServiceExt;
use tracing_opentelemetry::MetricsLayer;
use tracing_subscriber::layer::SubscriberExt;

use super::{PATIENCE, WHEN_ASKED, user_reader};

/// A series, as the instrumentation library creates it.
struct Expected {
    name: &'static str,
    attribute: (&'static str, &'static str),
    /// Its family in Prometheus; for a histogram, the family of its counts.
    family: &'static str,
    /// Its number, or the number of values in a histogram.
    value: f64,
}

const fn series(
    name: &'static str,
    attribute: (&'static str, &'static str),
    family: &'static str,
    value: f64,
) -> Expected {
    Expected { name, attribute, family, value }
}

const OK: (&str, &str) = ("http.response.status_code", "200");
const BROKEN: (&str, &str) = ("http.response.status_code", "500");
const GET: (&str, &str) = ("http.request.method", "GET");

const EXPECTED: [Expected; 10] = [
    // `opentelemetry-instrumentation-tower`
    series("http.server.request.duration", OK, "http_server_request_duration_seconds_count", 2.0),
    series(
        "http.server.request.duration",
        BROKEN,
        "http_server_request_duration_seconds_count",
        1.0,
    ),
    series("http.server.active_requests", GET, "http_server_active_requests", 0.0),
    // The layer of `tracing-opentelemetry`
    series("jobs", ("queue", "mail"), "jobs_total", 7.0),
    series("job.seconds", ("queue", "mail"), "job_seconds_count", 1.0),
    series("backlog", ("queue", "mail"), "backlog", -2.0),
    // `metrics-exporter-opentelemetry`
    series("cache.hits", ("cache", "users"), "cache_hits_total", 5.0),
    series("cache.hits", ("cache", "groups"), "cache_hits_total", 1.0),
    series("cache.size", ("cache", "users"), "cache_size", 7.5),
    series("cache.age", ("cache", "users"), "cache_age_count", 2.0),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_instrumentation_of_others_records_arrives_at_every_target() {
    let otlp = otlp::Receiver::start([]).await;
    let datadog = Intake::start([]).await;
    let speaks = remote_write::Speaks::Two;
    let remote_write = remote_write::Receiver::speaking(speaks, []).await;
    let exporter = InMemoryMetricExporter::default();
    let telemetry = install(&otlp, &datadog, &remote_write, exporter.clone());

    drive_tower().await;
    drive_tracing(&telemetry);
    drive_metrics();
    telemetry.flush_within(PATIENCE).await.expect("every target accepts the metrics");

    let scrape = telemetry.scrape().text().await.expect("a scrape");
    let scrape = std::str::from_utf8(&scrape).expect("text");
    for expected in &EXPECTED {
        let name = expected.name;
        for (target, found) in [
            ("Prometheus", in_scrape(scrape, expected)),
            ("OTLP", in_otlp(&otlp, expected)),
            ("Datadog", in_datadog(&datadog, expected)),
            ("remote write", in_remote_write(&remote_write, expected)),
            ("an exporter of the SDK", in_sdk(&exporter, expected)),
        ] {
            assert_eq!(found, [expected.value], "{name} {:?} at {target}", expected.attribute);
        }
    }
    // Scopes arrive, too, with their versions.
    assert!(scrape.contains(r#"otel_scope_name="tracing/tracing-opentelemetry""#), "{scrape}");
    assert!(scrape.contains(r#"http_route="/things/{id}""#), "{scrape}");
    let health = telemetry.health();
    assert!(health.is_delivering(), "{health}");
    telemetry.shutdown_within(PATIENCE).await.expect("every target accepts the metrics");
}

/// Installs the global meter provider, before any instrument is created.
fn install(
    otlp: &otlp::Receiver,
    datadog: &Intake,
    remote_write: &remote_write::Receiver,
    exporter: InMemoryMetricExporter,
) -> Telemetry {
    let url = format!("{}/v1/metrics", otlp.url());
    let otlp = OtlpConfig::new(Protocol::HttpProtobuf, &url).expect("a URL");
    let plain = Transport::default().with_compression(Compression::None);
    let otlp = OtlpTarget::new(otlp.with_transport(plain)).expect("a target");
    let key = DatadogConfig::api("0123456789abcdef0123456789abcdef").expect("a key");
    let datadog = DatadogTarget::new(key.with_endpoint(&datadog.url()).expect("a URL"));
    let remote_write = RemoteWrite::new(&remote_write.url()).expect("a URL");
    let remote_write = RemoteWriteTarget::new(RemoteWriteConfig::new(remote_write));
    let builder = Telemetry::builder().schedule(WHEN_ASKED).service_name("shop");
    let builder = builder.target(otlp).target(datadog.expect("a target"));
    let builder = builder.target(remote_write.expect("a target"));
    builder.exporter(exporter).install().expect("the pipeline starts")
}

async fn drive_tower() {
    async fn thing(Path(id): Path<u32>) -> StatusCode {
        if id == 3 { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
    }
    let layer = server::LayerBuilder::builder().with_tracing(false).build().expect("a layer");
    let service = Router::new().route("/things/{id}", get(thing)).layer(layer);
    for id in 1..=3 {
        let request = Request::get(format!("/things/{id}")).body(Body::empty()).expect("a request");
        let response = service.clone().oneshot(request).await.expect("the service does not fail");
        // A request ends when its body has been read.
        axum::body::to_bytes(response.into_body(), 1000).await.expect("a short body");
    }
}

fn drive_tracing(telemetry: &Telemetry) {
    let layer = MetricsLayer::new(telemetry.provider().clone());
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(monotonic_counter.jobs = 3, queue = "mail");
        tracing::info!(monotonic_counter.jobs = 4, queue = "mail");
        tracing::info!(histogram.job.seconds = 0.25, counter.backlog = -2, queue = "mail");
    });
}

fn drive_metrics() {
    let meter = global::meter("cache");
    let recorder = metrics_exporter_opentelemetry::Recorder::with_meter(meter);
    metrics::with_local_recorder(&recorder, || {
        let hits = metrics::counter!("cache.hits", "cache" => "users");
        hits.increment(2);
        hits.increment(3);
        metrics::counter!("cache.hits", "cache" => "groups").increment(1);
        metrics::gauge!("cache.size", "cache" => "users").set(7.5);
        let age = metrics::histogram!("cache.age", "cache" => "users");
        age.record(0.5);
        age.record(1.5);
    });
}

fn in_scrape(text: &str, Expected { family, attribute: (key, value), .. }: &Expected) -> Vec<f64> {
    let label = format!(r#"{}="{value}""#, key.replace('.', "_"));
    let lines = text.lines().filter(|line| line.starts_with(&format!("{family}{{")));
    let lines = lines.filter(|line| line.contains(&label));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse().expect("a number")).collect()
}

fn in_otlp(receiver: &otlp::Receiver, expected: &Expected) -> Vec<f64> {
    let requests = receiver.accepted().into_iter();
    let scopes = requests.flat_map(|it| it.resource_metrics).flat_map(|it| it.scope_metrics);
    let metrics = scopes.flat_map(|it| it.metrics).filter(|it| it.name == expected.name);
    let mut found = Vec::new();
    for metric in metrics {
        let (numbers, histograms) = match metric.data.expect("data") {
            metric::Data::Sum(sum) => (sum.data_points, Vec::new()),
            metric::Data::Gauge(gauge) => (gauge.data_points, Vec::new()),
            metric::Data::Histogram(histogram) => (Vec::new(), histogram.data_points),
            other => panic!("{other:?}"),
        };
        let numbers = numbers.into_iter().filter(|point| has(&point.attributes, expected));
        found.extend(numbers.map(|point| match point.value.expect("a value") {
            number_data_point::Value::AsInt(value) => value as f64,
            number_data_point::Value::AsDouble(value) => value,
        }));
        let histograms = histograms.into_iter().filter(|point| has(&point.attributes, expected));
        found.extend(histograms.map(|point| point.count as f64));
    }
    found
}

/// Returns whether the attributes contain the expected one. Status codes are numbers.
fn has(attributes: &[KeyValue], Expected { attribute: (key, value), .. }: &Expected) -> bool {
    let is = |it: &KeyValue| match it.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text == value,
        Some(any_value::Value::IntValue(number)) => number.to_string() == *value,
        other => panic!("{other:?}"),
    };
    attributes.iter().any(|it| it.key == *key && is(it))
}

fn in_datadog(
    intake: &Intake,
    Expected { name, attribute: (key, value), .. }: &Expected,
) -> Vec<f64> {
    // As Datadog stores the name.
    let tag = format!("{key}:{value}").to_lowercase();
    let series = intake.totals().into_iter();
    let series = series.filter(|(key, _)| key.metric == *name && key.tags.contains(&tag));
    series.map(|(_, (sum, count))| if count > 0 { count as f64 } else { sum }).collect()
}

fn in_remote_write(
    receiver: &remote_write::Receiver,
    Expected { family, attribute: (key, value), .. }: &Expected,
) -> Vec<f64> {
    let key = key.replace('.', "_");
    let rows = receiver.taken().into_iter().flat_map(|arrival| arrival.content);
    let rows = rows.filter(|row| row.name() == *family && row.label(&key) == Some(value));
    rows.map(|row| row.value).collect()
}

fn in_sdk(
    exporter: &InMemoryMetricExporter,
    Expected { name, attribute: (key, value), .. }: &Expected,
) -> Vec<f64> {
    let label = format!("{key}={value}");
    let batches = exporter.get_finished_metrics().expect("batches");
    let series = batches.iter().flat_map(user_reader::readings).filter(|it| it.name == *name);
    let series = series.filter(|it| it.labels.split(',').any(|it| it == label));
    series.map(|it| if it.kind == "histogram" { it.count as f64 } else { it.value }).collect()
}
