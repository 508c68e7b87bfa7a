//! Snapshots as Datadog's points, however these are sent.

mod histogram;
mod tags;
mod unit;

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::SystemTime;

use foldhash::{HashMap, HashMapExt};
use meterkit_core::{Attributes, Data, Metric};
use meterkit_pipeline::Snapshot;

pub(crate) use self::histogram::Histogram;
pub(crate) use self::tags::{Tagging, Tags};
use crate::name::metric_name;

/// The points of a snapshot, each name with the same tags once.
#[derive(Debug)]
pub(crate) struct Points<'a> {
    pub(crate) points: Vec<Point<Histograms<'a>>>,
    /// How many points cannot be sent: their value is infinite or no number, or no letter is in their name.
    pub(crate) left_out: u64,
}

/// The histograms whose labels became the same tags: nearly always one.
pub(crate) type Histograms<'a> = Vec<Histogram<'a>>;

/// What one series has to say. `D` is what distributions are: [`Histograms`], or sketches of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point<D> {
    /// As Datadog stores it.
    pub(crate) name: Arc<str>,
    pub(crate) tags: Tags,
    /// As Datadog calls it.
    pub(crate) unit: Option<&'static str>,
    pub(crate) value: Value<D>,
}

/// The value of a point, which is finite.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<D> {
    /// What a counter rose by.
    Count {
        value: f64,
        /// Over how many seconds; at least one.
        interval: u64,
    },
    /// The value of a gauge or of an up-down counter.
    Gauge(f64),
    /// What a histogram recorded.
    Distribution(D),
}

impl<'a> Points<'a> {
    /// The points of `snapshot`, whose counters and histograms are deltas.
    ///
    /// Points whose labels become the same tags become one: counts, up-down counters and distributions add up, of
    /// gauges the last one counts. Counters and histograms to which nothing was added give no point: Datadog reads that
    /// as zero where it adds counts up, and charges for each series that is sent within an hour.
    pub(crate) fn of(snapshot: &'a Snapshot, tagging: &Tagging) -> Self {
        let mut gathering = Gathering {
            time: snapshot.time,
            tagger: tags::Tagger::default(),
            places: HashMap::with_capacity(snapshot.len()),
            points: Vec::with_capacity(snapshot.len()),
            left_out: 0,
        };
        for scope in &snapshot.scopes {
            gathering.tagger.enter(scope, tagging);
            scope.metrics.iter().for_each(|metric| gathering.take(metric));
        }
        Self { points: gathering.points, left_out: gathering.left_out }
    }
}

impl<D> Point<D> {
    /// The same with the distribution that `change` makes of its own, or none if it makes none.
    pub(crate) fn map<T>(self, change: impl FnOnce(D) -> Option<T>) -> Option<Point<T>> {
        let value = match self.value {
            Value::Count { value, interval } => Value::Count { value, interval },
            Value::Gauge(value) => Value::Gauge(value),
            Value::Distribution(distribution) => Value::Distribution(change(distribution)?),
        };
        Some(Point { name: self.name, tags: self.tags, unit: self.unit, value })
    }
}

/// Points are merged with those of the same kind.
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
    /// Where in `points` each one is.
    places: HashMap<(Arc<str>, Tags, Kind), usize>,
    points: Vec<Point<Histograms<'a>>>,
    left_out: u64,
}

impl<'a> Gathering<'a> {
    fn take(&mut self, metric: &'a Metric) {
        let Some(name) = metric_name(&metric.descriptor.name) else {
            self.left_out += metric.data.len() as u64;
            return;
        };
        let (name, unit) = (Arc::from(name), unit::unit(&metric.descriptor.unit));
        let time = self.time;
        let mut put = |labels, value, kind| self.put(&name, unit, labels, value, kind);
        match &metric.data {
            Data::Gauge(points) => {
                for point in points {
                    put(&point.attributes, Value::Gauge(point.value.as_f64()), Kind::Gauge);
                }
            }
            Data::Sum { monotonic: false, points, .. } => {
                for point in points {
                    put(&point.attributes, Value::Gauge(point.value.as_f64()), Kind::UpDown);
                }
            }
            Data::Sum { points, .. } => {
                for point in points {
                    let (value, interval) = (point.value.as_f64(), seconds(point.start, time));
                    put(&point.attributes, Value::Count { value, interval }, Kind::Count);
                }
            }
            Data::Histogram { bounds, points, .. } => {
                for point in points.iter().filter(|point| point.count > 0) {
                    let value = Value::Distribution(vec![Histogram::Explicit { bounds, point }]);
                    put(&point.attributes, value, Kind::Distribution);
                }
            }
            Data::ExponentialHistogram { points, .. } => {
                for point in points.iter().filter(|point| point.count > 0) {
                    let value = Value::Distribution(vec![Histogram::Exponential(point)]);
                    put(&point.attributes, value, Kind::Distribution);
                }
            }
            _ => self.left_out += metric.data.len() as u64,
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
        match value {
            Value::Count { value, .. } | Value::Gauge(value) if !value.is_finite() => {
                self.left_out += 1;
                return;
            }
            Value::Count { value: 0.0, .. } => return,
            _ => {}
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
        _ => {} // The kind is a part of what is looked up.
    }
}

fn sum(a: f64, b: f64) -> f64 {
    (a + b).clamp(f64::MIN, f64::MAX)
}

/// From `start` to `time`, rounded.
fn seconds(start: SystemTime, time: SystemTime) -> u64 {
    let passed = time.duration_since(start).unwrap_or_default();
    (passed.as_secs_f64().round() as u64).max(1)
}

#[cfg(test)]
mod tests;
