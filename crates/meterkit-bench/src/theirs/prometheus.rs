//! `prometheus`: label values are texts, in the order of the keys.

use std::any::Any;
use std::hint::black_box;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts};

use crate::labels::{
    BOUNDS, REQUEST, REQUEST_KEYS, Request, durations, for_each_series, static_requests, strings,
    with_fresh_strings,
};
use crate::operation::{OPERATION, OPERATION_KEYS, Operation, text};

/// Returns a counter without labels.
pub fn counter() -> impl Fn() + Send + Sync + 'static {
    let counter = IntCounter::new("plain", "Plain.").expect("a counter");
    move || black_box(&counter).inc()
}

/// Returns a counter with a closed label set.
pub fn counter_of_closed_set() -> impl Fn() + Send + Sync + 'static {
    let counters = counters(&OPERATION_KEYS);
    move || count_operation(&counters, *black_box(&OPERATION))
}

/// Returns a counter with three text labels.
pub fn counter_of_run_time_string() -> impl Fn() + Send + Sync + 'static {
    let counters = counters(&REQUEST_KEYS);
    let tenant = REQUEST.tenant.to_owned();
    move || count_request(&counters, Request { tenant: black_box(&tenant), ..*black_box(&REQUEST) })
}

/// Returns a counter with three `&'static str` labels, with 64 label sets at random.
pub fn counter_of_static_sets() -> impl FnMut() + 'static {
    let (counters, mut next) = (counters(&REQUEST_KEYS), static_requests());
    move || count_request(&counters, next())
}

/// Returns a counter whose three labels are strings that the caller keeps.
pub fn counter_of_strings() -> impl Fn() + Send + Sync + 'static {
    let (counters, strings) = (counters(&REQUEST_KEYS), strings());
    move || count_strings(&counters, black_box(&strings))
}

/// Returns the same counter with strings that are allocated for each call.
pub fn counter_of_fresh_strings() -> impl FnMut() + 'static {
    let counters = counters(&REQUEST_KEYS);
    with_fresh_strings(move |strings| count_strings(&counters, strings))
}

/// Returns a histogram without labels.
pub fn histogram() -> impl FnMut() + 'static {
    let options = HistogramOpts::new("took", "Took.").buckets(BOUNDS.to_vec());
    let histogram = Histogram::with_opts(options).expect("a histogram");
    let mut next = durations();
    move || black_box(&histogram).observe(next())
}

/// Returns a counter with this number of series.
pub fn counter_series(series: usize) -> Box<dyn Any> {
    let counters = counters(&REQUEST_KEYS);
    for_each_series(series, |request| count_request(&counters, request));
    Box::new(counters)
}

/// Returns a histogram with this number of series.
pub fn histogram_series(series: usize) -> Box<dyn Any> {
    let histograms = histograms();
    for_each_series(series, |request| observe(&histograms, request));
    Box::new(histograms)
}

fn counters(keys: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new("counted", "Counted."), keys).expect("a counter vector")
}

fn histograms() -> HistogramVec {
    let options = HistogramOpts::new("took", "Took.").buckets(BOUNDS.to_vec());
    HistogramVec::new(options, &REQUEST_KEYS).expect("a histogram vector")
}

fn count_operation(counters: &IntCounterVec, Operation { kind, outcome, cached }: Operation) {
    counters.with_label_values(&[kind.as_str(), outcome.as_str(), text(cached)]).inc();
}

fn count_request(counters: &IntCounterVec, Request { method, route, tenant }: Request<'_>) {
    counters.with_label_values(&[method, route, tenant]).inc();
}

fn count_strings(counters: &IntCounterVec, strings: &[String; 3]) {
    counters.with_label_values(strings).inc();
}

fn observe(histograms: &HistogramVec, Request { method, route, tenant }: Request<'_>) {
    histograms.with_label_values(&[method, route, tenant]).observe(0.07);
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;
    use prometheus::core::Collector;

    use super::*;

    fn page(of: &impl Collector) -> String {
        TextEncoder::new().encode_to_string(&of.collect()).unwrap()
    }

    #[test]
    fn records_what_was_asked_for() {
        let counters = counters(&OPERATION_KEYS);
        count_operation(&counters, OPERATION);
        let sample = r#"counted{cached="true",kind="update",outcome="rejected"} 1"#;
        assert!(page(&counters).contains(sample), "{}", page(&counters));
    }

    #[test]
    fn each_series_is_one() {
        let (counters, histograms) = (counters(&REQUEST_KEYS), histograms());
        for_each_series(100, |request| {
            count_request(&counters, request);
            observe(&histograms, request);
        });
        assert_eq!(page(&counters).matches("counted{").count(), 100);
        assert_eq!(page(&histograms).matches("took_bucket{").count(), 1200);
    }
}
