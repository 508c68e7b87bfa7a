//! Operations on points that deltas and views need, for all kinds of data: subtracting, adding and merging.

mod exponential;
mod summary;

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use meterkit_core::order;
use meterkit_core::{Attributes, Data, HistogramPoint, Interval, NumberPoint, SeriesId, Value};

/// The attribute of the series that receives recordings once a cardinality limit is reached. Filters never remove it,
/// because the series stands for attribute sets that are no longer known.
pub(crate) const OVERFLOW: &str = "otel.metric.overflow";

/// A point of a series.
pub(crate) trait Point: Clone + fmt::Debug + Send + 'static {
    /// Returns the point at index `at`, if `data` contains points of this kind.
    fn at(data: &Data, at: usize) -> Option<Cow<'_, Self>>;
    /// Returns the points of this kind in `data`.
    fn each(data: &Data) -> impl Iterator<Item = Cow<'_, Self>> {
        (0..data.len()).map_while(|at| Self::at(data, at))
    }
    fn all_mut(data: &mut Data) -> Option<&mut Vec<Self>>;
    fn series(&self) -> SeriesId;
    fn attributes(&self) -> &Attributes;
    fn start(&self) -> SystemTime;
    /// Turns this into a point of another series.
    fn identify(&mut self, series: SeriesId, attributes: &Attributes, start: SystemTime);
    /// Returns the difference to `earlier`, with `time` as its start; the whole point if the value fell.
    fn since(&self, earlier: &Self, time: SystemTime) -> Self;
    /// Refines a difference between `now` and an earlier point, such as its minimum and maximum, with `interval`, the
    /// values that the series recorded in between.
    fn refine(&mut self, _now: &Self, _interval: &Interval) {}
    /// Returns whether the point has counted nothing.
    fn is_nothing(&self) -> bool;
    /// Adds the values of another point.
    fn add(&mut self, next: &Self);
    /// Keeps a total at `last` or above: the same floats may add up to slightly less in another order.
    fn raise_to(&mut self, last: &Self);
}

/// Implements the methods of [`Point`] that are the same for all kinds. Takes the pattern that binds `points` in
/// `Data`, and optionally how to read one point and how to get a mutable list.
macro_rules! point {
    ($points:ident in $data:pat) => {
        point!(
            $points in $data,
            |at| $points.get(at).map(std::borrow::Cow::Borrowed),
            $points
        );
    };
    ($points:ident in $data:pat, |$at:ident| $point:expr, $list:expr) => {
        fn at(data: &Data, $at: usize) -> Option<std::borrow::Cow<'_, Self>> {
            match data {
                $data => $point,
                _ => None,
            }
        }

        fn all_mut(data: &mut Data) -> Option<&mut Vec<Self>> {
            match data {
                $data => Some($list),
                _ => None,
            }
        }

        fn series(&self) -> SeriesId {
            self.series
        }

        fn attributes(&self) -> &Attributes {
            &self.attributes
        }

        fn start(&self) -> SystemTime {
            self.start
        }

        fn identify(&mut self, series: SeriesId, attributes: &Attributes, start: SystemTime) {
            (self.series, self.attributes, self.start) = (series, attributes.clone(), start);
        }

        fn add(&mut self, next: &Self) {
            Self::add(self, next);
        }
    };
}
use point;

impl Point for NumberPoint {
    point!(
        points in Data::Gauge(points) | Data::Sum { points, .. },
        |at| points.at(at),
        points.to_mut()
    );

    fn since(&self, earlier: &Self, time: SystemTime) -> Self {
        let value = self.value.increase_since(earlier.value).unwrap_or(self.value);
        Self { start: time, value, ..self.clone() }
    }

    fn is_nothing(&self) -> bool {
        self.value.as_f64() == 0.0
    }

    fn raise_to(&mut self, last: &Self) {
        if let (Value::F64(value), Value::F64(last)) = (&mut self.value, last.value) {
            *value = value.max(last);
        }
    }
}

impl Point for HistogramPoint {
    point!(points in Data::Histogram { points, .. });

    fn since(&self, earlier: &Self, time: SystemTime) -> Self {
        let pairs = self.buckets.iter().zip(&earlier.buckets);
        let buckets: Option<Box<[u64]>> = pairs.map(|(now, then)| now.checked_sub(*then)).collect();
        let count = self.count.checked_sub(earlier.count);
        match (buckets, count) {
            (Some(buckets), Some(count)) => Self {
                series: self.series,
                attributes: self.attributes.clone(),
                start: time,
                count,
                sum: self.sum - earlier.sum,
                min: changed(self.min, earlier.min),
                max: changed(self.max, earlier.max),
                buckets,
            },
            _ => Self { start: time, ..self.clone() },
        }
    }

    fn refine(&mut self, now: &Self, interval: &Interval) {
        // If the counts differ, the interval does not match this difference, and only the totals are known.
        if self.count == interval.count {
            // A view may have removed minimum and maximum.
            self.min = now.min.map(|_| interval.min);
            self.max = now.max.map(|_| interval.max);
        }
    }

    fn is_nothing(&self) -> bool {
        self.count == 0
    }

    fn raise_to(&mut self, last: &Self) {
        self.sum = raised(self.sum, self.count, self.min, (last.sum, last.count));
    }
}

/// Returns the minimum or maximum since `earlier`: a changed value was recorded since then, but an unchanged one may be
/// older, so `None` is returned.
fn changed(now: Option<f64>, earlier: Option<f64>) -> Option<f64> {
    now.filter(|now| earlier.is_some_and(|earlier| earlier != *now))
}

/// Returns `sum`, raised to the `last` sum of the same distribution if it fell by rounding. With negative values, a sum
/// may really fall.
fn raised(sum: f64, count: u64, min: Option<f64>, (last, last_count): (f64, u64)) -> f64 {
    match min {
        _ if count == last_count => last,
        Some(min) if min >= 0.0 => sum.max(last),
        _ => sum,
    }
}

/// Sorts points and merges those with equal attributes.
pub(crate) fn merge<P: Point>(points: &mut Vec<P>) {
    sort(points);
    points.dedup_by(|next, kept| {
        let is_same = next.attributes() == kept.attributes();
        if is_same {
            kept.add(next);
        }
        is_same
    });
}

/// Sorts points by attributes, with the overflow series last.
pub(crate) fn sort<P: Point>(points: &mut [P]) {
    // The sort is stable, so equal points keep their order.
    order::sort_by(points, |a, b| {
        let (a, b) = (a.attributes(), b.attributes());
        let is_overflow = |attributes: &Attributes| attributes.get(OVERFLOW).is_some();
        is_overflow(a).cmp(&is_overflow(b)).then_with(|| a.cmp(b))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_that_add_up_to_less_in_another_order_do_not_fall() {
        let parts = [0.1, 0.2, 0.3];
        let (up, down) = (parts.iter().sum::<f64>(), parts.iter().rev().sum::<f64>());
        assert!(down < up);
        let (series, attributes) = (SeriesId::new(), Attributes::empty);
        let start = SystemTime::UNIX_EPOCH;
        let number =
            |sum| NumberPoint { series, attributes: attributes(), start, value: Value::F64(sum) };
        let mut point = number(down);
        point.raise_to(&number(up));
        assert_eq!(point.value, Value::F64(up));
        let histogram = |sum, count| HistogramPoint {
            series,
            attributes: attributes(),
            start,
            count,
            sum,
            min: Some(0.1),
            max: None,
            buckets: [count].into(),
        };
        let mut point = histogram(down, 4);
        point.raise_to(&histogram(up, 3));
        assert_eq!(point.sum, up);
        // With negative values, the sum may fall.
        let mut point = HistogramPoint { min: Some(-0.1), ..histogram(down, 4) };
        point.raise_to(&histogram(up, 3));
        assert_eq!(point.sum, down);
    }
}
