//! `metrics` with the recorder of `metrics-exporter-prometheus`: its macros look up a series in the program's global
//! recorder.

use std::any::Any;
use std::hint::black_box;
use std::sync::LazyLock;

use metrics::with_local_recorder;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::labels::{
    BOUNDS, REQUEST, Request, durations, for_each_series, static_requests, strings,
    with_fresh_strings,
};
use crate::operation::{OPERATION, Operation, text};

/// The global recorder of the program, installed as most users do.
static INSTALLED: LazyLock<PrometheusHandle> =
    LazyLock::new(|| PrometheusBuilder::new().install_recorder().expect("the only recorder"));

/// Returns a counter without labels, bound to a handle.
pub fn counter() -> impl Fn() + Send + Sync + 'static {
    LazyLock::force(&INSTALLED);
    let counter = metrics::counter!("plain");
    move || black_box(&counter).increment(1)
}

/// Returns a counter without labels, looked up at each call.
pub fn counter_looked_up() -> impl Fn() + Send + Sync + 'static {
    LazyLock::force(&INSTALLED);
    || metrics::counter!("looked_up").increment(1)
}

/// Returns a gauge without labels, bound to a handle.
pub fn gauge() -> impl Fn() + Send + Sync + 'static {
    LazyLock::force(&INSTALLED);
    let gauge = metrics::gauge!("level");
    move || black_box(&gauge).set(0.5)
}

/// Returns a histogram of another recorder than that of the exporter, bound to a handle.
pub fn histogram_elsewhere() -> impl FnMut() + 'static {
    let (histogram, mut next) = (metrics::histogram!("took_seconds"), durations());
    move || black_box(&histogram).record(next())
}

/// Returns a counter with a closed label set.
pub fn counter_of_closed_set() -> impl Fn() + Send + Sync + 'static {
    LazyLock::force(&INSTALLED);
    || count_operation(*black_box(&OPERATION))
}

/// Returns a counter with three text labels.
pub fn counter_of_run_time_string() -> impl Fn() + Send + Sync + 'static {
    LazyLock::force(&INSTALLED);
    let tenant = REQUEST.tenant.to_owned();
    move || count_request(Request { tenant: black_box(&tenant), ..*black_box(&REQUEST) })
}

/// Returns a counter with three `&'static str` labels, with 64 label sets at random.
pub fn counter_of_static_sets() -> impl FnMut() + 'static {
    LazyLock::force(&INSTALLED);
    let mut next = static_requests();
    move || count_static(next())
}

/// Returns a counter whose three labels are strings that the caller keeps.
pub fn counter_of_strings() -> impl Fn() + Send + Sync + 'static {
    LazyLock::force(&INSTALLED);
    let strings = strings();
    move || count_strings(black_box(&strings))
}

/// Returns the same counter with strings that are allocated for each call.
pub fn counter_of_fresh_strings() -> impl FnMut() + 'static {
    LazyLock::force(&INSTALLED);
    with_fresh_strings(count_strings)
}

/// Returns a histogram without labels, bound to a handle. The upkeep that sorts its values into buckets runs every
/// 65,536 calls: without it, every value would stay in memory.
pub fn histogram() -> impl FnMut() + 'static {
    let recorder = recorder();
    let (histogram, upkeep) =
        (with_local_recorder(&recorder, || metrics::histogram!("took")), recorder.handle());
    let (mut next, mut calls) = (durations(), 0_u16);
    move || {
        black_box(&histogram).record(next());
        calls = calls.wrapping_add(1);
        if calls == 0 {
            upkeep.run_upkeep();
        }
    }
}

/// Returns a counter with this number of series.
pub fn counter_series(series: usize) -> Box<dyn Any> {
    let recorder = recorder();
    with_local_recorder(&recorder, || for_each_series(series, count_request));
    Box::new(recorder)
}

/// Returns a histogram with this number of series, after the upkeep that sorts its values into buckets.
pub fn histogram_series(series: usize) -> Box<dyn Any> {
    let recorder = recorder();
    with_local_recorder(&recorder, || for_each_series(series, observe));
    recorder.handle().run_upkeep();
    Box::new(recorder)
}

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new().set_buckets(&BOUNDS).expect("some bounds").build_recorder()
}

fn count_operation(Operation { kind, outcome, cached }: Operation) {
    let (kind, outcome, cached) = (kind.as_str(), outcome.as_str(), text(cached));
    metrics::counter!("closed", "kind" => kind, "outcome" => outcome, "cached" => cached)
        .increment(1);
}

/// Counts a request. The library requires an owned text for labels that do not live as long as the program.
fn count_request(Request { method, route, tenant }: Request<'_>) {
    let tenant = tenant.to_owned();
    metrics::counter!("requests", "method" => method, "route" => route, "tenant" => tenant)
        .increment(1);
}

fn count_static(Request { method, route, tenant }: Request<'static>) {
    metrics::counter!("requests", "method" => method, "route" => route, "tenant" => tenant)
        .increment(1);
}

fn count_strings(strings: &[String; 3]) {
    let [method, route, tenant] = strings.clone();
    metrics::counter!("requests", "method" => method, "route" => route, "tenant" => tenant)
        .increment(1);
}

fn observe(Request { method, route, tenant }: Request<'_>) {
    let tenant = tenant.to_owned();
    metrics::histogram!("took", "method" => method, "route" => route, "tenant" => tenant)
        .record(0.07);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_what_was_asked_for() {
        let recorder = recorder();
        with_local_recorder(&recorder, || count_operation(OPERATION));
        let page = recorder.handle().render();
        let sample = r#"closed{kind="update",outcome="rejected",cached="true"} 1"#;
        assert!(page.contains(sample), "{page}");
    }

    #[test]
    fn each_series_is_one() {
        let recorder = recorder();
        with_local_recorder(&recorder, || {
            for_each_series(100, |request| {
                count_request(request);
                observe(request);
            });
        });
        let page = recorder.handle().render();
        assert_eq!(page.matches("requests{").count(), 100);
        assert_eq!(page.matches("took_bucket{").count(), 1200);
    }
}
