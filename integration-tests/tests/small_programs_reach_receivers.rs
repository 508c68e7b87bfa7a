//! The programs of `examples/ways-of-use`, run as the README says, and the data that real receivers have afterwards.

use std::net::UdpSocket;
use std::path::Path;

use integration_tests::collector::Collector;
use integration_tests::process::Process;
use integration_tests::prometheus::{Job, Prometheus};
use integration_tests::prometheus_receiver::PrometheusReceiver;
use integration_tests::pushgateway::Pushgateway;
use integration_tests::{client, peer, program};

use crate::operators_send_catalog_service_to_a_collector::{arrived, total};

/// Picks a free port for programs with a scrape endpoint.
const ANY_PORT: (&str, &str) = ("OTEL_EXPORTER_PROMETHEUS_PORT", "0");
const ANY_ADDRESS: &str = "127.0.0.1:0";

/// Starts a program, and waits until it prints the host and port of its metrics.
async fn scraped(name: &str, arguments: &[&str]) -> (Process, String) {
    let mut process = Process::start(&program::small(name), arguments, &[ANY_PORT]);
    let url = process.line("metrics: ").await;
    let target = url.trim_start_matches("http://").trim_end_matches("/metrics");
    (process, target.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_are_scraped() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let (_program, target) = scraped("threads", &[]).await;
    let prometheus = Prometheus::start(&executable, &target).await;
    for expression in [
        "backstage_plugin_images_resized_total{size='thumbnail'} > 1",
        "backstage_plugin_images_resized_total{size='full'} > 1",
        "backstage_plugin_images_resized_duration_seconds_count > 3",
        "backstage_plugin_images_workers_busy == 2",
    ] {
        assert!(prometheus.has_data(expression).await, "{expression}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_serves_its_metrics_beside_what_it_measures() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let (_program, target) = scraped("axum_mount", &[ANY_ADDRESS]).await;
    for path in ["users/7", "users/8", "nowhere", "healthz"] {
        client::get(&format!("http://{target}/{path}")).await.expect("the server answers");
    }
    let prometheus = Prometheus::start(&executable, &target).await;
    let requests = "http_server_request_duration_seconds_count";
    for expression in [
        format!("{requests}{{http_route='/users/{{id}}', client='web'}} == 2"),
        format!("{requests}{{http_response_status_code='404'}} == 1"),
        format!("count({requests}) == 2"),
    ] {
        assert!(prometheus.has_data(&expression).await, "{expression}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_send_to_a_collector() {
    let Some(executable) = peer::find("meterkit-otelcol") else {
        return;
    };
    let collector = Collector::start(&executable).await;
    let variables = [
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.grpc_url()),
    ];
    Process::start(&program::small("otlp"), &[], &variables).line("delivered").await;
    let received = collector.received();
    let placed = arrived(&received, "backstage.plugin.orders.placed");
    assert_eq!(placed.iter().map(|it| total(it)).collect::<Vec<_>>(), [100]);
    let size = &arrived(&received, "backstage.plugin.orders.size")[0]["exponentialHistogram"];
    assert_eq!(size["dataPoints"][0]["count"], "100");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_gets_lines() {
    let agent = UdpSocket::bind(ANY_ADDRESS).expect("a free port");
    let address = format!("udp://{}", agent.local_addr().expect("the listener is bound"));
    let mut program = Process::start(&program::small("datadog_agent"), &[&address], &[]);
    program.line("sent to ").await;
    agent.set_nonblocking(true).expect("a socket has modes");
    let (mut received, mut packet) = (String::new(), [0; 65536]);
    while let Ok(length) = agent.recv(&mut packet) {
        received += &String::from_utf8_lossy(&packet[..length]);
        received.push('\n');
    }
    for (value, outcome) in [(3, "accepted"), (1, "refused")] {
        let start = format!("backstage.plugin.auth.logins:{value}|c|");
        let line = received.lines().find(|line| line.starts_with(&start)).expect(&received);
        for tag in [&*format!("outcome:{outcome}"), "service:logins", "team:shop"] {
            assert!(line.contains(tag), "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spooled_while_the_receiver_was_down_arrives_with_the_next_run() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let mut prometheus = PrometheusReceiver::start(&executable).await;
    prometheus.stop().await;
    let (url, folder) = (prometheus.remote_write_url(), tempfile::tempdir().expect("a folder"));
    let arguments = [&*url, folder.path().to_str().expect("the path is valid UTF-8")];
    let run = || Process::start(&program::small("remote_write_with_spool"), &arguments, &[]);
    run().line("kept on disk: ").await;
    prometheus.run().await;
    run().line("delivered").await;

    let stored = prometheus.series("backstage_plugin_import_rows_total{job='import'}").await;
    let last = stored.iter().map(|it| it.samples.iter().rev().find(|(_, value)| !value.is_nan()));
    let last: Vec<_> = last.map(|it| it.expect("the series has values").1).collect();
    assert_eq!(last, [1000.0, 1000.0], "each run is an instance: {stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_configures_targets_and_views() {
    let Some(executable) = peer::find("meterkit-otelcol") else {
        return;
    };
    let collector = Collector::start(&executable).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/ways-of-use/examples");
    let file = folder.join("configuration_file.yaml");
    let variables = [
        ("OTEL_CONFIG_FILE", file.to_str().expect("the path is valid UTF-8")),
        ("COLLECTOR", &collector.http_url()),
    ];
    let mut program = Process::start(&program::small("configuration_file"), &[], &variables);
    program.line("delivered").await;
    let received = collector.received();
    let [reads] = arrived(&received, "backstage.core.database.reads")[..] else {
        panic!("{received:?}");
    };
    assert_eq!(total(reads), 42);
    let points = reads["sum"]["dataPoints"].as_array().expect("points");
    assert_eq!(points.len(), 1, "the label that the file excludes is gone: {points:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_is_tested_runs_too() {
    let mut program = Process::start(&program::small("testing"), &[], &[ANY_PORT]);
    program.line("backstage.plugin.mail.sent").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn series_of_a_plugin_end_with_it_and_begin_again() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let (mut program, target) = scraped("plugin", &[]).await;
    let prometheus = Prometheus::start(&executable, &target).await;
    let searches = "backstage_plugin_search_searches_total";
    for loads in 1..=2 {
        program.line("loaded").await;
        let loaded =
            format!("{searches} == 7 and on () backstage_core_plugins_loaded_total == {loads}");
        assert!(prometheus.has_data(&loaded).await, "{loaded}");
        program.enter().await;
        program.line("unloaded").await;
        let unloaded = format!("absent({searches}) and on () backstage_core_plugins_loaded_total");
        assert!(prometheus.has_data(&unloaded).await, "{unloaded}");
        program.enter().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_keeps_what_a_job_pushed() {
    let Some(executable) = peer::find("prometheus-pushgateway") else {
        return;
    };
    let gateway = Pushgateway::start(&executable).await;
    let mut job = Process::start(&program::small("batch_job"), &[gateway.url()], &[]);
    job.line("pushed to ").await;
    let series = gateway.series().await;
    for name in ["files_total", "duration_seconds", "last_success_seconds"] {
        let name = format!("backstage_plugin_backup_{name}{{");
        let line = series.iter().find(|line| line.starts_with(&name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {series:?}"));
        assert!(line.contains("job=\"nightly\""), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_otlp_exporter_and_ours_send_equal_totals() {
    let Some(executable) = peer::find("meterkit-otelcol") else {
        return;
    };
    let collector = Collector::start(&executable).await;
    let url = collector.http_url();
    let mut program = Process::start(&program::small("official_otlp"), &[&url], &[]);
    program.line("delivered twice").await;
    let received = collector.received();
    for (name, expected) in [("sales", 5), ("visits", 9)] {
        let metrics = arrived(&received, &format!("backstage.plugin.shop.{name}"));
        let totals: Vec<_> = metrics.into_iter().map(total).collect();
        assert_eq!(totals, [expected; 2], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_prometheus_exporter_and_ours_are_scraped_alike() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let (_program, target) = scraped("official_prometheus", &[ANY_ADDRESS]).await;
    let job = |name: &str| Job {
        name: name.to_owned(),
        targets: vec![target.clone()],
        settings: vec![format!("metrics_path: /{name}")],
    };
    let jobs = [job("metrics"), job("official")];
    let prometheus = Prometheus::start_with_jobs(&executable, &jobs, &[], &[]).await;
    for series in [
        "backstage_plugin_shop_sales_total == 5",
        "backstage_plugin_shop_checkout_duration_seconds_count == 1",
        "backstage_plugin_shop_checkout_duration_seconds_bucket{le='0.25'} == 1",
    ] {
        let both = format!("count({series}) == 2");
        assert!(prometheus.has_data(&both).await, "{both}");
    }
}
