//! Instruments that are requested more than once through OpenTelemetry's API. See the section "Duplicate instrument
//! registration" of OpenTelemetry's Metrics SDK specification.

use meterkit_core::{Data, Metric, NumberPoint, Registry};
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::{self, metric, series};
use meterkit_otel::MeterProvider;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::{InstrumentationScope, KeyValue};

fn library() -> (Registry, Meter) {
    let registry = Registry::new();
    let meter = MeterProvider::new(registry.clone()).meter("library");
    (registry, meter)
}

/// Returns all metrics with this name, ignoring case.
fn all_named(registry: &Registry, name: &str) -> Vec<Metric> {
    let metrics = registry.read().into_iter().flat_map(|scope| scope.metrics);
    metrics.filter(|metric| metric.descriptor.name.eq_ignore_ascii_case(name)).collect()
}

fn numbers(metric: &Metric) -> Vec<f64> {
    let points: &[NumberPoint] = match &metric.data {
        Data::Sum { points, .. } | Data::Gauge(points) => points,
        other => panic!("not numbers: {other:?}"),
    };
    points.iter().map(|point| point.value.as_f64()).collect()
}

/// Asserts that exactly one warning reports a duplicate `name` that differs in `aspect`.
#[track_caller]
fn assert_warns_once(lines: &[String], name: &str, aspect: &str, outcome: &str) {
    let [line] = lines else { panic!("{lines:#?}") };
    for part in ["WARN instrument was created twice with a different", aspect, outcome, name] {
        assert!(line.contains(part), "`{part}` in {line}");
    }
}

#[test]
fn the_same_instrument_asked_for_twice_is_one_stream_without_a_warning() {
    let (registry, meter) = library();
    let provider = MeterProvider::new(registry.clone());
    let ((), lines) = log_lines::of(|| {
        for meter in [&meter, &meter, &provider.meter("library")] {
            let calls = meter.u64_counter("calls").with_unit("{call}").with_description("Calls.");
            calls.build().add(1, &[]);
            let sizes = meter.f64_histogram("sizes").with_boundaries(vec![1.0, 2.0]);
            sizes.build().record(1.5, &[]);
        }
    });
    assert!(lines.is_empty(), "{lines:#?}");
    assert_eq!(all_named(&registry, "calls").len(), 1);
    assert_eq!(series(&registry, "calls"), [(String::new(), 3.0)]);
    match &all_named(&registry, "sizes")[..] {
        [Metric { data: Data::Histogram { points, .. }, .. }] => assert_eq!(points[0].count, 3),
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_that_differ_only_in_case_are_one_name_written_as_the_first() {
    let (registry, meter) = library();
    let ((), lines) = log_lines::of(|| {
        for name in ["Http.Calls", "http.calls", "HTTP.CALLS"] {
            meter.u64_counter(name).build().add(1, &[]);
        }
    });
    assert!(lines.is_empty(), "{lines:#?}");
    let all = all_named(&registry, "http.calls");
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].descriptor.name, "Http.Calls");
    assert_eq!(numbers(&all[0]), [3.0]);
    let ((), lines) = log_lines::of(|| meter.i64_gauge("HTTP.calls").build().record(1, &[]));
    assert_warns_once(&lines, "HTTP.calls", "type", "both are exported");
}

#[test]
fn the_longer_description_stays_whichever_comes_first_and_one_warning_is_logged() {
    for order in [["Calls.", "Calls to peers."], ["Calls to peers.", "Calls."]] {
        let (registry, meter) = library();
        let ((), lines) = log_lines::of(|| {
            for description in order.into_iter().chain(order).chain(["Other."]) {
                let calls = meter.u64_counter("calls").with_description(description);
                calls.build().add(1, &[]);
            }
        });
        assert_warns_once(&lines, "calls", "description", "only one of the two is used");
        let all = all_named(&registry, "calls");
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].descriptor.description, "Calls to peers.");
        assert_eq!(numbers(&all[0]), [5.0]);
    }
}

#[test]
fn another_unit_makes_another_stream_with_one_warning() {
    let (registry, meter) = library();
    let ((), lines) = log_lines::of(|| {
        for (unit, value) in [("By", 1), ("KiBy", 10), ("By", 2), ("KiBy", 20)] {
            meter.u64_counter("sent").with_unit(unit).build().add(value, &[]);
        }
    });
    assert_warns_once(&lines, "sent", "unit", "both are exported");
    let all = all_named(&registry, "sent");
    let mut units: Vec<_> = all.iter().map(|it| (&*it.descriptor.unit, numbers(it))).collect();
    units.sort_by_key(|(unit, _)| *unit);
    assert_eq!(units, [("By", vec![3.0]), ("KiBy", vec![30.0])]);
}

#[test]
fn another_kind_makes_another_stream_with_one_warning() {
    let (registry, meter) = library();
    let ((), lines) = log_lines::of(|| {
        for _ in 0..2 {
            meter.u64_counter("things").build().add(2, &[]);
            meter.u64_gauge("things").build().record(7, &[]);
        }
    });
    assert_warns_once(&lines, "things", "type", "both are exported");
    let all = all_named(&registry, "things");
    let sum = all.iter().find(|it| matches!(it.data, Data::Sum { monotonic: true, .. }));
    let gauge = all.iter().find(|it| matches!(it.data, Data::Gauge(_)));
    assert_eq!((all.len(), sum.map(numbers)), (2, Some(vec![4.0])));
    assert_eq!(gauge.map(numbers), Some(vec![7.0]));
}

#[test]
fn another_number_type_makes_another_stream_with_one_warning() {
    let (registry, meter) = library();
    let ((), lines) = log_lines::of(|| {
        for _ in 0..2 {
            meter.u64_counter("things").build().add(2, &[]);
            meter.f64_counter("things").build().add(0.25, &[]);
        }
    });
    assert_warns_once(&lines, "things", "type", "both are exported");
    let mut values: Vec<_> = all_named(&registry, "things").iter().flat_map(numbers).collect();
    values.sort_by(f64::total_cmp);
    assert_eq!(values, [0.5, 4.0]);
}

#[test]
fn observable_and_synchronous_instruments_are_different_kinds() {
    let (registry, meter) = library();
    let ((), lines) = log_lines::of(|| {
        meter.u64_counter("things").build().add(2, &[]);
        let observed = meter.u64_observable_counter("things");
        let _observed = observed.with_callback(|observer| observer.observe(70, &[])).build();
    });
    assert_warns_once(&lines, "things", "type", "both are exported");
    registry.refresh();
    let mut values: Vec<_> = all_named(&registry, "things").iter().flat_map(numbers).collect();
    values.sort_by(f64::total_cmp);
    assert_eq!(values, [2.0, 70.0]);
}

#[test]
fn callbacks_of_one_observable_instrument_that_is_made_twice_are_one_stream() {
    let (registry, meter) = library();
    let ((), lines) = log_lines::of(|| {
        for (peer, value) in [("a", 1), ("b", 10)] {
            let open = meter.u64_observable_gauge("open");
            let open = open
                .with_callback(move |it| it.observe(value, &[KeyValue::new("peer", peer)]))
                .with_callback(move |it| it.observe(value + 1, &[KeyValue::new("other", peer)]));
            let _open = open.build();
        }
    });
    assert!(lines.is_empty(), "{lines:#?}");
    registry.refresh();
    assert_eq!(all_named(&registry, "open").len(), 1);
    let expected = [("other=a", 2.0), ("other=b", 11.0), ("peer=a", 1.0), ("peer=b", 10.0)];
    assert_eq!(series(&registry, "open"), expected.map(|(labels, it)| (labels.to_owned(), it)));
}

#[test]
fn other_advised_boundaries_do_not_make_another_stream() {
    let (registry, meter) = library();
    let ((), lines) = log_lines::of(|| {
        for bounds in [vec![1.0], vec![5.0, 6.0], vec![5.0, 6.0]] {
            meter.f64_histogram("sizes").with_boundaries(bounds).build().record(3.0, &[]);
        }
        meter.f64_histogram("sizes").build().record(3.0, &[]);
    });
    assert_warns_once(&lines, "sizes", "buckets", "only one of the two is used");
    match &all_named(&registry, "sizes")[..] {
        [Metric { data: Data::Histogram { bounds, points, .. }, .. }] => {
            assert_eq!((&**bounds, &*points[0].buckets), (&[1.0][..], &[0, 4][..]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn instruments_with_one_name_in_several_scopes_are_not_duplicates() {
    let (registry, _) = library();
    let provider = MeterProvider::new(registry.clone());
    let scope = |name: &'static str| InstrumentationScope::builder(name);
    let scopes = [
        scope("library").build(),
        scope("other").build(),
        scope("library").with_version("1").build(),
        scope("library").with_schema_url("https://example.com/1").build(),
        scope("library").with_attributes([KeyValue::new("shard", 1)]).build(),
    ];
    let ((), lines) = log_lines::of(|| {
        for (at, scope) in scopes.iter().enumerate() {
            let meter = provider.meter_with_scope(scope.clone());
            match at {
                1 => meter.f64_gauge("calls").build().record(1.0, &[]),
                _ => meter.u64_counter("calls").build().add(1, &[]),
            }
        }
    });
    assert!(lines.is_empty(), "{lines:#?}");
    let all = all_named(&registry, "calls");
    assert_eq!(all.iter().map(numbers).collect::<Vec<_>>(), vec![vec![1.0]; scopes.len()]);
}

#[test]
fn an_instrument_that_cannot_be_created_is_logged_and_counts_dropped_values() {
    let (registry, meter) = library();
    let ((), lines) = log_lines::of(|| {
        let calls = meter.u64_counter("1st calls!").build();
        (0..3).for_each(|_| calls.add(1, &[KeyValue::new("key", "x")]));
        let sizes = meter.f64_histogram("sizes").with_boundaries(vec![2.0, 1.0]).build();
        sizes.record(1.0, &[]);
    });
    let errors: Vec<_> = lines.iter().filter(|line| line.starts_with("ERROR")).collect();
    assert_eq!(errors.len(), 2, "{lines:#?}");
    assert!(errors[0].contains("1st calls!") && errors[1].contains("sizes"), "{errors:#?}");
    assert!(metric(&registry, "1st calls!").is_none());
    registry.refresh();
    assert_eq!(readings::dropped(&registry, "not_made"), 4);
}
