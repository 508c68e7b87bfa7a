//! The measured calls of `meterkit`: each function returns one.

use std::any::Any;
use std::hint::black_box;
use std::sync::LazyLock;

use meterkit_core::{CounterGroup, DynamicLabels, Histogram, HistogramGroup, Meter, Registry};
use meterkit_otel::MeterProvider;
use meterkit_pipeline::Pipeline;
use opentelemetry::metrics::MeterProvider as _;

use crate::api::{record_in_turns, record_kept, record_made};
use crate::labels::{
    BOUNDS, REQUEST, Request, StaticRequest, Strings, durations, for_each_series, requests,
    static_requests, strings, with_fresh_strings,
};
use crate::operation::{OPERATION, Operation};

/// A registry with a running pipeline and no target.
static RUNNING: LazyLock<(Registry, Pipeline)> = LazyLock::new(running);

fn running() -> (Registry, Pipeline) {
    let registry = Registry::new();
    let builder = Pipeline::builder(registry.clone()).expect("no other pipeline uses the registry");
    (registry, builder.start().expect("a thread"))
}

fn meter() -> Meter {
    RUNNING.0.scoped("core", "bench")
}

/// Runs `work` while the macros of the crate `metrics` record into this registry, on this thread.
#[cfg(feature = "others")]
pub fn behind_metrics<R>(work: impl FnOnce() -> R) -> R {
    metrics::with_local_recorder(&meterkit_metrics::MetricsRecorder::new(&RUNNING.0), work)
}

/// Returns a counter without labels.
pub fn counter() -> impl Fn() + Send + Sync + 'static {
    let counter = meter().counter::<u64>("plain").build().expect("a counter");
    move || black_box(&counter).increment()
}

/// Returns a counter and a histogram without labels, in a registry of their own with this exemplar filter, outside of
/// any span.
#[cfg(feature = "exemplars")]
pub fn sampled(
    filter: meterkit_core::ExemplarFilter,
) -> (meterkit_core::Counter<u64>, Histogram<f64>) {
    let registry = Registry::new();
    registry.expect_listener(false);
    registry.sample_exemplars(filter);
    let meter = registry.scoped("core", "bench");
    let counter = meter.counter("plain").build().expect("a counter");
    (counter, meter.histogram("durations").duration().build().expect("a histogram"))
}

/// Returns a counter with this exemplar filter, outside of any span.
#[cfg(feature = "exemplars")]
pub fn sampled_counter(filter: meterkit_core::ExemplarFilter) -> impl Fn() + 'static {
    let (counter, _) = sampled(filter);
    move || black_box(&counter).increment()
}

/// Returns a histogram with this exemplar filter, outside of any span.
#[cfg(feature = "exemplars")]
pub fn sampled_histogram(filter: meterkit_core::ExemplarFilter) -> impl FnMut() + 'static {
    let (_, histogram) = sampled(filter);
    let mut next = durations();
    move || black_box(&histogram).record(next())
}

/// Returns a counter with three text labels, looked up at each call.
pub fn counter_of_three() -> impl Fn() + Send + Sync + 'static {
    let group = counter_group(&meter());
    move || {
        let Request { method, route, tenant } = *black_box(&REQUEST);
        group.with(Request { method, route, tenant }).increment();
    }
}

/// Returns a counter of OpenTelemetry's API on meterkit's store, with three attributes that the caller keeps.
pub fn counter_of_kept_attributes() -> impl Fn() + Send + Sync + 'static {
    record_kept(&api_meter())
}

/// Returns the same counter with attributes that are created for each call.
pub fn counter_of_attributes() -> impl Fn() + Send + Sync + 'static {
    record_made(&api_meter())
}

/// Returns the same counter with sixteen attribute sets in turns.
pub fn counter_of_sixteen_attribute_sets() -> impl FnMut() + 'static {
    record_in_turns(&api_meter())
}

fn api_meter() -> opentelemetry::metrics::Meter {
    MeterProvider::new(RUNNING.0.clone()).meter("bench")
}

/// Returns the same counter with a string that the caller keeps.
pub fn counter_of_run_time_string() -> impl Fn() + Send + Sync + 'static {
    let group = counter_group(&meter());
    let tenant = REQUEST.tenant.to_owned();
    move || {
        let Request { method, route, .. } = *black_box(&REQUEST);
        group.with(Request { method, route, tenant: black_box(&tenant) }).increment();
    }
}

/// Returns the same counter with sixteen label sets in turns.
pub fn counter_of_sixteen_sets() -> impl FnMut() + 'static {
    let group = counter_group(&meter());
    let sets = requests();
    let mut at = 0;
    move || {
        at = (at + 1) % sets.len();
        group.with(sets[at]).increment();
    }
}

/// Returns a counter with three `&'static str` labels, with 64 label sets at random.
pub fn counter_of_static_sets() -> impl FnMut() + 'static {
    let group: CounterGroup<StaticRequest> =
        meter().counter_group("static").build().expect("a counter group");
    let mut next = static_requests();
    move || {
        let Request { method, route, tenant } = next();
        group.with(StaticRequest { method, route, tenant }).increment();
    }
}

/// Returns a counter whose three labels are strings that the caller keeps.
pub fn counter_of_strings() -> impl Fn() + Send + Sync + 'static {
    let (group, strings) = (string_group(), strings());
    move || group.with(Strings::of(black_box(&strings))).increment()
}

/// Returns the same counter with strings that are allocated for each call.
pub fn counter_of_fresh_strings() -> impl FnMut() + 'static {
    let group = string_group();
    with_fresh_strings(move |strings| group.with(Strings::of(strings)).increment())
}

fn string_group() -> CounterGroup<Strings<'static>> {
    meter().counter_group("strings").build().expect("a counter group")
}

/// Returns a counter with a closed label set: two enums and a bool.
pub fn counter_of_closed_set() -> impl Fn() + Send + Sync + 'static {
    let group: CounterGroup<Operation> =
        meter().counter_group("closed").build().expect("a counter group");
    move || {
        let Operation { kind, outcome, cached } = *black_box(&OPERATION);
        group.with(Operation { kind, outcome, cached }).increment();
    }
}

/// Returns a counter that is declared where it is used.
pub fn counter_at_call_site() -> impl Fn() + Send + Sync + 'static {
    || meterkit_core::counter!("bench_calls").increment()
}

/// Returns a counter with a closed label set that is declared where it is used.
pub fn counter_at_call_site_of_closed_set() -> impl Fn() + Send + Sync + 'static {
    || {
        let Operation { kind, outcome, cached } = *black_box(&OPERATION);
        meterkit_core::counter!("bench_closed_calls", Operation { kind, outcome, cached })
            .increment();
    }
}

/// Returns a counter whose label keys are given at each call, looked up by three texts.
pub fn counter_of_dynamic_labels() -> impl Fn() + Send + Sync + 'static {
    let group: CounterGroup<DynamicLabels> =
        meter().counter_group("dynamic").build().expect("a counter group");
    move || {
        let Request { method, route, tenant } = *black_box(&REQUEST);
        group.with(&[("method", method), ("route", route), ("tenant", tenant)]).increment();
    }
}

/// Returns a counter that has reached its cardinality limit, called with one of its existing label sets.
pub fn counter_within_limit() -> impl Fn() + Send + Sync + 'static {
    let group = full_group(&meter());
    move || group.with(*black_box(&REQUEST)).increment()
}

/// Returns the same counter, called with a label set beyond the limit.
pub fn counter_past_limit() -> impl Fn() + Send + Sync + 'static {
    let group = full_group(&meter());
    move || group.with(*black_box(&BEYOND)).increment()
}

/// Returns a counter without labels in a disabled scope.
pub fn disabled_counter() -> impl Fn() + Send + Sync + 'static {
    let counter = disabled().counter::<u64>("plain").build().expect("a counter");
    move || black_box(&counter).increment()
}

/// Returns a counter with three text labels, looked up at each call, in a disabled scope.
pub fn disabled_counter_of_three() -> impl Fn() + Send + Sync + 'static {
    let group = counter_group(&disabled());
    move || group.with(*black_box(&REQUEST)).increment()
}

/// Returns the meter of a disabled scope, in a registry of its own.
fn disabled() -> Meter {
    let registry = Registry::new();
    registry.set_disabled_scopes("core.*".parse().expect("a pattern"));
    registry.scoped("core", "bench")
}

/// Returns an up-down counter without labels.
pub fn up_down_counter() -> impl Fn() + Send + Sync + 'static {
    let up_down = meter().up_down_counter::<i64>("up_down").build().expect("an up-down counter");
    move || black_box(&up_down).add(black_box(3))
}

/// Returns a gauge without labels.
pub fn gauge() -> impl Fn() + Send + Sync + 'static {
    let gauge = meter().gauge::<i64>("gauge").build().expect("a gauge");
    move || black_box(&gauge).set(black_box(12))
}

/// Returns a histogram without labels.
pub fn histogram() -> impl FnMut() + 'static {
    let histogram = plain_histogram();
    let mut next = durations();
    move || black_box(&histogram).record(next())
}

/// Returns the same histogram for several threads, which all record one value.
pub fn histogram_of_one_value() -> impl Fn() + Send + Sync + 'static {
    let histogram = plain_histogram();
    move || black_box(&histogram).record(black_box(0.07))
}

/// Returns a histogram with three text labels, looked up at each call.
pub fn histogram_of_three() -> impl FnMut() + 'static {
    let group = histogram_group(&meter());
    let mut next = durations();
    move || {
        let Request { method, route, tenant } = *black_box(&REQUEST);
        group.with(Request { method, route, tenant }).record(next());
    }
}

/// Returns a counter with this number of series.
pub fn counter_series(series: usize) -> Box<dyn Any> {
    let (registry, pipeline) = running();
    let group = registry.scoped("core", "bench").counter_group::<Request<'static>, u64>("requests");
    let group = group.cardinality_limit(LIMIT).build().expect("a counter group");
    for_each_series(series, |request| group.with(request).increment());
    Box::new((registry, pipeline, group))
}

/// Returns a histogram with this number of series.
pub fn histogram_series(series: usize) -> Box<dyn Any> {
    let (registry, pipeline) = running();
    let group = registry.scoped("core", "bench").histogram_group::<Request<'static>, f64>("took");
    let group = group.buckets(BOUNDS).cardinality_limit(LIMIT);
    let group = group.build().expect("a histogram group");
    for_each_series(series, |request| group.with(request).record(0.07));
    Box::new((registry, pipeline, group))
}

/// More series than any program here creates.
const LIMIT: usize = 200_000;

/// A label set beyond the cardinality limit of [`full_group`].
const BEYOND: Request<'static> = Request { tenant: "south-europe", ..REQUEST };

/// Returns a group that has reached its limit of four series, [`REQUEST`] among them.
fn full_group(meter: &Meter) -> CounterGroup<Request<'static>> {
    let group = meter.counter_group("limited").cardinality_limit(4);
    let group = group.build().expect("a counter group");
    requests().iter().take(4).for_each(|labels| group.with(*labels).increment());
    group
}

fn plain_histogram() -> Histogram<f64> {
    let builder = meter().histogram("plain_duration").unit("s");
    builder.buckets(BOUNDS).build().expect("a histogram")
}

/// Returns the counter group that the comparisons use.
pub fn counter_group(meter: &Meter) -> CounterGroup<Request<'static>> {
    meter.counter_group("requests").build().expect("a counter group")
}

/// Returns the histogram group that the comparisons use.
pub fn histogram_group(meter: &Meter) -> HistogramGroup<Request<'static>> {
    let builder = meter.histogram_group("requests.duration").unit("s");
    builder.buckets(BOUNDS).build().expect("a histogram group")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(pipeline: &Pipeline) -> String {
        meterkit_prometheus::render(&pipeline.source().snapshot_blocking())
    }

    #[test]
    fn each_series_is_one() {
        type Held<G> = (Registry, Pipeline, G);
        let counter = counter_series(100).downcast::<Held<CounterGroup<Request<'static>>>>();
        let page_of_counter = page(&counter.unwrap().1);
        assert_eq!(page_of_counter.matches("_requests_total{").count(), 100);
        let histogram = histogram_series(100).downcast::<Held<HistogramGroup<Request<'static>>>>();
        let page_of_histogram = page(&histogram.unwrap().1);
        assert_eq!(page_of_histogram.matches("_took_bucket{").count(), 1200);
    }

    #[test]
    fn a_full_group_has_the_usual_label_set_and_lets_no_other_in() {
        let running = running();
        let group = full_group(&running.0.scoped("core", "bench"));
        (0..3).for_each(|_| group.with(REQUEST).increment());
        (0..7).for_each(|_| group.with(BEYOND).increment());
        let page = page(&running.1);
        let samples = page.lines().filter(|line| line.starts_with("backstage_core_bench_limited"));
        let samples: Vec<&str> = samples.collect();
        assert_eq!(samples.len(), 5, "{page}");
        let ends = |end: &str| samples.iter().filter(|sample| sample.ends_with(end)).count();
        assert_eq!((ends(" 1"), ends(" 4"), ends(" 7")), (3, 1, 1), "{page}");
    }
}
