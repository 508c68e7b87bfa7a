//! Deltas of histograms have the minimum, maximum and scale of their own interval, whatever was recorded before.

use meterkit_core::{Data, ExponentialHistogramPoint, HistogramPoint};
use meterkit_fakes::catalog_pipeline;
use meterkit_fakes::label_sets::Route;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Step};
use meterkit_fakes::snapshots::{histogram, metrics};
use meterkit_pipeline::{KeyFilter, Snapshot, View, ViewSelector, ViewStream, Views};

const SIZES: &str = "backstage.plugin.catalog.sizes";
const LATENCY: &str = "backstage.plugin.catalog.latency";

fn exponential(snapshot: &Snapshot, name: &str) -> ExponentialHistogramPoint {
    match &metrics(snapshot, name)[0].data {
        Data::ExponentialHistogram { points, .. } => points[0].clone(),
        other => panic!("{other:?}"),
    }
}

fn extremes(point: &HistogramPoint) -> (u64, f64, f64) {
    (point.count, point.min.expect("a minimum"), point.max.expect("a maximum"))
}

/// Returns the quantile for the given share of all values, as the middle of its bucket.
fn quantile(point: &ExponentialHistogramPoint, share: f64) -> f64 {
    let wanted = share * point.count as f64;
    let mut seen = 0.0;
    for (lower, upper, count) in point.positive.bounded(point.scale) {
        seen += count as f64;
        if seen >= wanted {
            return (lower + upper) / 2.0;
        }
    }
    panic!("{share} of {point:?}");
}

#[test]
fn extremes_are_those_of_the_values_since_the_last_acknowledged_export() {
    let (meter, builder) = catalog_pipeline();
    let sizes = meter.histogram::<f64>("sizes").build().unwrap();
    let steps = [Step::Succeed, Step::Refuse, Step::Succeed, Step::Succeed, Step::Succeed];
    let (target, seen) = ScriptedTarget::new("scripted", steps);
    let pipeline = builder.target(target.delta(), ONLY_WHEN_ASKED).start().unwrap();
    let source = pipeline.source();
    for values in [&[0.5, 9_000.0][..], &[3.0, 4.0], &[7.0], &[-2.0], &[], &[6.0]] {
        values.iter().for_each(|value| sizes.record(*value));
        let _ = pipeline.flush_blocking(PATIENCE);
        // Scrapes between exports must not affect deltas.
        source.snapshot_blocking();
    }
    let exports = seen.exports();
    let of_sizes = exports.iter().filter(|export| !metrics(export, SIZES).is_empty());
    let all: Vec<_> = of_sizes.map(|export| extremes(&histogram(export, SIZES))).collect();
    let expected = [
        (2, 0.5, 9_000.0),
        (2, 3.0, 4.0),
        // Includes the values of the failed export.
        (3, 3.0, 7.0),
        (1, -2.0, -2.0),
        (1, 6.0, 6.0),
    ];
    assert_eq!(all, expected);
    let scraped = histogram(&source.snapshot_blocking(), SIZES);
    assert_eq!(
        extremes(&scraped),
        (7, -2.0, 9_000.0),
        "totals have the minimum and maximum of all values"
    );
}

#[test]
fn targets_that_are_behind_by_different_times_have_extremes_of_their_own() {
    let (meter, builder) = catalog_pipeline();
    let sizes = meter.histogram::<u64>("sizes").build().unwrap();
    let (good, seen_by_good) = ScriptedTarget::new("good", []);
    let steps = [Step::Succeed, Step::Refuse, Step::Refuse, Step::Succeed];
    let (bad, seen_by_bad) = ScriptedTarget::new("bad", steps);
    let (full, seen_by_full) = ScriptedTarget::new("full", []);
    let pipeline = builder
        .target(good.delta(), ONLY_WHEN_ASKED)
        .target(bad.delta(), ONLY_WHEN_ASKED)
        .target(full, ONLY_WHEN_ASKED)
        .start()
        .unwrap();
    for value in [1, 100, 20, 30] {
        sizes.record(value);
        let _ = pipeline.flush_blocking(PATIENCE);
    }
    let last = |exports: Vec<Snapshot>| extremes(&histogram(&exports[exports.len() - 1], SIZES));
    assert_eq!(last(seen_by_good.exports()), (1, 30.0, 30.0));
    assert_eq!(last(seen_by_bad.exports()), (3, 20.0, 100.0));
    assert_eq!(last(seen_by_full.exports()), (4, 1.0, 100.0));
}

#[test]
fn early_extremes_make_later_exponential_deltas_no_coarser() {
    let (meter, builder) = catalog_pipeline();
    let latency = meter.histogram::<f64>("latency").exponential().build().unwrap();
    let (target, seen) = ScriptedTarget::new("scripted", [Step::Succeed, Step::Refuse]);
    let pipeline = builder.target(target.delta(), ONLY_WHEN_ASKED).start().unwrap();
    latency.record(1e-9);
    latency.record(1e9);
    pipeline.flush_blocking(PATIENCE).unwrap();
    for round in 0..2 {
        for n in 0..1_000 {
            latency.record(1.0 + f64::from(n) / 1_000.0);
        }
        let _ = pipeline.flush_blocking(PATIENCE);
        let exports = seen.exports();
        let point = exponential(&exports[exports.len() - 1], LATENCY);
        // The second export also contains the values of the first one, which failed.
        assert_eq!(point.count, 1_000 * (round + 1));
        assert_eq!((point.min, point.max), (Some(1.0), Some(1.999)));
        let p99 = quantile(&point, 0.99);
        assert!((p99 / 1.99 - 1.0).abs() < 0.02, "{p99} at scale {}", point.scale);
    }
    let total = exponential(&pipeline.source().snapshot_blocking(), LATENCY);
    assert_eq!((total.count, total.min, total.max), (2_002, Some(1e-9), Some(1e9)));
    assert!(total.scale < 3, "{}", total.scale);
}

#[test]
fn series_that_a_view_joins_have_the_extremes_of_all_members() {
    let (meter, builder) = catalog_pipeline();
    let view = View {
        selector: ViewSelector { instrument_name: Some(SIZES.into()), ..ViewSelector::default() },
        stream: ViewStream {
            attribute_keys: Some(KeyFilter { included: Some(Vec::new()), excluded: Vec::new() }),
            ..ViewStream::default()
        },
    };
    let routes = meter.histogram_group::<Route, u64>("sizes").build().unwrap();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline = builder
        .views(Views::new(vec![view]))
        .target(target.delta(), ONLY_WHEN_ASKED)
        .start()
        .unwrap();
    for (a, b) in [(1, 1_000), (20, 30), (40, 10)] {
        routes.with(Route("a")).record(a);
        routes.with(Route("b")).record(b);
        pipeline.flush_blocking(PATIENCE).unwrap();
    }
    let exports = seen.exports();
    let all: Vec<_> = exports.iter().map(|export| extremes(&histogram(export, SIZES))).collect();
    assert_eq!(all, [(2, 1.0, 1_000.0), (2, 20.0, 30.0), (2, 10.0, 40.0)]);
}
