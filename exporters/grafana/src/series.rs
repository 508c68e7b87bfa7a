//! A snapshot as the flat list of series that remote write has.
//!
//! By OpenTelemetry's "Prometheus and OpenMetrics Compatibility"; what a scrape of the Prometheus target gives, with
//! the labels `job` and `instance`, which there is no scrape to add.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use meterkit_core::{Attributes, Data, HistogramPoint, NumberPoint};
use meterkit_pipeline::Snapshot;
use meterkit_prometheus_model::{
    Labels, TARGET_INFO, TARGET_INFO_HELP, bounds, cumulative_buckets, families,
    reserve_target_info, sample_value,
};
use meterkit_rules::prometheus_name::{FamilyType, Names, stored_label};

use self::family::{DistinctSeries, Family, Member};
pub(crate) use self::native::{Buckets, NativeHistogram};

mod family;
mod labels;
mod native;

/// One series, and its value at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series<'a> {
    /// Ordered by name, each name once; the one of the metric is `__name__`. None is empty.
    pub(crate) labels: Labels<'a>,
    pub(crate) value: SeriesValue,
    /// In milliseconds since 1970.
    pub(crate) time: i64,
    /// Since when the value counts, in milliseconds since 1970; 0 where that says nothing.
    pub(crate) start: i64,
    pub(crate) metadata: Metadata<'a>,
}

/// The value of a series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SeriesValue {
    Number(f64),
    Histogram(Box<NativeHistogram>),
}

/// What a metric is: the same for all series of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metadata<'a> {
    pub(crate) family: &'a str,
    pub(crate) family_type: FamilyType,
    pub(crate) help: &'a str,
    pub(crate) unit: &'a str,
}

impl SeriesValue {
    /// The end of a series of this kind: queries see it no longer.
    pub(crate) fn stale(&self) -> Self {
        match self {
            Self::Number(_) => Self::Number(stale()),
            Self::Histogram(_) => {
                Self::Histogram(Box::new(NativeHistogram { sum: stale(), ..Default::default() }))
            }
        }
    }
}

/// The number that is no number, and tells Prometheus that a series has ended.
fn stale() -> f64 {
    f64::from_bits(0x7ff0_0000_0000_0002)
}

/// Calls `visit` with each series of `snapshot`: ordered by family, within it by scope and attributes.
pub(crate) fn for_each(snapshot: &Snapshot, visit: &mut dyn FnMut(&Series<'_>)) {
    let target = labels::target_labels(&snapshot.resource);
    let mut families = families(&snapshot.scopes, Names::default(), |mut labels| {
        labels.extend(target.iter().cloned());
        labels
    });
    let time = milliseconds(snapshot.time);
    let info = labels::info_labels(&snapshot.resource, &target);
    if let Some(labels) = info {
        reserve_target_info(&mut families);
        visit(&Series {
            labels,
            value: SeriesValue::Number(1.0),
            time,
            start: 0,
            metadata: Metadata {
                family: TARGET_INFO,
                family_type: FamilyType::Gauge,
                help: TARGET_INFO_HELP,
                unit: "",
            },
        });
    }
    for family in &families {
        FamilySeries { family: &Family::new(family), time, visit: &mut *visit }.all();
    }
}

struct FamilySeries<'f, 'a> {
    family: &'f Family<'f, 'a>,
    time: i64,
    visit: &'f mut dyn FnMut(&Series<'_>),
}

impl<'f> FamilySeries<'f, '_> {
    fn all(&mut self) {
        let family = self.family.metrics;
        let mut distinct = DistinctSeries::of(family, stored_label);
        for member in &family.members {
            match &member.metric.data {
                Data::Gauge(points) => {
                    for point in points {
                        if let Some(labels) = first(member, &point.attributes, &mut distinct) {
                            self.number(labels, 0, point);
                        }
                    }
                }
                Data::Sum { points, monotonic, .. } => {
                    for point in points {
                        if let Some(labels) = first(member, &point.attributes, &mut distinct) {
                            let start = if *monotonic { milliseconds(point.start) } else { 0 };
                            self.number(labels, start, point);
                        }
                    }
                }
                Data::Histogram { points, bounds: boundaries, .. } => {
                    let bounds = bounds(boundaries);
                    for point in points {
                        if let Some(labels) = first(member, &point.attributes, &mut distinct) {
                            self.histogram(&labels, &bounds, point);
                        }
                    }
                }
                Data::ExponentialHistogram { points, .. } => {
                    for point in points {
                        let Some(native) = NativeHistogram::of(point) else {
                            let clash = "has buckets wider than a native histogram can: left out";
                            family.warn_of(member, clash);
                            continue;
                        };
                        if let Some(labels) = first(member, &point.attributes, &mut distinct) {
                            let start = milliseconds(point.start);
                            let value = SeriesValue::Histogram(Box::new(native));
                            self.series(labels, &self.family.metrics.name, None, start, value);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn number(&mut self, labels: Labels<'f>, start: i64, point: &NumberPoint) {
        let value = SeriesValue::Number(sample_value(point.value.as_f64()));
        self.series(labels, &self.family.metrics.name, None, start, value);
    }

    fn histogram<'l>(&mut self, labels: &Labels<'l>, bounds: &'l [String], point: &HistogramPoint)
    where
        'f: 'l,
    {
        let (family, start) = (self.family, milliseconds(point.start));
        let count = |count: u64| SeriesValue::Number(count as f64);
        for (bound, below) in cumulative_buckets(bounds, &point.buckets, point.count) {
            self.series(labels.clone(), &family.bucket, Some(bound), start, count(below));
        }
        let sum = SeriesValue::Number(sample_value(point.sum));
        self.series(labels.clone(), &family.sum, None, start, sum);
        self.series(labels.clone(), &family.count, None, start, count(point.count));
    }

    fn series<'l>(
        &mut self,
        mut labels: Labels<'l>,
        name: &'l str,
        bound: Option<&'l str>,
        start: i64,
        value: SeriesValue,
    ) {
        labels::insert(&mut labels, "__name__", name);
        if let Some(bound) = bound {
            labels::insert(&mut labels, "le", bound);
        }
        let metadata = self.family.metadata();
        (self.visit)(&Series { labels, value, time: self.time, start, metadata });
    }
}

/// The labels of a series without its name, unless the family has it already.
fn first<'f, 'a: 'f>(
    member: &'f Member<'a>,
    attributes: &'f Attributes,
    distinct: &mut DistinctSeries<'f, 'a>,
) -> Option<Labels<'f>> {
    let labels = labels::series_labels(attributes, &member.scope);
    distinct.is_first(member, &labels).then_some(labels)
}

/// Since 1970, as Prometheus counts time.
pub(crate) fn milliseconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |it| -it),
    }
}

/// The name of the metric that a series belongs to.
pub(crate) fn name<'s>(labels: &'s [(Cow<'_, str>, Cow<'_, str>)]) -> &'s str {
    labels.iter().find(|(name, _)| name == "__name__").map_or("", |(_, value)| value)
}

#[cfg(test)]
mod tests;
