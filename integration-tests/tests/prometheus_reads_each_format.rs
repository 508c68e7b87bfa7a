//! A real Prometheus scrapes each format that it supports, and then has each value, type, unit, description, start time
//! and native histogram, equal bit by bit.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use integration_tests::peer;
use integration_tests::prometheus::{Job, Prometheus};
use integration_tests::prometheus_receiver::{Native, Stored};
use meterkit_core::{Data, ExponentialBuckets, ExponentialHistogramPoint, Registry, ScopeMetrics};
use meterkit_pipeline::Pipeline;
use meterkit_prometheus::{PrometheusServer, Translation};

const PATIENCE: Duration = Duration::from_secs(60);

/// The protocols by Prometheus' names. The first one supports native histograms.
const PROTOCOLS: [&str; 5] = [
    "PrometheusProto",
    "OpenMetricsText1.0.0",
    "OpenMetricsText0.0.1",
    "PrometheusText1.0.0",
    "PrometheusText0.0.4",
];

/// Feature flags for native histograms, and for start times of counters as samples with the value 0.
const FEATURES: &str = "--enable-feature=native-histograms,created-timestamp-zero-ingestion";

fn recorded() -> Registry {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let counter = |name: &'static str, unit: &'static str| {
        let counter = meter.counter::<f64>(name).unit(unit).description("Counts \"all\"\\.\n");
        counter.build().expect("a valid name")
    };
    counter("sent", "By").add(0.1 + 0.2);
    counter("runs", "").add(1e300);
    meter.counter::<u64>("requests").build().expect("a valid name").add((1 << 53) - 1);
    for (name, value) in GAUGES {
        meter.gauge::<f64>(name).build().expect("a valid name").set(value);
    }
    let tasks = meter.up_down_counter::<i64>("tasks").unit("1").build().expect("a valid name");
    tasks.add(-3);
    let sizes = meter.histogram::<f64>("sizes").unit("By").buckets([1.0, 10.0, 1e6]);
    let sizes = sizes.build().expect("valid buckets");
    for size in [0.5, 1.0, 2.0, 1e9, 1.0 / 3.0] {
        sizes.record(size);
    }
    let waits = meter.histogram::<f64>("waits").unit("s").exponential().build();
    let waits = waits.expect("a valid name");
    for value in [0.0, -0.5, -0.5, 0.001, 0.003, 0.2, 0.2, 1.0 / 3.0, 1.0, 3.5, 1000.0] {
        waits.record(value);
    }
    registry
}

const GAUGES: [(&str, f64); 3] =
    [("tiny", f64::MIN_POSITIVE), ("third", 1.0 / 3.0), ("nothing", -0.0)];

fn serve(registry: &Registry, translation: Translation) -> (Pipeline, String) {
    let server = PrometheusServer::new().host("127.0.0.1").port(0).translation(translation);
    let server = server.bind().expect("a free port");
    let address = server.address().to_string();
    let pipeline =
        Pipeline::builder(registry.clone()).expect("no other pipeline uses the registry");
    let pipeline = pipeline.service(|source, stop| server.serve(source, stop));
    (pipeline.start().expect("the pipeline starts"), address)
}

fn point(scopes: &[ScopeMetrics]) -> &ExponentialHistogramPoint {
    let metrics = scopes.iter().flat_map(|scope| &scope.metrics);
    let mut points = metrics.filter_map(|metric| match &metric.data {
        Data::ExponentialHistogram { points, .. } => points.first(),
        _ => None,
    });
    points.next().expect("an exponential histogram")
}

/// Returns the start time of the counter of requests, in milliseconds.
fn start(scopes: &[ScopeMetrics]) -> i64 {
    let metrics = scopes.iter().flat_map(|scope| &scope.metrics);
    let mut starts = metrics.filter_map(|metric| match &metric.data {
        Data::Sum { points, .. } if metric.descriptor.name.ends_with("requests") => {
            points[0].start.duration_since(UNIX_EPOCH).ok()
        }
        _ => None,
    });
    starts.next().expect("a counter").as_millis() as i64
}

/// Returns the last native histogram of a series.
fn last(stored: &Stored) -> &Native {
    &stored.histograms.last().expect("a native histogram").1
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_was_recorded_arrives_in_each_format() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let registry = recorded();
    let (pipeline, address) = serve(&registry, Translation::default());
    let jobs = PROTOCOLS.map(|protocol| Job {
        name: protocol.to_owned(),
        targets: vec![address.clone()],
        settings: vec![format!("scrape_protocols: [{protocol}]")],
    });
    let prometheus = Prometheus::start_with_jobs(&executable, &jobs, &[], &[FEATURES]).await;
    let all_up = format!("count(up == 1) == {}", PROTOCOLS.len());
    assert!(prometheus.has_data(&all_up).await, "{:?}", prometheus.failures().await);
    for protocol in PROTOCOLS {
        let prefix = "backstage_plugin_catalog_";
        let job = format!("job='{protocol}'");
        let value = async |name: &str, labels: &str| {
            let found = prometheus.query(&format!("{prefix}{name}{{{job}{labels}}}")).await;
            match &*found {
                [(_, value)] => value.to_bits(),
                other => panic!("{protocol}: {name}{labels}: {other:?}"),
            }
        };
        assert_eq!(value("sent_bytes_total", "").await, (0.1_f64 + 0.2).to_bits());
        assert_eq!(value("runs_total", "").await, 1e300_f64.to_bits());
        assert_eq!(value("requests_total", "").await, ((1_u64 << 53) as f64 - 1.0).to_bits());
        assert_eq!(value("tasks", "").await, (-3.0_f64).to_bits());
        for (name, expected) in GAUGES {
            assert_eq!(value(name, "").await, expected.to_bits(), "{protocol}: {name}");
        }
        for (bound, count) in [("1.0", 3.0), ("10.0", 4.0), ("1e+06", 4.0), ("+Inf", 5.0_f64)] {
            let labels = format!(",le='{bound}'");
            assert_eq!(value("sizes_bytes_bucket", &labels).await, count.to_bits(), "{protocol}");
        }
        let sum = 0.5 + 1.0 + 2.0 + 1e9 + 1.0 / 3.0_f64;
        assert_eq!(value("sizes_bytes_sum", "").await, sum.to_bits(), "{protocol}");
        assert_eq!(value("sizes_bytes_count", "").await, 5.0_f64.to_bits(), "{protocol}");

        let metadata = prometheus.metadata(protocol).await;
        let is_open_metrics = protocol.starts_with("Open");
        let has_units = is_open_metrics || protocol == "PrometheusProto";
        for (name, family_type, help, unit) in [
            ("sent_bytes", "counter", "Counts \"all\"\\.\n", "bytes"),
            ("runs", "counter", "Counts \"all\"\\.\n", ""),
            ("third", "gauge", "", ""),
            ("tasks", "gauge", "", ""),
            ("sizes_bytes", "histogram", "", "bytes"),
            ("waits_seconds", "histogram", "", "seconds"),
        ] {
            let is_total = family_type == "counter" && !is_open_metrics;
            let name = format!("{prefix}{name}{}", if is_total { "_total" } else { "" });
            let found = metadata.get(&name).unwrap_or_else(|| panic!("{protocol}: {metadata:?}"));
            assert_eq!((&*found.family_type, &*found.help), (family_type, help), "{protocol}");
            assert_eq!(found.unit, if has_units { unit } else { "" }, "{protocol}: {name}");
        }

        let scopes = registry.read();
        let name = "backstage_plugin_catalog_requests_total";
        let stored = prometheus.series(&format!("{name}{{{job}}}")).await;
        let [requests] = &*stored else { panic!("{protocol}: {stored:?}") };
        let expected = (start(&scopes), 0.0);
        let has_starts = is_open_metrics || protocol == "PrometheusProto";
        assert_eq!(requests.samples[0] == expected, has_starts, "{protocol}: {requests:?}");
        let created = prometheus.query(&format!("{{__name__=~'.*_created',{job}}}")).await;
        assert!(created.is_empty(), "{protocol}: start times are not series: {created:?}");

        let waits = prometheus.series(&format!("{{__name__=~'{prefix}waits.*',{job}}}")).await;
        let point = point(&scopes);
        if protocol == "PrometheusProto" {
            let [waits] = &*waits else { panic!("{waits:?}") };
            assert_eq!(waits.name, "backstage_plugin_catalog_waits_seconds");
            let native = last(waits);
            assert_eq!(native.count, point.count as f64);
            assert_eq!(native.sum.to_bits(), point.sum.to_bits());
            let expected = buckets(point);
            assert_eq!(native.buckets.len(), expected.len(), "{native:?} {expected:?}");
            for (read, expected) in native.buckets.iter().zip(&expected) {
                let is_near = |a: f64, b: f64| (a - b).abs() <= b.abs() * 1e-9;
                assert!(is_near(read.0, expected.0) && is_near(read.1, expected.1), "{read:?}");
                assert_eq!(read.2, expected.2);
            }
        } else {
            let count = value("waits_seconds_bucket", ",le='+Inf'").await;
            assert_eq!(f64::from_bits(count), point.count as f64, "{protocol}");
            let buckets = waits.iter().filter(|series| series.name.ends_with("_bucket")).count();
            assert!(buckets > 5, "{protocol}: {buckets} buckets");
            let quantile =
                format!("histogram_quantile(0.5, {prefix}waits_seconds_bucket{{{job}}})");
            let found = prometheus.query(&quantile).await;
            let [(_, median)] = &*found else { panic!("{protocol}: {found:?}") };
            assert!((0.1..0.4).contains(median), "{protocol}: the median 0.2 is {median}");
        }
    }
    pipeline.shutdown(PATIENCE).await.expect("the shutdown succeeds");
}

/// Returns the buckets as Prometheus shows them: by their bounds, negative buckets first, without empty buckets.
fn buckets(point: &ExponentialHistogramPoint) -> Vec<(f64, f64, f64)> {
    let point = point.clone().downscaled(8);
    let bounded = |buckets: &ExponentialBuckets| {
        let all = buckets.bounded(point.scale).filter(|(.., count)| *count > 0);
        all.map(|(lower, upper, count)| (lower, upper, count as f64)).collect::<Vec<_>>()
    };
    let negative = bounded(&point.negative).into_iter().rev();
    let mut buckets: Vec<_> = negative.map(|(a, b, count)| (-b, -a, count)).collect();
    if point.zero_count > 0 {
        let around = point.zero_threshold.max(1e-128);
        buckets.push((-around, around, point.zero_count as f64));
    }
    buckets.extend(bounded(&point.positive));
    buckets
}

#[tokio::test(flavor = "multi_thread")]
async fn names_arrive_by_each_escaping_scheme() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    meter.counter::<u64>("a.b_c").build().expect("a valid name").add(7);
    let (pipeline, address) = serve(&registry, Translation::NoTranslation);
    let schemes = [
        ("allow-utf-8", "backstage.plugin.catalog.a.b_c"),
        ("underscores", "backstage_plugin_catalog_a_b_c"),
        ("dots", "backstage_dot_plugin_dot_catalog_dot_a_dot_b__c"),
        ("values", "U__backstage_2e_plugin_2e_catalog_2e_a_2e_b__c"),
    ];
    let mut jobs = Vec::new();
    for protocol in PROTOCOLS.iter().filter(|protocol| !protocol.ends_with("0.0.1")) {
        for (scheme, _) in schemes {
            jobs.push(Job {
                name: format!("{protocol}-{scheme}"),
                targets: vec![address.clone()],
                settings: vec![
                    format!("scrape_protocols: [{protocol}]"),
                    format!("metric_name_escaping_scheme: {scheme}"),
                ],
            });
        }
    }
    let prometheus = Prometheus::start_with_jobs(&executable, &jobs, &[], &[]).await;
    let all_up = format!("count(up == 1) == {}", jobs.len());
    assert!(prometheus.has_data(&all_up).await, "{:?}", prometheus.failures().await);
    for job in jobs {
        let (protocol, scheme) = job.name.split_once('-').expect("both");
        let (_, name) = schemes.iter().find(|(known, _)| *known == scheme).expect("a scheme");
        // Prometheus requests an escaping scheme only for these formats.
        let asks = protocol.ends_with("1.0.0");
        let name = if asks { name } else { schemes[1].1 };
        // In OpenMetrics, a counter's name ends with `_total`, whatever the translation.
        let suffix = if protocol.starts_with("Open") { "(_total)?" } else { "" };
        let selector =
            format!("{{__name__=~'{}{suffix}',job='{}'}}", name.replace('.', "\\\\."), job.name);
        let found = prometheus.query(&selector).await;
        let all = prometheus.series(&format!("{{job='{}'}}", job.name)).await;
        let all: Vec<_> = all.iter().map(|series| &series.name).collect();
        assert!(matches!(&*found, [(_, 7.0)]), "{}: {selector}: {found:?} of {all:?}", job.name);
    }
    pipeline.shutdown(PATIENCE).await.expect("the shutdown succeeds");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_prometheus_and_one_with_native_histograms_scrape_without_a_failure() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let registry = recorded();
    let (pipeline, address) = serve(&registry, Translation::default());
    for arguments in [&[][..], &[FEATURES]] {
        let job = Job { name: "test".to_owned(), targets: vec![address.clone()], settings: vec![] };
        let prometheus = Prometheus::start_with_jobs(&executable, &[job], &[], arguments).await;
        prometheus.scraped_after(SystemTime::now()).await;
        assert_eq!(prometheus.failures().await, Vec::<String>::new());
        let requests = prometheus.query("backstage_plugin_catalog_requests_total").await;
        assert!(matches!(&*requests, [(_, 9_007_199_254_740_991.0)]), "{requests:?}");
    }
    pipeline.shutdown(PATIENCE).await.expect("the shutdown succeeds");
}
