//! The values of a `prometheus-client` registry after the import.

use std::borrow::Cow;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};

use meterkit_core::{Attributes, Data, Registry, Value};
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::{histogram, metric, points, value};
use meterkit_prometheus_client::{SharedRegistry, import};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::CounterWithExemplar;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry as Theirs, Unit};

type Labels = Vec<(String, String)>;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn imported(theirs: impl Into<SharedRegistry>) -> Registry {
    let registry = Registry::new();
    import(&registry, theirs).forget();
    registry.refresh();
    registry
}

fn shown(attributes: &Attributes) -> Vec<(String, String)> {
    attributes.iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect()
}

#[test]
fn numbers_are_exact_and_have_their_type() {
    let mut theirs = Theirs::default();
    let jobs: Counter<u64, AtomicU64> = Counter::default();
    jobs.inc_by(u64::MAX);
    theirs.register("jobs", "Jobs", jobs);
    let seconds: Counter<f64, AtomicU64> = Counter::default();
    seconds.inc_by(0.1 + 0.2);
    theirs.register_with_unit("busy", "Busy", Unit::Seconds, seconds);
    for (name, set) in [("low", i64::MIN), ("high", i64::MAX)] {
        let gauge: Gauge<i64, AtomicI64> = Gauge::default();
        gauge.set(set);
        theirs.register(name, "An integer", gauge);
    }
    for (name, set) in
        [("nan", f64::NAN), ("inf", f64::INFINITY), ("whole", 3.0), ("tiny", f64::from_bits(1))]
    {
        let gauge: Gauge<f64, AtomicU64> = Gauge::default();
        gauge.set(set);
        theirs.register(name, "A float", gauge);
    }
    let registry = imported(Arc::new(theirs));
    for (name, expected) in [
        ("jobs_total", Value::U64(u64::MAX)),
        ("busy_seconds_total", Value::F64(0.1 + 0.2)),
        ("low", Value::I64(i64::MIN)),
        ("high", Value::I64(i64::MAX)),
        ("inf", Value::F64(f64::INFINITY)),
        ("whole", Value::F64(3.0)),
        ("tiny", Value::F64(f64::from_bits(1))),
    ] {
        assert_eq!(value(&registry, name), Some(expected), "{name}");
    }
    assert!(value(&registry, "nan").is_some_and(|it| it.as_f64().is_nan()));
    let busy = metric(&registry, "busy_seconds_total").expect("the metric exists").descriptor;
    assert_eq!((&*busy.unit, &*busy.description), ("s", "Busy."));
}

#[test]
fn labels_stay_unchanged_including_those_of_registries() {
    let common = [(Cow::Borrowed("region"), Cow::Borrowed("eu"))];
    let mut theirs = Theirs::with_prefix_and_labels("app", common.into_iter());
    let requests = Family::<Labels, Counter>::default();
    let all = [&[("path", "/ü\"\\\n},{# x")][..], &[("path", ""), ("b", "2")], &[]];
    for pairs in all {
        requests.get_or_create(&labels(pairs)).inc();
    }
    theirs.sub_registry_with_prefix("http").register("requests", "Requests", requests);
    let registry = imported(Arc::new(theirs));
    let points = points(&registry, "app_http_requests_total");
    let mut found: Vec<_> = points.iter().map(|point| shown(&point.attributes)).collect();
    found.sort();
    let region = ("region", "eu");
    let mut expected = [
        labels(&[("path", "/ü\"\\\n},{# x"), region]),
        labels(&[("b", "2"), region]),
        labels(&[region]),
    ];
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn histograms_infos_and_exemplars() {
    let mut theirs = Theirs::default();
    let sizes = Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new([1.0, 2.5]));
    [0.5, 1.0, 2.0, 9.0]
        .iter()
        .for_each(|it| sizes.get_or_create(&labels(&[("of", "a")])).observe(*it));
    sizes.get_or_create(&labels(&[("of", "b")])).observe(2.5);
    theirs.register_with_unit("sizes", "Sizes", Unit::Bytes, sizes);
    theirs.register("build", "Build", Info::new(labels(&[("version", "1.2")])));
    let calls = CounterWithExemplar::<Labels>::default();
    calls.inc_by(3, Some(labels(&[("trace_id", "a b")])), None);
    theirs.register("calls", "Calls", calls);
    let registry = imported(Arc::new(theirs));

    let (bounds, points) = histogram(&registry, "sizes_bytes");
    assert_eq!(bounds, [1.0, 2.5]);
    let found: Vec<_> = points.iter().map(|it| (it.count, it.sum, &it.buckets[..])).collect();
    assert_eq!(found, [(4, 12.5, &[2, 1, 1][..]), (1, 2.5, &[0, 1, 0])]);
    assert_eq!(value(&registry, "calls_total"), Some(Value::U64(3)));
    let build = metric(&registry, "build_info").expect("the metric exists");
    let Data::Sum { monotonic: false, points, .. } = &build.data else { panic!("{build:?}") };
    assert_eq!(shown(&points[0].attributes), labels(&[("version", "1.2")]));
}

#[test]
fn a_registry_may_be_shared_in_any_way_and_grow_later() {
    let gauge = || Gauge::<i64, AtomicI64>::default();
    let locked = Arc::new(Mutex::new(Theirs::default()));
    let registry = imported(locked.clone());
    locked.lock().expect("no panic").register("later", "Later", gauge());
    registry.refresh();
    assert_eq!(value(&registry, "later"), Some(Value::I64(0)));

    let mut theirs = Theirs::default();
    theirs.register("one", "One", gauge());
    let registry = imported(Arc::new(RwLock::new(theirs)));
    assert_eq!(value(&registry, "one"), Some(Value::I64(0)));

    let mut theirs = Theirs::default();
    theirs.register("one", "One", gauge());
    let state = Arc::new(Mutex::new((theirs, "a part of something")));
    let within = SharedRegistry::new(move |read| read(&state.lock().expect("no panic").0));
    assert_eq!(value(&imported(within), "one"), Some(Value::I64(0)));
}

#[test]
fn a_poisoned_or_held_lock_does_not_affect_other_metrics() {
    let mut theirs = Theirs::default();
    theirs.register("one", "One", Gauge::<i64, AtomicI64>::default());
    let locked = Arc::new(Mutex::new(theirs));
    let poison = locked.clone();
    let _ = std::thread::spawn(move || {
        let _held = poison.lock();
        panic!("a panic that the test wants");
    })
    .join();
    let registry = imported(locked.clone());
    assert_eq!(value(&registry, "one"), Some(Value::I64(0)));

    registry.set_callback_budget(std::time::Duration::from_millis(20));
    registry.core().gauge::<u64>("own").build().expect("fine").set(7);
    let held = locked.lock();
    registry.refresh();
    assert_eq!(value(&registry, "backstage.core.own"), Some(Value::U64(7)));
    assert_eq!(value(&registry, "one"), Some(Value::I64(0)), "its last value");
    drop(held);
}

#[test]
fn a_help_text_with_a_newline_neither_drops_nor_forges_a_metric() {
    let mut theirs = Theirs::default();
    theirs.register("one", "One\nforged_total 5", Gauge::<i64, AtomicI64>::default());
    theirs.register("two", "Two", Gauge::<i64, AtomicI64>::default());
    let (registry, lines) = log_lines::of(|| imported(Arc::new(theirs)));
    assert_eq!(value(&registry, "one"), Some(Value::I64(0)));
    assert_eq!(value(&registry, "two"), Some(Value::I64(0)));
    assert_eq!(value(&registry, "forged_total"), None);
    assert!(lines.iter().any(|line| line.contains("newline in a help text")), "{lines:?}");
}
