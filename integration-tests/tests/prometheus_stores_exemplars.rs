//! A real Prometheus stores the exemplars of values recorded in a span, by each way that they can reach it.

use std::time::{Duration, UNIX_EPOCH};

use integration_tests::peer;
use integration_tests::prometheus::{Job, Prometheus, StoredExemplar};
use meterkit_core::{Attributes, Registry};
use meterkit_fakes::spans::sampled_span;
use meterkit_grafana::{RemoteWrite, RemoteWriteConfig, RemoteWriteTarget};
use meterkit_pipeline::{Pipeline, Snapshot, Target};
use meterkit_prometheus::PrometheusServer;
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_secs(60);

/// The formats that support exemplars, by Prometheus' names.
const PROTOCOLS: [&str; 3] = ["PrometheusProto", "OpenMetricsText1.0.0", "OpenMetricsText0.0.1"];

// Debian builds the server without its OTLP receiver.
const ARGUMENTS: [&str; 2] =
    ["--enable-feature=exemplar-storage,native-histograms", "--web.enable-remote-write-receiver"];

/// Returns the snapshot with this service name.
fn of_service(snapshot: &Snapshot, name: &'static str) -> Snapshot {
    let resource = [("service.name", name), ("service.instance.id", "7")];
    let resource = resource.map(|(key, value)| (key.into(), value.into()));
    Snapshot { resource: Attributes::from_pairs(resource), ..snapshot.clone() }
}

/// Waits for the exemplars of a series.
async fn exemplars(prometheus: &Prometheus, selector: &str) -> Vec<StoredExemplar> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let found = prometheus.exemplars(selector).await;
        if !found.is_empty() {
            return found;
        }
        sleep(Duration::from_millis(200)).await;
    }
    panic!("no exemplars of {selector}: {:?}", prometheus.failures().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn scrapes_and_remote_write_bring_exemplars() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let requests = meter.counter::<u64>("requests").build().expect("a valid name");
    let sizes =
        meter.histogram::<f64>("sizes").buckets([1.0, 10.0]).build().expect("valid buckets");
    let waits = meter.histogram::<f64>("waits").exponential().build().expect("a valid name");
    let server = PrometheusServer::new().host("127.0.0.1").port(0).bind().expect("a free port");
    let address = server.address().to_string();
    let pipeline = Pipeline::builder(registry).expect("no other pipeline uses the registry");
    let pipeline = pipeline.service(|source, stop| server.serve(source, stop));
    let pipeline = pipeline.start().expect("the pipeline starts");
    // The endpoint collects exemplars once it runs.
    let deadline = Instant::now() + PATIENCE;
    let snapshot = loop {
        assert!(Instant::now() < deadline, "the endpoint does not start");
        {
            let _span = sampled_span(7);
            requests.add(3);
            sizes.record(2.5);
            waits.record(0.25);
        }
        let snapshot = pipeline.source().snapshot_blocking();
        if !snapshot.exemplars.is_empty() {
            break snapshot;
        }
        sleep(Duration::from_millis(150)).await;
    };
    let jobs = PROTOCOLS.map(|protocol| Job {
        name: protocol.to_owned(),
        targets: vec![address.clone()],
        settings: vec![format!("scrape_protocols: [{protocol}]")],
    });
    let prometheus = Prometheus::start_with_jobs(&executable, &jobs, &[], &ARGUMENTS).await;
    let url = prometheus.url();
    let destination = RemoteWrite::new(&format!("{url}/api/v1/write")).expect("a URL");
    let mut written =
        RemoteWriteTarget::new(RemoteWriteConfig::new(destination)).expect("a target");
    let sent = written.export(&of_service(&snapshot, "written")).await;
    assert_eq!(sent, Ok(()));

    for job in PROTOCOLS.into_iter().chain(["written"]) {
        let counted = format!("backstage_plugin_catalog_requests_total{{job='{job}'}}");
        let counted = exemplars(&prometheus, &counted).await;
        assert_eq!(counted[0].value, 3.0, "{job}");
        assert_eq!(counted[0].labels["trace_id"], format!("{:032x}", 7), "{job}");
        assert_eq!(counted[0].labels["span_id"], format!("{:016x}", 7), "{job}");
        let taken = snapshot.time.duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let age = taken as i64 - counted[0].time;
        assert!((0..60_000).contains(&age), "{job}: {age}");
        let recorded = format!("backstage_plugin_catalog_sizes_bucket{{job='{job}'}}");
        for exemplar in exemplars(&prometheus, &recorded).await {
            let bound: f64 = exemplar.series["le"].parse().expect("a number");
            assert_eq!((exemplar.value, bound), (2.5, 10.0), "{job}");
        }
        let recorded = format!("{{__name__=~'backstage_plugin_catalog_waits.*',job='{job}'}}");
        let recorded = exemplars(&prometheus, &recorded).await;
        assert!(recorded.iter().all(|exemplar| exemplar.value == 0.25), "{job}: {recorded:?}");
    }
    pipeline.shutdown(PATIENCE).await.expect("the shutdown succeeds");
}
