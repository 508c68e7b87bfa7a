//! Libraries that record with the crate `metrics` in a program with targets.

use meterkit::metrics::MetricsRecorder;
use meterkit::target::ConsoleTarget;
use meterkit::view::{Aggregation, View, ViewSelector, ViewStream, Views};
use meterkit::{Registry, Telemetry};
use meterkit_fakes::own_process::rerun;
use metrics::{counter, histogram, with_local_recorder};

use crate::page::Page;

#[test]
fn recordings_of_libraries_reach_targets_before_during_and_after() {
    if rerun("recordings_of_libraries_reach_targets_before_during_and_after", &[]).is_some() {
        return;
    }
    let main = || -> Result<(), meterkit::Error> {
        MetricsRecorder::global().install()?;
        let calls = counter!("calls", "method" => "get");
        calls.increment(1);
        for expected in ["calls{method=\"get\"} 3\n", "calls{method=\"get\"} 7\n"] {
            let page = Page::default();
            let builder = Telemetry::builder().target(ConsoleTarget::new(page.clone()));
            let telemetry = builder.install()?;
            calls.increment(1);
            counter!("calls", "method" => "get").increment(1);
            telemetry.shutdown_blocking()?;
            let text = page.text();
            assert!(text.contains(expected), "{text}");
            // Recording after the shutdown is safe.
            calls.increment(1);
            counter!("calls", "method" => "get").increment(1);
        }
        Ok(())
    };
    main().expect("one error type is enough");
    let again = MetricsRecorder::global().install().map_err(meterkit::Error::from);
    let text = format!("{:?}", again.expect_err("a program has one recorder"));
    assert!(text.contains("already has a recorder of the crate `metrics`"), "{text}");
}

#[test]
fn views_win_over_the_buckets_of_the_recorder() {
    let registry = Registry::new();
    let boundaries = Some(vec![0.5]);
    let view = View {
        selector: ViewSelector { instrument_name: Some("*_seconds".into()), ..Default::default() },
        stream: ViewStream {
            aggregation: Some(Aggregation::ExplicitBuckets { boundaries, record_min_max: true }),
            ..Default::default()
        },
    };
    let builder = Telemetry::builder().registry(registry.clone()).views(Views::new(vec![view]));
    let telemetry = builder.install().expect("it starts");
    let recorder = MetricsRecorder::new(&registry).buckets("*", [0.25, 1.0]);
    with_local_recorder(&recorder, || {
        histogram!("wait_seconds").record(0.3);
        histogram!("size").record(0.3);
    });
    let bounds = |name| meterkit_fakes::readings::histogram(&registry, name).0;
    assert_eq!((bounds("wait_seconds"), bounds("size")), (vec![0.5], vec![0.25, 1.0]));
    telemetry.shutdown_blocking().expect("it shuts down");
}
