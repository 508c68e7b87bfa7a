//! A fixed snapshot of everything that is hard to write.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use meterkit_core::{
    AttributeValue, Attributes, Data, Descriptor, ExponentialBuckets, ExponentialHistogramPoint,
    HistogramPoint, Metric, NumberPoint, ScopeMetrics, SeriesId, Temporality, Value,
};
use meterkit_pipeline::Snapshot;
use opentelemetry::{InstrumentationScope, KeyValue};

pub(crate) type Pairs<'p> = &'p [(&'static str, AttributeValue)];

/// The start time of all series.
const START: Duration = Duration::from_millis(1_700_000_000_125);

pub(crate) fn attributes(pairs: Pairs<'_>) -> Attributes {
    Attributes::from_pairs(pairs.iter().map(|(key, value)| ((*key).into(), value.clone())))
}

pub(crate) fn start() -> SystemTime {
    UNIX_EPOCH + START
}

pub(crate) fn number(pairs: Pairs<'_>, value: Value) -> NumberPoint {
    let (series, attributes) = (SeriesId::new(), attributes(pairs));
    NumberPoint { series, attributes, start: start(), value }
}

pub(crate) fn counter(points: Vec<NumberPoint>) -> Data {
    Data::Sum { monotonic: true, temporality: Temporality::Cumulative, points: points.into() }
}

pub(crate) fn up_down(points: Vec<NumberPoint>) -> Data {
    Data::Sum { monotonic: false, temporality: Temporality::Cumulative, points: points.into() }
}

pub(crate) fn histogram(
    bounds: &[f64],
    pairs: Pairs<'_>,
    buckets: &[u64],
    sum: f64,
    min: f64,
) -> Data {
    let point = HistogramPoint {
        series: SeriesId::new(),
        attributes: attributes(pairs),
        start: start(),
        count: buckets.iter().sum(),
        sum,
        min: Some(min),
        max: None,
        buckets: buckets.into(),
    };
    let temporality = Temporality::Cumulative;
    Data::Histogram { temporality, bounds: bounds.into(), points: vec![point] }
}

/// Returns a point with three zeros and these positive and negative buckets, given as the first index and the counts.
pub(crate) fn exponential(
    pairs: Pairs<'_>,
    scale: i32,
    positive: (i32, &[u64]),
    negative: (i32, &[u64]),
) -> ExponentialHistogramPoint {
    let buckets = |(offset, counts): (i32, &[u64])| {
        let counts = counts.to_vec();
        ExponentialBuckets { offset, counts }
    };
    let (positive, negative) = (buckets(positive), buckets(negative));
    let count = positive.counts.iter().chain(&negative.counts).sum::<u64>() + 3;
    ExponentialHistogramPoint {
        series: SeriesId::new(),
        attributes: attributes(pairs),
        start: start(),
        count,
        sum: 12.5,
        min: None,
        max: None,
        scale,
        zero_count: 3,
        zero_threshold: 0.0,
        positive,
        negative,
    }
}

pub(crate) fn exponentials(points: Vec<ExponentialHistogramPoint>) -> Data {
    Data::ExponentialHistogram { temporality: Temporality::Cumulative, points }
}

pub(crate) fn metric(name: &str, unit: &str, description: &str, data: Data) -> Metric {
    let [name, unit, description] = [name, unit, description].map(str::to_owned);
    Metric { descriptor: Arc::new(Descriptor { name, unit, description, kind: data.kind() }), data }
}

pub(crate) fn snapshot_of(resource: Pairs<'_>, metrics: Vec<Metric>) -> Snapshot {
    let scope = Arc::new(InstrumentationScope::builder("shop").build());
    let time = start() + Duration::from_secs(60);
    Snapshot::new(attributes(resource), time, vec![ScopeMetrics { scope, metrics }])
}

fn numbers() -> Vec<Metric> {
    let pair = |value: &'static str| [("http.route", value.into())];
    let u64 = |pairs: Pairs<'_>, value| number(pairs, Value::U64(value));
    let f64 = |pairs: Pairs<'_>, value| number(pairs, Value::F64(value));
    let typed = |value: AttributeValue| u64(&[("k", value)], 1);
    vec![
        metric(
            "http.requests",
            "{request}",
            "Requests,\nby \"route\" \\ all of them.",
            counter(vec![
                u64(&pair("/"), 3),
                u64(&pair("/a\\b\"c\nd"), u64::MAX),
                u64(&pair("日本 {a=\"1\"} # \r\t"), 1 << 53),
            ]),
        ),
        metric("http.sent", "By", "", counter(vec![f64(&[], 1e6), f64(&[("a", "".into())], 0.25)])),
        metric("jobs.total", "1", "Jobs.", counter(vec![u64(&[], 0)])),
        metric("total", "", "", counter(vec![u64(&[], 1)])),
        metric("cpu.time", "s", "", counter(vec![f64(&[], 1_234_567.5)])),
        metric(
            "typed",
            "",
            "",
            counter(vec![
                typed(7_i64.into()),
                typed("7".into()),
                typed(true.into()),
                typed(0.5.into()),
                typed(AttributeValue::List(Arc::from([AttributeValue::from("x\"y")]))),
            ]),
        ),
        metric(
            "added",
            "",
            "",
            counter(vec![
                u64(&[("a.b", "1".into())], 1 << 60),
                u64(&[("a_b", "1".into())], 1),
                u64(&[("le", "2".into()), ("quantile", "3".into())], 4),
            ]),
        ),
        metric("tasks", "{task}", "", up_down(vec![number(&[], Value::I64(i64::MIN))])),
        metric(
            "load",
            "1",
            "",
            Data::Gauge(
                vec![
                    f64(&[("at", "1".into())], f64::NAN),
                    f64(&[("at", "2".into())], f64::NEG_INFINITY),
                    f64(&[("at", "3".into())], -0.0),
                    f64(&[("at", "4".into())], 5e-324),
                    f64(&[("at", "5".into())], f64::MAX),
                    f64(&[("at", "6".into())], 0.000_012_5),
                ]
                .into(),
            ),
        ),
        // In OpenMetrics, each of these would have the name of another one.
        metric("o.requests", "", "", counter(vec![u64(&[], 1)])),
        metric("o.requests.now", "", "", Data::Gauge(vec![u64(&[], 2)].into())),
        metric("hh.count", "", "", counter(vec![u64(&[], 3)])),
        metric("target.info", "", "", counter(vec![u64(&[], 4)])),
        metric("größe", "m", "", Data::Gauge(vec![u64(&[("schlüssel", "wert".into())], 5)].into())),
    ]
}

fn distributions() -> Vec<Metric> {
    let wide = exponential(&[("of", "wide".into())], -5, (-2, &[1, 0, 2]), (0, &[4]));
    let at = |at: &'static str| [("at", AttributeValue::from(at))];
    vec![
        metric("hh", "", "", histogram(&[1.0], &[], &[1, 2], 9.0, 0.5)),
        metric(
            "took",
            "s",
            "How long.",
            histogram(&[0.005, 1.0, 1e6], &[("le", "mine".into())], &[1, 2, 0, 4], 2e6, 0.001),
        ),
        metric(
            "temperature",
            "Cel",
            "",
            histogram(&[-10.0, 0.0, 10.0], &[], &[1, 2, 3, 0], -4.5, -12.0),
        ),
        metric("change", "", "", histogram(&[5.0], &[], &[2, 0], -3.0, -2.0)),
        metric("unbounded", "", "", histogram(&[], &[], &[7], 1.5, 0.5)),
        metric(
            "sizes",
            "By",
            "Sizes.",
            exponentials(vec![
                exponential(&at("fine"), 20, (0, &[5, 1]), (0, &[])),
                exponential(&at("plain"), 3, (-4, &[1, 3, 0, 0, 0, 0, 9]), (0, &[])),
                exponential(&at("zeros"), 0, (0, &[]), (0, &[])),
            ]),
        ),
        metric(
            "deltas",
            "",
            "",
            exponentials(vec![exponential(&[], 1, (2, &[1, 1]), (-1, &[2, 6]))]),
        ),
        metric("wide", "", "", exponentials(vec![wide])),
    ]
}

/// Returns the whole snapshot.
pub(crate) fn snapshot() -> Snapshot {
    let scoped = InstrumentationScope::builder("lib \"x\"")
        .with_version("1.2")
        .with_schema_url("https://example.org/v1")
        .with_attributes([KeyValue::new("x.y", 1), KeyValue::new("name", "hidden")])
        .build();
    let shop = InstrumentationScope::builder("shop").build();
    let shared =
        metric("took", "s", "Another description.", histogram(&[2.0], &[], &[1, 0], 1.0, 1.0));
    let mut metrics = [numbers(), distributions()].concat();
    metrics.sort_by(|a, b| a.descriptor.name.cmp(&b.descriptor.name));
    let scopes = vec![
        ScopeMetrics { scope: Arc::new(scoped), metrics: vec![shared] },
        ScopeMetrics { scope: Arc::new(shop), metrics },
    ];
    let resource = [("service.name", "shop \"1\"".into()), ("host.id", 7_i64.into())];
    Snapshot::new(attributes(&resource), start() + Duration::from_secs(60), scopes)
}
