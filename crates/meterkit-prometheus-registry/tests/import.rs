//! The metrics of a `prometheus` registry after the import.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use meterkit_core::{Attributes, Data, Registry, Value};
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::{metric, points, value};
use meterkit_pipeline::Snapshot;
use meterkit_prometheus_registry::import;
use meterkit_rules::prometheus_name::Translation;
use prometheus::proto::{Bucket, Histogram, Metric, MetricFamily, MetricType};
use prometheus::{Counter, Gauge, IntCounter, Opts};

use crate::fixture::{Fixed, everything, parse, source, summary, text};

#[test]
fn the_scrape_has_the_samples_that_the_crates_own_encoder_writes() {
    let theirs = everything();
    let registry = Registry::new();
    import(&registry, theirs.clone()).forget();
    let (_pipeline, source) = source(&registry);
    let (expected, types) = parse(&text(&theirs));
    assert!(expected.len() > 30 && types.len() > 12);
    for translation in Translation::ALL {
        let snapshot = source.snapshot_blocking();
        let ours = meterkit_prometheus::render_with(&snapshot, translation.escaped());
        let (mut samples, mut found) = parse(&ours);
        // Leave out the metrics of this library.
        samples.retain(|(name, _), _| name.starts_with("app_"));
        found.retain(|name, _| name.starts_with("app_"));
        assert_eq!(samples, expected, "{translation}\n{ours}");
        assert_eq!(found, types, "{translation}");
    }
}

#[test]
fn help_texts_stay_unchanged() {
    let registry = Registry::new();
    import(&registry, everything()).forget();
    registry.refresh();
    let found = metric(&registry, "app_queue__length").expect("the metric exists");
    assert_eq!(found.descriptor.description, "A \\ name\nwith lines.");
    assert_eq!(found.descriptor.unit, "");
}

#[test]
fn types_become_opentelemetry_types() {
    let registry = Registry::new();
    import(&registry, everything()).forget();
    registry.refresh();
    let data = |name: &str| metric(&registry, name).expect("the metric exists").data;
    assert!(matches!(data("app_jobs_total"), Data::Sum { monotonic: true, .. }));
    assert!(matches!(data("app_open"), Data::Gauge(_)));
    assert!(matches!(data("app_duration_seconds"), Data::Histogram { .. }));
    let Data::Summary(points) = data("app_rpc_latency_seconds") else { panic!("a summary") };
    assert_eq!((points[0].count, points[0].sum, points[0].quantiles.len()), (17, 4.25, 3));
    assert!(registry.read().iter().any(|scope| scope.scope.name() == "prometheus"));
}

#[test]
fn collectors_may_come_and_go_at_any_time() {
    let (theirs, registry) = (prometheus::Registry::new(), Registry::new());
    import(&registry, theirs.clone()).forget();
    registry.refresh();
    let jobs = IntCounter::with_opts(Opts::new("jobs_total", "Jobs.")).expect("fine");
    theirs.register(Box::new(jobs.clone())).expect("a new name");
    jobs.inc_by(3);
    registry.refresh();
    assert_eq!(value(&registry, "jobs_total"), Some(Value::F64(3.0)));
    theirs.unregister(Box::new(jobs)).expect("the collector is registered");
    registry.refresh();
    assert_eq!(value(&registry, "jobs_total"), None);
}

#[test]
fn a_counter_that_is_reset_is_another_series() {
    let (theirs, registry) = (prometheus::Registry::new(), Registry::new());
    let jobs = Counter::with_opts(Opts::new("jobs_total", "Jobs.")).expect("fine");
    theirs.register(Box::new(jobs.clone())).expect("a new name");
    import(&registry, theirs).forget();
    jobs.inc_by(3.0);
    registry.refresh();
    let before = points(&registry, "jobs_total").remove(0);
    jobs.reset();
    registry.refresh();
    let after = points(&registry, "jobs_total").remove(0);
    assert_ne!(after.series, before.series);
    assert!(after.start > before.start);
    assert_eq!(after.value, Value::F64(0.0));
}

#[test]
fn two_registries_share_families() {
    let registry = Registry::new();
    let registries = ["a", "b"].map(|shard| {
        let theirs = prometheus::Registry::new();
        let opts = Opts::new("jobs_total", "Jobs.").const_label("shard", shard);
        let jobs = IntCounter::with_opts(opts).expect("fine");
        jobs.inc();
        theirs.register(Box::new(jobs)).expect("a new name");
        import(&registry, theirs.clone()).forget();
        theirs
    });
    registry.refresh();
    assert_eq!(points(&registry, "jobs_total").len(), registries.len());
}

#[test]
fn a_collector_that_panics_affects_only_the_metrics_of_its_registry() {
    let registry = Registry::new();
    let (good, bad) = (prometheus::Registry::new(), prometheus::Registry::new());
    let load = Gauge::with_opts(Opts::new("load", "Load.")).expect("fine");
    good.register(Box::new(load)).expect("a new name");
    bad.register(Fixed::new("bad", || panic!("a panic that the test wants"))).expect("new");
    import(&registry, bad).forget();
    import(&registry, good).forget();
    registry.refresh();
    assert_eq!(value(&registry, "load"), Some(Value::F64(0.0)));
}

#[test]
fn a_collector_that_hangs_affects_only_the_metrics_of_its_registry() {
    let registry = Registry::new();
    registry.set_callback_budget(Duration::from_millis(20));
    let (good, bad) = (prometheus::Registry::new(), prometheus::Registry::new());
    let load = Gauge::with_opts(Opts::new("load", "Load.")).expect("fine");
    good.register(Box::new(load)).expect("a new name");
    let is_over = Arc::new(AtomicBool::new(false));
    let waits = is_over.clone();
    let hang = move || {
        while !waits.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Vec::new()
    };
    bad.register(Fixed::new("bad", hang)).expect("a new name");
    import(&registry, bad).forget();
    import(&registry, good).forget();
    for _ in 0..5 {
        registry.refresh();
        assert_eq!(value(&registry, "load"), Some(Value::F64(0.0)));
    }
    is_over.store(true, SeqCst);
}

#[test]
fn invalid_buckets_and_unknown_types_are_left_out_with_a_warning() {
    let theirs = prometheus::Registry::new();
    let family = |name: &str, of| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(f64::NAN);
        let mut histogram = Histogram::default();
        histogram.set_bucket(vec![bucket]);
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_field_type(of);
        family.set_metric(vec![metric]);
        family
    };
    let families = move || {
        let bad = [family("odd", MetricType::HISTOGRAM), family("unknown", MetricType::UNTYPED)];
        bad.into_iter().chain([summary(1, 1.0, &[])]).collect()
    };
    theirs.register(Fixed::new("all", families)).expect("a new name");
    let registry = Registry::new();
    import(&registry, theirs).forget();
    let (_, lines) = log_lines::of(|| (0..3).for_each(|_| registry.refresh()));
    let names: Vec<_> = registry.read().into_iter().flat_map(|it| it.metrics).collect();
    assert!(names.iter().any(|it| it.descriptor.name == "rpc_latency_seconds"), "{names:?}");
    assert!(names.iter().all(|it| !["odd", "unknown"].contains(&&*it.descriptor.name)));
    for name in ["odd", "unknown"] {
        assert_eq!(lines.iter().filter(|line| line.contains(name)).count(), 1, "{lines:?}");
    }
}

#[test]
fn a_name_of_ours_follows_the_usual_rule() {
    // Our metric is older, and the imported metric has another type under the same name.
    let registry = Registry::new();
    registry.scoped("plugin", "catalog").counter::<u64>("jobs").build().expect("fine").add(1);
    let theirs = prometheus::Registry::new();
    let name = "backstage_plugin_catalog_jobs_total";
    let gauge = Gauge::with_opts(Opts::new(name, "Jobs.")).expect("fine");
    theirs.register(Box::new(gauge)).expect("a new name");
    let (_, lines) = log_lines::of(|| {
        import(&registry, theirs).forget();
        registry.refresh();
    });
    assert!(lines.iter().any(|it| it.contains("not exported to Prometheus")), "{lines:?}");
    let (_pipeline, source) = source(&registry);
    let (_, types) = parse(&meterkit_prometheus::render(&source.snapshot_blocking()));
    assert_eq!(types[name], "counter");
}

#[test]
fn without_a_pipeline_names_are_translated_like_any_other() {
    // A snapshot that is built without a pipeline contains no information about imports.
    let registry = Registry::new();
    import(&registry, everything()).forget();
    registry.refresh();
    let snapshot =
        Snapshot::new(Attributes::empty(), std::time::SystemTime::now(), registry.read());
    assert!(meterkit_prometheus::render(&snapshot).contains("app_plain_total"));
}
