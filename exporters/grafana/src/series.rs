//! A snapshot as the flat list of series that remote write has.
//!
//! By OpenTelemetry's "Prometheus and OpenMetrics Compatibility"; what a scrape of the Prometheus target gives, with
//! the labels `job` and `instance`, which there is no scrape to add.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use meterkit_core::{Attributes, Data, HistogramPoint};
use meterkit_pipeline::Snapshot;
use meterkit_prometheus_model::{
    self as model, Labels, TARGET_INFO, TARGET_INFO_HELP, bounds, cumulative_buckets, families,
    reserve_target_info,
};
use meterkit_rules::prometheus_name::{FamilyType, Names, stored_label};

pub(crate) use self::native::{Buckets, NativeHistogram};

mod labels;
mod native;

/// The labels of members say which scope and which process they come from.
type Family<'a> = model::Family<'a, Labels<'a>>;
type Member<'a> = model::Member<'a, Labels<'a>>;
type DistinctSeries<'f, 'a> = model::DistinctSeries<'f, 'a, Labels<'a>, Labels<'f>>;

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

/// Returns the number that is no number, and tells Prometheus that a series has ended.
fn stale() -> f64 {
    f64::from_bits(0x7ff0_0000_0000_0002)
}

/// Returns a user's value as a sample may have it: a NaN must not be taken for the staleness marker, which is a NaN too.
fn sample_value(value: f64) -> f64 {
    if value.is_nan() { f64::from_bits(0x7ff8_0000_0000_0001) } else { value }
}

/// Calls `visit` with each series of `snapshot`: ordered by family, within it by scope and attributes.
pub(crate) fn for_each(snapshot: &Snapshot, visit: &mut dyn FnMut(&Series<'_>)) {
    let target = labels::target_labels(&snapshot.resource);
    let meetings = snapshot.names.meetings(Names::default());
    let mut families = families(&snapshot.scopes, Names::default(), &meetings, |mut labels| {
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
        let unit = family.unit();
        let Family { name, family_type, help, .. } = family;
        let metadata = Metadata { family: name, family_type: *family_type, help, unit: &unit };
        FamilySeries { family, metadata, time, visit: &mut *visit }.all();
    }
}

struct FamilySeries<'f, 'a> {
    family: &'f Family<'a>,
    metadata: Metadata<'f>,
    time: i64,
    visit: &'f mut dyn FnMut(&Series<'_>),
}

impl<'f> FamilySeries<'f, '_> {
    fn all(&mut self) {
        let family = self.family;
        let mut distinct = DistinctSeries::of(family, stored_label);
        for member in &family.members {
            match &member.metric.data {
                Data::Gauge(points) | Data::Sum { points, .. } => {
                    let has_start = family.family_type == FamilyType::Counter;
                    for point in points {
                        if let Some(labels) = first(member, &point.attributes, &mut distinct) {
                            let start = if has_start { self.start(point.start) } else { 0 };
                            let value = sample_value(point.value.as_f64());
                            self.series(
                                labels,
                                &family.name,
                                None,
                                start,
                                SeriesValue::Number(value),
                            );
                        }
                    }
                }
                Data::Histogram { points, bounds: boundaries, .. } => {
                    let bounds = bounds(boundaries);
                    let part = |suffix| format!("{}{suffix}", family.name);
                    let parts = ["_bucket", "_sum", "_count"].map(part);
                    for point in points {
                        if let Some(labels) = first(member, &point.attributes, &mut distinct) {
                            self.histogram(&labels, &parts, &bounds, point);
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
                            let start = self.start(point.start);
                            let value = SeriesValue::Histogram(Box::new(native));
                            self.series(labels, &family.name, None, start, value);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns when a value began to count: not after its sample, whatever clocks said.
    fn start(&self, start: SystemTime) -> i64 {
        milliseconds(start).min(self.time)
    }

    /// Visits the series of a histogram: one per bucket, the sum and the count.
    fn histogram<'l>(
        &mut self,
        labels: &Labels<'l>,
        [bucket, sum, count]: &'l [String; 3],
        bounds: &'l [String],
        point: &HistogramPoint,
    ) {
        let start = self.start(point.start);
        let mut add = |name, bound, value| {
            self.series(labels.clone(), name, bound, start, SeriesValue::Number(value));
        };
        for (bound, below) in cumulative_buckets(bounds, &point.buckets, point.count) {
            add(bucket, Some(bound), below as f64);
        }
        add(sum, None, sample_value(point.sum));
        add(count, None, point.count as f64);
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
        let (time, metadata) = (self.time, self.metadata);
        (self.visit)(&Series { labels, value, time, start, metadata });
    }
}

/// Returns the labels of a series without its name, or `None` if the family has an equal series already.
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

/// Returns the name of the metric that a series belongs to.
pub(crate) fn name<'s>(labels: &'s [(Cow<'_, str>, Cow<'_, str>)]) -> &'s str {
    labels.iter().find(|(name, _)| name == "__name__").map_or("", |(_, value)| value)
}

#[cfg(test)]
mod tests;
