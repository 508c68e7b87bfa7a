//! Points that have become the same: sums and histograms add up, of gauges the last one stays.

use std::borrow::Cow;
use std::time::SystemTime;

use meterkit_core::{
    Attributes, Data, ExponentialHistogramPoint, HistogramPoint, NumberPoint, Value,
};

use super::exponential;
use super::pattern::KeyFilter;

/// On the series to which recordings go once a limit is reached: it stands for attributes that nobody knows any more, so
/// it stays apart whatever is filtered.
const OVERFLOW: &str = "otel.metric.overflow";

/// Takes away the attributes that `filter` does not keep, and merges the points that do not differ any more.
pub(super) fn filter(data: &mut Data, filter: &KeyFilter) {
    let keep = |attributes: &mut Attributes| {
        let keeps = |key: &str| key == OVERFLOW || filter.keeps(key);
        if attributes.iter().any(|(key, _)| !keeps(key)) {
            let kept = attributes.iter().filter(|(key, _)| keeps(key));
            let kept = kept.map(|(key, value)| (Cow::Owned(key.to_owned()), value.clone()));
            *attributes = Attributes::from_pairs(kept);
        }
    };
    match data {
        Data::Gauge(points) | Data::Sum { points, .. } => {
            points.iter_mut().for_each(|point| keep(&mut point.attributes));
        }
        Data::Histogram { points, .. } => {
            points.iter_mut().for_each(|point| keep(&mut point.attributes));
        }
        Data::ExponentialHistogram { points, .. } => {
            points.iter_mut().for_each(|point| keep(&mut point.attributes));
        }
        _ => return,
    }
    merge(data);
}

/// Adds `more` to `data`. Gives it back when they are not of the same kind.
pub(super) fn absorb(data: &mut Data, more: Data) -> Option<Data> {
    match (&mut *data, more) {
        (Data::Gauge(ours), Data::Gauge(theirs)) => ours.extend(theirs),
        (
            Data::Sum { monotonic, temporality, points },
            Data::Sum { monotonic: rises, temporality: since, points: theirs },
        ) if *monotonic == rises && *temporality == since => points.extend(theirs),
        (
            Data::Histogram { temporality, bounds, points },
            Data::Histogram { temporality: since, bounds: other, points: theirs },
        ) if *temporality == since && *bounds == other => points.extend(theirs),
        (
            Data::ExponentialHistogram { temporality, points },
            Data::ExponentialHistogram { temporality: since, points: theirs },
        ) if *temporality == since => points.extend(theirs),
        (_, more) => return Some(more),
    }
    merge(data);
    None
}

fn merge(data: &mut Data) {
    match data {
        Data::Gauge(points) => merge_points(points, |into, next| *into = next),
        Data::Sum { points, .. } => merge_points(points, |into, next| {
            into.start = into.start.min(next.start);
            into.value = plus(into.value, next.value);
        }),
        Data::Histogram { points, .. } => merge_points(points, add_histogram),
        Data::ExponentialHistogram { points, .. } => merge_points(points, exponential::add),
        _ => {}
    }
}

/// Merges points of equal attributes, and puts them into the order that points have.
fn merge_points<P: Point>(points: &mut Vec<P>, mut add: impl FnMut(&mut P, P)) {
    // Stable: among equal ones the last stays the last.
    points.sort_by(|a, b| {
        let (a, b) = (a.attributes(), b.attributes());
        let is_overflow = |attributes: &Attributes| attributes.get(OVERFLOW).is_some();
        is_overflow(a).cmp(&is_overflow(b)).then_with(|| a.cmp(b))
    });
    let mut merged: Vec<P> = Vec::with_capacity(points.len());
    for point in points.drain(..) {
        match merged.last_mut() {
            Some(last) if last.attributes() == point.attributes() => add(last, point),
            _ => merged.push(point),
        }
    }
    *points = merged;
}

fn add_histogram(into: &mut HistogramPoint, next: HistogramPoint) {
    let either = |a: Option<f64>, b: Option<f64>, choose: fn(f64, f64) -> f64| match (a, b) {
        (Some(a), Some(b)) => Some(choose(a, b)),
        _ => None,
    };
    into.start = into.start.min(next.start);
    into.count = into.count.saturating_add(next.count);
    into.sum = plus_float(into.sum, next.sum);
    into.min = either(into.min, next.min, f64::min);
    into.max = either(into.max, next.max, f64::max);
    for (ours, theirs) in into.buckets.iter_mut().zip(&next.buckets) {
        *ours = ours.saturating_add(*theirs);
    }
}

/// Sums stop at the ends of their type, as in the store.
fn plus(a: Value, b: Value) -> Value {
    match (a, b) {
        (Value::U64(a), Value::U64(b)) => Value::U64(a.saturating_add(b)),
        (Value::I64(a), Value::I64(b)) => Value::I64(a.saturating_add(b)),
        (a, b) => Value::F64(plus_float(a.as_f64(), b.as_f64())),
    }
}

pub(super) fn plus_float(a: f64, b: f64) -> f64 {
    let sum = a + b;
    if a.is_finite() && b.is_finite() { sum.clamp(f64::MIN, f64::MAX) } else { sum }
}

trait Point {
    fn attributes(&self) -> &Attributes;
}

impl Point for NumberPoint {
    fn attributes(&self) -> &Attributes {
        &self.attributes
    }
}

impl Point for ExponentialHistogramPoint {
    fn attributes(&self) -> &Attributes {
        &self.attributes
    }
}

impl Point for HistogramPoint {
    fn attributes(&self) -> &Attributes {
        &self.attributes
    }
}

/// The sums of a histogram's points.
pub(super) fn sums(
    points: impl Iterator<Item = (Attributes, SystemTime, f64)>,
) -> Vec<NumberPoint> {
    let point =
        |(attributes, start, sum)| NumberPoint { attributes, start, value: Value::F64(sum) };
    points.map(point).collect()
}
