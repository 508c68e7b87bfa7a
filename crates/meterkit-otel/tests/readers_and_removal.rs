//! What OpenTelemetry readers see of removed series and unloaded scopes.
#![cfg(feature = "sdk")]

use std::thread;
use std::time::Duration;

use meterkit_core::{Meter, Naming, NamingPolicy, Registry};
use meterkit_fakes::label_sets::Route;
use meterkit_pipeline::Pipeline;
use opentelemetry_sdk::metrics::Temporality;

use crate::user_reader::{UserReader, WithReaders};

const REQUESTS: &str = "backstage.plugin.catalog.requests";
const SIZES: &str = "backstage.plugin.catalog.sizes";

fn start(temporality: Temporality) -> (Registry, Meter, Pipeline, UserReader) {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let reader = UserReader::new(temporality);
    let pipeline = Pipeline::builder(registry.clone()).expect("a registry of its own");
    let pipeline = pipeline.snapshot_max_age(Duration::ZERO).reader(reader.clone());
    (registry, meter, pipeline.start().unwrap(), reader)
}

#[test]
fn deltas_of_a_removed_series_continue_from_zero() {
    let (_registry, meter, _pipeline, reader) = start(Temporality::Delta);
    let requests = meter.counter_group::<Route, u64>("requests").build().unwrap();
    requests.with(Route("/a")).add(10);
    assert_eq!(reader.awaited(REQUESTS).value, 10.0);
    requests.remove(Route("/a"));
    requests.with(Route("/a")).add(3);
    assert_eq!(reader.one(REQUESTS).unwrap().value, 3.0);
    requests.clear();
    assert_eq!(
        reader.one(REQUESTS).unwrap().value,
        0.0,
        "the reader must not treat the series as new"
    );
    requests.with(Route("/a")).add(2);
    assert_eq!(reader.one(REQUESTS).unwrap().value, 2.0);
}

#[test]
fn deltas_of_a_counter_that_is_made_again_after_its_scope_was_unloaded_are_its_own() {
    let (_registry, meter, _pipeline, reader) = start(Temporality::Delta);
    meter.counter::<u64>("requests").build().unwrap().add(10);
    assert_eq!(reader.awaited(REQUESTS).value, 10.0);
    assert!(meter.clone().unload());
    meter.counter::<u64>("requests").build().unwrap().add(3);
    // Another thread creates the twin.
    let mut total = 0.0;
    for _ in 0..1000 {
        total += reader.one(REQUESTS).map_or(0.0, |read| read.value);
        if total > 0.0 {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(total, 3.0);
}

#[test]
fn a_histogram_that_was_looked_up_while_its_scope_was_disabled_feeds_no_twin() {
    let (registry, meter, _pipeline, reader) = start(Temporality::Cumulative);
    let sizes = meter.histogram_group::<Route, f64>("sizes").build().unwrap();
    sizes.with(Route("/a")).record(1.0);
    let _ = reader.awaited(SIZES);
    registry.set_disabled_scopes("plugin.catalog".parse().unwrap());
    let disabled = sizes.with(Route("/b")).clone();
    registry.set_disabled_scopes("".parse().unwrap());
    disabled.record(5.0);
    let read = reader.read().into_iter().filter(|read| read.name == SIZES);
    assert_eq!(read.map(|read| read.labels).collect::<Vec<_>>(), ["route=/a"]);
}

#[test]
fn renamed_or_unloaded_histograms_do_not_reappear() {
    let (registry, meter, pipeline, reader) = start(Temporality::Cumulative);
    let sizes = meter.histogram::<f64>("sizes").build().unwrap();
    sizes.record(1.0);
    let _ = reader.awaited(SIZES);
    let names = || -> Vec<String> {
        let snapshot = pipeline.source().snapshot_blocking();
        let all = snapshot.scopes.iter().flat_map(|scope| &scope.metrics);
        let names = all.map(|metric| metric.descriptor.name.clone());
        names.filter(|name| name.ends_with("sizes")).collect()
    };
    registry.set_naming(Naming::new("acme", NamingPolicy::Prefixed).unwrap()).unwrap();
    assert_eq!(names(), ["acme.plugin.catalog.sizes"]);
    assert!(meter.unload());
    assert_eq!(names(), [""; 0]);
}
