//! Names, scopes and name clashes.

use meterkit_core::Registry;
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::{dropped, metric, series, value};
use meterkit_metrics::MetricsRecorder;
use metrics::{counter, describe_counter, gauge, histogram, with_local_recorder};

/// Returns all scopes except meterkit's own, with the names of their metrics.
fn scopes(registry: &Registry) -> Vec<(String, Vec<String>)> {
    let scopes = registry.read().into_iter().filter(|scope| scope.scope.name() != "meterkit");
    let names = scopes.map(|scope| {
        let names = scope.metrics.iter().map(|metric| metric.descriptor.name.clone());
        (scope.scope.name().to_owned(), names.collect())
    });
    names.collect()
}

#[test]
fn a_scope_is_the_crate_that_registers_a_name_first() {
    let registry = Registry::new();
    with_local_recorder(&MetricsRecorder::new(&registry), || {
        counter!(target: "hyper_util::client", "requests").increment(1);
        counter!(target: "hyper_util::server", "errors").increment(1);
        gauge!(target: "my pool", "open").set(1.0);
        counter!("own").increment(1);
        // The name is one metric, whichever library records it.
        counter!(target: "tower", "requests").increment(2);
        gauge!(target: "tower", "open").increment(2.0);
    });
    let expected = [
        ("hyper_util".to_owned(), vec!["errors".to_owned(), "requests".to_owned()]),
        ("main".to_owned(), vec!["own".to_owned()]),
        ("my pool".to_owned(), vec!["open".to_owned()]),
    ];
    assert_eq!(scopes(&registry), expected);
    assert_eq!(series(&registry, "requests"), [(String::new(), 3.0)]);
    assert_eq!(series(&registry, "open"), [(String::new(), 3.0)]);
}

#[test]
fn all_metrics_can_be_in_one_scope_with_prefixed_names() {
    let registry = Registry::new();
    let meter = registry.scoped("core", "libraries");
    let recorder = MetricsRecorder::new(&registry).meters(move |_| meter.clone());
    with_local_recorder(&recorder, || {
        counter!(target: "hyper_util::client", "requests").increment(1);
        gauge!(target: "tower", "ready").set(1.0);
    });
    let names = ["ready", "requests"].map(|name| format!("backstage.core.libraries.{name}"));
    assert_eq!(scopes(&registry), [("backstage.core.libraries".to_owned(), names.to_vec())]);
}

#[test]
fn characters_that_are_not_allowed_in_names_become_underscores() {
    let registry = Registry::new();
    let ((), lines) = log_lines::of(|| {
        with_local_recorder(&MetricsRecorder::new(&registry), || {
            for name in ["reth.db.calls", "a:b", "_own", "two words", "größe", "9lives", "a{b}"] {
                describe_counter!(name, "Calls.");
                counter!(name).increment(1);
            }
            // A name that is too long, and an empty name.
            counter!("x".repeat(256)).increment(1);
            counter!("").increment(1);
        });
    });
    for name in ["reth.db.calls", "a:b", "_own", "two_words", "gr__e", "_lives", "a_b_"] {
        let metric = metric(&registry, name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(metric.descriptor.description, "Calls.");
    }
    assert_eq!(dropped(&registry, "not_made"), 2);
    let errors = lines.iter().filter(|line| line.contains("instrument not created"));
    assert_eq!(errors.count(), 2, "{lines:#?}");
}

#[test]
fn a_name_of_two_kinds_is_two_metrics_and_one_warning() {
    let registry = Registry::new();
    let recorder = MetricsRecorder::new(&registry);
    let ((), lines) = log_lines::of(|| {
        with_local_recorder(&recorder, || {
            for _ in 0..3 {
                counter!("jobs", "queue" => "mail").increment(1);
                gauge!("jobs").set(7.0);
            }
        });
    });
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("instrument=jobs"), "{lines:#?}");
    let metrics = registry.read().into_iter().flat_map(|scope| scope.metrics);
    let metrics = metrics.filter(|metric| metric.descriptor.name == "jobs");
    assert_eq!(metrics.map(|metric| metric.data.len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn recorders_on_one_thread_do_not_share_metrics() {
    let registries = [Registry::new(), Registry::new()];
    let recorders = registries.each_ref().map(MetricsRecorder::new);
    for (at, recorder) in recorders.iter().enumerate() {
        with_local_recorder(recorder, || {
            counter!("calls").increment(1 + at as u64);
            histogram!("took").record(1.0);
        });
    }
    let values = registries.each_ref().map(|it| value(it, "calls").expect("a value").as_f64());
    assert_eq!(values, [1.0, 2.0]);
}
