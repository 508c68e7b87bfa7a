//! An exponential histogram named `sizes`: values to record, and its points in a snapshot.

use meterkit_core::{Data, ExponentialHistogramPoint, Histogram, Temporality};
use meterkit_pipeline::Snapshot;

/// The full name of the histogram.
pub const SIZES: &str = "backstage.plugin.catalog.sizes";

/// Returns the temporality and the points of the histogram.
pub fn points(snapshot: &Snapshot) -> (Temporality, &[ExponentialHistogramPoint]) {
    let metrics = snapshot.scopes.iter().flat_map(|scope| &scope.metrics);
    let mut named = metrics.filter(|metric| metric.descriptor.name == SIZES);
    match named.next().map(|metric| &metric.data) {
        Some(Data::ExponentialHistogram { temporality, points }) => (*temporality, points),
        other => panic!("sizes is not an exponential histogram: {other:?}"),
    }
}

/// Returns the only point of the histogram.
pub fn one(snapshot: &Snapshot) -> &ExponentialHistogramPoint {
    let (_, points) = points(snapshot);
    assert_eq!(points.len(), 1, "{points:?}");
    &points[0]
}

/// Records pseudo-random numbers of many sizes, which are the same for the same seed.
pub fn record_some(sizes: &Histogram<f64>, seed: u64, many: usize, range: f64) {
    let mut state = seed;
    for _ in 0..many {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = (state >> 33) as f64 / (1_u64 << 31) as f64;
        match state >> 60 {
            0 => sizes.record(0.0),
            1..4 => sizes.record(-range.powf(part)),
            _ => sizes.record(range.powf(part)),
        }
    }
}
