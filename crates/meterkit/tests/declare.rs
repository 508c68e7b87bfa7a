//! Declared instruments are known before anything uses them. A program of its own: all tests that use the global registry
//! would see the declarations.

use meterkit::prometheus::PrometheusServer;
use meterkit::testing::assert_metric;
use meterkit::{
    Counter, CounterGroup, Gauge, Histogram, LabelValue, Labels, Meter, Metrics, ObservableGauge,
    Registry, Telemetry, declare,
};
use meterkit_fakes::own_process::rerun;

use self::http_get::scrape;

mod http_get;

#[derive(Labels)]
struct Shipment {
    carrier: Carrier,
}

#[derive(LabelValue)]
enum Carrier {
    Ship,
    Train,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "cart")]
struct CartMetrics {
    /// Carts that were left behind.
    #[metric(zero_initialized)]
    abandoned: Gauge,
}

/// The only declarations of this program, as it has one global registry.
mod shop {
    use super::*;

    declare! {
        /// Shipments that left,
        /// by carrier.
        pub static SHIPMENTS: CounterGroup<Shipment> = Meter::scoped("plugin", "shop"), "shipments", unit = "{shipment}", zero_initialized;
        pub static DURATION: Histogram = Meter::scoped("plugin", "shop"), unit = "s", buckets = [0.1, 1.0];
        /// A name as it is written.
        pub static RETRIES: Counter<u64> = "shop_retries_total";
        /// Rows of the table of orders.
        pub static ROWS: ObservableGauge<u64> = Meter::scoped("plugin", "shop"), ;
        pub static CART: CartMetrics;
        #[cfg(any())]
        pub static NOT_HERE: Counter = "shop_not_here";
        static BROKEN: Counter = "shop broken";
    }
}

mod shortest {
    use super::*;

    include!("declare/labeled_counter.rs");

    pub(super) fn record() {
        call();
    }
}

#[test]
fn the_catalog_has_what_is_declared_before_it_is_used() {
    if rerun("the_catalog_has_what_is_declared_before_it_is_used", &[]).is_some() {
        return;
    }
    let catalog = Registry::global().catalog();
    let declared: Vec<_> = catalog.entries.iter().map(|it| (&*it.name, &*it.description)).collect();
    assert_eq!(
        declared,
        [
            ("backstage.plugin.cart.abandoned", "Carts that were left behind."),
            ("backstage.plugin.shop.duration", ""),
            ("backstage.plugin.shop.orders_processed", ""),
            ("backstage.plugin.shop.rows", "Rows of the table of orders."),
            ("backstage.plugin.shop.shipments", "Shipments that left, by carrier."),
            ("shop_retries_total", "A name as it is written."),
        ]
    );
    assert_eq!(catalog.entries[1].buckets, [0.1, 1.0]);
    assert_eq!(catalog.entries[4].unit, "{shipment}");
}

#[test]
fn the_first_scrape_has_what_is_declared_to_begin_at_zero() {
    if rerun("the_first_scrape_has_what_is_declared_to_begin_at_zero", &[]).is_some() {
        return;
    }
    let telemetry =
        Telemetry::builder().prometheus(PrometheusServer::new().port(0)).install().unwrap();
    let body = scrape(telemetry.prometheus_address().unwrap()).unwrap();
    for line in [
        "backstage_plugin_shop_shipments_total{carrier=\"ship\",",
        "backstage_plugin_shop_shipments_total{carrier=\"train\",",
        "backstage_plugin_cart_abandoned{",
    ] {
        assert!(body.contains(line), "{line} in {body}");
    }
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn a_declared_static_records_like_any_other() {
    if rerun("a_declared_static_records_like_any_other", &[]).is_some() {
        return;
    }
    shop::SHIPMENTS.with(Shipment { carrier: Carrier::Train }).increment();
    shop::DURATION.record(0.5);
    shop::RETRIES.add(2);
    shop::CART.abandoned.set(3);
    shop::ROWS.observe(|| 4).forget();
    let _ = Carrier::Ship;
    let registry = Registry::global();
    registry.refresh();
    assert_metric!(registry, "backstage.plugin.shop.shipments" { carrier = "train" } == 1);
    assert_metric!(registry, "backstage.plugin.shop.duration" count == 1);
    assert_metric!(registry, "shop_retries_total" == 2);
    assert_metric!(registry, "backstage.plugin.cart.abandoned" == 3);
    assert_metric!(registry, "backstage.plugin.shop.rows" == 4);
}

#[test]
fn another_registry_has_none_of_the_declarations() {
    assert_eq!(Registry::new().catalog().entries, []);
}

/// Encore for Go, as its documentation has it, where a service needs no scope.
const OF_ENCORE: &str = r#"
type Labels struct {
    Success bool
}
var OrdersProcessed = metrics.NewCounterGroup[Labels, uint64]("orders_processed", metrics.CounterConfig{})
OrdersProcessed.With(Labels{Success: true}).Increment()
"#;

#[test]
fn a_labeled_counter_of_a_package_takes_no_more_characters_than_in_encore() {
    if rerun("a_labeled_counter_of_a_package_takes_no_more_characters_than_in_encore", &[])
        .is_some()
    {
        return;
    }
    shortest::record();
    assert_metric!(Registry::global(), "backstage.plugin.shop.orders_processed" { success = "true" } == 1);
    let ours = include_str!("declare/labeled_counter.rs").replace("fn call() {", "");
    let ours = ours.trim_end().trim_end_matches('}');
    // Where lines are broken is a matter of taste.
    let length = |code: &str| code.chars().filter(|it| !it.is_whitespace()).count();
    assert!(length(ours) <= length(OF_ENCORE), "{} and {}", length(ours), length(OF_ENCORE));
}
