//! `prometheus-client`: families of typed label sets. Looking up a series requires a label set that owns its texts.

use std::any::Any;
use std::hint::black_box;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use crate::labels::{
    self, BOUNDS, REQUEST, durations, for_each_series, static_requests, with_fresh_strings,
};
use crate::operation::{self, Kind, OPERATION, Outcome};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    kind: Kind,
    outcome: Outcome,
    cached: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: &'static str,
    tenant: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StaticRequest {
    method: &'static str,
    route: &'static str,
    tenant: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Strings {
    method: String,
    route: String,
    tenant: String,
}

/// Returns a counter without labels.
pub fn counter() -> impl Fn() + Send + Sync + 'static {
    let counter = <Counter>::default();
    move || {
        black_box(&counter).inc();
    }
}

/// Returns a counter with a closed label set.
pub fn counter_of_closed_set() -> impl Fn() + Send + Sync + 'static {
    let counters = Family::default();
    move || count_operation(&counters, *black_box(&OPERATION))
}

/// Returns a counter with three text labels.
pub fn counter_of_run_time_string() -> impl Fn() + Send + Sync + 'static {
    let counters = Family::default();
    let tenant = REQUEST.tenant.to_owned();
    move || {
        let request = labels::Request { tenant: black_box(&tenant), ..*black_box(&REQUEST) };
        count_request(&counters, request);
    }
}

/// Returns a counter with three `&'static str` labels, with 64 label sets at random.
pub fn counter_of_static_sets() -> impl FnMut() + 'static {
    let (counters, mut next) = (Family::default(), static_requests());
    move || count_static(&counters, next())
}

/// Returns a counter whose three labels are strings that the caller keeps.
pub fn counter_of_strings() -> impl Fn() + Send + Sync + 'static {
    let (counters, strings) = (Family::default(), labels::strings());
    move || count_strings(&counters, black_box(&strings))
}

/// Returns the same counter with strings that are allocated for each call.
pub fn counter_of_fresh_strings() -> impl FnMut() + 'static {
    let counters = Family::default();
    with_fresh_strings(move |strings| count_strings(&counters, strings))
}

/// Returns a histogram without labels.
pub fn histogram() -> impl FnMut() + 'static {
    let histogram = Histogram::new(BOUNDS);
    let mut next = durations();
    move || black_box(&histogram).observe(next())
}

/// Returns a counter with this number of series.
pub fn counter_series(series: usize) -> Box<dyn Any> {
    let counters = Family::default();
    for_each_series(series, |request| count_request(&counters, request));
    Box::new(counters)
}

/// Returns a histogram with this number of series.
pub fn histogram_series(series: usize) -> Box<dyn Any> {
    let histograms = histograms();
    for_each_series(series, |request| observe(&histograms, request));
    Box::new(histograms)
}

fn histograms() -> Family<Request, Histogram> {
    Family::new_with_constructor(|| Histogram::new(BOUNDS))
}

fn count_operation(counters: &Family<Operation, Counter>, labels: operation::Operation) {
    let operation::Operation { kind, outcome, cached } = labels;
    counters.get_or_create(&Operation { kind, outcome, cached }).inc();
}

fn count_request(counters: &Family<Request, Counter>, request: labels::Request<'_>) {
    counters.get_or_create(&owned(request)).inc();
}

fn count_static(
    counters: &Family<StaticRequest, Counter>,
    labels::Request { method, route, tenant }: labels::Request<'static>,
) {
    counters.get_or_create(&StaticRequest { method, route, tenant }).inc();
}

fn count_strings(counters: &Family<Strings, Counter>, strings: &[String; 3]) {
    let [method, route, tenant] = strings.clone();
    counters.get_or_create(&Strings { method, route, tenant }).inc();
}

fn observe(histograms: &Family<Request, Histogram>, request: labels::Request<'_>) {
    histograms.get_or_create(&owned(request)).observe(0.07);
}

fn owned(labels::Request { method, route, tenant }: labels::Request<'_>) -> Request {
    Request { method, route, tenant: tenant.to_owned() }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::{Metric, Registry};

    use super::*;

    fn page(of: impl Metric) -> String {
        let mut registry = Registry::default();
        registry.register("of", "Of", of);
        let mut page = String::new();
        encode(&mut page, &registry).unwrap();
        page
    }

    #[test]
    fn records_what_was_asked_for() {
        let counters = Family::default();
        count_operation(&counters, OPERATION);
        let page = page(counters);
        let sample = r#"of_total{kind="Update",outcome="Rejected",cached="true"} 1"#;
        assert!(page.contains(sample), "{page}");
    }

    #[test]
    fn each_series_is_one() {
        let (counters, histograms) = (Family::default(), histograms());
        for_each_series(100, |request| {
            count_request(&counters, request);
            observe(&histograms, request);
        });
        assert_eq!(page(counters).matches("of_total{").count(), 100);
        assert_eq!(page(histograms).matches("of_bucket{").count(), 1200);
    }
}
