//! Summaries, which come only from registries of other libraries, in each format.

use meterkit_core::{Data, SeriesId, SummaryPoint};
use meterkit_prometheus::{Format, Names, render_in};
use prost::Message;

use crate::nasty::{attributes, metric, snapshot_of, start};
use meterkit_fakes::open_metrics;

fn body(format: Format) -> Vec<u8> {
    let point = |of: &'static str, sum, quantiles: &[(f64, f64)]| SummaryPoint {
        series: SeriesId::new(),
        attributes: attributes(&[("of", of.into()), ("quantile", "mine".into())]),
        start: start(),
        count: 7,
        sum,
        quantiles: quantiles.into(),
    };
    let all = [(0.0, 0.001), (0.5, 1.0), (0.99, f64::NAN), (1.0, f64::INFINITY)];
    let points = vec![point("all", 12.0, &all), point("below zero", -1.5, &[(0.5, -0.5)])];
    let plain = SummaryPoint { attributes: attributes(&[]), ..point("", 0.25, &[(0.9, 2.5)]) };
    let metrics = vec![
        metric("latency", "s", "Latency.", Data::Summary(points)),
        metric("plain", "", "", Data::Summary(vec![plain])),
    ];
    render_in(&snapshot_of(&[], metrics), format, Names::default()).into()
}

fn text(format: Format) -> String {
    String::from_utf8(body(format)).expect("text").replace("otel_scope_name=\"shop\"", "S")
}

#[test]
fn text_has_a_sample_per_quantile_then_sum_and_count() {
    let expected = r#"# HELP latency_seconds Latency.
# TYPE latency_seconds summary
latency_seconds{exported_quantile="mine",of="all",S,quantile="0"} 0.001
latency_seconds{exported_quantile="mine",of="all",S,quantile="0.5"} 1
latency_seconds{exported_quantile="mine",of="all",S,quantile="0.99"} NaN
latency_seconds{exported_quantile="mine",of="all",S,quantile="1"} +Inf
latency_seconds_sum{exported_quantile="mine",of="all",S} 12
latency_seconds_count{exported_quantile="mine",of="all",S} 7
latency_seconds{exported_quantile="mine",of="below zero",S,quantile="0.5"} -0.5
latency_seconds_sum{exported_quantile="mine",of="below zero",S} -1.5
latency_seconds_count{exported_quantile="mine",of="below zero",S} 7
# TYPE plain summary
plain{S,quantile="0.9"} 2.5
plain_sum{S} 0.25
plain_count{S} 7
"#;
    assert_eq!(text(Format::Text), expected);
}

#[test]
fn open_metrics_has_canonical_numbers_and_nothing_below_zero() {
    let expected = r#"# TYPE latency_seconds summary
# UNIT latency_seconds seconds
# HELP latency_seconds Latency.
latency_seconds{exported_quantile="mine",of="all",S,quantile="0.0"} 0.001
latency_seconds{exported_quantile="mine",of="all",S,quantile="0.5"} 1.0
latency_seconds{exported_quantile="mine",of="all",S,quantile="0.99"} NaN
latency_seconds{exported_quantile="mine",of="all",S,quantile="1.0"} +Inf
latency_seconds_sum{exported_quantile="mine",of="all",S} 12.0
latency_seconds_count{exported_quantile="mine",of="all",S} 7
latency_seconds_created{exported_quantile="mine",of="all",S} 1.700000000125e+09
latency_seconds_created{exported_quantile="mine",of="below zero",S} 1.700000000125e+09
# TYPE plain summary
plain{S,quantile="0.9"} 2.5
plain_sum{S} 0.25
plain_count{S} 7
plain_created{S} 1.700000000125e+09
# EOF
"#;
    let text = text(Format::OpenMetrics);
    open_metrics::checked(&text.replace('S', "s=\"1\"").replace("s=\"1\"hop", "shop"));
    assert_eq!(text, expected);
}

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, optional, tag = "4")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(uint64, tag = "1")]
    sample_count: u64,
    #[prost(double, tag = "2")]
    sample_sum: f64,
    #[prost(message, repeated, tag = "3")]
    quantile: Vec<Quantile>,
}

#[derive(Clone, PartialEq, Message)]
struct Quantile {
    #[prost(double, tag = "1")]
    quantile: f64,
    #[prost(double, tag = "2")]
    value: f64,
}

#[test]
fn protobuf_has_whole_summaries() {
    let body = body(Format::Protobuf);
    let mut rest = &*body;
    let family = MetricFamily::decode_length_delimited(&mut rest).expect("a family");
    assert_eq!((&*family.name, family.kind, family.metric.len()), ("latency_seconds", 2, 2));
    let [all, below] = [0, 1].map(|at| family.metric[at].summary.clone().expect("a summary"));
    assert_eq!((all.sample_count, all.sample_sum), (7, 12.0));
    let pairs: Vec<_> = all.quantile.iter().map(|it| (it.quantile, it.value)).collect();
    assert_eq!(pairs[..2], [(0.0, 0.001), (0.5, 1.0)]);
    assert!(pairs[2].1.is_nan() && pairs[3] == (1.0, f64::INFINITY));
    assert_eq!(below.quantile[0], Quantile { quantile: 0.5, value: -0.5 });
}
