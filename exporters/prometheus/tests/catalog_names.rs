//! A catalog lists the same Prometheus names as a scrape.

use std::collections::BTreeSet;
use std::time::SystemTime;

use meterkit_core::{
    Attributes, CallbackGuard, InstrumentError, LabelKey, LabelRef, LabelVisitor, Labels, Naming,
    NamingPolicy, Registry,
};
use meterkit_pipeline::Snapshot;
use meterkit_prometheus::render;

struct Route(&'static str);

impl Labels for Route {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("http.route")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.0));
    }
}

/// Creates one instrument of each kind, and names that the translation changes in different ways. Each instrument
/// records something, because a scrape shows no metric without series.
fn record_everything(registry: &Registry) -> Result<CallbackGuard, InstrumentError> {
    let meter = registry.scoped("plugin", "catalog");
    meter.counter::<u64>("requests").unit("{request}").build()?.increment();
    meter.counter::<f64>("cpu.time").unit("s").build()?.add(0.5);
    meter.counter::<u64>("hits").unit("1").build()?.increment();
    meter.counter::<u64>("sent.bytes.total").unit("By").build()?.increment();
    meter.counter_group::<Route, u64>("answers").build()?.with(Route("/a")).increment();
    meter.up_down_counter::<i64>("tasks.active").unit("{task}").build()?.add(2);
    meter.gauge::<f64>("cache.usage").unit("1").build()?.set(0.5);
    meter.gauge::<i64>("queue_length").unit("{item}/s").build()?.set(2);
    meter.gauge::<u64>("total").build()?.set(2);
    meter.histogram::<f64>("duration").unit("s").build()?.record(0.25);
    meter.histogram::<u64>("sizes").unit("KiBy").build()?.record(3);
    let semconv = registry.semconv("mcp-server/x");
    semconv.counter::<u64>("mcp-server/x.Calls").unit("call").build()?.increment();
    meter.observable_gauge::<u64>("entries").unit("%").observe(|| 7)
}

fn scraped(registry: &Registry) -> BTreeSet<String> {
    registry.refresh();
    let (resource, time) = (Attributes::empty(), SystemTime::now());
    let text = render(&Snapshot::new(resource, time, registry.read()));
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = types.filter_map(|line| line.split(' ').next()).map(str::to_owned);
    // The store's own metrics depend on events and are in no catalog.
    names.filter(|name| !name.starts_with("meterkit_")).collect()
}

#[test]
fn a_scrape_has_a_type_line_for_each_name_in_the_catalog_and_no_other() {
    for policy in [NamingPolicy::Prefixed, NamingPolicy::ScopeOnly] {
        let registry = Registry::new();
        registry.set_naming(Naming::new("acme", policy).unwrap()).unwrap();
        let guard = record_everything(&registry).unwrap();

        let entries = registry.catalog().entries;
        assert_eq!(entries.len(), 13);
        let listed: BTreeSet<_> = entries.into_iter().map(|entry| entry.prometheus_name).collect();
        assert_eq!(listed, scraped(&registry), "{policy:?}");
        assert_eq!(listed.len(), 13, "{policy:?}: no two became the same");
        drop(guard);
    }
}
