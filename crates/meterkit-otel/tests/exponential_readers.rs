//! OpenTelemetry readers see exponential histograms as exponential histograms.
#![cfg(feature = "sdk")]

use meterkit_fakes::label_sets::Route;
use meterkit_fakes::many_sizes::{SIZES, one, record_some};
use meterkit_otel::OtelMeter;
use opentelemetry_sdk::metrics::Temporality;

use crate::user_reader::catalog;

#[test]
fn a_reader_sees_the_same_distribution_including_values_from_before_the_start() {
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    let sizes = meter.histogram::<f64>("sizes").exponential_with(40, 12).build().unwrap();
    record_some(&sizes, 1, 500, 1e3);
    let pipeline = builder.start().unwrap();
    record_some(&sizes, 2, 500, 1e6);

    let seen = reader.exponential(SIZES);
    assert_eq!(seen.len(), 1, "{seen:?}");
    let snapshot = pipeline.source().snapshot_blocking();
    let ours = one(&snapshot);
    let seen = &seen[0];
    assert_eq!((seen.count() as u64, i32::from(seen.scale())), (1000, ours.scale));
    assert_eq!((seen.min(), seen.max(), seen.zero_count()), (ours.min, ours.max, ours.zero_count));
    for (seen, ours) in
        [(seen.positive_bucket(), &ours.positive), (seen.negative_bucket(), &ours.negative)]
    {
        assert_eq!(
            (seen.offset(), seen.counts().collect::<Vec<_>>()),
            (ours.offset, ours.counts.clone())
        );
    }
    assert!((seen.sum() - ours.sum).abs() <= 1e-9 * ours.sum.abs());
}

#[test]
fn a_reader_sees_groups_integers_and_histograms_that_are_made_later() {
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    let _pipeline = builder.start().unwrap();
    let sizes = meter.histogram_group::<Route, u64>("sizes").exponential().build().unwrap();
    sizes.with(Route("/a")).record(5);
    sizes.with(Route("/a")).record(7);
    let plain = meter.histogram::<f64>("plain").buckets([1.0]).build().unwrap();
    plain.record(0.5);
    let seen = reader.awaited(SIZES);
    assert_eq!(
        (seen.kind, &*seen.labels, seen.value, seen.count),
        ("exponential histogram", "route=/a", 12.0, 2)
    );
    let plain = reader.awaited("backstage.plugin.catalog.plain");
    assert_eq!((plain.kind, plain.count), ("histogram", 1), "others stay as they are");
}

#[test]
fn histograms_of_other_libraries_stay_as_they_are() {
    let (meter, builder, reader) = catalog(Temporality::Cumulative);
    let _pipeline = builder.start().unwrap();
    meter.histogram::<f64>("sizes").exponential().build().unwrap().record(1.0);
    reader.awaited(SIZES);
    meter.otel().f64_histogram("durations").build().record(1.0, &[]);
    assert_eq!(reader.awaited("backstage.plugin.catalog.durations").kind, "histogram");
}
