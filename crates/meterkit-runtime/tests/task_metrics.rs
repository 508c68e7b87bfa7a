//! Compares the metrics of `tokio-metrics` monitors with what the test's tasks do.
#![cfg(feature = "tokio-metrics")]

mod readings;

use std::time::Duration;

use meterkit_core::Registry;
use meterkit_runtime::tasks::observe_in;
use tokio::task::yield_now;
use tokio_metrics::TaskMonitor;

use self::readings::{kind_and_unit, value};

const NAME: &str = "tokio.task.monitor.name";

fn registry() -> Registry {
    let registry = Registry::new();
    registry.set_callback_budget(Duration::from_secs(60));
    registry
}

/// Collects, and returns the value.
fn now(registry: &Registry, metric: &str, labels: &[(&str, &str)]) -> f64 {
    registry.refresh();
    let found = value(registry, metric, labels);
    found.unwrap_or_else(|| panic!("there is no {metric} with {labels:?}"))
}

#[test]
fn kinds_and_units_match_the_documentation() {
    let registry = registry();
    let _observed = observe_in(&registry, &TaskMonitor::new(), "import").unwrap();
    registry.refresh();
    for (name, unit) in [
        ("tokio.task.instrumented", "{task}"),
        ("tokio.task.dropped", "{task}"),
        ("tokio.task.started", "{task}"),
        ("tokio.task.start.delay", "s"),
        ("tokio.task.polls", "{poll}"),
        ("tokio.task.poll.time", "s"),
        ("tokio.task.delays", "{delay}"),
        ("tokio.task.delay.time", "s"),
        ("tokio.task.idles", "{idle}"),
        ("tokio.task.idle.time", "s"),
    ] {
        let known = kind_and_unit(&registry, name);
        assert_eq!(known, Some(("counter", unit.to_owned())), "{name}");
    }
}

#[tokio::test]
async fn tasks_and_their_polls_are_counted_by_the_name_of_their_monitor() {
    let registry = registry();
    let (import, export) = (TaskMonitor::new(), TaskMonitor::new());
    let _import = observe_in(&registry, &import, "import").unwrap();
    let _export = observe_in(&registry, &export, "export").unwrap();
    for _ in 0..3 {
        import.instrument(yield_now()).await;
    }
    let waiting = import.instrument(yield_now());
    export.instrument(async {}).await;

    let of = |metric, monitor| now(&registry, metric, &[(NAME, monitor)]);
    assert_eq!(of("tokio.task.instrumented", "import"), 4.0);
    assert_eq!(of("tokio.task.started", "import"), 3.0);
    assert_eq!(of("tokio.task.dropped", "import"), 3.0);
    drop(waiting);
    assert_eq!(of("tokio.task.dropped", "import"), 4.0);
    assert_eq!(of("tokio.task.instrumented", "export"), 1.0);

    let polls = |monitor| {
        let of = |slow| now(&registry, "tokio.task.polls", &[("slow", slow), (NAME, monitor)]);
        of("false") + of("true")
    };
    assert_eq!((polls("import"), polls("export")), (6.0, 1.0));
}

#[tokio::test]
async fn polls_and_delays_above_the_monitors_thresholds_are_slow_and_long() {
    let registry = registry();
    let mut builder = TaskMonitor::builder();
    builder.with_slow_poll_threshold(Duration::ZERO).with_long_delay_threshold(Duration::ZERO);
    let monitor = builder.build();
    let _observed = observe_in(&registry, &monitor, "import").unwrap();
    monitor.instrument(yield_now()).await;
    let by = |metric, label, is| now(&registry, metric, &[(label, is), (NAME, "import")]);
    assert_eq!(by("tokio.task.polls", "slow", "true"), 2.0);
    assert_eq!(by("tokio.task.polls", "slow", "false"), 0.0);
    assert!(by("tokio.task.poll.time", "slow", "true") > 0.0);
    assert_eq!(by("tokio.task.delays", "long", "true"), 1.0);
    assert_eq!(by("tokio.task.delays", "long", "false"), 0.0);
    assert!(by("tokio.task.delay.time", "long", "true") > 0.0);
}

#[tokio::test]
async fn time_of_idle_tasks_adds_up() {
    let registry = registry();
    let monitor = TaskMonitor::new();
    let _observed = observe_in(&registry, &monitor, "import").unwrap();
    monitor.instrument(tokio::time::sleep(Duration::from_millis(20))).await;
    assert_eq!(now(&registry, "tokio.task.idles", &[(NAME, "import")]), 1.0);
    assert!(now(&registry, "tokio.task.idle.time", &[(NAME, "import")]) > 0.0);
    assert!(now(&registry, "tokio.task.start.delay", &[(NAME, "import")]) >= 0.0);
}

#[test]
fn monitors_of_one_name_are_all_exported_until_their_guards_are_dropped() {
    let registry = registry();
    let first = observe_in(&registry, &TaskMonitor::new(), "import").unwrap();
    let _second = observe_in(&registry, &TaskMonitor::new(), "import").unwrap();
    let known = |name| value(&registry, "tokio.task.instrumented", &[(NAME, name)]);
    registry.refresh();
    assert_eq!((known("import"), known("import-2")), (Some(0.0), Some(0.0)));
    drop(first);
    assert_eq!((known("import"), known("import-2")), (None, Some(0.0)));
}
