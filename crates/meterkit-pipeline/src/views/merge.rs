//! Points that have become the same: sums and histograms add up, of gauges the last one stays.

use std::borrow::Cow;
use std::time::SystemTime;

use meterkit_core::{
    Attributes, Data, ExponentialHistogramPoint, HistogramPoint, Metric, NumberPoint, SeriesId,
    Value,
};

use super::exponential;
use super::part::Part;
use super::pattern::KeyFilter;

/// On the series to which recordings go once a limit is reached: it stands for attributes that nobody knows any more,
/// so it stays apart whatever is filtered.
const OVERFLOW: &str = "otel.metric.overflow";

/// Takes away the attributes that `filter` does not keep. Points may be equal in theirs then.
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
        _ => {}
    }
}

/// Whether the points of both can stand in one metric.
pub(super) fn are_alike(a: &Data, b: &Data) -> bool {
    match (a, b) {
        (Data::Gauge(_), Data::Gauge(_)) => true,
        (
            Data::Sum { monotonic, temporality, .. },
            Data::Sum { monotonic: rises, temporality: since, .. },
        ) => monotonic == rises && temporality == since,
        (
            Data::Histogram { temporality, bounds, .. },
            Data::Histogram { temporality: since, bounds: others, .. },
        ) => temporality == since && bounds == others,
        (
            Data::ExponentialHistogram { temporality, .. },
            Data::ExponentialHistogram { temporality: since, .. },
        ) => temporality == since,
        _ => false,
    }
}

/// The one metric of these parts, which are alike, with their points merged that do not differ any more.
pub(super) fn join(parts: Vec<Part>) -> Option<Metric> {
    let mut parts = parts.into_iter().map(|part| part.metric);
    let mut joined = parts.next()?;
    for Metric { data, .. } in parts {
        match (&mut joined.data, data) {
            (Data::Gauge(ours), Data::Gauge(theirs))
            | (Data::Sum { points: ours, .. }, Data::Sum { points: theirs, .. }) => {
                ours.extend(theirs);
            }
            (Data::Histogram { points, .. }, Data::Histogram { points: theirs, .. }) => {
                points.extend(theirs);
            }
            (
                Data::ExponentialHistogram { points, .. },
                Data::ExponentialHistogram { points: theirs, .. },
            ) => points.extend(theirs),
            _ => {}
        }
    }
    match &mut joined.data {
        Data::Gauge(points) => merge_points(points, |into, next| *into = next),
        Data::Sum { points, .. } => merge_points(points, Point::add),
        Data::Histogram { points, .. } => merge_points(points, Point::add),
        Data::ExponentialHistogram { points, .. } => merge_points(points, Point::add),
        _ => {}
    }
    Some(joined)
}

/// Merges points of equal attributes, and puts them into the order that points have.
fn merge_points<P: Point>(points: &mut Vec<P>, mut add: impl FnMut(&mut P, P)) {
    sort(points);
    let mut merged: Vec<P> = Vec::with_capacity(points.len());
    for point in points.drain(..) {
        match merged.last_mut() {
            Some(last) if last.attributes() == point.attributes() => add(last, point),
            _ => merged.push(point),
        }
    }
    *points = merged;
}

/// Puts points into the order that points have.
pub(super) fn sort<P: Point>(points: &mut [P]) {
    // Stable: among equal ones the last stays the last.
    points.sort_by(|a, b| {
        let (a, b) = (a.attributes(), b.attributes());
        let is_overflow = |attributes: &Attributes| attributes.get(OVERFLOW).is_some();
        is_overflow(a).cmp(&is_overflow(b)).then_with(|| a.cmp(b))
    });
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

/// A point of a total.
pub(super) trait Point: Clone {
    /// The points of this kind that `data` has.
    fn take(data: Data) -> Vec<Self>;
    fn attributes(&self) -> &Attributes;
    fn start(&self) -> SystemTime;
    fn set_start(&mut self, start: SystemTime);
    /// Whether it counts less than `earlier`, of the same series: that has begun anew.
    fn fell_since(&self, earlier: &Self) -> bool;
    /// Adds what another point counted.
    fn add(&mut self, next: Self);
    /// Keeps floats from being below what they were: they do not add up to the same in another order.
    fn raise_to(&mut self, last: &Self);
}

/// What all kinds of points have, each under its own name in `Data`.
macro_rules! point {
    ($data:ident) => {
        fn take(data: Data) -> Vec<Self> {
            match data {
                Data::$data { points, .. } => points,
                _ => Vec::new(),
            }
        }

        fn attributes(&self) -> &Attributes {
            &self.attributes
        }

        fn start(&self) -> SystemTime {
            self.start
        }

        fn set_start(&mut self, start: SystemTime) {
            self.start = start;
        }
    };
}

impl Point for NumberPoint {
    point!(Sum);

    fn fell_since(&self, earlier: &Self) -> bool {
        self.value.increase_since(earlier.value).is_none()
    }

    fn add(&mut self, next: Self) {
        self.start = self.start.min(next.start);
        self.value = plus(self.value, next.value);
    }

    fn raise_to(&mut self, last: &Self) {
        if let (Value::F64(value), Value::F64(last)) = (&mut self.value, last.value) {
            *value = value.max(last);
        }
    }
}

impl Point for HistogramPoint {
    point!(Histogram);

    fn fell_since(&self, earlier: &Self) -> bool {
        self.count < earlier.count
            || self.buckets.iter().zip(&earlier.buckets).any(|(now, then)| now < then)
    }

    fn add(&mut self, next: Self) {
        add_histogram(self, next);
    }

    fn raise_to(&mut self, last: &Self) {
        self.sum = raised(self.sum, self.count, self.min, (last.sum, last.count));
    }
}

impl Point for ExponentialHistogramPoint {
    point!(ExponentialHistogram);

    fn fell_since(&self, earlier: &Self) -> bool {
        self.count < earlier.count || self.zero_count < earlier.zero_count
    }

    fn add(&mut self, next: Self) {
        exponential::add(self, next);
    }

    fn raise_to(&mut self, last: &Self) {
        self.sum = raised(self.sum, self.count, self.min, (last.sum, last.count));
    }
}

/// The sum of a distribution whose last one had this sum and count. Below zero, a sum may fall.
fn raised(sum: f64, count: u64, min: Option<f64>, (last, last_count): (f64, u64)) -> f64 {
    match min {
        _ if count == last_count => last,
        Some(min) if min >= 0.0 => sum.max(last),
        _ => sum,
    }
}

/// The sums of a histogram's points.
pub(super) fn sums(
    points: impl Iterator<Item = (SeriesId, Attributes, SystemTime, f64)>,
) -> Vec<NumberPoint> {
    let point = |(series, attributes, start, sum)| {
        let value = Value::F64(sum);
        NumberPoint { series, attributes, start, value }
    };
    points.map(point).collect()
}
