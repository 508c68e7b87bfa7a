//! A registry that is imported into this library and also contains the library's metrics.

use meterkit_core::Registry;
use meterkit_prometheus_registry::{MetricsCollector, import};
use prometheus::{IntCounter, Opts};

use crate::fixture::{parse, source, text};

#[test]
fn exported_metrics_do_not_come_back_in_either_direction() {
    let registry = Registry::new();
    let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
    requests.expect("fine").add(7);
    let both = prometheus::Registry::new();
    let own = IntCounter::with_opts(Opts::new("own_total", "Own.")).expect("fine");
    both.register(Box::new(own.clone())).expect("a new name");
    own.inc();
    import(&registry, both.clone()).forget();
    let (_pipeline, source) = source(&registry);
    both.register(Box::new(MetricsCollector::new(source.clone()))).expect("the only one");
    for _ in 0..3 {
        // The parser rejects duplicate series.
        let gathered = text(&both);
        let (samples, _) = parse(&gathered);
        let named = |name: &str| samples.iter().filter(|((it, _), _)| it == name).count();
        assert_eq!(named("own_total"), 1, "{gathered}");
        assert_eq!(named("backstage_plugin_catalog_requests_total"), 1, "{gathered}");

        let scraped = meterkit_prometheus::render(&source.snapshot_blocking());
        let (samples, _) = parse(&scraped);
        let named = |name: &str| samples.iter().filter(|((it, _), _)| it == name).count();
        assert_eq!(named("own_total"), 1, "{scraped}");
        assert_eq!(named("backstage_plugin_catalog_requests_total"), 1, "{scraped}");
    }
}

#[test]
fn metrics_imported_from_another_registry_are_in_the_served_registry() {
    let registry = Registry::new();
    let theirs = prometheus::Registry::new();
    let own = IntCounter::with_opts(Opts::new("own_total", "Own.")).expect("fine");
    theirs.register(Box::new(own)).expect("a new name");
    import(&registry, theirs).forget();
    let (_pipeline, source) = source(&registry);
    let served = prometheus::Registry::new();
    served.register(Box::new(MetricsCollector::new(source))).expect("the only one");
    assert!(text(&served).contains("\nown_total 0\n"));
}
