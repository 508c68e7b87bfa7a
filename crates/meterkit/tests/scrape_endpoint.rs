//! The scrape endpoint of an installed program.
#![cfg(feature = "prometheus")]

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use http_body_util::BodyExt;
use meterkit::prometheus::{PrometheusServer, Translation};
use meterkit::{InstallError, Registry, Telemetry};
use meterkit_fakes::own_process::rerun;
use tower_service::Service;

use crate::http_get::{answer, get, scrape};

fn server() -> PrometheusServer {
    PrometheusServer::new().host("127.0.0.1").port(0)
}

fn install(registry: &Registry) -> (Telemetry, SocketAddr) {
    let builder = Telemetry::builder().registry(registry.clone()).prometheus(server());
    let telemetry = builder.install().expect("port 0 is always free");
    let address = telemetry.prometheus_address().expect("it has an endpoint");
    (telemetry, address)
}

#[test]
fn port_0_gives_an_address_that_can_be_read_and_scraped() {
    let (telemetry, address) = install(&Registry::new());
    assert_ne!(address.port(), 0);
    assert!(scrape(address).unwrap().contains("target_info{"));
    telemetry.shutdown_blocking().unwrap();
    assert!(scrape(address).is_err(), "nobody listens after the shutdown");
}

/// The program's own lines must not be buried among the library's.
#[test]
fn a_scrape_of_a_small_program_has_few_lines_of_the_library() {
    let registry = Registry::new();
    let builder = Telemetry::builder().registry(registry.clone()).prometheus(server());
    let telemetry = builder.snapshot_max_age(Duration::ZERO).install().expect("a free port");
    let address = telemetry.prometheus_address().expect("it has an endpoint");
    let meter = registry.scoped("plugin", "catalog");
    meter.counter::<u64>("requests").build().unwrap().increment();
    let _rows = meter.observable_gauge::<u64>("rows").observe(|| 7).unwrap();
    for _ in 0..3 {
        scrape(address).unwrap();
    }
    let text = scrape(address).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let (own, program): (Vec<_>, Vec<_>) =
        lines.partition(|line| line.contains(r#"otel_scope_name="meterkit""#));
    assert_eq!(program.len(), 3, "{program:#?}");
    assert_eq!(own.len(), 9, "{own:#?}");
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn without_an_endpoint_there_is_no_address() {
    let telemetry = Telemetry::builder().registry(Registry::new()).install().unwrap();
    assert_eq!(telemetry.prometheus_address(), None);
}

#[test]
fn a_port_in_use_is_an_error_that_names_address_and_variable_and_nothing_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let registry = Registry::new();
    let refused = Telemetry::builder()
        .registry(registry.clone())
        .prometheus(PrometheusServer::new().host("127.0.0.1").port(port))
        .install();
    let error = refused.unwrap_err();
    assert!(matches!(error, InstallError::Prometheus(_)));
    let text = error.to_string();
    for part in [&*format!("127.0.0.1:{port}"), "OTEL_EXPORTER_PROMETHEUS_PORT", "0 for any"] {
        assert!(text.contains(part), "{text}");
    }
    let (telemetry, _) = install(&registry);
    telemetry.shutdown_blocking().expect("the registry was left free");
}

#[test]
fn a_host_of_another_machine_is_an_error_that_names_its_variable() {
    let server = PrometheusServer::new().host("192.0.2.1").port(0);
    let refused = Telemetry::builder().registry(Registry::new()).prometheus(server).install();
    let text = refused.unwrap_err().to_string();
    for part in ["192.0.2.1:0", "OTEL_EXPORTER_PROMETHEUS_HOST"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn counts_from_before_the_install_are_scraped() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let requests = meter.counter::<u64>("requests").unit("{request}").build().unwrap();
    let duration =
        meter.histogram::<f64>("duration").unit("s").buckets([0.1, 1.0]).build().unwrap();
    let queue = meter.gauge::<i64>("queue.length").build().unwrap();
    requests.add(41);
    duration.record(0.5);
    queue.set(12);
    let (_telemetry, address) = install(&registry);
    requests.increment();

    let text = scrape(address).unwrap();
    for line in [
        "# TYPE backstage_plugin_catalog_requests_total counter\n",
        "backstage_plugin_catalog_requests_total{otel_scope_name=\"backstage.plugin.catalog\"} 42\n",
        "backstage_plugin_catalog_queue_length{otel_scope_name=\"backstage.plugin.catalog\"} 12\n",
        "backstage_plugin_catalog_duration_seconds_count{otel_scope_name=\"backstage.plugin.catalog\"} 1\n",
        "backstage_plugin_catalog_duration_seconds_sum{otel_scope_name=\"backstage.plugin.catalog\"} 0.5\n",
    ] {
        assert!(text.contains(line), "{line} is missing from:\n{text}");
    }
}

#[test]
fn an_endpoint_can_be_opened_again_on_the_same_port_after_a_shutdown() {
    let registry = Registry::new();
    let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build().unwrap();
    let (first, address) = install(&registry);
    requests.add(2);
    assert!(scrape(address).unwrap().contains("} 2\n"));
    first.shutdown_blocking().unwrap();

    requests.add(3);
    let server = PrometheusServer::new().host("127.0.0.1").port(address.port());
    let second = Telemetry::builder().registry(registry).prometheus(server).install().unwrap();
    assert_eq!(second.prometheus_address(), Some(address));
    assert!(scrape(address).unwrap().contains("} 5\n"));
}

#[tokio::test]
async fn an_application_with_a_server_of_its_own_gets_the_same_text() {
    let registry = Registry::new();
    registry.scoped("plugin", "catalog").counter::<u64>("requests").build().unwrap().add(2);
    let (telemetry, address) = install(&registry);
    let text = telemetry.scrape().text().await.unwrap();
    assert_eq!(text, telemetry.scrape().text_blocking());
    let scraped = tokio::task::spawn_blocking(move || scrape(address)).await.unwrap().unwrap();
    assert_eq!(scraped, text);
    telemetry.shutdown().await.unwrap();
}

#[test]
fn the_endpoint_and_the_applications_own_server_have_the_names_of_one_translation() {
    let registry = Registry::new();
    registry.scoped("plugin", "catalog").counter::<u64>("requests").build().unwrap().add(2);
    let server = server().translation(Translation::UnderscoreEscapingWithoutSuffixes);
    let builder = Telemetry::builder().registry(registry).prometheus(server);
    let telemetry = builder.install().unwrap();
    let expected = "\n# TYPE backstage_plugin_catalog_requests counter\n";
    let scraped = scrape(telemetry.prometheus_address().unwrap()).unwrap();
    let own = String::from_utf8(telemetry.scrape().text_blocking().to_vec()).unwrap();
    for text in [scraped, own] {
        assert!(text.contains(expected), "{text}");
    }
    telemetry.shutdown_blocking().unwrap();
}

/// Returns two scrapes of a counter in seconds: at the path of the endpoint, and through a server of the application.
fn scraped_cpu_time() -> [String; 2] {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    meter.counter::<u64>("cpu.time").unit("s").build().unwrap().add(42);
    let builder = Telemetry::from_env().expect("all variables are right").registry(registry);
    let telemetry = builder.install().expect("it has all it needs");
    let url = telemetry.prometheus_url().expect("it has an endpoint");
    assert!(url.ends_with("/internal/metrics"), "{url}");
    let address = telemetry.prometheus_address().expect("it has an endpoint");
    let served = get(address, "/internal/metrics").unwrap();
    let own = String::from_utf8(telemetry.scrape().text_blocking().into()).unwrap();
    [served, own].map(|text| {
        let lines = text.lines().filter(|line| !line.contains("meterkit_"));
        lines.map(|line| format!("{line}\n")).collect()
    })
}

#[test]
fn variables_choose_path_names_and_labels() {
    let variables = [
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop,host.name=h,service.version=1.2"),
        ("METERKIT_PROMETHEUS_PATH", "/internal/metrics"),
        ("METERKIT_PROMETHEUS_UNIT_SUFFIXES", "false"),
        ("METERKIT_PROMETHEUS_SCOPE_INFO", "false"),
        ("METERKIT_PROMETHEUS_TARGET_INFO", "false"),
        ("METERKIT_PROMETHEUS_SELF_METRICS", "false"),
        ("METERKIT_PROMETHEUS_RESOURCE_CONSTANT_LABELS", "service.na*,host.name,!x"),
    ];
    if rerun("variables_choose_path_names_and_labels", &variables).is_some() {
        return;
    }
    for text in scraped_cpu_time() {
        let line =
            "backstage_plugin_catalog_cpu_time_total{host_name=\"h\",service_name=\"shop\"} 42\n";
        assert!(text.contains(line), "{text}");
        assert!(!text.contains("target_info") && !text.contains("otel_s"), "{text}");
    }
}

#[test]
#[cfg(feature = "config")]
fn a_file_sets_names_and_labels_and_variables_set_what_its_schema_lacks() {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let text = "file_format: \"1.1\"
resource:
  attributes_list: service.name=shop,host.name=h,service.version=1.2
meter_provider:
  readers:
    - pull:
        exporter:
          prometheus/development:
            host: 127.0.0.1
            port: 0
            scope_info_enabled: false
            target_info_enabled/development: false
            resource_constant_labels:
              included: [service.*, host.name]
              excluded: [service.version, service.instance.id]
";
    std::io::Write::write_all(&mut file, text.as_bytes()).expect("room for it");
    let variables = [
        ("OTEL_CONFIG_FILE", file.path().to_str().expect("a path of letters")),
        ("METERKIT_PROMETHEUS_PATH", "/internal/metrics"),
        ("METERKIT_PROMETHEUS_TOTAL_SUFFIXES", "false"),
        ("METERKIT_PROMETHEUS_SELF_METRICS", "false"),
        // The file's schema has a property for this setting.
        ("METERKIT_PROMETHEUS_SCOPE_INFO", "true"),
    ];
    let name = "a_file_sets_names_and_labels_and_variables_set_what_its_schema_lacks";
    if rerun(name, &variables).is_some() {
        return;
    }
    for text in scraped_cpu_time() {
        let line =
            "backstage_plugin_catalog_cpu_time_seconds{host_name=\"h\",service_name=\"shop\"} 42\n";
        assert!(text.contains(line), "{text}");
        assert!(!text.contains("target_info") && !text.contains("otel_s"), "{text}");
    }
}

#[tokio::test]
async fn a_variable_switches_the_page_off_and_the_application_can_still_mount_it() {
    let variables = [
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
        ("METERKIT_PROMETHEUS_PAGE", "false"),
        ("METERKIT_PROMETHEUS_SELF_METRICS", "false"),
        ("METERKIT_PROMETHEUS_INSTRUMENTS", "*,!*.hidden"),
    ];
    let name = "a_variable_switches_the_page_off_and_the_application_can_still_mount_it";
    if rerun(name, &variables).is_some() {
        return;
    }
    let telemetry = Telemetry::from_env().unwrap().install().unwrap();
    let meter = meterkit::Meter::scoped("plugin", "shop");
    for name in ["orders", "hidden"] {
        meter.counter::<u64>(name).build().unwrap().add(42);
    }
    for path in ["/", "/metrics.json"] {
        let answer = answer(telemetry.prometheus_address().unwrap(), path).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    let request = http::Request::get("/status.json").body(()).unwrap();
    let response = telemetry.page().call(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let json = str::from_utf8(&body).unwrap();
    assert!(json.contains(r#""name":"backstage.plugin.shop.orders","kind":"counter""#), "{json}");
    assert!(!json.contains("hidden") && !json.contains(r#""name":"meterkit"#), "{json}");
    telemetry.shutdown_blocking().unwrap();
}
