//! Each target receives what its filter keeps, whatever its protocol and wherever the filter is set.

use std::io::Write;

use meterkit::prelude::*;
use meterkit::target::{ConsoleTarget, TargetFilter};
use meterkit::view::KeyFilter;
use meterkit::{InstallError, Registry, Telemetry};
use meterkit_fakes::own_process::{rerun, text};
use meterkit_fakes::receiver::{Protocol, Receiver};
use meterkit_fakes::{datadog, log_lines, otlp, pushgateway, remote_write};
use tempfile::NamedTempFile;

use crate::http_get;

#[derive(Labels)]
struct Order {
    region: &'static str,
    user: &'static str,
}

/// Counts 12 orders of two users in one region, removes the series of one user, and counts something internal.
fn run(telemetry: &Telemetry) {
    let meter = Meter::scoped("plugin", "shop");
    let orders = meter.counter_group::<Order, u64>("orders").build().unwrap();
    orders.with(Order { region: "eu", user: "alice" }).add(5);
    orders.with(Order { region: "eu", user: "bob" }).add(3);
    meter.counter::<u64>("internal").build().unwrap().increment();
    telemetry.flush_blocking().unwrap();
    orders.with(Order { region: "eu", user: "bob" }).add(4);
    orders.remove(Order { region: "eu", user: "alice" });
}

/// Returns everything that a receiver was sent, as text.
fn sent<P: Protocol>(receiver: &Receiver<P>) -> String {
    let plain = receiver.arrivals().into_iter().map(|arrival| arrival.plain);
    plain.map(|plain| String::from_utf8_lossy(&plain).into_owned()).collect()
}

#[track_caller]
fn assert_filtered(text: &str) {
    assert!(text.contains("orders") && text.contains("eu"), "{text}");
    for left_out in ["alice", "bob", "user", "internal"] {
        assert!(!text.contains(left_out), "{left_out}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_filter_each_target() {
    let otlp = otlp::Receiver::start([]).await;
    let datadog = datadog::Intake::start([]).await;
    let grafana = remote_write::Receiver::start([]).await;
    let pushgateway = pushgateway::Receiver::start([]).await;
    let urls = [otlp.url(), datadog.url(), grafana.url(), pushgateway.url()];
    let mut variables = vec![
        ("OTEL_METRICS_EXPORTER", "prometheus,console,otlp,datadog,grafana,pushgateway"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &*urls[0]),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        ("METERKIT_DATADOG_ENDPOINT", &*urls[1]),
        ("DD_API_KEY", "0123456789abcdef0123456789abcdef"),
        ("GRAFANA_REMOTE_WRITE_URL", &*urls[2]),
        ("METERKIT_PUSHGATEWAY_URL", &*urls[3]),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
        ("METERKIT_RESOURCE_DETECTORS", "service_instance"),
        // Scrapes and exports do not share values.
        ("METERKIT_SNAPSHOT_MAX_AGE", "0"),
    ];
    let names = ["PROMETHEUS", "CONSOLE", "OTLP", "DATADOG", "GRAFANA", "PUSHGATEWAY"];
    let filters =
        names.map(|it| [format!("METERKIT_{it}_INSTRUMENTS"), format!("METERKIT_{it}_LABELS")]);
    for [instruments, labels] in &filters {
        variables.extend([(&**instruments, "*.orders"), (&**labels, "!user")]);
    }
    let ran = tokio::task::block_in_place(|| rerun("variables_filter_each_target", &variables));
    let Some(output) = ran else {
        let telemetry = Telemetry::from_env().unwrap().install().unwrap();
        tokio::task::block_in_place(|| run(&telemetry));
        let address = telemetry.prometheus_address().expect("an endpoint");
        let scraped = tokio::task::spawn_blocking(move || http_get::scrape(address));
        let open_metrics = telemetry.scrape().text_for("application/openmetrics-text").await;
        let (content_type, open_metrics) = open_metrics.unwrap();
        assert!(content_type.starts_with("application/openmetrics-text"), "{content_type}");
        let texts = [scraped.await.unwrap().unwrap().into_bytes(), open_metrics.to_vec()];
        for text in texts.map(|text| String::from_utf8(text).unwrap()) {
            assert_filtered(&text);
            let orders = text.lines().find(|line| line.contains("orders_total{"));
            assert!(orders.is_some_and(|it| it.trim_end_matches(".0").ends_with("} 12")), "{text}");
        }
        #[cfg(feature = "prometheus-registry")]
        {
            let served = prometheus::Registry::new();
            served.register(Box::new(telemetry.prometheus_collector())).unwrap();
            let gathered = tokio::task::block_in_place(|| served.gather());
            let text = prometheus::TextEncoder::new().encode_to_string(&gathered).unwrap();
            assert_filtered(&text);
            assert!(text.lines().any(|it| it.contains("orders_total{") && it.ends_with("} 12")));
        }
        telemetry.shutdown().await.unwrap();
        return;
    };
    let console = text(&output.stdout);
    let written = console.lines().filter(|line| line.contains("orders"));
    let written: Vec<_> = written.filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(written, ["8", "12"], "{console}");
    assert!(!console.contains("internal") && !console.contains("alice"), "{console}");
    assert_filtered(&sent(&otlp));
    assert_filtered(&sent(&datadog));
    assert_filtered(&sent(&grafana));
    assert_filtered(&sent(&pushgateway));
    let name = "backstage.plugin.shop.orders";
    assert_eq!(otlp.counted(name), 12.0);
    assert_eq!(datadog.counted(name), 12.0);
    let written = grafana.arrivals().into_iter().flat_map(|arrival| arrival.content);
    assert_eq!(written.map(|row| row.value).fold(0.0, f64::max), 12.0);
    let pushed = sent(&pushgateway);
    let orders = pushed.lines().rfind(|line| line.contains("orders_total{"));
    assert!(orders.is_some_and(|line| line.ends_with("} 12")), "{pushed}");
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(feature = "config")]
async fn a_file_filters_each_reader() {
    let (some, all) = (otlp::Receiver::start([]).await, otlp::Receiver::start([]).await);
    let mut file = NamedTempFile::new().unwrap();
    let reader = |url: String, filter: &str| {
        format!(
            "    - periodic:\n        exporter: {{ otlp_http: {{ endpoint: \"{url}\" }} }}\n{filter}"
        )
    };
    let filter = "        filter:
          instruments: { included: [\"*.orders\", \"*.internal\"], excluded: [\"*.internal\"] }
          labels: { excluded: [user] }\n";
    let (some_reader, all_reader) = (reader(some.url(), filter), reader(all.url(), ""));
    write!(file, "file_format: \"1.1\"\nmeter_provider:\n  readers:\n{some_reader}{all_reader}")
        .unwrap();
    let variables = [("OTEL_CONFIG_FILE", file.path().to_str().unwrap())];
    let ran = tokio::task::block_in_place(|| rerun("a_file_filters_each_reader", &variables));
    if ran.is_none() {
        let telemetry = Telemetry::from_env().unwrap().install().unwrap();
        tokio::task::block_in_place(|| run(&telemetry));
        telemetry.shutdown().await.unwrap();
        return;
    }
    assert_filtered(&sent(&some));
    for kept in ["alice", "bob", "internal"] {
        assert!(sent(&all).contains(kept), "{kept}");
    }
}

#[test]
fn code_filters_targets_by_name_and_wins_over_variables() {
    let name = "code_filters_targets_by_name_and_wins_over_variables";
    let variables =
        [("OTEL_METRICS_EXPORTER", "console"), ("METERKIT_CONSOLE_INSTRUMENTS", "none")];
    if let Some(output) = rerun(name, &variables) {
        let out = text(&output.stdout);
        assert!(out.contains("orders") && !out.contains("internal"), "{out}");
        return;
    }
    let instruments = KeyFilter::default().without(["*.internal"]);
    let filter = TargetFilter { instruments, ..TargetFilter::default() };
    let telemetry = Telemetry::from_env().unwrap().filter("console", filter).install().unwrap();
    run(&telemetry);
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn a_filter_for_an_unknown_target_causes_a_warning() {
    let (telemetry, lines) = log_lines::of(|| {
        let builder = Telemetry::builder().registry(Registry::new());
        let builder = builder.target(ConsoleTarget::new(std::io::sink()));
        let filtered = ["console", "otlp", "OTLP"]
            .into_iter()
            .fold(builder, |builder, name| builder.filter(name, TargetFilter::default()));
        filtered.install().unwrap()
    });
    let warnings: Vec<_> = lines.iter().filter(|line| line.starts_with("WARN")).collect();
    assert_eq!(warnings, ["WARN no target is called `OTLP`: the filter for it has no effect"]);
    telemetry.shutdown_blocking().unwrap();
}

#[test]
#[cfg(feature = "sdk")]
fn an_exporter_of_the_sdk_cannot_be_filtered() {
    let builder = Telemetry::builder().registry(Registry::new());
    let error = builder.filter("exporter", TargetFilter::default()).install().unwrap_err();
    assert!(matches!(error, InstallError::Target(_)));
    assert!(error.to_string().contains("use views"), "{error}");
}

#[test]
fn patterns_that_match_nothing_cause_a_warning_at_the_latest_at_the_end() {
    let name = "patterns_that_match_nothing_cause_a_warning_at_the_latest_at_the_end";
    let variables = [
        ("OTEL_METRICS_EXPORTER", "console"),
        ("METERKIT_CONSOLE_INSTRUMENTS", "*.orders,*.silent,*.ordrs"),
        ("METERKIT_CONSOLE_LABELS", "!user,!usr,!client"),
        // The target is not selected.
        ("METERKIT_OTLP_LABELS", "!nothing"),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    let ((), lines) = log_lines::of_all_threads(|| {
        let telemetry = Telemetry::from_env().unwrap().install().unwrap();
        // The instrument has no values yet.
        let silent = Meter::scoped("plugin", "shop").counter_group::<Order, u64>("silent");
        let _silent = silent.build().unwrap();
        let calls = opentelemetry::global::meter("foreign").u64_counter("calls").build();
        calls.add(1, &[opentelemetry::KeyValue::new("client", "a")]);
        run(&telemetry);
        telemetry.shutdown_blocking().unwrap();
    });
    let warnings: Vec<_> = lines.iter().filter(|line| line.starts_with("WARN")).collect();
    let warning = |what: &str, pattern: &str| {
        format!(
            "WARN a pattern in the filter of this target matches {what}; it may be misspelled \
             exporter=console pattern={pattern}"
        )
    };
    let expected = [warning("no instrument name", "*.ordrs"), warning("no series label", "usr")];
    assert_eq!(warnings, expected.iter().collect::<Vec<_>>());
}
