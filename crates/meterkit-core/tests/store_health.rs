//! The registry reports its problems, and reports nothing when there are none.

use std::time::Duration;

use meterkit_core::{Registry, StoreHealth};
use meterkit_fakes::label_sets::Route;

#[test]
fn a_registry_without_problems_reports_nothing() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    meter.counter_group::<Route, u64>("requests").build().unwrap().with(Route("/")).increment();
    let _rows = meter.observable_gauge::<u64>("rows").observe(|| 1).unwrap();
    registry.refresh();
    assert_eq!(registry.store_health(), StoreHealth::default());
}

#[test]
fn dropped_values_are_counted_whatever_the_reason() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    meter.counter::<f64>("sales").build().unwrap().add(-1.0);
    meter.gauge::<f64>("price").build().unwrap().set(f64::NAN);
    assert_eq!(registry.store_health().dropped_values, 2);
}

#[test]
fn an_instrument_without_room_for_further_series_is_named() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let routes = meter.counter_group::<Route, u64>("routes").cardinality_limit(1).build().unwrap();
    let others = meter.counter_group::<Route, u64>("others").cardinality_limit(1).build().unwrap();
    others.with(Route("/a")).increment();
    for route in ["/a", "/b"] {
        routes.with(Route(route)).increment();
    }
    assert_eq!(registry.store_health().overflowing, ["backstage.plugin.catalog.routes"]);
}

#[test]
fn an_instrument_that_has_used_nine_tenths_of_its_limit_is_named_until_it_exceeds_it() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let routes = meter.counter_group::<Route, u64>("routes").cardinality_limit(10).build().unwrap();
    let add = |from: u32, to: u32| {
        (from..to).for_each(|route| {
            routes.with(Route(format!("/{route}").leak())).increment();
        });
        registry.store_health()
    };
    assert_eq!(add(0, 8).near_limit, [""; 0]);
    assert_eq!(add(8, 9).near_limit, ["backstage.plugin.catalog.routes"]);
    let full = add(9, 12);
    assert_eq!((full.near_limit.len(), full.overflowing.len()), (0, 1));
}

#[test]
fn a_callback_that_runs_in_the_background_is_named_until_it_is_gone() {
    let registry = Registry::new();
    let rows = registry.scoped("plugin", "catalog").observable_gauge::<u64>("rows");
    let slow = rows.budget(Duration::ZERO).observe(|| 1).unwrap();
    // Each run exceeds a budget of zero. Three overruns in a row are needed.
    for _ in 0..1000 {
        registry.refresh();
        if !registry.store_health().callbacks_in_background.is_empty() {
            break;
        }
        std::thread::yield_now();
    }
    let name = "backstage.plugin.catalog.rows";
    assert_eq!(registry.store_health().callbacks_in_background, [name]);
    drop(slow);
    assert!(registry.store_health().callbacks_in_background.is_empty());
}

#[test]
fn a_metric_of_the_library_itself_may_have_a_single_bucket_and_no_limit_stops_it() {
    let registry = Registry::new();
    registry.set_series_limit(1);
    let took = registry.self_metric::<meterkit_core::HistogramGroup<Route>>("meterkit.test");
    let took = took.buckets([]).build().unwrap();
    for route in ["/a", "/b", "/c"] {
        took.with(Route(route)).record(2.0);
    }
    let read = registry.read();
    assert_eq!((read.len(), read[0].scope.name()), (1, "meterkit"));
    assert_eq!(read[0].metrics[0].data.len(), 3);
    let refused = registry.scoped("plugin", "catalog").histogram::<f64>("took").buckets([]).build();
    assert!(refused.is_err(), "other histograms need a boundary");
}
