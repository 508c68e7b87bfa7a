//! Tests of code that records through statics: the recordings of a thread or a task go to a kit.

use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use meterkit::instrument::DynamicLabels;
use meterkit::opentelemetry::KeyValue;
use meterkit::opentelemetry::metrics::Counter as OtelCounter;
use meterkit::otel::OtelMeter;
use meterkit::testing::{Seen, TestKit, assert_metric, assert_no_metric};
use meterkit::{
    Counter, CounterGroup, Gauge, Histogram, HistogramGroup, LabelValue, Labels, Meter, Metrics,
    Registry, UpDownCounter, counter,
};

#[derive(Labels)]
struct Route<'a> {
    route: &'a str,
    cached: Option<bool>,
}

#[derive(Labels)]
struct Ended {
    how: How,
}

#[derive(LabelValue)]
enum How {
    Well,
    Badly,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "redirected")]
struct RedirectedMetrics {
    requests: Counter,
    open: UpDownCounter,
    queue: Gauge,
    #[metric(unit = "s")]
    duration: Histogram,
    routes: CounterGroup<Route<'static>>,
    ended: CounterGroup<Ended>,
    #[metric(unit = "s")]
    durations: HistogramGroup<Ended>,
    dynamic: CounterGroup<DynamicLabels>,
}

static METRICS: LazyLock<RedirectedMetrics> = LazyLock::new(RedirectedMetrics::register);
static OTEL: LazyLock<OtelCounter<u64>> =
    LazyLock::new(|| Meter::scoped("plugin", "redirected").otel().u64_counter("keyed").build());

fn name(metric: &str) -> String {
    format!("backstage.plugin.redirected.{metric}")
}

/// The code under test.
fn serve(requests: u64) {
    METRICS.requests.add(requests);
    METRICS.requests.increment();
    METRICS.open.increment();
    METRICS.queue.set(requests);
    METRICS.queue.add(1);
    METRICS.duration.record(0.25);
    METRICS.routes.with(Route { route: "/entities", cached: None }).add(requests);
    METRICS.routes.with(Route { route: "/entities", cached: Some(true) }).increment();
    METRICS.ended.with(Ended { how: How::Well }).add(requests);
    METRICS.dynamic.with(&[("stage", "parse")]).add(requests);
    counter!(Meter::scoped("plugin", "redirected"), "sites").add(requests);
    OTEL.add(requests, &[KeyValue::new("route", "/entities"), KeyValue::new("ratio", 0.5)]);
}

fn check(seen: &Seen, requests: u64) {
    assert_metric!(seen, (name("requests")) == requests + 1);
    assert_metric!(seen, (name("open")) == 1);
    assert_metric!(seen, (name("queue")) == requests + 1);
    assert_metric!(seen, (name("duration")) count == 1, sum == 0.25);
    assert_metric!(seen, (name("routes")) { route = "/entities" } == requests);
    assert_metric!(seen, (name("routes")) { route = "/entities", cached = true } == 1);
    assert_metric!(seen, (name("ended")) { how = How::Well } == requests);
    assert_metric!(seen, (name("dynamic")) { stage = "parse" } == requests);
    assert_metric!(seen, (name("sites")) == requests);
    assert_metric!(seen, (name("keyed")) { route = "/entities", ratio = "0.5" } == requests);
}

/// Returns everything that this file records through statics in the global registry.
fn global() -> String {
    Seen::of(Registry::global()).scope("backstage.plugin.redirected").to_string()
}

#[test]
fn threads_that_are_redirected_see_only_their_own_recordings() {
    let before = {
        // The statics exist from now on, but have no series: nothing else in this file records in the global registry.
        let kit = TestKit::new();
        let _redirect = kit.redirect();
        serve(1);
        check(&kit.collect(), 1);
        global()
    };
    thread::scope(|scope| {
        for requests in 2..6 {
            scope.spawn(move || {
                let kit = TestKit::new();
                let _redirect = kit.redirect();
                serve(requests);
                check(&kit.collect(), requests);
                assert_eq!(METRICS.requests.value(), requests + 1);
                METRICS.routes.clear();
                assert!(METRICS.ended.remove(Ended { how: How::Well }));
                assert!(METRICS.dynamic.remove(&[("stage", "parse")]));
                assert_eq!(METRICS.routes.series().len(), 0);
                assert_no_metric!(kit, (name("ended")));
            });
        }
    });
    assert_eq!(global(), before, "nothing went to the global registry");
}

#[test]
fn the_latest_redirect_counts_and_the_one_before_returns() {
    let (outer, inner) = (TestKit::new(), TestKit::new());
    let first = outer.redirect();
    METRICS.requests.increment();
    let second = inner.redirect();
    METRICS.requests.add(2);
    drop(second);
    METRICS.requests.add(3);
    drop(first);
    assert_metric!(outer, (name("requests")) == 4);
    assert_metric!(inner, (name("requests")) == 2);
}

#[test]
fn timers_and_guards_end_where_they_began_and_go_by_the_clock_of_the_kit() {
    let kit = TestKit::new();
    let redirect = kit.redirect();
    let (timer, guard) = (METRICS.duration.start_timer(), METRICS.open.guard());
    let ended = METRICS.durations.start_timer();
    kit.advance(Duration::from_millis(1500));
    drop(redirect);
    assert_metric!(kit, (name("open")) == 1);
    thread::scope(|scope| {
        scope.spawn(|| drop((timer, guard)));
    });
    ended.observe(Ended { how: How::Badly });
    assert_metric!(kit, (name("open")) == 0);
    assert_metric!(kit, (name("duration")) sum == 1.5);
    assert_metric!(kit, (name("durations")) { how = How::Badly } sum == 1.5);
}

#[test]
fn dropped_recordings_are_counted_in_the_kit() {
    let kit = TestKit::new();
    let _redirect = kit.redirect();
    METRICS.duration.record(f64::NAN);
    METRICS.open.add(1);
    assert_metric!(kit, "meterkit.dropped" { reason = "not_finite" } == 1);
}

#[test]
fn a_task_is_redirected_on_every_thread_and_others_are_not() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
    let runtime = runtime.expect("a runtime");
    let kits: Vec<TestKit> = (0..8).map(|_| TestKit::new()).collect();
    let tasks = kits.clone().into_iter().enumerate().map(|(number, kit)| {
        runtime.spawn(async move {
            let work = async {
                for _ in 0..50 {
                    METRICS.requests.add(number as u64 + 1);
                    tokio::task::yield_now().await;
                }
            };
            kit.redirecting(work).await;
        })
    });
    let tasks: Vec<_> = tasks.collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    for (number, kit) in kits.iter().enumerate() {
        assert_metric!(kit, (name("requests")) == 50 * (number + 1));
    }
}

#[test]
fn a_registry_of_a_test_is_not_redirected() {
    let (kit, other) = (TestKit::new(), TestKit::new());
    let requests = other.scoped("plugin", "own").counter::<u64>("requests").build();
    let requests = requests.expect("a good name");
    let _redirect = kit.redirect();
    requests.increment();
    assert_metric!(other, "backstage.plugin.own.requests" == 1);
    assert_no_metric!(kit, "backstage.plugin.own.requests");
}

#[test]
fn a_thread_that_is_not_redirected_records_in_the_global_registry() {
    let kit = TestKit::new();
    let _redirect = kit.redirect();
    let before = Seen::of(Registry::global());
    thread::scope(|scope| {
        scope.spawn(|| {
            counter!("not_redirected_total").increment();
            counter!("not_redirected_total").add(2);
            counter!("not_redirected_sets_total", "stage" => "parse").increment();
            meterkit::gauge!("not_redirected_gauge").set(4);
            meterkit::histogram!("not_redirected_histogram").record(4);
        });
    });
    let seen = Seen::of(Registry::global()).since(&before);
    assert_metric!(seen, "not_redirected_total" == 3);
    assert_metric!(seen, "not_redirected_sets_total" { stage = "parse" } == 1);
    assert_metric!(seen, "not_redirected_gauge" == 4);
    assert_metric!(seen, "not_redirected_histogram" count == 1);
    assert_no_metric!(kit, "not_redirected_total");
}

#[test]
fn a_baseline_leaves_out_what_was_recorded_before() {
    let requests = || counter!("baseline_requests_total");
    requests().add(10);
    let before = Seen::of(Registry::global());
    requests().add(5);
    assert_metric!(Seen::of(Registry::global()).since(&before), "baseline_requests_total" == 5);
    assert_metric!(Registry::global(), "baseline_requests_total" == 15);
}
