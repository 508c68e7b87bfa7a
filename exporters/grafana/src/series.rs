//! A snapshot as the flat list of series that remote write has.
//!
//! By OpenTelemetry's "Prometheus and OpenMetrics Compatibility"; what a scrape of the Prometheus target gives, with
//! the labels `job` and `instance`, which there is no scrape to add.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use meterkit_core::{Data, HistogramPoint};
use meterkit_pipeline::Snapshot;
use meterkit_prometheus_model::{
    self as model, Bounds, Collection, Joins, Labels, NativeHistogram, TARGET_INFO,
    TARGET_INFO_HELP, cumulative_buckets, families, reserve_target_info, sample_value,
};
use meterkit_rules::prometheus_name::{FamilyType, Names, stored_label};

mod labels;

/// The labels of members say which scope and which process they come from.
type Family<'a> = model::Family<Labels<'a>>;
type Member<'a> = model::Member<Labels<'a>>;

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

/// Calls `visit` with each series of `snapshot`: ordered by family, within it by scope and attributes.
pub(crate) fn for_each(snapshot: &Snapshot, visit: &mut dyn FnMut(&Series<'_>)) {
    let target = labels::target_labels(&snapshot.resource);
    let meetings = snapshot.names.meetings(Names::default());
    let collection = Collection { scopes: &snapshot.scopes, absent: &snapshot.absent };
    let mut families = families(collection, Names::default(), &meetings, |mut labels| {
        labels.extend(target.iter().cloned());
        labels
    });
    let time = milliseconds(snapshot.time);
    let info = labels::info_labels(&snapshot.resource, &target);
    if let Some(labels) = info {
        reserve_target_info(&mut families, collection);
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
        let unit = family.unit(collection);
        let metadata = Metadata {
            family: &family.name,
            family_type: family.family_type,
            help: family.help(collection),
            unit: &unit,
        };
        let parts = ["_bucket", "_sum", "_count"].map(|part| format!("{}{part}", family.name));
        let (parts, bounds) = (parts.each_ref().map(String::as_str), Bounds::default());
        let visit = &mut *visit;
        FamilySeries { family, collection, metadata, time, parts, bounds, visit }.all();
    }
}

struct FamilySeries<'f, 'a> {
    family: &'f Family<'a>,
    collection: Collection<'a>,
    metadata: Metadata<'f>,
    time: i64,
    /// The names of buckets, sum and count.
    parts: [&'f str; 3],
    bounds: Bounds,
    visit: &'f mut dyn FnMut(&Series<'_>),
}

impl FamilySeries<'_, '_> {
    fn all(&mut self) {
        let (family, collection) = (self.family, self.collection);
        let joins = Joins::of(family, collection, stored_label, |text, scope, attributes| {
            for (name, value) in labels::series_labels(attributes, scope) {
                text.extend([&*name, "\0", &*value, "\0"]);
            }
        });
        for (place, member) in family.members.iter().enumerate() {
            let data = &member.metric(collection).data;
            for (data, at) in (0..data.len()).filter_map(|at| joins.point(data, place, at)) {
                self.point(member, data, at);
            }
        }
    }

    fn point(&mut self, member: &Member<'_>, data: &Data, at: usize) {
        let family = self.family;
        let Some(attributes) = data.attributes_at(at) else { return };
        let labels = labels::series_labels(attributes, &member.scope);
        match data {
            Data::Gauge(points) | Data::Sum { points, .. } => {
                let has_start = family.family_type == FamilyType::Counter;
                let start = if has_start { self.start(points[at].start) } else { 0 };
                let value = SeriesValue::Number(sample_value(points[at].value.as_f64()));
                self.series(labels, &family.name, None, start, value);
            }
            Data::Histogram { points, bounds: boundaries, .. } => {
                let mut bounds = std::mem::take(&mut self.bounds);
                self.histogram(&labels, bounds.of(boundaries), &points[at]);
                self.bounds = bounds;
            }
            Data::ExponentialHistogram { points, .. } => match NativeHistogram::of(&points[at]) {
                Some(native) => {
                    let start = self.start(points[at].start);
                    let value = SeriesValue::Histogram(Box::new(native));
                    self.series(labels, &family.name, None, start, value);
                }
                None => {
                    let clash = "has buckets wider than a native histogram can: left out";
                    family.warn_of(member.metric(self.collection), clash);
                }
            },
            _ => {}
        }
    }

    /// Returns when a value began to count: not after its sample, whatever clocks said.
    fn start(&self, start: SystemTime) -> i64 {
        milliseconds(start).min(self.time)
    }

    /// Visits the series of a histogram: one per bucket, the sum and the count.
    fn histogram<'l>(&mut self, labels: &Labels<'l>, bounds: &'l [String], point: &HistogramPoint) {
        let start = self.start(point.start);
        let [bucket, sum, count] = self.parts;
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
