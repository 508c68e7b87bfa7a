//! Converts snapshots to Datadog's points, independently of how these are sent.

mod histogram;
mod tags;
mod unit;

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::SystemTime;

use foldhash::{HashMap, HashMapExt};
use meterkit_core::{Attributes, Data, Metric, Value as Number};
use meterkit_pipeline::Snapshot;

pub(crate) use self::histogram::{Bucket, Histogram};
pub(crate) use self::tags::{Tagging, Tags};
use crate::name::metric_name;

/// The points of a snapshot. Each combination of a name, a kind and tags occurs once.
#[derive(Debug)]
pub(crate) struct Points<'a> {
    pub(crate) points: Vec<Point<Histograms<'a>>>,
    pub(crate) left_out: LeftOut,
}

/// The number of points that cannot be sent, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Points whose values are infinite or NaN, and histograms without any information on where their values lie.
    pub(crate) not_finite: u64,
    /// Points of metrics whose names contain no ASCII letter.
    pub(crate) nameless: u64,
}

/// The histograms whose labels became the same tags. Usually, there is only one.
pub(crate) type Histograms<'a> = Vec<Histogram<'a>>;

/// A point of one series. `D` is the representation of distributions: [`Histograms`], or a sketch of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point<D> {
    /// The name as Datadog stores it.
    pub(crate) name: Arc<str>,
    pub(crate) tags: Tags,
    /// Datadog's name of the unit.
    pub(crate) unit: Option<&'static str>,
    pub(crate) value: Value<D>,
}

/// The value of a point. It is finite.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<D> {
    /// The increase of a counter.
    Count {
        value: Number,
        /// The interval that the count covers, in seconds; at least 1.
        interval: u64,
    },
    /// The value of a gauge or of an up-down counter.
    Gauge(Number),
    /// The values that a histogram recorded.
    Distribution(D),
}

impl<'a> Points<'a> {
    /// Returns the points of `snapshot`, whose counters and histograms must be deltas.
    ///
    /// Points whose labels become the same tags are merged: counts, up-down counters and distributions are added up,
    /// and the last gauge wins. Counters and histograms without an increase are left out: Datadog treats a missing
    /// count as zero, and charges for each series that is sent within an hour.
    pub(crate) fn of(snapshot: &'a Snapshot, tagging: &Tagging) -> Self {
        let mut gathering = Gathering {
            time: snapshot.time,
            tagger: tags::Tagger::default(),
            places: HashMap::with_capacity(snapshot.len()),
            points: Vec::with_capacity(snapshot.len()),
            left_out: LeftOut::default(),
        };
        for scope in &snapshot.scopes {
            gathering.tagger.enter(scope, tagging);
            scope.metrics.iter().for_each(|metric| gathering.take(metric));
        }
        Self { points: gathering.points, left_out: gathering.left_out }
    }
}

impl LeftOut {
    /// Returns the total number of points that cannot be sent.
    pub(crate) fn points(&self) -> u64 {
        self.not_finite + self.nameless
    }
}

impl<D> Point<D> {
    /// Converts the distribution with `change`. Returns `None` if `change` does.
    pub(crate) fn map<T>(self, change: impl FnOnce(D) -> Option<T>) -> Option<Point<T>> {
        let value = match self.value {
            Value::Count { value, interval } => Value::Count { value, interval },
            Value::Gauge(value) => Value::Gauge(value),
            Value::Distribution(distribution) => Value::Distribution(change(distribution)?),
        };
        Some(Point { name: self.name, tags: self.tags, unit: self.unit, value })
    }
}

/// The kind of a point. Only points of the same kind are merged.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Count,
    UpDown,
    Gauge,
    Distribution,
}

struct Gathering<'a> {
    time: SystemTime,
    tagger: tags::Tagger<'a>,
    /// The index of each point in `points`.
    places: HashMap<(Arc<str>, Tags, Kind), usize>,
    points: Vec<Point<Histograms<'a>>>,
    left_out: LeftOut,
}

impl<'a> Gathering<'a> {
    fn take(&mut self, metric: &'a Metric) {
        let Some(name) = metric_name(&metric.descriptor.name) else {
            self.left_out.nameless += metric.data.len() as u64;
            return;
        };
        let (name, unit) = (Arc::from(name), unit::unit(&metric.descriptor.unit));
        let time = self.time;
        let mut put = |labels, value, kind| self.put(&name, unit, labels, value, kind);
        match &metric.data {
            Data::Gauge(points) => {
                for point in points {
                    put(&point.attributes, Value::Gauge(point.value), Kind::Gauge);
                }
            }
            Data::Sum { monotonic: false, points, .. } => {
                for point in points {
                    put(&point.attributes, Value::Gauge(point.value), Kind::UpDown);
                }
            }
            Data::Sum { points, .. } => {
                for point in points {
                    let value =
                        Value::Count { value: point.value, interval: seconds(point.start, time) };
                    put(&point.attributes, value, Kind::Count);
                }
            }
            Data::Histogram { bounds, points, .. } => {
                for point in points.iter().filter(|point| point.count > 0) {
                    let histogram = Histogram::Explicit { bounds, point };
                    let value = Value::Distribution(vec![histogram]);
                    put(&point.attributes, value, Kind::Distribution);
                }
            }
            Data::ExponentialHistogram { points, .. } => {
                for point in points.iter().filter(|point| point.count > 0) {
                    let value = Value::Distribution(vec![Histogram::Exponential(point)]);
                    put(&point.attributes, value, Kind::Distribution);
                }
            }
            // Other kinds cannot be sent.
            _ => {}
        }
    }

    fn put(
        &mut self,
        name: &Arc<str>,
        unit: Option<&'static str>,
        labels: &'a Attributes,
        value: Value<Histograms<'a>>,
        kind: Kind,
    ) {
        let is_finite = match &value {
            Value::Count { value, .. } if value.as_f64() == 0.0 => return,
            Value::Count { value, .. } | Value::Gauge(value) => value.as_f64().is_finite(),
            Value::Distribution(histograms) => histograms.iter().all(Histogram::is_placed),
        };
        if !is_finite {
            self.left_out.not_finite += 1;
            return;
        }
        let tags = self.tagger.tags(labels);
        match self.places.entry((name.clone(), tags.clone(), kind)) {
            Entry::Vacant(place) => {
                place.insert(self.points.len());
                self.points.push(Point { name: name.clone(), tags, unit, value });
            }
            Entry::Occupied(place) => {
                if let Some(point) = self.points.get_mut(*place.get()) {
                    merge(&mut point.value, value, kind);
                }
            }
        }
    }
}

fn merge<'a>(kept: &mut Value<Histograms<'a>>, more: Value<Histograms<'a>>, kind: Kind) {
    match (kept, more) {
        (Value::Count { value, interval }, Value::Count { value: more, interval: its }) => {
            *value = sum(*value, more);
            *interval = (*interval).max(its);
        }
        (Value::Gauge(value), Value::Gauge(more)) if kind == Kind::UpDown => {
            *value = sum(*value, more);
        }
        (Value::Gauge(value), Value::Gauge(last)) => *value = last,
        (Value::Distribution(histograms), Value::Distribution(more)) => histograms.extend(more),
        _ => {} // Unreachable: the kind is a part of the key.
    }
}

/// Returns the sum of two values. If their types differ or the sum exceeds the range of their type, it is a finite
/// float.
fn sum(a: Number, b: Number) -> Number {
    let exact = match (a, b) {
        (Number::U64(a), Number::U64(b)) => a.checked_add(b).map(Number::U64),
        (Number::I64(a), Number::I64(b)) => a.checked_add(b).map(Number::I64),
        _ => None,
    };
    let finite = || (a.as_f64() + b.as_f64()).clamp(f64::MIN, f64::MAX);
    exact.unwrap_or_else(|| Number::F64(finite()))
}

/// Returns the rounded number of seconds from `start` to `time`, at least 1.
fn seconds(start: SystemTime, time: SystemTime) -> u64 {
    let passed = time.duration_since(start).unwrap_or_default();
    (passed.as_secs_f64().round() as u64).max(1)
}

#[cfg(test)]
mod tests;
