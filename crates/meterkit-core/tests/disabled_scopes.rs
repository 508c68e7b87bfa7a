//! Scopes that an operator has disabled: they record nothing, run no callbacks and export nothing until they are
//! enabled again.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use meterkit_core::{InstrumentError, ManualClock, Registry};
use meterkit_fakes::catalog;
use meterkit_fakes::label_sets::{Id, Light};
use meterkit_fakes::readings::{histogram, metric, points, series, total, value};

const REQUESTS: &str = "backstage.plugin.catalog.requests";

fn disable(registry: &Registry, scopes: &str) {
    registry.set_disabled_scopes(scopes.parse().expect("good patterns"));
}

#[test]
fn existing_instruments_stop_and_start_anew() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let other = registry.scoped("core", "http").counter::<u64>("requests").build()?;
    let counter = meter.counter::<u64>("requests").build()?;
    let gauge = meter.gauge::<i64>("queue").build()?;
    let open = meter.up_down_counter::<i64>("open").build()?;
    let sizes = meter.histogram::<f64>("sizes").build()?;
    let record = || {
        counter.add(2);
        gauge.add(2);
        open.increment();
        sizes.record(2.0);
        other.increment();
    };
    record();
    disable(&registry, "plugin.catalog");
    record();
    gauge.set(77);
    gauge.set_max(77);
    counter.add(9);
    let names: Vec<_> = registry.read().iter().map(|scope| scope.scope.name().to_owned()).collect();
    assert_eq!(names, ["backstage.core.http"]);
    disable(&registry, "");
    assert_eq!(
        total(&registry, REQUESTS),
        0.0,
        "targets have seen the series end, so it starts anew"
    );
    record();
    assert_eq!((counter.value(), gauge.value(), open.value()), (2, 2, 1));
    let (_, points) = histogram(&registry, "backstage.plugin.catalog.sizes");
    assert_eq!((points[0].count, points[0].sum), (1, 2.0));
    assert_eq!(other.value(), 3);
    assert!(
        metric(&registry, "meterkit.dropped").is_none(),
        "values of a disabled scope do not count as dropped"
    );
    Ok(())
}

#[test]
fn instruments_created_while_disabled_work_once_enabled() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    disable(&registry, "plugin.*");
    let counter = meter.counter::<u64>("requests").build()?;
    let registered = meter.counter::<u64>("registered").register();
    let gauge = meter.gauge::<i64>("queue").build()?;
    let sizes = meter.histogram::<u64>("sizes").build()?;
    let group = meter.counter_group::<Id, u64>("by_id").build()?;
    let record = || {
        counter.increment();
        registered.increment();
        gauge.add(1);
        sizes.record(1);
        group.with(Id(1)).increment();
    };
    record();
    assert!(registry.read().is_empty());
    assert_eq!(counter.value(), 0);
    disable(&registry, "");
    record();
    for name in ["requests", "registered", "queue", "by_id"] {
        assert_eq!(total(&registry, &format!("backstage.plugin.catalog.{name}")), 1.0, "{name}");
    }
    assert_eq!(histogram(&registry, "backstage.plugin.catalog.sizes").1[0].count, 1);
    Ok(())
}

#[test]
fn groups_create_no_series_while_disabled() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    registry.set_series_limit(1);
    let open = meter.counter_group::<Id, u64>("requests").cardinality_limit(1).build()?;
    let closed = meter.counter_group::<Light, u64>("lights").build()?;
    let kept = open.with(Id(7)).clone();
    kept.increment();
    disable(&registry, "plugin.catalog");
    for id in 0..10 {
        open.with(Id(id)).increment();
        closed.with(Light::all()[id as usize]).increment();
    }
    kept.increment();
    assert!(open.remove(Id(7)), "the series can be removed meanwhile");
    disable(&registry, "");
    assert!(registry.read().is_empty());
    open.with(Id(3)).increment();
    assert_eq!(series(&registry, REQUESTS), [("id=3".to_owned(), 1.0)]);
    Ok(())
}

#[test]
fn zero_initialized_groups_show_once_enabled() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    disable(&registry, "plugin.catalog");
    let _lights = meter.counter_group::<Light, u64>("requests").zero_initialized().build()?;
    let _gauges = meter.gauge_group::<Light, i64>("gauges").zero_initialized().build()?;
    assert!(registry.read().is_empty());
    disable(&registry, "");
    assert_eq!(points(&registry, REQUESTS).len(), Light::SETS);
    assert_eq!(points(&registry, "backstage.plugin.catalog.gauges").len(), Light::SETS);
    Ok(())
}

#[test]
fn callbacks_do_not_run_while_disabled() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let _rows =
        meter.observable_gauge::<u64>("rows").observe(move || counted.fetch_add(1, SeqCst) + 1)?;
    let rows = "backstage.plugin.catalog.rows";
    registry.refresh();
    disable(&registry, "plugin.catalog");
    registry.refresh();
    assert_eq!(runs.load(SeqCst), 1);
    assert!(metric(&registry, rows).is_none());
    disable(&registry, "core.*");
    registry.refresh();
    assert_eq!(value(&registry, rows).map(|value| value.as_f64()), Some(2.0));
    Ok(())
}

#[test]
fn kebab_case_is_snake_case_in_scopes_and_patterns() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    for pattern in ["plugin.mcp-actions", "plugin.mcp_actions", "backstage.plugin.mcp-*"] {
        disable(&registry, pattern);
        for name in ["mcp-actions", "mcp_actions"] {
            registry.scoped("plugin", name).counter::<u64>("requests").build()?.increment();
            assert!(registry.read().is_empty(), "`{name}` under `{pattern}`");
        }
    }
    disable(&registry, "plugin.mcp");
    assert_eq!(registry.read().len(), 1);
    Ok(())
}

#[test]
fn one_version_of_a_scope_goes_with_the_others() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    for version in ["1", "2"] {
        meter.clone().version(version).counter::<u64>("requests").build()?.increment();
    }
    disable(&registry, "plugin.catalog");
    assert!(registry.read().is_empty());
    disable(&registry, "");
    assert_eq!(registry.read().len(), 2);
    Ok(())
}

#[test]
fn the_stores_own_scope_can_be_disabled() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let floats = meter.counter::<f64>("floats").build()?;
    let group = meter.counter_group::<Id, u64>("requests").cardinality_limit(1).build()?;
    for patterns in ["meterkit", "*"] {
        disable(&registry, patterns);
        floats.add(f64::NAN);
        group.with(Id(1)).increment();
        group.with(Id(2)).increment();
        registry.refresh();
        assert!(metric(&registry, "meterkit.dropped").is_none());
        assert!(metric(&registry, "meterkit.series").is_none());
    }
    disable(&registry, "");
    floats.add(f64::NAN);
    registry.refresh();
    assert_eq!(total(&registry, "meterkit.dropped"), 1.0);
    assert_eq!(total(&registry, "meterkit.series"), 1.0);
    Ok(())
}

#[test]
fn timers_and_guards_of_a_disabled_scope_are_silent() -> Result<(), InstrumentError> {
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    let meter = registry.scoped("plugin", "catalog");
    let sizes = meter.histogram::<f64>("duration").unit("s").build()?;
    let by_id = meter.histogram_group::<Id, f64>("by_id").unit("s").build()?;
    let open = meter.up_down_counter::<i64>("open").build()?;
    disable(&registry, "plugin.catalog");
    let early = open.guard();
    assert_eq!(sizes.time(|| 7), 7);
    drop(sizes.start_timer());
    by_id.start_timer().observe(Id(1));
    disable(&registry, "");
    drop(early);
    assert_eq!(open.value(), 0, "the guard does not subtract what it has not added");
    assert!(metric(&registry, "backstage.plugin.catalog.duration").is_none());
    Ok(())
}

#[test]
fn patterns_that_matched_no_scope_are_reported() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let _requests = meter.counter::<u64>("requests").build()?;
    disable(&registry, "plugin.catalog,Plugin.Mcp-Actions,core.*,techdocs");
    assert_eq!(registry.unmatched_disabled_scopes(), ["plugin.mcp_actions", "core.*", "techdocs"]);

    let _later = registry.scoped("plugin", "mcp-actions").counter::<u64>("calls").build()?;
    let core = registry.scoped("core", "http");
    let _queue = core.gauge::<i64>("queue").build()?;
    assert_eq!(registry.unmatched_disabled_scopes(), ["techdocs"]);
    core.unload();
    assert_eq!(registry.unmatched_disabled_scopes(), ["techdocs"], "`core.*` has matched a scope");

    disable(&registry, "core.*");
    assert_eq!(
        registry.unmatched_disabled_scopes(),
        ["core.*"],
        "new patterns have matched nothing yet"
    );
    Ok(())
}

#[test]
fn the_core_scope_matches_patterns_of_its_kind() -> Result<(), InstrumentError> {
    for (pattern, is_disabled) in [
        ("core", true),
        ("core.*", true),
        ("backstage.core", true),
        ("core.http", false),
        ("plugin.*", false),
    ] {
        let registry = Registry::new();
        let meter = registry.core();
        meter.counter::<u64>("http.requests").build()?.increment();
        let names: Vec<_> = registry.read().iter().map(|it| it.scope.name().to_owned()).collect();
        assert_eq!(names, ["backstage.core"]);
        disable(&registry, pattern);
        assert_eq!(registry.read().is_empty(), is_disabled, "{pattern}");
    }
    Ok(())
}
