//! One series: its labels and its value, their text form and their matching.

use std::fmt::{self, Write};
use std::time::SystemTime;

use meterkit_core::order;
use meterkit_core::{
    AttributeRef, Attributes, Data, Descriptor, ExponentialHistogramPoint, HistogramPoint,
    LabelRef, LabelValue, Metric, NumberPoint, SummaryPoint, Value,
};
use opentelemetry::InstrumentationScope;

use super::number::number;

/// A series of a metric, as a target sees it.
///
/// The text form is one line: `backstage.plugin.catalog.requests{kind="create",success="true"} 3`.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    scope: &'a InstrumentationScope,
    descriptor: &'a Descriptor,
    point: Point<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Point<'a> {
    Number(&'a NumberPoint),
    Histogram(&'a HistogramPoint, &'a [f64]),
    Exponential(&'a ExponentialHistogramPoint),
    Summary(&'a SummaryPoint),
}

/// The numbers that both kinds of histograms and summaries have.
#[derive(Clone, Copy)]
pub(super) struct Distribution {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
}

impl<'a> Series<'a> {
    /// Returns all series of `metric`.
    pub(super) fn all(scope: &'a InstrumentationScope, metric: &'a Metric) -> Vec<Self> {
        let descriptor = &*metric.descriptor;
        let series = |point| Self { scope, descriptor, point };
        match &metric.data {
            Data::Gauge(points) | Data::Sum { points, .. } => {
                points.iter().map(|point| series(Point::Number(point))).collect()
            }
            Data::Histogram { points, bounds, .. } => {
                points.iter().map(|point| series(Point::Histogram(point, bounds))).collect()
            }
            Data::ExponentialHistogram { points, .. } => {
                points.iter().map(|point| series(Point::Exponential(point))).collect()
            }
            Data::Summary(points) => {
                points.iter().map(|point| series(Point::Summary(point))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the scope of the metric.
    pub fn scope(&self) -> &'a InstrumentationScope {
        self.scope
    }

    /// Returns the name, unit and description of the metric.
    pub fn descriptor(&self) -> &'a Descriptor {
        self.descriptor
    }

    /// Returns all attributes of the series: its labels, and the attributes of the instrument, of the scope and of all
    /// metrics.
    pub fn labels(&self) -> &'a Attributes {
        match self.point {
            Point::Number(point) => &point.attributes,
            Point::Histogram(point, _) => &point.attributes,
            Point::Exponential(point) => &point.attributes,
            Point::Summary(point) => &point.attributes,
        }
    }

    /// Returns the value under `key`, with its type.
    pub fn label(&self, key: &str) -> Option<AttributeRef<'a>> {
        self.labels().get(key)
    }

    pub(super) fn braced(&self) -> Braced<'a> {
        Braced(self.labels())
    }

    /// Returns the time at which the value started to accumulate, by the kit's clock.
    pub fn start(&self) -> SystemTime {
        match self.point {
            Point::Number(point) => point.start,
            Point::Histogram(point, _) => point.start,
            Point::Exponential(point) => point.start,
            Point::Summary(point) => point.start,
        }
    }

    /// Returns the value of a counter or gauge.
    pub fn value(&self) -> Option<Value> {
        match self.point {
            Point::Number(point) => Some(point.value),
            _ => None,
        }
    }

    /// Returns the count, sum, minimum, maximum and buckets of a histogram that is not exponential.
    pub fn histogram(&self) -> Option<&'a HistogramPoint> {
        match self.point {
            Point::Histogram(point, _) => Some(point),
            _ => None,
        }
    }

    /// Returns the count, sum, minimum, maximum, scale and buckets of an exponential histogram.
    pub fn exponential_histogram(&self) -> Option<&'a ExponentialHistogramPoint> {
        match self.point {
            Point::Exponential(point) => Some(point),
            _ => None,
        }
    }

    /// Returns the upper bounds of a histogram's buckets, except for the last bucket, which is unbounded.
    pub fn bounds(&self) -> Option<&'a [f64]> {
        match self.point {
            Point::Histogram(_, bounds) => Some(bounds),
            _ => None,
        }
    }

    /// Returns the count, sum and quantiles of a summary of another library.
    pub fn summary(&self) -> Option<&'a SummaryPoint> {
        match self.point {
            Point::Summary(point) => Some(point),
            _ => None,
        }
    }

    /// Returns the numbers that histograms and summaries have in common.
    pub(super) fn distribution(&self) -> Option<Distribution> {
        macro_rules! of {
            ($point:expr) => {{
                let point = $point;
                let (count, sum, min, max) = (point.count, point.sum, point.min, point.max);
                Some(Distribution { count, sum, min, max })
            }};
        }
        match self.point {
            Point::Number(_) => None,
            Point::Histogram(point, _) => of!(point),
            Point::Exponential(point) => of!(point),
            Point::Summary(point) => {
                let (min, max) = (None, None);
                Some(Distribution { count: point.count, sum: point.sum, min, max })
            }
        }
    }
}

impl fmt::Display for Series<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.descriptor.name, Braced(self.labels()))?;
        if let Some(Distribution { count, sum, min, max }) = self.distribution() {
            write!(f, " count={count} sum={}", number(Value::F64(sum)))?;
            for (name, end) in [("min", min), ("max", max)] {
                if let Some(end) = end {
                    write!(f, " {name}={}", number(Value::F64(end)))?;
                }
            }
        }
        match self.point {
            Point::Number(point) => write!(f, " {}", number(point.value)),
            Point::Histogram(point, bounds) => {
                let open = [f64::INFINITY];
                for (bound, count) in bounds.iter().chain(&open).zip(&point.buckets) {
                    write!(f, " ≤{}:{count}", number(Value::F64(*bound)))?;
                }
                Ok(())
            }
            Point::Exponential(point) => write_exponential(f, point),
            Point::Summary(point) => {
                for (quantile, value) in &*point.quantiles {
                    write!(f, " q{quantile}={}", number(Value::F64(*value)))?;
                }
                Ok(())
            }
        }
    }
}

/// Writes the buckets that have values, from the lowest to the highest.
fn write_exponential(f: &mut fmt::Formatter<'_>, point: &ExponentialHistogramPoint) -> fmt::Result {
    write!(f, " scale={}", point.scale)?;
    let has_values = |bucket: &(f64, f64, u64)| bucket.2 > 0;
    for (_, upper, count) in point.negative.bounded(point.scale).rev().filter(has_values) {
        write!(f, " ≥{}:{count}", number(Value::F64(-upper)))?;
    }
    if point.zero_count > 0 {
        write!(f, " 0:{}", point.zero_count)?;
    }
    for (_, upper, count) in point.positive.bounded(point.scale).filter(has_values) {
        write!(f, " ≤{}:{count}", number(Value::F64(upper)))?;
    }
    Ok(())
}

/// Labels as text, `{kind="create",success="true"}`; empty if there are none.
pub(super) struct Braced<'a>(pub(super) &'a Attributes);

impl fmt::Display for Braced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.iter().map(|(key, value)| (key, value.to_string()));
        braced(f, pairs, false)
    }
}

fn braced<K: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    pairs: impl Iterator<Item = (K, String)>,
    is_open: bool,
) -> fmt::Result {
    let mut before = '{';
    for (key, value) in pairs {
        write!(f, "{before}{key}={value:?}")?;
        before = ',';
    }
    match (before, is_open) {
        ('{', false) => Ok(()),
        ('{', true) => f.write_str("{..}"),
        (_, false) => f.write_char('}'),
        (_, true) => f.write_str(",..}"),
    }
}

/// The labels that a series must have, with values as text.
#[derive(Debug)]
pub struct Wanted {
    /// The labels, ordered by key.
    labels: Vec<(String, String)>,
    /// Whether the series may have other labels too.
    is_open: bool,
}

impl Wanted {
    pub(super) fn exactly<const N: usize>(labels: [(&str, &str); N]) -> Self {
        let labels = labels.map(|(key, value)| (key, Some(value.to_owned())));
        Self::new(labels.into(), false)
    }

    /// Creates the labels of a macro. A label without a value must be absent from the series.
    pub fn new(labels: Vec<(&str, Option<String>)>, is_open: bool) -> Self {
        let labels = labels.into_iter();
        let mut labels: Vec<_> =
            labels.filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        order::sort(&mut labels);
        Self { labels, is_open }
    }

    pub(super) fn is_met_by(&self, attributes: &Attributes) -> bool {
        self.is_among(attributes)
            && (self.is_open || attributes.iter().count() == self.labels.len())
    }

    /// Returns whether a series has these labels, and possibly others.
    pub(super) fn is_among(&self, attributes: &Attributes) -> bool {
        let mut labels = self.labels.iter();
        labels.all(|(key, value)| attributes.get(key).is_some_and(|has| has.to_string() == *value))
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.labels.iter().map(|(key, value)| (key, value.clone()));
        braced(f, pairs, self.is_open)
    }
}

/// Returns the text of a label's value; `None` if it is absent.
pub fn label(value: &(impl LabelValue + ?Sized)) -> Option<String> {
    match value.label() {
        LabelRef::Static(text) | LabelRef::Str(text) => Some(text.to_owned()),
        LabelRef::Bool(value) => Some(value.to_string()),
        LabelRef::I64(value) => Some(value.to_string()),
        LabelRef::U64(value) => Some(value.to_string()),
        _ => None,
    }
}
