//! Points that add up: what deltas and views do with the series of rising sums and of histograms, whatever their kind.

mod exponential;
mod summary;

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use meterkit_core::order;
use meterkit_core::{Attributes, Data, HistogramPoint, Interval, NumberPoint, SeriesId, Value};

/// On the series to which recordings go once a limit is reached: it stands for attributes that nobody knows any more,
/// so it stays apart whatever is filtered.
pub(crate) const OVERFLOW: &str = "otel.metric.overflow";

/// A point of a series.
pub(crate) trait Point: Clone + fmt::Debug + Send + 'static {
    /// Returns the point of this kind that `data` has at a place.
    fn at(data: &Data, at: usize) -> Option<Cow<'_, Self>>;
    /// Returns the points of this kind that `data` has.
    fn each(data: &Data) -> impl Iterator<Item = Cow<'_, Self>> {
        (0..data.len()).map_while(|at| Self::at(data, at))
    }
    fn all_mut(data: &mut Data) -> Option<&mut Vec<Self>>;
    fn series(&self) -> SeriesId;
    fn attributes(&self) -> &Attributes;
    fn start(&self) -> SystemTime;
    /// Makes it a point of another series.
    fn identify(&mut self, series: SeriesId, attributes: &Attributes, start: SystemTime);
    /// Returns what came since `earlier`, from `time` on; everything, if the value fell.
    fn since(&self, earlier: &Self, time: SystemTime) -> Self;
    /// Makes the difference between `now` and an earlier point say what is known of that time alone. `interval` is what
    /// the series recorded in it.
    fn refine(&mut self, _now: &Self, _interval: &Interval) {}
    /// Returns whether nothing was counted.
    fn is_nothing(&self) -> bool;
    /// Adds what another point counted.
    fn add(&mut self, next: &Self);
    /// Keeps floats from being below what they were: they do not add up to the same in another order.
    fn raise_to(&mut self, last: &Self);
}

/// What all kinds of points have: `points`, where `Data` has them, with how one of them is read and how they become a list
/// that can be changed.
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
        // If someone else has taken a part of it, what the totals show is all that is known.
        if self.count == interval.count {
            // A view may leave the extremes out.
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

/// Returns the extreme of what came since: one that is further out than before came since then; one that is not may be
/// older.
fn changed(now: Option<f64>, earlier: Option<f64>) -> Option<f64> {
    now.filter(|now| earlier.is_some_and(|earlier| earlier != *now))
}

/// Returns the sum of a distribution whose last one had this sum and count. Below zero, a sum may fall.
fn raised(sum: f64, count: u64, min: Option<f64>, (last, last_count): (f64, u64)) -> f64 {
    match min {
        _ if count == last_count => last,
        Some(min) if min >= 0.0 => sum.max(last),
        _ => sum,
    }
}

/// Joins points with equal attributes by `add`, and puts them into the order that points have.
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

/// Puts points into the order that points have.
pub(crate) fn sort<P: Point>(points: &mut [P]) {
    // Stable: of equal ones the first stays the first.
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
        // With values below zero it may.
        let mut point = HistogramPoint { min: Some(-0.1), ..histogram(down, 4) };
        point.raise_to(&histogram(up, 3));
        assert_eq!(point.sum, down);
    }
}
