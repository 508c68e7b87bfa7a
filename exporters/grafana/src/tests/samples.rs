//! Snapshots for tests.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use meterkit_core::{
    AttributeValue, Attributes, Data, Descriptor, Exemplar, Exemplars, ExponentialBuckets,
    ExponentialHistogramPoint, HistogramPoint, Metric, NumberPoint, ScopeMetrics, SeriesId,
    SpanIds, Temporality, Value,
};
use meterkit_pipeline::Snapshot;
use opentelemetry::InstrumentationScope;

pub(crate) const START: Duration = Duration::from_secs(50);

pub(crate) fn attributes(pairs: &[(&'static str, AttributeValue)]) -> Attributes {
    Attributes::from_pairs(pairs.iter().map(|(key, value)| ((*key).into(), value.clone())))
}

pub(crate) fn point(pairs: &[(&'static str, AttributeValue)], value: f64) -> NumberPoint {
    let value = Value::F64(value);
    NumberPoint {
        series: SeriesId::new(),
        attributes: attributes(pairs),
        start: UNIX_EPOCH + START,
        value,
    }
}

pub(crate) fn sum(monotonic: bool, points: Vec<NumberPoint>) -> Data {
    Data::Sum { monotonic, temporality: Temporality::Cumulative, points: points.into() }
}

/// Returns a histogram with the bounds 0.5 and 10.
pub(crate) fn histogram(pairs: &[(&'static str, AttributeValue)], buckets: [u64; 3]) -> Data {
    let point = HistogramPoint {
        series: SeriesId::new(),
        attributes: attributes(pairs),
        start: UNIX_EPOCH + START,
        count: buckets.iter().sum(),
        sum: 12.25,
        min: None,
        max: None,
        buckets: buckets.into(),
    };
    let (temporality, bounds) = (Temporality::Cumulative, [0.5, 10.0].into());
    Data::Histogram { temporality, bounds, points: vec![point] }
}

/// Returns an exponential histogram of schema 3, with a gap between its positive buckets.
pub(crate) fn exponential(pairs: &[(&'static str, AttributeValue)]) -> Data {
    let point = ExponentialHistogramPoint {
        series: SeriesId::new(),
        attributes: attributes(pairs),
        start: UNIX_EPOCH + START,
        count: 17,
        sum: -3.5,
        min: None,
        max: None,
        scale: 3,
        zero_count: 2,
        zero_threshold: 0.0,
        positive: ExponentialBuckets { offset: -4, counts: vec![1, 3, 0, 0, 0, 0, 9] },
        negative: ExponentialBuckets { offset: 5, counts: vec![2] },
    };
    Data::ExponentialHistogram { temporality: Temporality::Cumulative, points: vec![point] }
}

pub(crate) fn metric(name: &str, unit: &str, description: &str, data: Data) -> Metric {
    let [name, unit, description] = [name, unit, description].map(str::to_owned);
    Metric { descriptor: Arc::new(Descriptor { name, unit, description, kind: data.kind() }), data }
}

pub(crate) fn scope(name: &'static str, metrics: Vec<Metric>) -> ScopeMetrics {
    ScopeMetrics { scope: Arc::new(InstrumentationScope::builder(name).build()), metrics }
}

/// Returns a snapshot at `second` of a process with an empty resource.
pub(crate) fn snapshot(second: u64, scopes: Vec<ScopeMetrics>) -> Snapshot {
    let time = UNIX_EPOCH + Duration::from_secs(second);
    Snapshot::new(Attributes::empty(), time, scopes)
}

/// Returns a snapshot with metrics of all kinds.
pub(crate) fn all_kinds(second: u64) -> Snapshot {
    let at = |value: &'static str| ("at", AttributeValue::from(value));
    let metrics = vec![
        metric(
            "requests",
            "",
            "Requests.",
            sum(true, vec![point(&[at("a")], 3.0), point(&[at("b")], 1e300)]),
        ),
        metric("sent", "By", "", sum(true, vec![point(&[], 0.0)])),
        metric("tasks", "{task}", "Tasks.", sum(false, vec![point(&[at("ü")], -2.0)])),
        metric("load", "1", "", Data::Gauge(vec![point(&[], -0.0)].into())),
        metric("took", "s", "How long.", histogram(&[at("a")], [1, 2, 4])),
        metric("sizes", "By", "How large.", exponential(&[at("a")])),
    ];
    let mut snapshot = snapshot(second, vec![scope("catalog", metrics)]);
    snapshot.exemplars = Arc::new(exemplars(&snapshot));
    snapshot
}

/// Returns two exemplars for each series.
fn exemplars(snapshot: &Snapshot) -> Exemplars {
    let exemplar = |number: u8| Exemplar {
        time: snapshot.time - Duration::from_secs(number.into()),
        value: Value::F64(number.into()),
        span: Some(SpanIds { trace_id: [number; 16], span_id: [number; 8] }),
        filtered: Some(attributes(&[("user", "ü".into())])),
    };
    let mut all = Exemplars::default();
    let metrics = snapshot.scopes.iter().flat_map(|scope| &scope.metrics);
    for series in metrics.flat_map(|metric| metric.data.series()) {
        all.insert(series, [exemplar(2), exemplar(0)].into());
    }
    all
}
