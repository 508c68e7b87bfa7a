//! An exponential histogram named `sizes`, what is recorded in it, and what a snapshot has of it.
#![allow(dead_code, reason = "each test file needs a part of it")]

use meterkit_core::{
    Data, ExponentialHistogramPoint, Histogram, LabelKey, LabelValue, LabelVisitor, Labels,
    Temporality,
};
use meterkit_pipeline::Snapshot;

pub(crate) const SIZES: &str = "backstage.plugin.catalog.sizes";

pub(crate) struct Route(pub(crate) &'static str);

impl Labels for Route {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("route")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

pub(crate) fn points(snapshot: &Snapshot) -> (Temporality, &[ExponentialHistogramPoint]) {
    let metrics = snapshot.scopes.iter().flat_map(|scope| &scope.metrics);
    let mut named = metrics.filter(|metric| metric.descriptor.name == SIZES);
    match named.next().map(|metric| &metric.data) {
        Some(Data::ExponentialHistogram { temporality, points }) => (*temporality, points),
        other => panic!("sizes is no exponential histogram: {other:?}"),
    }
}

pub(crate) fn one(snapshot: &Snapshot) -> &ExponentialHistogramPoint {
    let (_, points) = points(snapshot);
    assert_eq!(points.len(), 1, "{points:?}");
    &points[0]
}

/// Numbers of many sizes that look random, and are the same each time.
pub(crate) fn record_some(sizes: &Histogram<f64>, seed: u64, many: usize, range: f64) {
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
