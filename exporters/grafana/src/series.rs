//! Converts a snapshot to the flat list of series that remote write sends.
//!
//! Follows OpenTelemetry's "Prometheus and OpenMetrics Compatibility". The series are those of a scrape, with the
//! labels `job` and `instance`, which Prometheus would add when it scrapes.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use meterkit_core::{Attributes, Data, Exemplar, Exemplars, ExponentialHistogramPoint};
use meterkit_pipeline::Snapshot;
use meterkit_prometheus_model::{
    self as model, Collection, Joins, Labels, Ladder, NativeHistogram, ScopeLabels, TARGET_INFO,
    TARGET_INFO_HELP, exemplar_labels, families, sample_value,
};
use meterkit_rules::prometheus_name::{FamilyType, Names};

pub(crate) use self::classic::as_classic;
use self::classic::{ClassicSeries, Counts};
use crate::histograms::RemoteWriteHistograms;

mod classic;
mod labels;

/// A family whose members carry the labels of their scope and of the process.
type Family<'a> = model::Family<ScopeLabels<'a>>;
type Member<'a> = model::Member<ScopeLabels<'a>>;

/// One series with one value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series<'a> {
    /// Labels ordered by name, without duplicate names or empty values. `__name__` holds the name of the metric.
    pub(crate) labels: Labels<'a>,
    pub(crate) value: SeriesValue,
    /// The timestamp, in milliseconds since 1970.
    pub(crate) time: i64,
    /// The start time of the value, in milliseconds since 1970; 0 if it has none.
    pub(crate) start: i64,
    pub(crate) metadata: Metadata<'a>,
    /// New exemplars, ordered by time. Empty for remote write 1.0.
    pub(crate) exemplars: Vec<SeriesExemplar<'a>>,
}

/// An exemplar of a series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeriesExemplar<'a> {
    pub(crate) labels: Labels<'a>,
    pub(crate) value: f64,
    /// The timestamp, in milliseconds since 1970.
    pub(crate) time: i64,
}

/// The value of a series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SeriesValue {
    Number(f64),
    Histogram(Box<NativeHistogram>),
}

/// The metadata that all series of a family share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metadata<'a> {
    pub(crate) family: &'a str,
    pub(crate) family_type: FamilyType,
    pub(crate) help: &'a str,
    pub(crate) unit: &'a str,
}

impl SeriesValue {
    /// Returns the staleness marker for a series of this kind. Queries no longer see a series after its marker.
    pub(crate) fn stale(&self) -> Self {
        match self {
            Self::Number(_) => Self::Number(stale()),
            Self::Histogram(_) => {
                Self::Histogram(Box::new(NativeHistogram { sum: stale(), ..Default::default() }))
            }
        }
    }
}

/// Returns the NaN that marks a series as stale in Prometheus.
fn stale() -> f64 {
    f64::from_bits(0x7ff0_0000_0000_0002)
}

/// Calls `visit` with each series of `snapshot`, ordered by family, then by scope and attributes. `histograms`
/// selects the form of histograms. The series carry their exemplars from `exemplars`.
pub(crate) fn for_each(
    snapshot: &Snapshot,
    exemplars: Option<&Exemplars>,
    histograms: RemoteWriteHistograms,
    visit: &mut dyn FnMut(&Series<'_>),
) {
    let target = labels::target_labels(&snapshot.resource);
    let collection = Collection { scopes: &snapshot.scopes, absent: &snapshot.absent, exemplars };
    let mut families = families(collection, Names::default(), &snapshot.names, |mut labels| {
        target.iter().cloned().for_each(|(name, value)| labels.push(name, value));
        labels
    });
    let time = milliseconds(snapshot.time);
    let info = labels::info_labels(&snapshot.resource, &target);
    if let Some(labels) = info {
        families.reserve_target_info(collection);
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
            exemplars: Vec::new(),
        });
    }
    for family in families {
        let unit = family.unit(collection);
        let metadata = Metadata {
            family: family.name(),
            family_type: family.family_type,
            help: family.help(collection),
            unit: &unit,
        };
        let (classic, visit) = (ClassicSeries::new(family.name()), &mut *visit);
        FamilySeries { family: &family, collection, metadata, time, histograms, classic, visit }
            .all();
    }
}

struct FamilySeries<'f, 'a> {
    family: &'f Family<'a>,
    collection: Collection<'a>,
    metadata: Metadata<'f>,
    time: i64,
    histograms: RemoteWriteHistograms,
    classic: ClassicSeries,
    visit: &'f mut dyn FnMut(&Series<'_>),
}

impl FamilySeries<'_, '_> {
    fn all(&mut self) {
        let (family, collection) = (self.family, self.collection);
        let write = |text: &mut String, scope: &ScopeLabels<'_>, attributes: &Attributes| {
            for (name, value) in
                labels::series_labels(attributes, |key| family.stored_label(key), scope)
            {
                text.extend([&*name, "\0", &*value, "\0"]);
            }
        };
        let joins = Joins::of(family, collection, |key| family.stored_label(key), write);
        let ladder = self.ladder(&joins);
        for (place, member) in family.members.iter().enumerate() {
            let data = &member.metric(collection).data;
            for (data, at) in (0..data.len()).filter_map(|at| joins.point(data, place, at)) {
                self.point(member, data, at, joins.exemplars(data, at, collection), &ladder);
            }
        }
    }

    /// Returns the bucket boundaries for exponential histograms that are sent as classic ones. The whole family has
    /// the same boundaries.
    fn ladder(&self, joins: &Joins) -> Ladder {
        let mut classic = Vec::new();
        for (place, member) in self.family.members.iter().enumerate() {
            let data = &member.metric(self.collection).data;
            let Data::ExponentialHistogram { points, .. } = data else { continue };
            for (data, at) in (0..points.len()).filter_map(|at| joins.point(data, place, at)) {
                let Data::ExponentialHistogram { points, .. } = data else { continue };
                classic.extend(points.get(at).filter(|it| !is_native(it, self.histograms)));
            }
        }
        Ladder::of(classic.into_iter())
    }

    fn point(
        &mut self,
        member: &Member<'_>,
        data: &Data,
        at: usize,
        exemplars: &[Exemplar],
        ladder: &Ladder,
    ) {
        let family = self.family;
        let Some(attributes) = data.attributes_at(at) else { return };
        let label = |key| family.stored_label(key);
        let labels = labels::series_labels(&attributes, label, &member.scope);
        let time = self.time;
        // A start time after the timestamp, from a clock that was set back, is invalid.
        let start = |start| milliseconds(start).min(time);
        let exemplars = exemplars.iter().map(|exemplar| SeriesExemplar {
            labels: exemplar_labels(exemplar),
            value: exemplar.value.as_f64(),
            time: milliseconds(exemplar.time),
        });
        let exemplars: Vec<_> = exemplars.collect();
        let series = |labels, start, value| {
            let metadata = self.metadata;
            Series { labels, value, time, start, metadata, exemplars }
        };
        match data {
            Data::Gauge(points) | Data::Sum { points, .. } => {
                let Some(point) = points.at(at) else { return };
                let has_start = family.family_type == FamilyType::Counter;
                let start = if has_start { start(point.start) } else { 0 };
                let value = SeriesValue::Number(sample_value(point.value.as_f64()));
                let mut series = series(labels, start, value);
                // Gauges have no exemplars, and counters have at most one.
                let surplus = series.exemplars.len().saturating_sub(usize::from(has_start));
                series.exemplars.drain(..surplus);
                self.whole(series);
            }
            Data::Histogram { points, bounds, .. } => {
                let point = &points[at];
                let start = start(point.start);
                let counts = Counts { buckets: &point.buckets, count: point.count, sum: point.sum };
                if self.histograms == RemoteWriteHistograms::Native {
                    let Counts { buckets, count, sum } = counts;
                    let native = NativeHistogram::with_custom_buckets(bounds, buckets, count, sum);
                    let value = SeriesValue::Histogram(Box::new(native));
                    self.whole(series(labels, start, value));
                } else {
                    let series = series(labels, start, SeriesValue::Number(0.0));
                    self.classic.for_each(&series, bounds, counts, self.visit);
                }
            }
            Data::ExponentialHistogram { points, .. } => {
                let point = &points[at];
                let start = start(point.start);
                let native = is_native(point, self.histograms).then(|| NativeHistogram::of(point));
                if let Some(native) = native.flatten() {
                    let value = SeriesValue::Histogram(Box::new(native));
                    self.whole(series(labels, start, value));
                } else {
                    let mut buckets = Vec::new();
                    ladder.fill(point, &mut buckets);
                    let counts = Counts { buckets: &buckets, count: point.count, sum: point.sum };
                    let series = series(labels, start, SeriesValue::Number(0.0));
                    self.classic.for_each(&series, ladder.boundaries(), counts, self.visit);
                }
            }
            Data::Summary(points) => {
                let start = start(points[at].start);
                let series = series(labels, start, SeriesValue::Number(0.0));
                self.classic.for_summary(&series, family.name(), &points[at], self.visit);
            }
            _ => {}
        }
    }

    /// Visits a series that is named like the family.
    fn whole(&mut self, series: Series<'_>) {
        let Series { mut labels, value, time, start, metadata, exemplars } = series;
        labels::insert(&mut labels, "__name__", self.family.name());
        (self.visit)(&Series { labels, value, time, start, metadata, exemplars });
    }
}

/// Returns whether an exponential histogram is sent as a native one. Native histograms cannot represent very wide
/// buckets.
fn is_native(point: &ExponentialHistogramPoint, histograms: RemoteWriteHistograms) -> bool {
    histograms != RemoteWriteHistograms::Classic && NativeHistogram::can_hold(point)
}

/// Returns whether the boundaries of this metric's buckets are derived from its values.
pub(crate) fn has_derived_boundaries(data: &Data, histograms: RemoteWriteHistograms) -> bool {
    match data {
        Data::ExponentialHistogram { points, .. } => {
            points.iter().any(|point| !is_native(point, histograms))
        }
        _ => false,
    }
}

/// Returns a time in milliseconds since 1970, the unit of Prometheus timestamps.
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
