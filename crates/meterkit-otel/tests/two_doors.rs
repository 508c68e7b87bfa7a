//! One instrument that is requested through both APIs: the typed facade and OpenTelemetry's API.

use meterkit_core::{Data, InstrumentError, LabelKey, LabelValue, LabelVisitor, Labels, Meter};
use meterkit_core::{Metric, Registry};
use meterkit_fakes::label_sets::{Id, Light, Success, Tenant};
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::{OVERFLOW, histogram, points, series, total};
use meterkit_otel::{MeterProvider, OtelMeter};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter as OtherMeter, MeterProvider as _};

const THINGS: &str = "backstage.plugin.own.things";

/// Creates a registry, and a facade meter and an OpenTelemetry meter of the same scope.
fn own() -> (Registry, Meter, OtherMeter) {
    let registry = Registry::new();
    let ours = registry.scoped("plugin", "own");
    let theirs = MeterProvider::new(registry.clone()).meter("backstage.plugin.own");
    (registry, ours, theirs)
}

fn tenant(name: &'static str) -> [KeyValue; 1] {
    [KeyValue::new("tenant", name)]
}

/// Returns all metrics with this name.
fn all_named(registry: &Registry, name: &str) -> Vec<Metric> {
    let metrics = registry.read().into_iter().flat_map(|scope| scope.metrics);
    metrics.filter(|metric| metric.descriptor.name == name).collect()
}

#[track_caller]
fn assert_series<const N: usize>(registry: &Registry, name: &str, expected: [(&str, f64); N]) {
    assert_eq!(all_named(registry, name).len(), 1, "one stream");
    let expected = expected.map(|(labels, value)| (labels.to_owned(), value));
    assert_eq!(series(registry, name), expected);
}

#[test]
fn a_count_of_a_library_stays_when_the_facade_creates_the_same_counter()
-> Result<(), InstrumentError> {
    for name in ["things", THINGS] {
        let (registry, ours, theirs) = own();
        let ((), lines) = log_lines::of(|| {
            let counter = theirs.u64_counter(name).build();
            counter.add(100, &[]);
            let own = ours.counter::<u64>("things").build().expect("a good name");
            own.add(3);
            counter.add(20, &[]);
            assert_eq!(own.value(), 123);
        });
        assert!(lines.is_empty(), "{lines:#?}");
        assert_series(&registry, THINGS, [("", 123.0)]);
    }
    Ok(())
}

#[test]
fn the_facades_count_stays_when_a_library_creates_the_same_counter() -> Result<(), InstrumentError>
{
    let (registry, ours, theirs) = own();
    let own = ours.counter::<u64>("things").build()?;
    own.add(3);
    theirs.u64_counter("things").build().add(100, &[]);
    theirs.u64_counter("Things").build().add(20, &[]);
    assert_eq!(own.value(), 123);
    assert_series(&registry, THINGS, [("", 123.0)]);
    Ok(())
}

#[test]
fn a_meter_returns_an_opentelemetry_meter_of_the_same_scope() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let meters = [
        registry.scoped("plugin", "own"),
        registry.scoped("plugin", "own").version("2").attribute("shard", 1_i64),
        registry.semconv("http.server"),
    ];
    for meter in &meters {
        let other = meter.otel();
        other.u64_counter("things").build().add(100, &[]);
        other.f64_gauge("load").build().record(0.5, &[]);
        meter.counter::<u64>("things").build()?.add(3);
    }
    let scopes = registry.read();
    assert_eq!(scopes.len(), 3, "{scopes:?}");
    for scope in &scopes {
        let names: Vec<_> = scope.metrics.iter().map(|it| &*it.descriptor.name).collect();
        let prefix = if scope.scope.name() == "http.server" { "" } else { "backstage.plugin.own." };
        assert_eq!(names, [format!("{prefix}load"), format!("{prefix}things")]);
        match &scope.metrics[1].data {
            Data::Sum { points, .. } => assert_eq!(points[0].value.as_f64(), 103.0),
            other => panic!("{other:?}"),
        }
    }
    Ok(())
}

#[test]
fn every_kind_of_instrument_is_one_stream() -> Result<(), InstrumentError> {
    let (registry, ours, theirs) = own();
    for our_turn in [false, true] {
        if our_turn {
            ours.up_down_counter::<i64>("open").build()?.add(-5);
            ours.gauge::<f64>("load").build()?.set(0.75);
            ours.histogram::<f64>("sizes").unit("s").buckets([1.0, 2.0]).build()?.record(9.0);
            ours.observable_gauge::<u64>("rows").observe(|| 7)?.forget();
        } else {
            theirs.i64_up_down_counter("open").build().add(2, &[]);
            theirs.f64_gauge("load").build().record(0.5, &[]);
            let sizes = theirs.f64_histogram("sizes").with_unit("s");
            sizes.with_boundaries(vec![1.0, 2.0]).build().record(1.5, &[]);
            let rows = theirs.u64_observable_gauge("rows");
            let _rows =
                rows.with_callback(|rows| rows.observe(9, &[KeyValue::new("table", "a")])).build();
        }
    }
    registry.refresh();
    let name = |short: &str| format!("backstage.plugin.own.{short}");
    assert_series(&registry, &name("open"), [("", -3.0)]);
    assert_series(&registry, &name("load"), [("", 0.75)]);
    assert_series(&registry, &name("rows"), [("", 7.0), ("table=a", 9.0)]);
    assert_eq!(all_named(&registry, &name("sizes")).len(), 1);
    let (bounds, points) = histogram(&registry, &name("sizes"));
    assert_eq!((bounds, &*points[0].buckets), (vec![1.0, 2.0], &[0, 1, 1][..]));
    Ok(())
}

#[test]
fn declared_attributes_reach_the_series_of_a_group_in_either_order() -> Result<(), InstrumentError>
{
    for facade_first in [false, true] {
        let (registry, ours, theirs) = own();
        let make = || ours.counter_group::<Tenant<'static>, u64>("things").build();
        let early = facade_first.then(make).transpose()?;
        let counter = theirs.u64_counter("things").build();
        counter.add(100, &tenant("a"));
        counter.add(1, &[]);
        counter.add(2, &[KeyValue::new("shard", 1)]);
        counter.add(4, &[KeyValue::new("shard", 1), KeyValue::new("tenant", "a")]);
        counter.add(8, &[KeyValue::new("tenant", 0.5)]);
        let before = points(&registry, THINGS);
        let group = early.map_or_else(make, Ok)?;
        group.with(Tenant("a")).add(20);
        group.with(Tenant("b")).add(30);
        counter.add(200, &tenant("a"));
        counter.add(300, &tenant("b"));
        assert_eq!(group.with(Tenant("a")).value(), 320);
        let expected = [
            ("", 1.0),
            ("shard=1", 2.0),
            ("shard=1,tenant=a", 4.0),
            ("tenant=0.5", 8.0),
            ("tenant=a", 320.0),
            ("tenant=b", 330.0),
        ];
        let mut all = series(&registry, THINGS);
        all.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(all, expected.map(|(labels, value)| (labels.to_owned(), value)));
        for point in points(&registry, THINGS) {
            let mut same = before.iter().filter(|it| it.attributes == point.attributes);
            assert!(same.all(|it| (it.series, it.start) == (point.series, point.start)));
        }
    }
    Ok(())
}

#[test]
fn only_values_that_a_closed_label_has_reach_its_series() -> Result<(), InstrumentError> {
    for facade_first in [false, true] {
        let (registry, ours, theirs) = own();
        let make = || ours.counter_group::<Light, u64>("things").build();
        let early = facade_first.then(make).transpose()?;
        let counter = theirs.u64_counter("things").build();
        let light = |color: &'static str, is_on: bool| {
            [KeyValue::new("is_on", is_on), KeyValue::new("color", color)]
        };
        counter.add(1, &light("red", true));
        counter.add(2, &light("pink", true));
        counter.add(4, &[KeyValue::new("is_on", "true"), KeyValue::new("color", "red")]);
        let group = early.map_or_else(make, Ok)?;
        for light in Light::all() {
            group.with(light).add(1000);
        }
        let all = series(&registry, THINGS);
        assert_eq!(all.len(), Light::SETS + 2, "{all:?}");
        let of = |labels: &str| -> Vec<f64> {
            all.iter().filter(|it| it.0 == labels).map(|(_, value)| *value).collect()
        };
        assert_eq!(of("color=red,is_on=true"), [4.0, 1001.0], "text is not a bool");
        assert_eq!(of("color=pink,is_on=true"), [2.0]);
        let success = ours.counter_group::<Success, u64>("outcomes").build()?;
        theirs.u64_counter("outcomes").build().add(5, &[KeyValue::new("success", true)]);
        assert_eq!(success.with(Success(true)).value(), 5);
    }
    Ok(())
}

#[test]
fn both_sets_of_series_share_one_limit_and_the_total_stays_exact() -> Result<(), InstrumentError> {
    for limit_of_code in [false, true] {
        let (registry, ours, theirs) = own();
        let mut group = ours.counter_group::<Id, u64>("things");
        match limit_of_code {
            true => group = group.cardinality_limit(4),
            false => registry.set_cardinality_limit(4),
        }
        let group = group.build()?;
        let counter = theirs.u64_counter("things").build();
        for round in 0..2 {
            for id in 0..10_u64 {
                group.with(Id(id)).add(1);
                counter.add(100, &[KeyValue::new("id", id as i64)]);
                counter.add(10_000, &[KeyValue::new("other", id as i64)]);
            }
            let all = series(&registry, THINGS);
            let rounds = f64::from(round + 1);
            assert_eq!(all.len(), 5, "{all:?}");
            assert_eq!(total(&registry, THINGS), 101_010.0 * rounds);
            let expected = ["id=0", "id=1", "other=0", "other=1", OVERFLOW];
            let values = [101.0, 101.0, 10_000.0, 10_000.0, 80_808.0].map(|it| it * rounds);
            let expected = expected.map(str::to_owned).into_iter().zip(values);
            assert_eq!(all, expected.collect::<Vec<_>>());
        }
        assert_eq!(registry.store_health().overflowing, [THINGS]);
    }
    Ok(())
}

/// A label with a limit of two values.
struct Capped;

impl Labels for Capped {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("tenant").max_values(2)];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit("from the facade".label());
    }
}

#[test]
fn a_limit_of_a_declared_label_counts_for_both() -> Result<(), InstrumentError> {
    let (registry, ours, theirs) = own();
    let group = ours.counter_group::<Capped, u64>("things").build()?;
    let counter = theirs.u64_counter("things").build();
    counter.add(1, &tenant("a"));
    group.with(Capped).add(10);
    for _ in 0..2 {
        counter.add(100, &tenant("b"));
        counter.add(100, &tenant("c"));
    }
    let expected = [("tenant=a", 1.0), ("tenant=from the facade", 10.0), ("tenant=other", 400.0)];
    assert_series(&registry, THINGS, expected);

    let _jobs = ours.observable_counter_group::<Capped, u64>("jobs").build()?;
    let jobs = theirs.u64_observable_counter("jobs").with_callback(|jobs| {
        ["a", "b", "c", "d"].iter().for_each(|name| jobs.observe(5, &tenant(name)));
    });
    let _observed = jobs.build();
    registry.refresh();
    let expected = [("tenant=a", 5.0), ("tenant=b", 5.0), ("tenant=other", 10.0)];
    assert_series(&registry, "backstage.plugin.own.jobs", expected);
    Ok(())
}

#[test]
fn a_series_that_the_facade_removes_restarts_from_zero() -> Result<(), InstrumentError> {
    let (registry, ours, theirs) = own();
    let group = ours.counter_group::<Tenant<'static>, u64>("things").build()?;
    let counter = theirs.u64_counter("things").build();
    counter.add(100, &tenant("a"));
    let before = points(&registry, THINGS);
    assert!(group.remove(Tenant("a")));
    assert!(points(&registry, THINGS).is_empty());
    counter.add(1, &tenant("a"));
    let after = points(&registry, THINGS);
    assert_eq!(after[0].value.as_f64(), 1.0);
    assert_ne!(after[0].series, before[0].series, "another one");
    assert!(after[0].start > before[0].start);
    Ok(())
}

#[test]
fn an_observed_group_takes_the_values_of_both_apis_callbacks() -> Result<(), InstrumentError> {
    let (registry, ours, theirs) = own();
    let rows = theirs.u64_observable_counter("things").with_callback(|observer| {
        observer.observe(1, &tenant("a"));
        observer.observe(2, &[KeyValue::new("shard", 1)]);
    });
    let _rows = rows.build();
    let group = ours.observable_counter_group::<Tenant<'static>, u64>("things");
    group.observe_with(|observer| observer.observe(Tenant("b"), 4))?.forget();
    registry.refresh();
    assert_series(&registry, THINGS, [("shard=1", 2.0), ("tenant=a", 1.0), ("tenant=b", 4.0)]);
    Ok(())
}

#[test]
fn another_unit_from_the_other_door_is_another_stream_and_warned_of_once() {
    for facade_first in [false, true] {
        let (registry, ours, theirs) = own();
        let ((), lines) = log_lines::of(|| {
            for our_turn in [facade_first, !facade_first, facade_first] {
                if our_turn {
                    let own = ours.counter::<u64>("things").unit("By").build();
                    own.expect("no clash: the unit makes another stream").add(1);
                } else {
                    theirs.u64_counter("things").with_unit("{thing}").build().add(10, &[]);
                }
            }
        });
        let [line] = &lines[..] else { panic!("{lines:#?}") };
        for part in ["WARN instrument was created twice with a different unit", "both are", THINGS]
        {
            assert!(line.contains(part), "`{part}` in {line}");
        }
        let all = all_named(&registry, THINGS);
        let mut units: Vec<_> = all.iter().map(|it| &*it.descriptor.unit).collect();
        units.sort_unstable();
        assert_eq!(units, ["By", "{thing}"]);
    }
}

#[test]
fn the_longer_description_of_both_apis_stays_with_one_warning() {
    for (our_words, their_words) in [("Ours.", "Theirs, longer."), ("Ours, longer.", "Theirs.")] {
        for facade_first in [false, true] {
            let (registry, ours, theirs) = own();
            let ((), lines) = log_lines::of(|| {
                for our_turn in [facade_first, !facade_first, facade_first, !facade_first] {
                    if our_turn {
                        let own = ours.counter::<u64>("things").description(our_words).build();
                        own.expect("no clash: the same declaration").add(1);
                    } else {
                        let other = theirs.u64_counter("things").with_description(their_words);
                        other.build().add(1, &[]);
                    }
                }
            });
            let [line] = &lines[..] else { panic!("{lines:#?}") };
            assert!(
                line.contains("a different description: only one of the two is used"),
                "{line}"
            );
            assert_series(&registry, THINGS, [("", 4.0)]);
            let described = all_named(&registry, THINGS)[0].descriptor.description.clone();
            assert!(described.ends_with("longer."), "{described}");
        }
    }
}
