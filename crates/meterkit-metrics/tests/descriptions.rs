//! Units, descriptions and buckets.

use std::time::Duration;

use meterkit_core::{Buckets, Meter, Registry};
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::{self, metric};
use meterkit_metrics::MetricsRecorder;
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
    with_local_recorder,
};

/// Returns the unit and the description that targets receive.
fn described(registry: &Registry, name: &str) -> (String, String) {
    let descriptor = metric(registry, name).expect("the metric").descriptor;
    (descriptor.unit.clone(), descriptor.description.clone())
}

#[test]
fn units_and_descriptions_arrive_before_and_after_registration() {
    let registry = Registry::new();
    let recorder = MetricsRecorder::new(&registry);
    let ((), lines) = log_lines::of(|| {
        with_local_recorder(&recorder, || {
            describe_counter!("before", Unit::Bytes, "Bytes read.");
            counter!("before").increment(1);
            let after = gauge!("after");
            after.set(1.0);
            describe_gauge!("after", Unit::Percent, "Use of the disk.");
            after.set(2.0);
            describe_gauge!("after", Unit::Count, "Of two descriptions, the first counts.");
            histogram!("after_seconds").record(0.1);
            describe_histogram!("after_seconds", "Time of calls.");
            counter!(description: "In the macro.", unit: Unit::CountPerSecond, "rate").increment(1);
        });
    });
    let of = |name| described(&registry, name);
    assert_eq!(of("before"), ("By".to_owned(), "Bytes read.".to_owned()));
    assert_eq!(of("after"), ("%".to_owned(), "Use of the disk.".to_owned()));
    assert_eq!(of("after_seconds"), ("s".to_owned(), "Time of calls.".to_owned()));
    assert_eq!(of("rate"), ("{count}/s".to_owned(), "In the macro.".to_owned()));
    assert_eq!(readings::points(&registry, "after").len(), 1, "one stream");
    assert_eq!(lines, Vec::<String>::new());
}

#[test]
fn a_later_unit_does_not_apply_where_it_would_change_the_name() {
    let registry = Registry::new();
    let meter = registry.scoped("core", "libraries");
    let recorder = MetricsRecorder::new(&registry).meters(move |_| meter.clone());
    with_local_recorder(&recorder, || {
        gauge!("size").set(1.0);
        describe_gauge!("size", Unit::Bytes, "Size of the cache.");
    });
    let name = "backstage.core.libraries.size";
    assert_eq!(described(&registry, name), (String::new(), "Size of the cache.".to_owned()));
}

#[test]
fn each_unit_is_a_ucum_unit() {
    let units = [
        (Unit::Count, "{count}"),
        (Unit::Percent, "%"),
        (Unit::Seconds, "s"),
        (Unit::Milliseconds, "ms"),
        (Unit::Microseconds, "us"),
        (Unit::Nanoseconds, "ns"),
        (Unit::Tebibytes, "TiBy"),
        (Unit::Gibibytes, "GiBy"),
        (Unit::Mebibytes, "MiBy"),
        (Unit::Kibibytes, "KiBy"),
        (Unit::Bytes, "By"),
        (Unit::TerabitsPerSecond, "Tbit/s"),
        (Unit::GigabitsPerSecond, "Gbit/s"),
        (Unit::MegabitsPerSecond, "Mbit/s"),
        (Unit::KilobitsPerSecond, "kbit/s"),
        (Unit::BitsPerSecond, "bit/s"),
        (Unit::CountPerSecond, "{count}/s"),
    ];
    let registry = Registry::new();
    with_local_recorder(&MetricsRecorder::new(&registry), || {
        for (unit, symbol) in units {
            let name = format!("of.{}", unit.as_str());
            describe_gauge!(name.clone(), unit, symbol);
            let _ = gauge!(name.clone());
            assert_eq!(described(&registry, &name), (symbol.to_owned(), symbol.to_owned()));
            // The unit also passes the style rules for declared instruments.
            let declared = Registry::new().plain().gauge::<f64>("declared").unit(symbol).build();
            assert!(declared.is_ok(), "{declared:?}");
        }
    });
}

#[test]
fn buckets_follow_the_configuration_and_then_the_unit() {
    const SIZES: Buckets = Buckets::exponential(64.0, 4.0, 3);
    let registry = Registry::new();
    let recorder = MetricsRecorder::new(&registry)
        .buckets("rpc.calls.seconds", [1.0])
        .buckets("rpc_*", [1.0, 2.0])
        .buckets("*_size", SIZES);
    with_local_recorder(&recorder, || {
        describe_histogram!("described", Unit::Seconds, "Described in seconds.");
        for name in
            ["rpc.calls.seconds", "rpc.other", "body_size", "described", "body_bytes", "other"]
        {
            histogram!(name).record(1.5);
        }
        histogram!("took_seconds").record(Duration::from_millis(6));
    });
    let bounds = |name| readings::histogram(&registry, name).0;
    assert_eq!(bounds("rpc.calls.seconds"), [1.0], "the first that fits");
    assert_eq!(bounds("rpc.other"), [1.0, 2.0]);
    assert_eq!(bounds("body_size"), [64.0, 256.0, 1024.0]);
    assert_eq!(bounds("described")[..2], [0.005, 0.01]);
    assert_eq!(bounds("took_seconds")[..2], [0.005, 0.01]);
    assert_eq!(bounds("body_bytes")[..2], [1024.0, 4096.0]);
    assert_eq!(bounds("other")[..3], [0.0, 5.0, 10.0]);
}

#[test]
fn buckets_that_cannot_be_used_are_an_error_that_names_the_histogram() {
    let registry = Registry::new();
    let recorder = MetricsRecorder::new(&registry).buckets("*", [2.0, 1.0]);
    let ((), lines) = log_lines::of(|| {
        with_local_recorder(&recorder, || {
            histogram!("took").record(1.0);
            histogram!("took").record(1.0);
        });
    });
    assert!(lines[0].contains("ERROR") && lines[0].contains("`took`"), "{lines:#?}");
    assert_eq!(readings::dropped(&registry, "not_made"), 2);
}

#[test]
fn an_instrument_of_the_same_name_and_unit_is_the_same_one()
-> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::new();
    let meter: Meter = registry.plain();
    let recorder = MetricsRecorder::new(&registry).meters({
        let meter = meter.clone();
        move |_| meter.clone()
    });
    let ours = meter.counter::<u64>("jobs").build()?;
    ours.add(2);
    with_local_recorder(&recorder, || counter!("jobs").increment(3));
    assert_eq!(ours.value(), 5);
    Ok(())
}
