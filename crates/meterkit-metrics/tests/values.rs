//! The values of counters, gauges and histograms.

use meterkit_core::{Registry, Value};
use meterkit_fakes::readings::{dropped, histogram, series, value};
use meterkit_metrics::MetricsRecorder;
use metrics::{counter, gauge, with_local_recorder};

/// Runs `record` with a recorder, and returns the recorder's registry.
fn recorded(record: impl FnOnce()) -> Registry {
    let registry = Registry::new();
    with_local_recorder(&MetricsRecorder::new(&registry), record);
    registry
}

#[test]
fn a_gauge_that_is_set_rises_and_falls_from_there() {
    let registry = recorded(|| {
        let open = gauge!("open");
        open.set(10);
        open.increment(5);
        gauge!("open").decrement(2.5);
        gauge!("never.set").increment(-1.0);
    });
    assert_eq!(value(&registry, "open"), Some(Value::F64(12.5)));
    assert_eq!(value(&registry, "never.set"), Some(Value::F64(-1.0)));
}

#[test]
fn an_absolute_total_raises_a_counter_and_never_lowers_it() {
    let registry = recorded(|| {
        let read = counter!("read");
        read.absolute(10);
        read.absolute(7);
        read.increment(3);
        // The counter is already at 13.
        counter!("read").absolute(12);
        read.increment(1);
        counter!("raised").absolute(20);
        counter!("raised").absolute(20);
    });
    assert_eq!(value(&registry, "read"), Some(Value::U64(14)));
    assert_eq!(value(&registry, "raised"), Some(Value::U64(20)));
}

#[test]
fn a_metric_is_exported_from_the_moment_it_is_registered() {
    let registry = recorded(|| {
        let _ = (counter!("calls"), gauge!("open"), metrics::histogram!("took"));
    });
    assert_eq!(value(&registry, "calls"), Some(Value::U64(0)));
    assert_eq!(value(&registry, "open"), Some(Value::F64(0.0)));
    let (_, points) = histogram(&registry, "took");
    assert_eq!((points.len(), points[0].count), (1, 0));
}

#[test]
fn a_value_can_be_recorded_many_times() {
    let registry = recorded(|| {
        let took = metrics::histogram!("took_seconds");
        took.record_many(0.25, 1000);
        took.record(std::time::Duration::from_millis(500));
    });
    let (_, points) = histogram(&registry, "took_seconds");
    assert_eq!((points[0].count, points[0].sum), (1001, 250.5));
    assert_eq!((points[0].min, points[0].max), (Some(0.25), Some(0.5)));
}

#[test]
fn values_that_cannot_be_recorded_are_dropped_and_counted() {
    let registry = recorded(|| {
        let open = gauge!("open");
        open.set(7.0);
        open.set(f64::NAN);
        open.increment(f64::INFINITY);
        metrics::histogram!("took").record(f64::NAN);
    });
    assert_eq!(value(&registry, "open"), Some(Value::F64(7.0)));
    assert_eq!(dropped(&registry, "not_finite"), 3);
}

#[test]
fn the_order_of_labels_does_not_matter_and_any_key_is_a_label() {
    let registry = recorded(|| {
        let shard = String::from("7");
        counter!("calls", "method" => "get", "shard-id" => shard.clone()).increment(1);
        counter!("calls", "shard-id" => shard, "method" => "get").increment(2);
        counter!("calls").increment(4);
    });
    let expected = [("", 4.0), ("method=get,shard-id=7", 3.0)];
    assert_eq!(series(&registry, "calls"), expected.map(|(labels, it)| (labels.to_owned(), it)));
}
