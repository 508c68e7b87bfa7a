//! Metrics of the process and of the tokio runtime: switched on, exported until the end, and removed with the pipeline.
#![cfg(all(feature = "process", feature = "tokio"))]

use meterkit::data::ScopeMetrics;
use meterkit::target::ConsoleTarget;
use meterkit::{InstallError, Registry, Telemetry};
#[cfg(feature = "prometheus")]
use meterkit_fakes::own_process::rerun;
use tokio::runtime::Builder;

use crate::http_get;
use crate::page::Page;

#[test]
#[cfg(feature = "prometheus")]
fn the_environment_alone_puts_both_on_the_scrape_page() {
    let name = "the_environment_alone_puts_both_on_the_scrape_page";
    let variables = [
        ("METERKIT_RUNTIME_METRICS", "process,tokio"),
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let _inside = runtime.enter();
    let telemetry = Telemetry::from_env().unwrap().install().unwrap();
    let text = http_get::scrape(telemetry.prometheus_address().unwrap()).unwrap();
    let series = |name: &str, label: &str| {
        let found = text.lines().find(|line| line.starts_with(name) && line.contains(label));
        let line = found.unwrap_or_else(|| panic!("no {name} with {label} in {text}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(series("process_cpu_time_seconds_total{", "cpu_mode=\"user\"") >= 0.0);
    assert!(series("process_cpu_time_seconds_total{", "cpu_mode=\"system\"") >= 0.0);
    assert!(series("process_memory_usage_bytes{", "otel_scope_name=\"meterkit.process\"") > 1e5);
    assert!(series("process_uptime_seconds{", "") > 0.0);
    assert_eq!(series("tokio_worker_count{", "otel_scope_name=\"meterkit.tokio\""), 2.0);
    assert!(series("tokio_worker_busy_time_seconds_total{", "") >= 0.0);
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn a_missing_runtime_is_an_error_that_names_the_variable() {
    let name = "a_missing_runtime_is_an_error_that_names_the_variable";
    let variables = [("METERKIT_RUNTIME_METRICS", "tokio"), ("OTEL_METRICS_EXPORTER", "none")];
    if rerun(name, &variables).is_some() {
        return;
    }
    let error = Telemetry::from_env().unwrap().install().unwrap_err();
    assert!(matches!(error, InstallError::NoTokioRuntime { .. }), "{error:?}");
    let text = error.to_string();
    for part in ["METERKIT_RUNTIME_METRICS=tokio", "async function", "`with_tokio_metrics_of`"] {
        assert!(text.contains(part), "{text}");
    }
    // Nothing runs, so a second attempt can succeed.
    let runtime = Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    Telemetry::from_env().unwrap().install().unwrap().shutdown_blocking().unwrap();
}

#[test]
fn a_disabled_program_observes_nothing_and_needs_no_runtime() {
    let name = "a_disabled_program_observes_nothing_and_needs_no_runtime";
    let variables = [("METERKIT_RUNTIME_METRICS", "process,tokio"), ("OTEL_SDK_DISABLED", "true")];
    if rerun(name, &variables).is_some() {
        return;
    }
    let telemetry = Telemetry::from_env().unwrap().install().unwrap();
    assert_eq!(observed(&telemetry), [""; 0]);
    assert_eq!(scopes(Registry::global()), [""; 0]);
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn tokio_metrics_outside_of_a_runtime_are_an_error_with_a_remedy() {
    let registry = Registry::new();
    let builder = || Telemetry::builder().registry(registry.clone());
    let text = builder().with_tokio_metrics().install().unwrap_err().to_string();
    assert!(text.contains("`with_tokio_metrics()`"), "{text}");

    let runtime = Builder::new_current_thread().build().unwrap();
    let telemetry = builder().with_tokio_metrics_of(runtime.handle().clone()).install().unwrap();
    assert_eq!(observed(&telemetry), ["meterkit.tokio"]);
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn nothing_is_observed_unless_it_is_asked_for() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    let telemetry = Telemetry::builder().registry(Registry::new()).install().unwrap();
    assert_eq!(observed(&telemetry), [""; 0]);
    telemetry.shutdown_blocking().unwrap();
    let builder = Telemetry::builder().registry(Registry::new()).with_process_metrics();
    let telemetry = builder.install().unwrap();
    assert_eq!(observed(&telemetry), ["meterkit.process"]);
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn the_last_export_has_them_and_the_registry_is_free_of_them_afterwards() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    let registry = Registry::new();
    for _ in 0..2 {
        let page = Page::default();
        let telemetry = Telemetry::builder()
            .registry(registry.clone())
            .with_process_metrics()
            .with_tokio_metrics()
            .target(ConsoleTarget::new(page.clone()))
            .install()
            .unwrap();
        telemetry.shutdown_blocking().unwrap();
        for metric in ["process.uptime ", "tokio.worker.count 1 {worker}\n"] {
            assert!(page.text().contains(metric), "{}", page.text());
        }
        assert_eq!(scopes(&registry), [""; 0]);
    }
}

#[test]
#[cfg(all(feature = "jemalloc", feature = "mimalloc"))]
fn allocators_are_observed_by_a_line_of_the_builder_until_the_shutdown() {
    let registry = Registry::new();
    let builder = Telemetry::builder().registry(registry.clone());
    let telemetry = builder.with_jemalloc_metrics().with_mimalloc_metrics().install().unwrap();
    assert_eq!(observed(&telemetry), ["meterkit.jemalloc", "meterkit.mimalloc"]);
    telemetry.shutdown_blocking().unwrap();
    assert_eq!(scopes(&registry), [""; 0]);
}

#[test]
fn an_instrument_of_the_program_that_is_in_the_way_is_an_error_that_names_it() {
    let registry = Registry::new();
    let meter = registry.semconv("meterkit.process");
    let _own = meter.gauge::<f64>("process.uptime").unit("h").build().unwrap();
    let refused = Telemetry::builder().registry(registry).with_process_metrics().install();
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("`process.uptime` already exists"), "{text}");
}

/// Returns the scopes of these metrics that a target sees.
fn observed(telemetry: &Telemetry) -> Vec<String> {
    names(&telemetry.source().snapshot_blocking().scopes)
}

/// Returns the scopes of these metrics in a collection of the registry itself.
fn scopes(registry: &Registry) -> Vec<String> {
    registry.refresh();
    names(&registry.read())
}

fn names(scopes: &[ScopeMetrics]) -> Vec<String> {
    let names = scopes.iter().map(|scope| scope.scope.name().to_owned());
    let known = ["meterkit.jemalloc", "meterkit.mimalloc", "meterkit.process", "meterkit.tokio"];
    names.filter(|name| known.contains(&&**name)).collect()
}
