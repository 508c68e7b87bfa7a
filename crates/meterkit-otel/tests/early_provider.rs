//! A provider that becomes OpenTelemetry's global provider before a pipeline exists. The test runs in its own process,
//! because the global provider and the global registry can be set only once.

use std::time::Duration;

use meterkit_core::{Meter, Naming, NamingPolicy, Registry};
use meterkit_fakes::own_process::rerun;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget};
use meterkit_fakes::snapshots::{histogram, value};
use meterkit_otel::MeterProvider;
use meterkit_pipeline::Pipeline;
use opentelemetry::{KeyValue, global};

#[test]
fn what_libraries_make_before_the_pipeline_starts_reaches_its_targets() {
    if rerun("what_libraries_make_before_the_pipeline_starts_reaches_its_targets", &[]).is_some() {
        return;
    }
    let lost = global::meter("library").u64_counter("lost").build();
    global::set_meter_provider(MeterProvider::global());

    let meter = global::meter("library");
    let calls = meter.u64_counter("calls").build();
    calls.add(1, &[KeyValue::new("peer", "a")]);
    let sizes = meter.f64_histogram("sizes").build();
    sizes.record(3.0, &[]);
    let rows = meter.u64_observable_gauge("rows");
    let _rows = rows.with_callback(|rows| rows.observe(7, &[])).build();
    let things = global::meter("backstage.plugin.own").u64_counter("things").build();
    things.add(100, &[]);
    lost.add(1, &[]);

    // Do what `install` does: set the naming, then start a pipeline.
    let registry = Registry::global();
    registry.set_callback_budget(PATIENCE);
    let naming = Naming::new("backstage", NamingPolicy::ScopeOnly).expect("a good namespace");
    registry.set_naming(naming).expect("short names");
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let builder = Pipeline::builder(registry.clone()).expect("the first one");
    let builder = builder.snapshot_max_age(Duration::ZERO);
    let pipeline = builder.target(target.delta(), ONLY_WHEN_ASKED).start().expect("a thread");
    Meter::scoped("plugin", "own").counter::<u64>("things").register().add(3);
    for round in 0..2 {
        pipeline.flush_blocking(PATIENCE).expect("the target works");
        let export = &seen.exports()[round];
        let expected = if round == 0 { (1.0, 103.0) } else { (10.0, 20.0) };
        assert_eq!(value(export, "calls"), Some(expected.0));
        assert_eq!(value(export, "things"), Some(expected.1));
        assert_eq!(value(export, "rows"), Some(7.0));
        assert_eq!(value(export, "lost"), None, "made when there was no provider");
        if round == 0 {
            assert_eq!(histogram(export, "sizes").sum, 3.0);
        }
        // The instruments created before the pipeline keep working.
        calls.add(10, &[KeyValue::new("peer", "a")]);
        things.add(20, &[]);
    }
}
