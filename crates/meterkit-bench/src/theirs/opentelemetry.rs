//! OpenTelemetry's own API and SDK, with one cumulative reader. Attributes are created for each call.

use std::any::Any;
use std::hint::black_box;
use std::sync::LazyLock;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{Instrument, ManualReader, SdkMeterProvider, Stream};

use crate::api::{attributes, record_in_turns, record_kept, record_made, static_attributes};
use crate::labels::{
    BOUNDS, REQUEST, Request, durations, for_each_series, requests, static_requests, strings,
    with_fresh_strings,
};
use crate::operation::{OPERATION, Operation};

/// A provider with one cumulative reader.
static PROVIDER: LazyLock<SdkMeterProvider> = LazyLock::new(|| {
    let reader = ManualReader::builder().build();
    SdkMeterProvider::builder().with_reader(reader).build()
});

fn meter() -> Meter {
    PROVIDER.meter("bench")
}

/// Returns a counter without attributes.
pub fn counter() -> impl Fn() + Send + Sync + 'static {
    let counter = meter().u64_counter("plain").build();
    move || black_box(&counter).add(1, &[])
}

/// Returns a counter with three attributes, created for each call.
pub fn counter_of_three() -> impl Fn() + Send + Sync + 'static {
    record_made(&meter())
}

/// Returns the same counter with attributes that the caller keeps.
pub fn counter_of_kept_attributes() -> impl Fn() + Send + Sync + 'static {
    record_kept(&meter())
}

/// Returns the same counter with sixteen attribute sets in turns.
pub fn counter_of_sixteen_attribute_sets() -> impl FnMut() + 'static {
    record_in_turns(&meter())
}

/// Returns the same counter with a string that the caller keeps, which OpenTelemetry must copy.
pub fn counter_of_run_time_string() -> impl Fn() + Send + Sync + 'static {
    let counter = meter().u64_counter("requests").build();
    let tenant = REQUEST.tenant.to_owned();
    move || count_request(&counter, Request { tenant: black_box(&tenant), ..*black_box(&REQUEST) })
}

/// Returns a counter with three attributes of `&'static str`, with 64 sets at random.
pub fn counter_of_static_sets() -> impl FnMut() + 'static {
    let (counter, mut next) = (meter().u64_counter("requests").build(), static_requests());
    move || counter.add(1, &static_attributes(next()))
}

/// Returns a counter whose three attributes are strings that the caller keeps.
pub fn counter_of_strings() -> impl Fn() + Send + Sync + 'static {
    let (counter, strings) = (meter().u64_counter("requests").build(), strings());
    move || count_strings(&counter, black_box(&strings))
}

/// Returns the same counter with strings that are allocated for each call.
pub fn counter_of_fresh_strings() -> impl FnMut() + 'static {
    let counter = meter().u64_counter("requests").build();
    with_fresh_strings(move |strings| count_strings(&counter, strings))
}

/// Returns the same counter with sixteen attribute sets in turns.
pub fn counter_of_sixteen_sets() -> impl FnMut() + 'static {
    let counter = meter().u64_counter("requests").build();
    let sets = requests();
    let mut at = 0;
    move || {
        at = (at + 1) % sets.len();
        counter.add(1, &static_attributes(sets[at]));
    }
}

/// Returns a counter with a closed label set: two texts and a bool.
pub fn counter_of_closed_set() -> impl Fn() + Send + Sync + 'static {
    let counter = meter().u64_counter("closed").build();
    move || count_operation(&counter, *black_box(&OPERATION))
}

/// Returns an up-down counter without attributes.
pub fn up_down_counter() -> impl Fn() + Send + Sync + 'static {
    let up_down = meter().i64_up_down_counter("up_down").build();
    move || black_box(&up_down).add(black_box(3), &[])
}

/// Returns a gauge without attributes.
pub fn gauge() -> impl Fn() + Send + Sync + 'static {
    let gauge = meter().i64_gauge("gauge").build();
    move || black_box(&gauge).record(black_box(12), &[])
}

/// Returns a histogram without attributes.
pub fn histogram() -> impl FnMut() + 'static {
    let histogram = histogram_named("plain_duration");
    let mut next = durations();
    move || black_box(&histogram).record(next(), &[])
}

/// Returns the same histogram for several threads, which all record one value.
pub fn histogram_of_one_value() -> impl Fn() + Send + Sync + 'static {
    let histogram = histogram_named("plain_duration");
    move || black_box(&histogram).record(black_box(0.07), &[])
}

/// Returns a histogram with three attributes, created for each call.
pub fn histogram_of_three() -> impl FnMut() + 'static {
    let histogram = histogram_named("requests.duration");
    let mut next = durations();
    move || histogram.record(next(), &static_attributes(*black_box(&REQUEST)))
}

/// Returns a counter with this number of series.
pub fn counter_series(series: usize) -> Box<dyn Any> {
    let provider = provider_of(series, ManualReader::builder().build());
    let counter = provider.meter("bench").u64_counter("requests").build();
    for_each_series(series, |request| count_request(&counter, request));
    Box::new((provider, counter))
}

/// Returns a histogram with this number of series.
pub fn histogram_series(series: usize) -> Box<dyn Any> {
    let provider = provider_of(series, ManualReader::builder().build());
    let meter = provider.meter("bench");
    let histogram = meter.f64_histogram("took").with_boundaries(BOUNDS.to_vec()).build();
    for_each_series(series, |request| observe(&histogram, request));
    Box::new((provider, histogram))
}

/// Returns a provider whose instruments may have this number of series.
fn provider_of(series: usize, reader: impl MetricReader) -> SdkMeterProvider {
    let limit = series + 1;
    SdkMeterProvider::builder()
        .with_reader(reader)
        .with_view(move |_: &Instrument| {
            Stream::builder().with_cardinality_limit(limit).build().ok()
        })
        .build()
}

fn count_operation(counter: &Counter<u64>, Operation { kind, outcome, cached }: Operation) {
    let attributes = [
        KeyValue::new("kind", kind.as_str()),
        KeyValue::new("outcome", outcome.as_str()),
        KeyValue::new("cached", cached),
    ];
    counter.add(1, &attributes);
}

fn count_request(counter: &Counter<u64>, request: Request<'_>) {
    counter.add(1, &attributes(request));
}

fn count_strings(counter: &Counter<u64>, strings: &[String; 3]) {
    let [method, route, tenant] = strings.clone();
    let attributes = [
        KeyValue::new("method", method),
        KeyValue::new("route", route),
        KeyValue::new("tenant", tenant),
    ];
    counter.add(1, &attributes);
}

fn histogram_named(name: &'static str) -> Histogram<f64> {
    meter().f64_histogram(name).with_boundaries(BOUNDS.to_vec()).build()
}

fn observe(histogram: &Histogram<f64>, request: Request<'_>) {
    histogram.record(0.07, &attributes(request));
}

#[cfg(test)]
mod tests {
    use prometheus::{Registry, TextEncoder};

    use super::*;

    /// Returns the page of a provider with room for a hundred series, after `record` has used its meter.
    fn page(record: impl FnOnce(Meter)) -> String {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone());
        let provider = provider_of(100, exporter.build().unwrap());
        record(provider.meter("bench"));
        TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
    }

    #[test]
    fn records_what_was_asked_for() {
        let page = page(|meter| count_operation(&meter.u64_counter("counted").build(), OPERATION));
        let labels = r#"counted_total{cached="true",kind="update",outcome="rejected","#;
        assert!(page.contains(labels), "{page}");
    }

    #[test]
    fn each_series_is_one() {
        let page = page(|meter| {
            let counter = meter.u64_counter("counted").build();
            let histogram = meter.f64_histogram("took").with_boundaries(BOUNDS.to_vec()).build();
            for_each_series(100, |request| {
                count_request(&counter, request);
                observe(&histogram, request);
            });
        });
        assert_eq!(page.matches("counted_total{").count(), 100);
        assert_eq!(page.matches("took_bucket{").count(), 1200);
        assert!(!page.contains("overflow"), "{page}");
    }
}
