//! What is measured of `meterkit`: each function gives one call.

use std::hint::black_box;
use std::sync::LazyLock;

use meterkit_core::{CounterGroup, Histogram, HistogramGroup, Meter, Registry};
use meterkit_pipeline::Pipeline;

use crate::labels::{BOUNDS, Kind, Operation, REQUEST, Request, durations, requests};

/// A registry with a running pipeline that has no target.
static RUNNING: LazyLock<(Registry, Pipeline)> = LazyLock::new(|| {
    let registry = Registry::new();
    let builder = Pipeline::builder(registry.clone()).expect("the registry is new");
    (registry, builder.start().expect("a thread"))
});

fn meter() -> Meter {
    RUNNING.0.scoped("core", "bench")
}

/// A counter without labels.
pub fn counter() -> impl Fn() + Send + Sync + 'static {
    let counter = meter().counter::<u64>("plain").build().expect("a counter");
    move || black_box(&counter).increment()
}

/// A counter with three text labels, found at each call.
pub fn counter_of_three() -> impl Fn() + Send + Sync + 'static {
    let group = counter_group(&meter());
    move || {
        let Request { method, route, tenant } = *black_box(&REQUEST);
        group.with(Request { method, route, tenant }).increment();
    }
}

/// The same with a value that is a string of the caller's.
pub fn counter_of_run_time_string() -> impl Fn() + Send + Sync + 'static {
    let group = counter_group(&meter());
    let tenant = REQUEST.tenant.to_owned();
    move || {
        let Request { method, route, .. } = *black_box(&REQUEST);
        group.with(Request { method, route, tenant: black_box(&tenant) }).increment();
    }
}

/// The same with sixteen label sets in turns.
pub fn counter_of_sixteen_sets() -> impl FnMut() + 'static {
    let group = counter_group(&meter());
    let sets = requests();
    let mut at = 0;
    move || {
        at = (at + 1) % sets.len();
        group.with(sets[at]).increment();
    }
}

/// A counter with a closed label set: an enum and a bool.
pub fn counter_of_closed_set() -> impl Fn() + Send + Sync + 'static {
    let group: CounterGroup<Operation> =
        meter().counter_group("closed").build().expect("a counter group");
    move || {
        let labels = Operation { kind: black_box(Kind::Update), success: black_box(true) };
        group.with(labels).increment();
    }
}

/// An up-down counter without labels.
pub fn up_down_counter() -> impl Fn() + Send + Sync + 'static {
    let up_down = meter().up_down_counter::<i64>("up_down").build().expect("an up-down counter");
    move || black_box(&up_down).add(black_box(3))
}

/// A gauge without labels.
pub fn gauge() -> impl Fn() + Send + Sync + 'static {
    let gauge = meter().gauge::<i64>("gauge").build().expect("a gauge");
    move || black_box(&gauge).set(black_box(12))
}

/// A histogram without labels.
pub fn histogram() -> impl FnMut() + 'static {
    let histogram = plain_histogram();
    let mut next = durations();
    move || black_box(&histogram).record(next())
}

/// The same, always with one value, for several threads.
pub fn histogram_of_one_value() -> impl Fn() + Send + Sync + 'static {
    let histogram = plain_histogram();
    move || black_box(&histogram).record(black_box(0.07))
}

/// A histogram with three text labels, found at each call.
pub fn histogram_of_three() -> impl FnMut() + 'static {
    let group = histogram_group(&meter());
    let mut next = durations();
    move || {
        let Request { method, route, tenant } = *black_box(&REQUEST);
        group.with(Request { method, route, tenant }).record(next());
    }
}

fn plain_histogram() -> Histogram<f64> {
    let builder = meter().histogram("plain_duration").unit("s");
    builder.buckets(BOUNDS).build().expect("a histogram")
}

/// The counter group that the comparisons use.
pub fn counter_group(meter: &Meter) -> CounterGroup<Request<'static>> {
    meter.counter_group("requests").build().expect("a counter group")
}

/// The histogram group that the comparisons use.
pub fn histogram_group(meter: &Meter) -> HistogramGroup<Request<'static>> {
    let builder = meter.histogram_group("requests.duration").unit("s");
    builder.buckets(BOUNDS).build().expect("a histogram group")
}
