//! Exemplars on their way from the store to targets.

use std::time::Duration;

use meterkit_core::{Exemplar, ExemplarFilter, Value};
use meterkit_fakes::catalog_pipeline;
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Step};
use meterkit_fakes::snapshots::{metrics, points};
use meterkit_fakes::spans::{sampled_span, span_ids};
use meterkit_pipeline::{KeyFilter, Snapshot, View, ViewSelector, ViewStream, Views};

/// Returns the exemplars of all series of a metric.
fn exemplars<'a>(snapshot: &'a Snapshot, name: &str) -> Vec<&'a Exemplar> {
    let series = metrics(snapshot, name).into_iter().flat_map(|metric| metric.data.series());
    series.flat_map(|series| snapshot.exemplars.of(series)).collect()
}

fn values(snapshot: &Snapshot, name: &str) -> Vec<f64> {
    exemplars(snapshot, name).iter().map(|exemplar| exemplar.value.as_f64()).collect()
}

const REQUESTS: &str = "backstage.plugin.catalog.requests";

#[test]
fn none_are_recorded_without_a_target_that_takes_them_or_after_the_end() {
    for (takes, filter, expected) in [
        (false, ExemplarFilter::AlwaysOn, &[][..]),
        (true, ExemplarFilter::AlwaysOff, &[]),
        (true, ExemplarFilter::TraceBased, &[]),
        (true, ExemplarFilter::AlwaysOn, &[1.0]),
    ] {
        let (meter, builder) = catalog_pipeline();
        let requests = meter.counter::<u64>("requests").build().unwrap();
        let (mut target, seen) = ScriptedTarget::new("scripted", []);
        if takes {
            target = target.taking_exemplars();
        }
        let builder = builder.target(target, ONLY_WHEN_ASKED).exemplar_filter(filter);
        let builder = builder.snapshot_max_age(Duration::ZERO);
        let pipeline = builder.start().unwrap();
        requests.increment();
        pipeline.flush_blocking(PATIENCE).unwrap();
        assert_eq!(values(&seen.exports()[0], REQUESTS), expected, "{takes} {filter:?}");
        pipeline.shutdown_blocking(PATIENCE).unwrap();
        requests.add(2);
        let after = pipeline.source().snapshot_blocking();
        assert_eq!(values(&after, REQUESTS), [0.0; 0], "after the end");
    }
}

#[test]
fn a_delta_target_receives_each_exemplar_until_it_acknowledges_it() {
    let (meter, builder) = catalog_pipeline();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let sizes = meter.histogram::<f64>("sizes").buckets([1.0, 10.0]).build().unwrap();
    let steps = [Step::Succeed, Step::Refuse, Step::Succeed, Step::Succeed];
    let (target, seen) = ScriptedTarget::new("scripted", steps);
    let target = target.taking_exemplars().delta();
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    let record = |number: u32| {
        let _span = sampled_span(number.into());
        requests.add(number.into());
        sizes.record(number);
    };
    record(1);
    let _ = pipeline.flush_blocking(PATIENCE);
    record(2);
    let _ = pipeline.flush_blocking(PATIENCE);
    let _ = pipeline.flush_blocking(PATIENCE);
    requests.increment();
    sizes.record(0.5);
    let _ = pipeline.flush_blocking(PATIENCE);
    let exports = seen.exports();
    let counted: Vec<_> = exports.iter().map(|export| values(export, REQUESTS)).collect();
    assert_eq!(counted, [vec![1.0], vec![2.0], vec![2.0], vec![]]);
    let sizes = "backstage.plugin.catalog.sizes";
    let recorded: Vec<_> = exports.iter().map(|export| values(export, sizes)).collect();
    assert_eq!(recorded, [vec![1.0], vec![2.0], vec![2.0], vec![]]);
}

#[test]
fn a_series_that_a_view_makes_of_others_has_their_exemplars_with_what_was_removed() {
    let (meter, builder) = catalog_pipeline();
    let tenants = meter.counter_group::<Id, u64>("requests").build().unwrap();
    let sizes = meter.histogram_group::<Id, f64>("sizes").buckets([1.0, 10.0]).build().unwrap();
    let view = |name: &str| View {
        selector: ViewSelector {
            instrument_name: Some(format!("backstage.plugin.catalog.{name}").into()),
            ..ViewSelector::default()
        },
        stream: ViewStream {
            attribute_keys: Some(KeyFilter { included: Some(Vec::new()), excluded: Vec::new() }),
            ..ViewStream::default()
        },
    };
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let builder = builder.target(target.taking_exemplars(), ONLY_WHEN_ASKED);
    let views = Views::new(vec![view("requests"), view("sizes")]);
    let pipeline = builder.views(views).start().unwrap();
    for (number, size) in [(1, 0.5), (2, 0.25), (3, 5.0)] {
        let _span = sampled_span(number);
        tenants.with(Id(number)).add(number);
        sizes.with(Id(number)).record(size);
    }
    pipeline.flush_blocking(PATIENCE).unwrap();
    let export = &seen.exports()[0];
    assert_eq!(points(export, REQUESTS)[0].value, Value::U64(6));
    let counted = exemplars(export, REQUESTS);
    assert_eq!(counted.len(), 1, "{counted:?}");
    assert_eq!((counted[0].value, counted[0].span), (Value::U64(3), Some(span_ids(3))));
    let removed = counted[0].filtered.as_ref().expect("what the view removed");
    assert_eq!(removed.iter().count(), 1, "{removed:?}");
    // One exemplar per bucket, from the last member that recorded there.
    assert_eq!(values(export, "backstage.plugin.catalog.sizes"), [0.25, 5.0]);
}
