//! Series that exceed the limit, are removed, and return.

use std::time::Duration;

use meterkit_core::{CounterGroup, DynamicLabels, InstrumentError, ManualClock, Registry};
use meterkit_fakes::readings::{OVERFLOW, Rise, live, series, total};
use meterkit_metrics::MetricsRecorder;
use metrics::{counter, gauge, histogram, with_local_recorder};

#[test]
fn totals_stay_right_beyond_the_limit() {
    let registry = Registry::new();
    registry.set_cardinality_limit(3);
    with_local_recorder(&MetricsRecorder::new(&registry), || {
        for round in 1..=3_u64 {
            for id in 0..10 {
                counter!("added", "id" => id.to_string()).increment(1);
                counter!("raised", "id" => id.to_string()).absolute(10 * round);
            }
        }
    });
    for (name, sum) in [("added", 30.0), ("raised", 300.0)] {
        assert_eq!(live(&registry, name), 3);
        assert_eq!(series(&registry, name).pop().map(|it| it.0), Some(OVERFLOW.to_owned()));
        assert_eq!(total(&registry, name), sum, "{name}");
    }
}

#[test]
fn idle_series_are_removed_and_return_with_new_values() {
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    let recorder = MetricsRecorder::new(&registry).idle_timeout(Duration::from_secs(60));
    let mut rise = Rise::default();
    with_local_recorder(&recorder, || {
        let (kept, raised) = (counter!("calls", "kept" => "yes"), counter!("raised"));
        let age = || clock.advance(Duration::from_secs(61));
        kept.increment(5);
        counter!("calls", "kept" => "no").increment(5);
        raised.absolute(1000);
        gauge!("open").set(3.0);
        histogram!("took").record(1.0);
        rise.read(&registry, "raised");
        let names = ["calls", "raised", "open", "took"];
        let has = |name: &str| {
            let metrics = registry.read().into_iter().flat_map(|scope| scope.metrics);
            metrics.into_iter().any(|metric| metric.descriptor.name == name)
        };
        assert!(names.iter().all(|name| has(name)));
        age();
        let _ = registry.read();
        assert!(!names.iter().any(|name| has(name)));

        kept.increment(1);
        counter!("calls", "kept" => "no").increment(2);
        // The total is the same as before, so nothing is added.
        raised.absolute(1000);
        assert_eq!(total(&registry, "raised"), 0.0);
        counter!("raised").absolute(1005);
    });
    let expected = [("kept=no", 2.0), ("kept=yes", 1.0)];
    assert_eq!(series(&registry, "calls"), expected.map(|(labels, it)| (labels.to_owned(), it)));
    rise.read(&registry, "raised");
    assert_eq!((rise.total, rise.restarts), (1005.0, 1));
}

#[test]
fn a_removed_series_returns_with_values_recorded_through_a_kept_handle()
-> Result<(), InstrumentError> {
    let registry = Registry::new();
    with_local_recorder(&MetricsRecorder::new(&registry), || {
        let calls = counter!(target: "library", "calls", "method" => "get");
        calls.increment(5);
        let group: CounterGroup<DynamicLabels> =
            registry.plain_scope("library").counter_group("calls").build()?;
        assert!(group.remove(&[("method", "get")]));
        assert_eq!(live(&registry, "calls"), 0);
        calls.increment(1);
        counter!(target: "library", "calls", "method" => "get").increment(1);
        assert_eq!(series(&registry, "calls"), [("method=get".to_owned(), 2.0)]);
        Ok(())
    })
}

#[test]
fn a_handle_that_was_registered_while_its_scope_was_disabled_records_once_it_is_enabled()
-> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::new();
    registry.set_disabled_scopes("hyper*".parse()?);
    with_local_recorder(&MetricsRecorder::new(&registry), || {
        let record = || counter!(target: "hyper::client", "calls").increment(1);
        let kept = counter!(target: "hyper::client", "calls");
        kept.increment(1);
        record();
        assert_eq!(live(&registry, "calls"), 0);
        registry.set_disabled_scopes("".parse()?);
        kept.increment(1);
        record();
        assert_eq!(series(&registry, "calls"), [(String::new(), 2.0)]);
        Ok(())
    })
}
