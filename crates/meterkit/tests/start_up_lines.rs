//! At startup, one line per target says where metrics go, without secrets.

use std::time::Duration;

use meterkit::data::Snapshot;
use meterkit::target::{ConsoleTarget, ExportFuture, Schedule, Target};
use meterkit::{Registry, Telemetry};
use meterkit_core::Temporality;
use meterkit_fakes::log_lines;

/// A target that the program defines, with a secret.
#[derive(Debug)]
struct Warehouse {
    #[expect(dead_code, reason = "what counts is where it shows")]
    api_key: &'static str,
}

impl Target for Warehouse {
    fn name(&self) -> &str {
        "warehouse"
    }

    fn endpoint(&self) -> String {
        "https://warehouse.example.com/ingest".to_owned()
    }

    fn temporality(&self) -> Temporality {
        Temporality::Delta
    }

    fn export<'a>(&'a mut self, _: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}

const SECRET: &str = "5ecre7-value";

#[test]
fn each_target_is_named_with_endpoint_interval_and_temporality() {
    let hourly = Schedule { interval: Duration::from_secs(3600), ..Schedule::default() };
    let builder = Telemetry::builder()
        .registry(Registry::new())
        .schedule(Schedule { interval: Duration::from_millis(2500), ..Schedule::default() })
        .target(ConsoleTarget::new(std::io::sink()))
        .target(Warehouse { api_key: SECRET })
        .target_with(Warehouse { api_key: SECRET }, hourly);
    let (telemetry, lines) = log_lines::of(|| builder.install().unwrap());
    let warehouse = |number| {
        let endpoint = "https://warehouse.example.com/ingest";
        format!("INFO metrics target is configured exporter=warehouse/{number} endpoint={endpoint}")
    };
    let expected = [
        "INFO metrics target is configured exporter=console/0 endpoint=standard output \
         interval_ms=2500 temporality=cumulative"
            .to_owned(),
        format!("{} interval_ms=2500 temporality=delta", warehouse(0)),
        format!("{} interval_ms=3600000 temporality=delta", warehouse(1)),
    ];
    assert_eq!(lines, expected);
    telemetry.shutdown_blocking().unwrap();
}

#[test]
#[cfg(feature = "prometheus")]
fn the_scrape_endpoint_is_named_with_the_port_that_the_system_chose() {
    let server = meterkit::prometheus::PrometheusServer::new().host("127.0.0.1").port(0);
    let builder = Telemetry::builder().registry(Registry::new()).prometheus(server);
    let (telemetry, lines) = log_lines::of(|| builder.install().unwrap());
    let address = telemetry.prometheus_address().unwrap();
    let expected = format!(
        "INFO scrape endpoint is configured exporter=prometheus/0 endpoint=http://{address}/metrics"
    );
    assert_eq!(lines, [expected]);
}

#[test]
fn a_program_without_targets_logs_that() {
    let builder = Telemetry::builder().registry(Registry::new());
    let (_telemetry, lines) = log_lines::of(|| builder.install().unwrap());
    assert_eq!(lines, ["INFO metrics are collected, but no target is selected"]);
}

#[test]
fn an_install_that_is_refused_names_no_live_target() {
    let registry = Registry::new();
    let _first = Telemetry::builder().registry(registry.clone()).install().unwrap();
    let second = Telemetry::builder().registry(registry).target(Warehouse { api_key: SECRET });
    let (refused, lines) = log_lines::of(|| second.install());
    assert!(refused.is_err());
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn secrets_of_a_target_show_neither_in_debug_nor_in_a_line() {
    let registry = Registry::new();
    let builder = Telemetry::builder().registry(registry).target(Warehouse { api_key: SECRET });
    let before = format!("{builder:?} {builder:#?}");
    assert!(before.contains("warehouse"), "{before}");
    let (telemetry, lines) = log_lines::of(|| builder.install().unwrap());
    let after = format!("{telemetry:?} {telemetry:#?}");
    for shown in lines.iter().chain([&before, &after]) {
        assert!(!shown.contains(SECRET), "{shown}");
    }
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn a_dropped_value_is_logged_once_per_instrument() {
    let meter = Registry::new().scoped("plugin", "catalog");
    let (first, second) =
        (meter.counter::<f64>("first").build().unwrap(), meter.gauge::<f64>("second").build());
    let second = second.unwrap();
    let ((), lines) = log_lines::of(|| {
        for _ in 0..3 {
            first.add(-1.0);
            second.set(f64::NAN);
        }
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("WARN value dropped: a counter cannot fall"), "{lines:?}");
    assert!(lines[0].contains("instrument=backstage.plugin.catalog.first reason=negative"));
    assert!(lines[1].contains("instrument=backstage.plugin.catalog.second reason=not_finite"));
}

#[test]
#[cfg(feature = "datadog")]
fn where_datadog_is_the_only_target_histograms_are_exponential_and_a_line_says_so() {
    use meterkit::data::Data;
    use meterkit::datadog::DatadogConfig;

    let datadog = || {
        let config = DatadogConfig::api("0123456789abcdef0123456789abcdef").expect("a key");
        config.with_endpoint("http://127.0.0.1:9").expect("a URL")
    };
    let alone = || Telemetry::builder().target(datadog());
    let console = || ConsoleTarget::new(std::io::sink());
    for (builder, is_exponential, says) in [
        (alone(), true, Some("all histograms are exponential")),
        (alone().target(datadog()), true, Some("all histograms are exponential")),
        (alone().exponential_histograms(), true, None),
        (alone().explicit_histograms(), false, Some("percentiles are estimates")),
        (alone().target(console()), false, None),
        (Telemetry::builder().target(console()), false, None),
        (Telemetry::builder(), false, None),
    ] {
        let registry = Registry::new();
        let meter = registry.scoped("plugin", "catalog");
        let sizes = meter.histogram::<f64>("sizes").unit("By").buckets([10.0]).build().unwrap();
        sizes.record(3.0);
        let builder = builder.registry(registry.clone());
        let (telemetry, lines) = log_lines::of(|| builder.install().unwrap());
        let said: Vec<_> = lines.iter().filter(|line| line.contains("Datadog")).collect();
        assert_eq!(said.len(), usize::from(says.is_some()), "{lines:?}");
        for (said, expected) in said.iter().zip(says) {
            assert!(said.starts_with("INFO ") && said.contains(expected), "{lines:?}");
        }
        let scopes = registry.read();
        let is_found = scopes.iter().flat_map(|scope| &scope.metrics).any(|metric| {
            let is_it = metric.descriptor.name.ends_with("sizes");
            is_it && matches!(metric.data, Data::ExponentialHistogram { .. }) == is_exponential
        });
        assert!(is_found, "{scopes:?}");
        drop(telemetry);
    }
}
