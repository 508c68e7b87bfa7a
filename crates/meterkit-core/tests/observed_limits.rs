//! Limits on the number of series of observable instruments.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use meterkit_core::{AttributeValue, InstrumentError, LabelKey, LabelValue, LabelVisitor, Labels};
use meterkit_fakes::catalog;
use meterkit_fakes::gate::counted;
use meterkit_fakes::label_sets::{Id, Light, Tenant};
use meterkit_fakes::readings::{self, OVERFLOW, live, points, series, total};

const ROWS: &str = "backstage.plugin.catalog.rows";

/// The series to report. The value of each is its own number.
type Ids = Arc<Mutex<Vec<u64>>>;

fn text(expected: &[(&str, f64)]) -> Vec<(String, f64)> {
    expected.iter().map(|(labels, value)| ((*labels).to_owned(), *value)).collect()
}

#[test]
fn the_overflow_series_is_the_sum_of_totals_and_the_last_value_of_gauges()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let counter = meter.observable_counter_group::<Id, u64>("rows.counter").cardinality_limit(2);
    let sum = meter.observable_up_down_counter_group::<Id, i64>("rows.sum").cardinality_limit(2);
    let gauge = meter.observable_gauge_group::<Id, f64>("rows.gauge").cardinality_limit(2);
    let _guards = [
        counter
            .observe_with(|it| [1, 2, 30, 40, 2].iter().for_each(|id| it.observe(Id(*id), *id)))?,
        sum.observe_with(|it| {
            [1, 2, 30, 40_i64].iter().for_each(|id| it.observe(Id(*id as u64), -id))
        })?,
        gauge.observe_with(|it| {
            [1, 2, 30, 40].iter().for_each(|id| it.observe(Id(*id), *id as f64))
        })?,
    ];
    for _ in 0..3 {
        registry.refresh();
        for (name, values) in [
            ("counter", [1.0, 2.0, 70.0]),
            ("sum", [-1.0, -2.0, -70.0]),
            ("gauge", [1.0, 2.0, 40.0]),
        ] {
            let name = format!("{ROWS}.{name}");
            let expected = text(&[("id=1", values[0]), ("id=2", values[1]), (OVERFLOW, values[2])]);
            assert_eq!(series(&registry, &name), expected, "{name}");
            assert_eq!(counted(&registry, &name), Some(2.0));
        }
    }
    let told = series(&registry, "meterkit.overflow");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|(_, value)| *value == 6.0), "{told:?}");
    Ok(())
}

#[test]
fn room_is_released_when_series_vanish_and_the_overflow_series_ends() -> Result<(), InstrumentError>
{
    let (registry, meter) = catalog();
    let ids = Ids::default();
    let shown = ids.clone();
    let rows = meter.observable_counter_group::<Id, u64>("rows").cardinality_limit(3);
    let guard = rows.observe_with(move |observer| {
        shown.lock().unwrap().iter().for_each(|id| observer.observe(Id(*id), *id));
    })?;
    let mut last_overflow = None;
    for (reported, kept, overflow) in [
        (&[1, 2, 3, 4, 5][..], &[1, 2, 3][..], 9.0),
        (&[5, 4, 3], &[3], 9.0),
        (&[5, 4, 3], &[3, 4, 5], 0.0),
        (&[], &[], 0.0),
        (&[9, 8, 7, 6], &[7, 8, 9], 6.0),
    ] {
        *ids.lock().unwrap() = reported.to_vec();
        registry.refresh();
        let all = points(&registry, ROWS);
        let (overflown, others): (Vec<_>, Vec<_>) =
            all.iter().partition(|it| readings::labels(it) == OVERFLOW);
        let labels: Vec<_> = others.into_iter().map(readings::labels).collect();
        let expected: Vec<_> = kept.iter().map(|id| format!("id={id}")).collect();
        assert_eq!(labels, expected, "{reported:?}");
        assert_eq!(overflown.iter().map(|it| it.value.as_f64()).sum::<f64>(), overflow);
        assert_eq!(counted(&registry, ROWS), Some(kept.len() as f64));
        if let Some(point) = overflown.first() {
            let fell = last_overflow.is_some_and(|(_, value)| overflow < value);
            let begun = last_overflow.is_some_and(|(start, _)| start < point.start);
            assert_eq!(fell, begun, "a series that starts anew has a start of its own");
            last_overflow = Some((point.start, overflow));
        }
    }
    drop(guard);
    registry.refresh();
    assert_eq!(counted(&registry, ROWS), Some(0.0));
    assert!(points(&registry, ROWS).is_empty());
    Ok(())
}

#[test]
fn all_instruments_share_the_limit_of_the_process() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    registry.set_series_limit(5);
    let recorded = meter.counter_group::<Id, u64>("recorded").build()?;
    recorded.with(Id(1)).increment();
    let report = |observer: &mut meterkit_core::SeriesObserver<'_, _, u64, Id>| {
        (0..3).for_each(|id| observer.observe(Id(id), 1));
    };
    let first = meter.observable_counter_group::<Id, u64>("first").observe_with(report)?;
    let second = meter.observable_counter_group::<Id, u64>("second").observe_with(report)?;
    let names = ["first", "second", "recorded"].map(|it| format!("backstage.plugin.catalog.{it}"));
    let lives = || names.each_ref().map(|name| live(&registry, name));
    registry.refresh();
    assert_eq!(lives(), [3, 1, 1]);
    drop(first);
    registry.refresh();
    assert_eq!(lives(), [0, 3, 1]);
    recorded.with(Id(2)).increment();
    recorded.with(Id(3)).increment();
    assert_eq!(lives(), [0, 3, 2]);
    registry.set_series_limit(1);
    registry.refresh();
    assert_eq!(lives(), [0, 3, 2], "existing series stay");
    drop(second);
    meter.unload();
    registry.set_series_limit(4);
    let again = registry.scoped("plugin", "catalog").counter_group::<Id, u64>("again").build()?;
    (0..9).for_each(|id| again.with(Id(id)).increment());
    assert_eq!(live(&registry, "backstage.plugin.catalog.again"), 4, "all room was released");
    Ok(())
}

#[test]
fn the_limit_of_the_registry_applies_to_instruments_without_their_own()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    registry.set_cardinality_limit(4);
    let rows = meter.observable_gauge_group::<Id, u64>("rows");
    let _rows = rows.observe_with(|it| (0..9).for_each(|id| it.observe(Id(id), id)))?;
    registry.refresh();
    assert_eq!(live(&registry, ROWS), 4);
    registry.set_cardinality_limit(6);
    registry.refresh();
    assert_eq!((live(&registry, ROWS), counted(&registry, ROWS)), (6, Some(6.0)));
    let none = meter.observable_gauge_group::<Id, u64>("none").cardinality_limit(0).build();
    assert!(matches!(none, Err(InstrumentError::CardinalityLimit { .. })));
    Ok(())
}

#[test]
fn an_instrument_without_labels_needs_no_room() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    registry.set_series_limit(1);
    registry.set_cardinality_limit(1);
    let taken = meter.counter_group::<Id, u64>("taken").build()?;
    taken.with(Id(1)).increment();
    let rows = meter.observable_gauge::<u64>("rows").build()?;
    let _guards = [rows.observe(|| 1), rows.observe(|| 2)];
    registry.refresh();
    assert_eq!(series(&registry, ROWS), text(&[("", 2.0)]));
    assert_eq!(counted(&registry, ROWS), None);
    Ok(())
}

/// A label that allows two distinct values.
struct Shard(u64);

impl Labels for Shard {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::of::<u64>("shard").max_values(2)];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

#[test]
fn label_values_beyond_their_cap_are_other() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let rows = meter.observable_gauge_group::<Shard, u64>("rows");
    let guard =
        rows.observe_with(|it| [7, 8, 9].into_iter().for_each(|id| it.observe(Shard(id), id)))?;
    for _ in 0..3 {
        registry.refresh();
        let mut shown = series(&registry, ROWS);
        shown.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(shown, text(&[("shard=7", 7.0), ("shard=8", 8.0), ("shard=other", 9.0)]));
        assert_eq!(counted(&registry, ROWS), Some(3.0));
    }
    drop(guard);
    registry.refresh();
    assert_eq!(counted(&registry, ROWS), Some(0.0));
    Ok(())
}

#[test]
fn totals_whose_labels_became_other_add_up() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let rows = meter.observable_counter_group::<Shard, u64>("rows");
    let ids = [9, 7, 10, 8, 9];
    let _rows = rows.observe_with(move |it| {
        // If one series is reported twice, the last value wins. If several series became one, their values add up.
        it.observe(Shard(7), 1);
        it.observe(Shard(8), 1);
        ids.into_iter().for_each(|id| it.observe(Shard(id), id));
    })?;
    for _ in 0..2 {
        registry.refresh();
        let mut shown = series(&registry, ROWS);
        shown.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(shown, text(&[("shard=7", 7.0), ("shard=8", 8.0), ("shard=other", 28.0)]));
    }
    Ok(())
}

#[test]
fn attributes_of_all_metrics_may_change_between_runs_and_readings() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let rows = meter.observable_gauge_group::<Tenant<'static>, u64>("rows").attribute("kind", "x");
    let rows = rows.cardinality_limit(2);
    let _rows =
        rows.observe_with(|it| ["b", "a", "c"].iter().for_each(|id| it.observe(Tenant(id), 1)))?;
    registry.refresh();
    for zone in [Some("z"), Some("y"), None] {
        let pair = zone.map(|zone| (Cow::Borrowed("zone"), AttributeValue::from(zone)));
        registry.set_attributes(pair).expect("a good key");
        let zone = zone.map_or(String::new(), |zone| format!(",zone={zone}"));
        let expected = [
            format!("kind=x,tenant=a{zone}"),
            format!("kind=x,tenant=b{zone}"),
            format!("kind=x,{OVERFLOW}{zone}"),
        ];
        let labels: Vec<_> = series(&registry, ROWS).into_iter().map(|it| it.0).collect();
        assert_eq!(labels, expected, "without another run");
        registry.refresh();
        assert_eq!(series(&registry, ROWS).len(), 3);
    }
    Ok(())
}

#[test]
fn many_series_in_any_order_are_each_reported_once() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let ids = Ids::default();
    let shown = ids.clone();
    let rows = meter.observable_counter_group::<Id, u64>("rows").cardinality_limit(700);
    let _rows = rows.observe_with(move |observer| {
        shown.lock().unwrap().iter().for_each(|id| observer.observe(Id(*id), *id));
    })?;
    let mut seed = 7_u64;
    for round in 0..60 {
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed >> 33
        };
        let mut reported: Vec<u64> = match round % 4 {
            // The same as before, another order, other series, or hardly any series.
            0 => ids.lock().unwrap().clone(),
            1 => ids.lock().unwrap().iter().rev().copied().collect(),
            2 => (0..600).map(|_| next() % 900).collect(),
            _ => (0..9).map(|_| next() % 900).collect(),
        };
        reported.truncate(650);
        ids.lock().unwrap().clone_from(&reported);
        registry.refresh();
        let expected: HashSet<u64> = reported.into_iter().collect();
        let all = series(&registry, ROWS);
        let as_text: HashSet<_> = expected.iter().map(|id| (format!("id={id}"), *id)).collect();
        let seen: HashSet<_> =
            all.iter().map(|(labels, value)| (labels.clone(), *value as u64)).collect();
        assert_eq!(all.len(), expected.len());
        assert_eq!(seen, as_text, "round {round}");
        assert_eq!(counted(&registry, ROWS), Some(expected.len() as f64));
    }
    assert_eq!(total(&registry, "meterkit.overflow"), 0.0);
    Ok(())
}

#[test]
fn closed_label_sets_are_reported_like_others() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let rows = meter.observable_up_down_counter_group::<Light, i64>("rows");
    let _rows =
        rows.observe_with(|it| Light::all().into_iter().for_each(|light| it.observe(light, 1)))?;
    registry.refresh();
    let labels: HashSet<_> = series(&registry, ROWS).into_iter().map(|it| it.0).collect();
    assert_eq!(labels, Light::all().iter().map(Light::text).collect());
    Ok(())
}
