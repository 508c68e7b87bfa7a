//! Catalogs are compared like expositions, including the details that only catalogs have.

use meterkit_cli::{Cause, Comparison, Inventory, MixedError};
use meterkit_core::{Buckets, Catalog, LabelKey, LabelVisitor, Labels, Meter, Registry};

fn read(catalog: &Catalog) -> Inventory {
    Inventory::read(&catalog.to_json()).expect("a catalog")
}

fn made(meter: fn(&Registry) -> Meter, fill: impl Fn(&Meter)) -> Inventory {
    let registry = Registry::new();
    fill(&meter(&registry));
    read(&registry.catalog())
}

fn causes(comparison: &Comparison) -> Vec<(Cause, Vec<String>)> {
    let groups = comparison.groups().iter();
    let lines =
        groups.map(|it| (it.cause, it.differences.iter().map(ToString::to_string).collect()));
    lines.collect()
}

struct Closed<const IS_NEW: bool>;

impl<const IS_NEW: bool> Labels for Closed<IS_NEW> {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[if IS_NEW {
        LabelKey::of::<Option<bool>>("cached")
    } else {
        LabelKey::of::<bool>("cached")
    }];
    fn visit(&self, _: &mut impl LabelVisitor) {}
}

#[test]
fn catalogs_are_compared_by_the_names_in_prometheus() {
    let fill = |meter: &Meter| {
        let _ = meter.counter::<u64>("requests").build().expect("a counter");
        let _ = meter.histogram::<f64>("wait").unit("s").build().expect("a histogram");
    };
    let plain = made(|registry| registry.plain(), fill);
    let scoped = made(|registry| registry.scoped("plugin", "shop"), fill);
    let comparison = Comparison::new(&plain, &scoped).expect("two catalogs");
    let [requests, wait] = [
        "requests -> backstage_plugin_shop_requests_total",
        "wait -> backstage_plugin_shop_wait_seconds",
    ];
    let prefix = "with backstage_plugin_shop_";
    assert_eq!(
        causes(&comparison),
        [
            (
                Cause::PrefixAdded,
                vec![format!("{requests}: {prefix}"), format!("{wait}: {prefix}")]
            ),
            (Cause::UnitAppended, vec![format!("{wait}: with seconds")]),
            (Cause::TotalAppended, vec![requests.to_owned()]),
        ]
    );
    assert!(Comparison::new(&scoped, &scoped).expect("two catalogs").is_equal());
}

#[test]
fn names_units_bounds_and_labels_of_catalogs_are_compared() {
    let old = made(
        |registry| registry.semconv("http"),
        |meter| {
            let _ = meter.gauge::<u64>("http.load").build().expect("a gauge");
            let _ = meter.gauge::<u64>("age").unit("s").build().expect("a gauge");
            let wait =
                meter.histogram::<f64>("wait").buckets(Buckets::exponential_by_powers(0.1, 3.0, 4));
            let _ = wait.build().expect("a histogram");
            let _ = meter.gauge_group::<Closed<false>, u64>("rows").build().expect("a group");
        },
    );
    let new = made(
        |registry| registry.semconv("http"),
        |meter| {
            let _ = meter.gauge::<u64>("http_load").build().expect("a gauge");
            let _ = meter.gauge::<u64>("age").unit("ms").build().expect("a gauge");
            let wait = meter.histogram::<f64>("wait").buckets(Buckets::exponential(0.1, 3.0, 4));
            let _ = wait.build().expect("a histogram");
            let rows = meter.gauge_group::<Closed<true>, u64>("rows").attribute("host", "a");
            let _ = rows.build().expect("a group");
        },
    );
    let comparison = Comparison::new(&old, &new).expect("two catalogs");
    let line = |text: &str| vec![text.to_owned()];
    assert_eq!(
        causes(&comparison),
        [
            (Cause::NameSpelling, line("http_load: http.load -> http_load")),
            (Cause::LabelAdded, line("rows: with host")),
            (
                Cause::BoundsInLastDigits,
                line(
                    "wait: 0.9 -> 0.9000000000000001; before: .buckets(Buckets::exponential_by_powers(0.1, 3.0, 4))"
                )
            ),
            (Cause::UnitChanged, line("age_seconds -> age_milliseconds: seconds -> milliseconds")),
        ]
    );
}

#[test]
fn a_catalog_is_not_compared_with_an_exposition() {
    let catalog = made(
        |registry| registry.plain(),
        |meter| {
            let _ = meter.counter::<u64>("requests").build().expect("a counter");
        },
    );
    let exposition = Inventory::read("requests 1\n").expect("an exposition");
    assert_eq!(Comparison::new(&catalog, &exposition), Err(MixedError));
    assert_eq!(Comparison::new(&exposition, &catalog), Err(MixedError));
}

#[test]
fn json_that_is_no_catalog_is_refused() {
    let error = Inventory::read("{\"metrics\": []}").expect_err("no catalog");
    assert!(error.to_string().starts_with("not a catalog of metrics as JSON: "), "{error}");
}
