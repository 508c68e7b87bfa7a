//! `measured`: label groups are numbers. Enums count their variants, texts known at startup are in a table, and other
//! texts are interned, all with the same fast hash as meterkit's.

use std::any::Any;
use std::hint::black_box;

use foldhash::fast::RandomState;
use lasso::{Rodeo, RodeoReader, Spur, ThreadedRodeo};
use measured::metric::histogram::Thresholds;
use measured::{Counter, CounterVec, FixedCardinalityLabel, Histogram, HistogramVec, LabelGroup};

use crate::labels::{
    self, BOUNDS, METHODS, REQUEST, ROUTES, STATIC_TENANTS, durations, for_each_series,
    static_requests, strings, with_fresh_strings,
};
use crate::operation::{self, Kind, OPERATION, Outcome};

#[derive(LabelGroup)]
#[label(set = OperationSet)]
struct Operation {
    kind: Kind,
    outcome: Outcome,
    cached: Cached,
}

/// A `bool` label, because the library has no labels of type `bool`.
#[derive(Clone, Copy, FixedCardinalityLabel)]
enum Cached {
    False,
    True,
}

#[derive(LabelGroup)]
#[label(set = RequestSet)]
struct Request<'a> {
    #[label(fixed_with = RodeoReader<Spur, RandomState>)]
    method: &'a str,
    #[label(fixed_with = RodeoReader<Spur, RandomState>)]
    route: &'a str,
    #[label(dynamic_with = ThreadedRodeo<Spur, RandomState>)]
    tenant: &'a str,
}

/// Three texts that are known at startup.
#[derive(LabelGroup)]
#[label(set = StaticSet)]
struct StaticRequest<'a> {
    #[label(fixed_with = RodeoReader<Spur, RandomState>)]
    method: &'a str,
    #[label(fixed_with = RodeoReader<Spur, RandomState>)]
    route: &'a str,
    #[label(fixed_with = RodeoReader<Spur, RandomState>)]
    tenant: &'a str,
}

#[derive(LabelGroup)]
#[label(set = StringSet)]
struct Strings<'a> {
    #[label(dynamic_with = ThreadedRodeo<Spur, RandomState>)]
    method: &'a str,
    #[label(dynamic_with = ThreadedRodeo<Spur, RandomState>)]
    route: &'a str,
    #[label(dynamic_with = ThreadedRodeo<Spur, RandomState>)]
    tenant: &'a str,
}

/// Returns a counter without labels.
pub fn counter() -> impl Fn() + Send + Sync + 'static {
    let counter = Counter::new();
    move || black_box(&counter).inc()
}

/// Returns a counter with a closed label set.
pub fn counter_of_closed_set() -> impl Fn() + Send + Sync + 'static {
    let counters = CounterVec::new();
    move || count_operation(&counters, *black_box(&OPERATION))
}

/// Returns a counter with three text labels.
pub fn counter_of_run_time_string() -> impl Fn() + Send + Sync + 'static {
    let counters = counters();
    let tenant = REQUEST.tenant.to_owned();
    move || {
        let request = labels::Request { tenant: black_box(&tenant), ..*black_box(&REQUEST) };
        count_request(&counters, request);
    }
}

/// Returns a counter with three `&'static str` labels, with 64 label sets at random.
pub fn counter_of_static_sets() -> impl FnMut() + 'static {
    let set = StaticSet {
        method: table(&METHODS),
        route: table(&ROUTES),
        tenant: table(&STATIC_TENANTS),
    };
    let (counters, mut next) = (CounterVec::with_label_set(set), static_requests());
    move || {
        let labels::Request { method, route, tenant } = next();
        counters.inc(StaticRequest { method, route, tenant });
    }
}

/// Returns a counter whose three labels are strings that the caller keeps.
pub fn counter_of_strings() -> impl Fn() + Send + Sync + 'static {
    let (counters, strings) = (string_counters(), strings());
    move || count_strings(&counters, black_box(&strings))
}

/// Returns the same counter with strings that are allocated for each call.
pub fn counter_of_fresh_strings() -> impl FnMut() + 'static {
    let counters = string_counters();
    with_fresh_strings(move |strings| count_strings(&counters, strings))
}

/// Returns a histogram without labels.
pub fn histogram() -> impl FnMut() + 'static {
    let histogram = Histogram::with_metadata(Thresholds::with_buckets(BOUNDS));
    let mut next = durations();
    move || black_box(&histogram).observe(next())
}

/// Returns a counter with this number of series.
pub fn counter_series(series: usize) -> Box<dyn Any> {
    let counters = counters();
    for_each_series(series, |request| count_request(&counters, request));
    Box::new(counters)
}

/// Returns a histogram with this number of series.
pub fn histogram_series(series: usize) -> Box<dyn Any> {
    let histograms = histograms();
    for_each_series(series, |request| observe(&histograms, request));
    Box::new(histograms)
}

fn counters() -> CounterVec<RequestSet> {
    CounterVec::with_label_set(request_set())
}

fn histograms() -> HistogramVec<RequestSet, { BOUNDS.len() }> {
    HistogramVec::with_label_set_and_metadata(request_set(), Thresholds::with_buckets(BOUNDS))
}

fn request_set() -> RequestSet {
    RequestSet { method: table(&METHODS), route: table(&ROUTES), tenant: interner() }
}

fn string_counters() -> CounterVec<StringSet> {
    let set = StringSet { method: interner(), route: interner(), tenant: interner() };
    CounterVec::with_label_set(set)
}

fn table(texts: &[&'static str]) -> RodeoReader<Spur, RandomState> {
    let mut table = Rodeo::with_hasher(RandomState::default());
    table.extend(texts);
    table.into_reader()
}

fn interner() -> ThreadedRodeo<Spur, RandomState> {
    ThreadedRodeo::with_hasher(RandomState::default())
}

fn count_operation(counters: &CounterVec<OperationSet>, labels: operation::Operation) {
    let operation::Operation { kind, outcome, cached } = labels;
    let cached = if cached { Cached::True } else { Cached::False };
    counters.inc(Operation { kind, outcome, cached });
}

fn count_request(counters: &CounterVec<RequestSet>, request: labels::Request<'_>) {
    let labels::Request { method, route, tenant } = request;
    counters.inc(Request { method, route, tenant });
}

fn count_strings(counters: &CounterVec<StringSet>, strings: &[String; 3]) {
    let [method, route, tenant] = strings;
    counters.inc(Strings { method, route, tenant });
}

fn observe(
    histograms: &HistogramVec<RequestSet, { BOUNDS.len() }>,
    labels::Request { method, route, tenant }: labels::Request<'_>,
) {
    histograms.observe(Request { method, route, tenant }, 0.07);
}

#[cfg(test)]
mod tests {
    use measured::metric::MetricFamilyEncoding;
    use measured::metric::name::MetricName;
    use measured::text::BufferedTextEncoder;

    use super::*;

    fn page(of: &impl MetricFamilyEncoding<BufferedTextEncoder>) -> String {
        let mut encoder = BufferedTextEncoder::new();
        of.collect_family_into(MetricName::from_str("of"), &mut encoder).unwrap();
        String::from_utf8(encoder.finish().to_vec()).unwrap()
    }

    #[test]
    fn records_what_was_asked_for() {
        let counters = CounterVec::new();
        count_operation(&counters, OPERATION);
        let page = page(&counters);
        let sample = r#"of{kind="update",outcome="rejected",cached="true"} 1"#;
        assert!(page.contains(sample), "{page}");
    }

    #[test]
    fn each_series_is_one() {
        let (counters, histograms) = (counters(), histograms());
        for_each_series(100, |request| {
            count_request(&counters, request);
            observe(&histograms, request);
        });
        assert_eq!(page(&counters).matches("of{").count(), 100);
        assert_eq!(page(&histograms).matches("of_bucket{").count(), 1200);
    }
}
