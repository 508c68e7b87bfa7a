//! Converts the series of an instrument to data points.

use super::distribution::{Counts, Distribution};
use super::group::is_collecting;
use super::handle::AnyHandle;
use super::shared::{PointKeys, Shared};
use crate::Kind;
use crate::buckets::HistogramBuckets;
use crate::data::{Data, ExponentialHistogramPoint, HistogramPoint, NumberPoint, Temporality};

/// Returns the points of these series.
pub(crate) fn points(shared: &Shared, series: &mut dyn Iterator<Item = &dyn AnyHandle>) -> Data {
    match shared.identity.kind {
        Kind::Histogram => distributions(shared, series),
        _ => numbers(shared, series),
    }
}

/// Returns the points of the series that have a value.
fn numbers(shared: &Shared, series: &mut dyn Iterator<Item = &dyn AnyHandle>) -> Data {
    shared.ask_for_look();
    let keys = shared.keys();
    let points = series.filter_map(|handle| number(handle, &keys));
    Data::of_numbers(shared.identity.kind, points.collect())
}

/// Returns the point of a series, if it has a value.
pub(crate) fn number(handle: &dyn AnyHandle, keys: &PointKeys) -> Option<NumberPoint> {
    let (value, head) = (handle.number()?, handle.head());
    let (attributes, start) = (handle.attributes(keys), head.start());
    Some(NumberPoint { series: head.id(), attributes, start, value })
}

/// Returns the points of the histograms that have values, or of all if empty series are exported.
fn distributions(shared: &Shared, series: &mut dyn Iterator<Item = &dyn AnyHandle>) -> Data {
    let keys = shared.keys();
    let exports_empty = shared.exports_empty();
    let other = shared.other_buckets();
    let buckets = other.unwrap_or_else(|| shared.identity.buckets());
    let takes_interval = shared.settings.intervals.are_wanted() && is_collecting();
    let read = series.filter_map(|handle| {
        let (is_other, head) = (other.is_some(), handle.head());
        let (read, interval) = handle.distribution()?.read_by(is_other, shared, takes_interval)?;
        interval.into_iter().for_each(|it| shared.settings.intervals.push(head.id(), it));
        (read.count > 0 || exports_empty).then(|| (handle.attributes(&keys), head, read))
    });
    let temporality = Temporality::Cumulative;
    match buckets {
        HistogramBuckets::Explicit(bounds) => {
            let points = read.filter_map(|(attributes, head, read)| {
                let (min, max) = ends(&read);
                let Distribution { counts: Counts::Explicit(buckets), count, moments } = read
                else {
                    return None;
                };
                let start = head.start();
                Some(HistogramPoint {
                    series: head.id(),
                    attributes,
                    start,
                    count,
                    sum: moments.sum,
                    min,
                    max,
                    buckets,
                })
            });
            Data::Histogram { temporality, points: points.collect(), bounds: bounds.to_arc() }
        }
        HistogramBuckets::Exponential(_) => {
            let points = read.filter_map(|(attributes, head, read)| {
                let (min, max) = ends(&read);
                let Distribution { counts: Counts::Exponential(counts), count, moments } = read
                else {
                    return None;
                };
                Some(ExponentialHistogramPoint {
                    series: head.id(),
                    attributes,
                    start: head.start(),
                    count,
                    sum: moments.sum,
                    min,
                    max,
                    scale: counts.scale,
                    zero_count: counts.zero,
                    zero_threshold: 0.0,
                    positive: counts.positive,
                    negative: counts.negative,
                })
            });
            Data::ExponentialHistogram { temporality, points: points.collect() }
        }
    }
}

/// Returns the minimum and maximum, if there are values.
fn ends(read: &Distribution) -> (Option<f64>, Option<f64>) {
    read.moments.extremes().unzip()
}
