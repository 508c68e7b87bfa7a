//! The same calls with other libraries: OpenTelemetry's own API, and `prometheus`.

use std::hint::black_box;
use std::sync::LazyLock;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter, MeterProvider};
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};
use prometheus::{IntCounterVec, Opts};

use crate::labels::{BOUNDS, Kind, REQUEST, REQUEST_KEYS, Request, durations, requests};

/// A provider with one cumulative reader.
static PROVIDER: LazyLock<SdkMeterProvider> = LazyLock::new(|| {
    let reader = ManualReader::builder().build();
    SdkMeterProvider::builder().with_reader(reader).build()
});

fn meter() -> Meter {
    PROVIDER.meter("bench")
}

/// A counter without attributes.
pub fn counter() -> impl Fn() + Send + Sync + 'static {
    let counter = meter().u64_counter("plain").build();
    move || black_box(&counter).add(1, &[])
}

/// A counter with three attributes, made at each call.
pub fn counter_of_three() -> impl Fn() + Send + Sync + 'static {
    let counter = meter().u64_counter("requests").build();
    move || counter.add(1, &attributes(*black_box(&REQUEST)))
}

/// The same with a value that is a string of the caller's, which OpenTelemetry wants to own.
pub fn counter_of_run_time_string() -> impl Fn() + Send + Sync + 'static {
    let counter = meter().u64_counter("requests").build();
    let tenant = REQUEST.tenant.to_owned();
    move || {
        let Request { method, route, .. } = *black_box(&REQUEST);
        let attributes = [
            KeyValue::new("method", method),
            KeyValue::new("route", route),
            KeyValue::new("tenant", black_box(&tenant).clone()),
        ];
        counter.add(1, &attributes);
    }
}

/// The same with sixteen attribute sets in turns.
pub fn counter_of_sixteen_sets() -> impl FnMut() + 'static {
    let counter = meter().u64_counter("requests").build();
    let sets = requests();
    let mut at = 0;
    move || {
        at = (at + 1) % sets.len();
        counter.add(1, &attributes(sets[at]));
    }
}

/// A counter with a text and a bool.
pub fn counter_of_closed_set() -> impl Fn() + Send + Sync + 'static {
    let counter = meter().u64_counter("closed").build();
    move || {
        let attributes = [
            KeyValue::new("kind", black_box(Kind::Update).as_str()),
            KeyValue::new("success", black_box(true)),
        ];
        counter.add(1, &attributes);
    }
}

/// An up-down counter without attributes.
pub fn up_down_counter() -> impl Fn() + Send + Sync + 'static {
    let up_down = meter().i64_up_down_counter("up_down").build();
    move || black_box(&up_down).add(black_box(3), &[])
}

/// A gauge without attributes.
pub fn gauge() -> impl Fn() + Send + Sync + 'static {
    let gauge = meter().i64_gauge("gauge").build();
    move || black_box(&gauge).record(black_box(12), &[])
}

/// A histogram without attributes.
pub fn histogram() -> impl FnMut() + 'static {
    let histogram = histogram_named("plain_duration");
    let mut next = durations();
    move || black_box(&histogram).record(next(), &[])
}

/// The same, always with one value, for several threads.
pub fn histogram_of_one_value() -> impl Fn() + Send + Sync + 'static {
    let histogram = histogram_named("plain_duration");
    move || black_box(&histogram).record(black_box(0.07), &[])
}

/// A histogram with three attributes, made at each call.
pub fn histogram_of_three() -> impl FnMut() + 'static {
    let histogram = histogram_named("requests.duration");
    let mut next = durations();
    move || histogram.record(next(), &attributes(*black_box(&REQUEST)))
}

/// `prometheus`: a counter with three labels, found at each call.
pub fn prometheus_counter_of_three() -> impl Fn() + Send + Sync + 'static {
    let counters = IntCounterVec::new(Opts::new("requests", "Requests."), &REQUEST_KEYS);
    let counters = counters.expect("a counter vector");
    move || {
        let Request { method, route, tenant } = *black_box(&REQUEST);
        counters.with_label_values(&[method, route, tenant]).inc();
    }
}

fn histogram_named(name: &'static str) -> Histogram<f64> {
    meter().f64_histogram(name).with_boundaries(BOUNDS.to_vec()).build()
}

fn attributes(Request { method, route, tenant }: Request<'static>) -> [KeyValue; 3] {
    [
        KeyValue::new("method", method),
        KeyValue::new("route", route),
        KeyValue::new("tenant", tenant),
    ]
}
