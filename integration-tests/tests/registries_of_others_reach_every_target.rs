//! Metrics that an application records with the crates `prometheus` and `prometheus-client` reach the receivers of all
//! targets, with exact values.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use integration_tests::peer;
use integration_tests::prometheus::Prometheus;
use meterkit_core::Registry;
use meterkit_datadog::{DatadogConfig, DatadogTarget};
use meterkit_fakes::{datadog, otlp, remote_write};
use meterkit_grafana::{RemoteWrite, RemoteWriteConfig, RemoteWriteTarget};
use meterkit_otlp::{OtlpConfig, OtlpTarget, Protocol, TemporalityPreference};
use meterkit_pipeline::{ConsoleTarget, Pipeline, Schedule};
use meterkit_prometheus::PrometheusServer;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, SummaryDataPoint};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Metric, MetricFamily, MetricType, Quantile, Summary};
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Opts};
use prometheus_client::metrics::counter::Counter;

/// An interval that never elapses: only a flush exports.
const WHEN_ASKED: Schedule =
    Schedule { interval: Duration::from_secs(24 * 3600), timeout: Duration::from_secs(60) };
const PATIENCE: Duration = Duration::from_secs(60);

/// A summary with the quantile 0.5. The test sets its count, sum and quantile.
#[derive(Clone)]
struct Latency(Arc<Mutex<(u64, f64, f64)>>, Arc<Desc>);

impl Collector for Latency {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.1]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (count, sum, median) = *self.0.lock().expect("no panic");
        let mut quantile = Quantile::default();
        quantile.set_quantile(0.5);
        quantile.set_value(median);
        let mut summary = Summary::default();
        summary.set_sample_count(count);
        summary.set_sample_sum(sum);
        summary.set_quantile(vec![quantile]);
        let mut metric = Metric::default();
        metric.set_summary(summary);
        let mut family = MetricFamily::default();
        family.set_name("latency_seconds".to_owned());
        family.set_help("Latency.".to_owned());
        family.set_field_type(MetricType::SUMMARY);
        family.set_metric(vec![metric]);
        vec![family]
    }
}

/// The application's metrics.
struct Application {
    jobs: IntCounter,
    open: IntGauge,
    sizes: Histogram,
    latency: Latency,
    calls: Counter<u64, AtomicU64>,
}

impl Application {
    fn new(registry: &Registry) -> Self {
        let theirs = prometheus::Registry::new();
        let add = |it: Box<dyn Collector>| theirs.register(it).expect("a new name");
        let jobs = IntCounter::with_opts(Opts::new("jobs_done", "Jobs.")).expect("a valid name");
        let open = IntGauge::with_opts(Opts::new("open_total", "Open.")).expect("a valid name");
        let opts = HistogramOpts::new("sizes_bytes", "Sizes.").buckets(vec![8.0, 64.0]);
        let sizes = Histogram::with_opts(opts).expect("valid buckets");
        let desc = Desc::new("latency".into(), "Help.".into(), Vec::new(), HashMap::new());
        let latency = Latency(Arc::default(), Arc::new(desc.expect("a valid name")));
        add(Box::new(jobs.clone()));
        add(Box::new(open.clone()));
        add(Box::new(sizes.clone()));
        add(Box::new(latency.clone()));
        meterkit_prometheus_registry::import(registry, theirs).forget();

        let mut theirs = prometheus_client::registry::Registry::default();
        let calls = Counter::default();
        theirs.register("calls", "Calls", calls.clone());
        meterkit_prometheus_client::import(registry, Arc::new(theirs)).forget();
        Self { jobs, open, sizes, latency, calls }
    }

    fn record(&self, times: u64) {
        for _ in 0..times {
            self.jobs.inc_by(3);
            self.open.set(-7);
            [4.0, 8.0, 100.0].iter().for_each(|size| self.sizes.observe(*size));
            let mut latency = self.latency.0.lock().expect("no panic");
            *latency = (latency.0 + 4, latency.1 + 0.5, 0.125);
            self.calls.inc_by(1 << 60);
        }
    }
}

/// The output of the console target.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the values of each of the application's metrics in each request.
fn of_otlp(receiver: &otlp::Receiver) -> Vec<BTreeMap<String, Data>> {
    let metrics = receiver.accepted().into_iter().map(|request| {
        let scopes = request.resource_metrics.into_iter().flat_map(|it| it.scope_metrics);
        let scopes = scopes.filter(|it| {
            let name = it.scope.as_ref().map(|scope| scope.name.clone());
            name.is_some_and(|name| name.starts_with("prometheus"))
        });
        let metrics = scopes.flat_map(|scope| scope.metrics);
        metrics.map(|it| (it.name, it.data.expect("data"))).collect()
    });
    metrics.collect()
}

fn number(points: &[NumberDataPoint]) -> (Value, bool) {
    let point = &points[0];
    assert!(point.start_time_unix_nano > 0 && point.start_time_unix_nano <= point.time_unix_nano);
    (point.value.expect("a value"), points.len() == 1)
}

fn summary(points: &[SummaryDataPoint]) -> (u64, f64, Vec<(f64, f64)>) {
    let quantiles = points[0].quantile_values.iter().map(|it| (it.quantile, it.value));
    (points[0].count, points[0].sum, quantiles.collect())
}

/// Checks the data of an OTLP receiver: this many recordings in total, and this many since the last export.
fn check_otlp(metrics: &BTreeMap<String, Data>, in_all: u64, counted: u64) {
    let names: Vec<_> = metrics.keys().map(String::as_str).collect();
    assert_eq!(names, ["calls_total", "jobs_done", "latency_seconds", "open_total", "sizes_bytes"]);
    let Data::Sum(jobs) = &metrics["jobs_done"] else { panic!("{metrics:?}") };
    assert!(jobs.is_monotonic);
    assert_eq!(number(&jobs.data_points), (Value::AsDouble(3.0 * counted as f64), true));
    let Data::Sum(calls) = &metrics["calls_total"] else { panic!("{metrics:?}") };
    assert_eq!(number(&calls.data_points), (Value::AsInt((counted as i64) << 60), true));
    let Data::Gauge(open) = &metrics["open_total"] else { panic!("{metrics:?}") };
    assert_eq!(number(&open.data_points), (Value::AsDouble(-7.0), true));
    let Data::Histogram(sizes) = &metrics["sizes_bytes"] else { panic!("{metrics:?}") };
    let point = &sizes.data_points[0];
    assert_eq!(point.explicit_bounds, [8.0, 64.0]);
    assert_eq!(point.bucket_counts, [2 * counted, 0, counted]);
    assert_eq!((point.count, point.sum), (3 * counted, Some(112.0 * counted as f64)));
    // A summary has no delta form.
    let Data::Summary(latency) = &metrics["latency_seconds"] else { panic!("{metrics:?}") };
    let expected = (4 * in_all, 0.5 * in_all as f64, vec![(0.5, 0.125)]);
    assert_eq!(summary(&latency.data_points), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn exact_values_reach_every_target() {
    let registry = Registry::new();
    let application = Application::new(&registry);
    let mut builder = Pipeline::builder(registry).expect("no other pipeline uses the registry");
    let mut otlp = Vec::new();
    for preference in [TemporalityPreference::Cumulative, TemporalityPreference::Delta] {
        let receiver = otlp::Receiver::start([]).await;
        let url = format!("{}/v1/metrics", receiver.url());
        let config = OtlpConfig::new(Protocol::HttpProtobuf, &url).expect("a URL");
        let config = config.with_name(format!("{preference:?}")).with_temporality(preference);
        builder = builder.target(OtlpTarget::new(config).expect("a target"), WHEN_ASKED);
        otlp.push(receiver);
    }
    let mut written = Vec::new();
    for speaks in [remote_write::Speaks::Two, remote_write::Speaks::One] {
        let receiver = remote_write::Receiver::speaking(speaks, []).await;
        let config = RemoteWriteConfig::new(RemoteWrite::new(&receiver.url()).expect("a URL"));
        builder = builder.target(RemoteWriteTarget::new(config).expect("a target"), WHEN_ASKED);
        written.push(receiver);
    }
    let intake = datadog::Intake::start([]).await;
    let config = DatadogConfig::api("0123456789abcdef0123456789abcdef").expect("a key");
    let config = config.with_endpoint(&intake.url()).expect("a URL");
    builder = builder.target(DatadogTarget::new(config).expect("a target"), WHEN_ASKED);
    let page = Page::default();
    builder = builder.target(ConsoleTarget::new(page.clone()), WHEN_ASKED);
    let pipeline = builder.start().expect("the pipeline starts");

    application.record(1);
    pipeline.flush(PATIENCE).await.expect("all targets accept the metrics");
    application.record(2);
    pipeline.flush(PATIENCE).await.expect("all targets accept the metrics");

    let [totals, deltas] = [0, 1].map(|at| of_otlp(&otlp[at]));
    check_otlp(&totals[0], 1, 1);
    check_otlp(&totals[1], 3, 3);
    check_otlp(&deltas[0], 1, 1);
    check_otlp(&deltas[1], 3, 2);

    for receiver in &written {
        let arrivals = receiver.taken();
        let rows = arrivals.iter().flat_map(|it| &it.content).filter(|row| !row.is_stale());
        let mut last = BTreeMap::new();
        for row in rows {
            let own = row.label("le").or_else(|| row.label("quantile")).unwrap_or_default();
            last.insert(format!("{}{own}", row.name()), (row.value, row.metadata.0));
            // The imported metrics have no scope label.
            assert_eq!(
                row.label("otel_scope_name").is_some(),
                row.name().starts_with("otel_sdk") || row.name().starts_with("meterkit"),
                "{row:?}"
            );
        }
        for (series, value, of) in [
            ("jobs_done", 9.0, 1),
            ("calls_total", 3.0 * (1_u64 << 60) as f64, 1),
            ("open_total", -7.0, 2),
            ("sizes_bytes_bucket8", 6.0, 3),
            ("sizes_bytes_bucket+Inf", 9.0, 3),
            ("sizes_bytes_sum", 336.0, 3),
            ("sizes_bytes_count", 9.0, 3),
            ("latency_seconds0.5", 0.125, 5),
            ("latency_seconds_sum", 1.5, 5),
            ("latency_seconds_count", 12.0, 5),
        ] {
            assert_eq!(last.get(series), Some(&(value, of)), "{series} in {last:?}");
        }
    }

    assert_eq!(intake.counted("jobs_done"), 9.0);
    assert_eq!(intake.counted("calls_total"), 3.0 * (1_u64 << 60) as f64);
    assert_eq!(intake.counted("latency_seconds.count"), 12.0);
    assert_eq!(intake.counted("latency_seconds.sum"), 1.5);
    let totals = intake.totals();
    let of = |name: &str| totals.iter().find(|(key, _)| key.metric == name);
    let (key, value) = of("latency_seconds.quantile").expect("a gauge");
    assert!(key.tags.contains(&"quantile:0.5".to_owned()), "{key:?}");
    assert_eq!(value.0, 0.125);
    assert_eq!(of("sizes_bytes").expect("a distribution").1.1, 9);

    let page = String::from_utf8(page.0.lock().expect("no panic").clone()).expect("text");
    assert!(page.contains("latency_seconds count=12 sum=1.5 q0.5=0.125"), "{page}");
    drop(pipeline);
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_the_same_in_every_format() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    for protocol in ["PrometheusText0.0.4", "OpenMetricsText1.0.0", "PrometheusProto"] {
        let registry = Registry::new();
        let application = Application::new(&registry);
        application.record(3);
        let server = PrometheusServer::new().host("127.0.0.1").port(0).bind().expect("a port");
        let address = server.address().to_string();
        let pipeline = Pipeline::builder(registry).expect("no other pipeline uses the registry");
        let pipeline = pipeline.service(|source, stop| server.serve(source, stop));
        let pipeline = pipeline.start().expect("the pipeline starts");
        let job = [format!("scrape_protocols: ['{protocol}']")];
        let prometheus = Prometheus::start_with_job(&executable, &address, &job).await;
        assert!(prometheus.has_data("jobs_done").await, "{protocol}");
        for (query, expected) in [
            ("jobs_done", 9.0),
            ("calls_total", 3.0 * (1_u64 << 60) as f64),
            ("open_total", -7.0),
            ("sizes_bytes_bucket{le='8.0'}", 6.0),
            ("sizes_bytes_bucket{le='+Inf'}", 9.0),
            ("sizes_bytes_sum", 336.0),
            ("latency_seconds{quantile='0.5'}", 0.125),
            ("latency_seconds_sum", 1.5),
            ("latency_seconds_count", 12.0),
        ] {
            let found = prometheus.query(query).await;
            let values: Vec<_> = found.iter().map(|(_, value)| *value).collect();
            assert_eq!(values, [expected], "{query} by {protocol}");
            let labels: Vec<_> = found[0].0.keys().map(String::as_str).collect();
            let own = ["instance", "job", "le", "quantile"];
            assert!(labels.iter().all(|label| own.contains(label)), "{query}: {labels:?}");
        }
        pipeline.shutdown(PATIENCE).await.expect("the shutdown succeeds");
    }
}
