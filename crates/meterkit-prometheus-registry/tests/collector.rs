//! The metrics of this library in a `prometheus` registry.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use meterkit_core::Registry;
use meterkit_prometheus_registry::MetricsCollector;
use meterkit_rules::prometheus_name::Translation;
use opentelemetry::KeyValue;
use prometheus::{IntCounter, Opts};

use crate::fixture::{parse, source, text};

fn recorded() -> Registry {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog").attribute("tier", "gold");
    meter.counter::<u64>("requests").description("Requests.").build().expect("fine").add(7);
    meter.gauge::<f64>("load").unit("1").build().expect("fine").set(0.25);
    meter.up_down_counter::<i64>("open").build().expect("fine").add(-3);
    let durations = meter.histogram::<f64>("duration").unit("s").buckets([0.5, 1.0]).build();
    let durations = durations.expect("fine");
    [0.25, 0.75, 9.0].iter().for_each(|value| durations.record(*value));
    let sizes = meter.by_attributes::<meterkit_core::Counter<u64>>("sizes").unit("By").register();
    sizes.with_attributes(&[KeyValue::new("http.route", "/a\"b"), KeyValue::new("n", 7)]).add(5);
    registry
}

#[test]
fn names_labels_and_values_match_the_scrape_endpoint() {
    let registry = recorded();
    let (_pipeline, source) = source(&registry);
    for translation in Translation::ALL {
        let served = prometheus::Registry::new();
        let collector = MetricsCollector::new(source.clone()).names(translation);
        served.register(Box::new(collector)).expect("the only one");
        let ours = |text: &str| {
            let (mut samples, mut types) = parse(text);
            samples.retain(|(name, _), _| name.contains("plugin"));
            types.retain(|name, _| name.contains("plugin"));
            (samples, types)
        };
        let expected = source.snapshot_blocking();
        let expected = meterkit_prometheus::render_with(&expected, translation.escaped());
        let found = text(&served);
        assert!(ours(&expected).0.len() >= 9, "{expected}");
        assert_eq!(ours(&found), ours(&expected), "{translation}\n{found}\n{expected}");
    }
}

#[test]
fn a_registry_has_its_own_metrics_beside_ours_and_accepts_one_collector() {
    let (_pipeline, source) = source(&recorded());
    let served = prometheus::Registry::new();
    let own = IntCounter::with_opts(Opts::new("own_total", "Own.")).expect("fine");
    served.register(Box::new(own)).expect("a new name");
    served.register(Box::new(MetricsCollector::new(source.clone()))).expect("the only one");
    let text = text(&served);
    for line in ["own_total 0", "# HELP backstage_plugin_catalog_requests_total Requests."] {
        assert!(text.contains(line), "{text}");
    }
    assert!(served.register(Box::new(MetricsCollector::new(source))).is_err());
}

#[test]
fn a_callback_may_gather_the_registry_that_has_the_collector() {
    let registry = recorded();
    let (_pipeline, source) = source(&registry);
    let served = prometheus::Registry::new();
    served.register(Box::new(MetricsCollector::new(source))).expect("the only one");
    let (seen, gathered) = (Arc::new(AtomicUsize::new(0)), served.clone());
    let counts = seen.clone();
    let families = registry.core().observable_gauge::<u64>("families");
    let observed = families.observe(move || {
        let families = gathered.gather().len();
        counts.fetch_max(families, SeqCst);
        families as u64
    });
    observed.expect("fine").forget();
    let first = text(&served);
    assert!(first.contains("backstage_core_families"), "{first}");
    text(&served);
    assert!(seen.load(SeqCst) > 5, "it sees the values of the previous collection");
}

#[test]
fn after_the_pipeline_has_gone_the_registry_still_answers() {
    let (pipeline, source) = source(&recorded());
    let served = prometheus::Registry::new();
    served.register(Box::new(MetricsCollector::new(source))).expect("the only one");
    drop(pipeline);
    assert!(text(&served).contains("backstage_plugin_catalog_requests_total"));
}
