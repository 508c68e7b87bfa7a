//! The text of each translation strategy, for scrapers that accept all characters and for older ones.

use std::sync::Arc;
use std::time::SystemTime;

use meterkit_core::{
    Attributes, Data, Descriptor, HistogramPoint, Metric, NumberPoint, ScopeMetrics, SeriesId,
    Temporality, Value,
};
use meterkit_pipeline::Snapshot;
use meterkit_prometheus::{Names, Translation, render, render_with};
use opentelemetry::{InstrumentationScope, KeyValue};

const AT: SystemTime = SystemTime::UNIX_EPOCH;

fn attributes(pairs: &[(&'static str, &'static str)]) -> Attributes {
    Attributes::from_pairs(pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())))
}

fn points(value: u64, pairs: &[(&'static str, &'static str)]) -> Vec<NumberPoint> {
    vec![NumberPoint {
        series: SeriesId::new(),
        attributes: attributes(pairs),
        start: AT,
        value: Value::U64(value),
    }]
}

fn counter(value: u64, pairs: &[(&'static str, &'static str)]) -> Data {
    let points = points(value, pairs);
    Data::Sum { points: points.into(), temporality: Temporality::Cumulative, monotonic: true }
}

fn gauge(value: u64, pairs: &[(&'static str, &'static str)]) -> Data {
    Data::Gauge(points(value, pairs).into())
}

fn histogram() -> Data {
    let (count, sum, buckets) = (3, 7.5, [2, 1].into());
    let point = HistogramPoint {
        series: SeriesId::new(),
        attributes: attributes(&[("http.route", "/")]),
        start: AT,
        count,
        sum,
        buckets,
        min: None,
        max: None,
    };
    let bounds = Arc::from([0.5]);
    Data::Histogram { points: vec![point], bounds, temporality: Temporality::Cumulative }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    let (name, unit, description) = (name.to_owned(), unit.to_owned(), String::new());
    Metric { descriptor: Arc::new(Descriptor { name, unit, description, kind: data.kind() }), data }
}

fn snapshot(resource: Attributes, metrics: Vec<Metric>) -> Snapshot {
    let scope = InstrumentationScope::builder("s").with_attributes([KeyValue::new("a.b", "c")]);
    let scopes = vec![ScopeMetrics { scope: Arc::new(scope.build()), metrics }];
    Snapshot::new(resource, AT, scopes)
}

fn one_of_each() -> Snapshot {
    let route = [("http.route", "/"), ("kind", "x")];
    let metrics = vec![
        metric("http.sent", "By", counter(1, &route)),
        metric("cache.usage", "1", gauge(2, &[])),
        metric("share", "%", gauge(3, &route)),
        metric("http.took", "s", histogram()),
    ];
    snapshot(attributes(&[("service.name", "shop")]), metrics)
}

const WITH_SUFFIXES: &str = r#"# HELP target_info Target metadata
# TYPE target_info gauge
target_info{service_name="shop"} 1
# TYPE cache_usage_ratio gauge
cache_usage_ratio{otel_scope_name="s",otel_scope_a_b="c"} 2
# TYPE http_sent_bytes_total counter
http_sent_bytes_total{http_route="/",kind="x",otel_scope_name="s",otel_scope_a_b="c"} 1
# TYPE http_took_seconds histogram
http_took_seconds_bucket{http_route="/",otel_scope_name="s",otel_scope_a_b="c",le="0.5"} 2
http_took_seconds_bucket{http_route="/",otel_scope_name="s",otel_scope_a_b="c",le="+Inf"} 3
http_took_seconds_sum{http_route="/",otel_scope_name="s",otel_scope_a_b="c"} 7.5
http_took_seconds_count{http_route="/",otel_scope_name="s",otel_scope_a_b="c"} 3
# TYPE share_percent gauge
share_percent{http_route="/",kind="x",otel_scope_name="s",otel_scope_a_b="c"} 3
"#;

const WITHOUT_SUFFIXES: &str = r#"# HELP target_info Target metadata
# TYPE target_info gauge
target_info{service_name="shop"} 1
# TYPE cache_usage gauge
cache_usage{otel_scope_name="s",otel_scope_a_b="c"} 2
# TYPE http_sent counter
http_sent{http_route="/",kind="x",otel_scope_name="s",otel_scope_a_b="c"} 1
# TYPE http_took histogram
http_took_bucket{http_route="/",otel_scope_name="s",otel_scope_a_b="c",le="0.5"} 2
http_took_bucket{http_route="/",otel_scope_name="s",otel_scope_a_b="c",le="+Inf"} 3
http_took_sum{http_route="/",otel_scope_name="s",otel_scope_a_b="c"} 7.5
http_took_count{http_route="/",otel_scope_name="s",otel_scope_a_b="c"} 3
# TYPE share gauge
share{http_route="/",kind="x",otel_scope_name="s",otel_scope_a_b="c"} 3
"#;

const UTF8_WITH_SUFFIXES: &str = r#"# HELP target_info Target metadata
# TYPE target_info gauge
target_info{"service.name"="shop"} 1
# TYPE "cache.usage_ratio" gauge
{"cache.usage_ratio",otel_scope_name="s","otel_scope_a.b"="c"} 2
# TYPE "http.sent_bytes_total" counter
{"http.sent_bytes_total","http.route"="/",kind="x",otel_scope_name="s","otel_scope_a.b"="c"} 1
# TYPE "http.took_seconds" histogram
{"http.took_seconds_bucket","http.route"="/",otel_scope_name="s","otel_scope_a.b"="c",le="0.5"} 2
{"http.took_seconds_bucket","http.route"="/",otel_scope_name="s","otel_scope_a.b"="c",le="+Inf"} 3
{"http.took_seconds_sum","http.route"="/",otel_scope_name="s","otel_scope_a.b"="c"} 7.5
{"http.took_seconds_count","http.route"="/",otel_scope_name="s","otel_scope_a.b"="c"} 3
# TYPE share_percent gauge
share_percent{"http.route"="/",kind="x",otel_scope_name="s","otel_scope_a.b"="c"} 3
"#;

const UNTOUCHED: &str = r#"# HELP target_info Target metadata
# TYPE target_info gauge
target_info{"service.name"="shop"} 1
# TYPE "cache.usage" gauge
{"cache.usage",otel_scope_name="s","otel_scope_a.b"="c"} 2
# TYPE "http.sent" counter
{"http.sent","http.route"="/",kind="x",otel_scope_name="s","otel_scope_a.b"="c"} 1
# TYPE "http.took" histogram
{"http.took_bucket","http.route"="/",otel_scope_name="s","otel_scope_a.b"="c",le="0.5"} 2
{"http.took_bucket","http.route"="/",otel_scope_name="s","otel_scope_a.b"="c",le="+Inf"} 3
{"http.took_sum","http.route"="/",otel_scope_name="s","otel_scope_a.b"="c"} 7.5
{"http.took_count","http.route"="/",otel_scope_name="s","otel_scope_a.b"="c"} 3
# TYPE share gauge
share{"http.route"="/",kind="x",otel_scope_name="s","otel_scope_a.b"="c"} 3
"#;

#[test]
fn each_strategy_gives_its_names_to_those_who_read_them_and_escaped_ones_to_others() {
    let snapshot = one_of_each();
    let expected = [
        (WITH_SUFFIXES, WITH_SUFFIXES),
        (WITHOUT_SUFFIXES, WITHOUT_SUFFIXES),
        (UTF8_WITH_SUFFIXES, WITH_SUFFIXES),
        (UNTOUCHED, WITHOUT_SUFFIXES),
    ];
    for (translation, (utf8, escaped)) in Translation::ALL.into_iter().zip(expected) {
        assert_eq!(render_with(&snapshot, translation.utf8()), utf8, "{translation}");
        assert_eq!(render_with(&snapshot, translation.escaped()), escaped, "{translation}");
    }
    assert_eq!(render(&snapshot), WITH_SUFFIXES);
}

/// Returns the names, types and values of all samples, without labels.
fn samples(metrics: Vec<Metric>, names: Names) -> Vec<String> {
    let text = render_with(&snapshot(Attributes::empty(), metrics), names);
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let short = |line: &str| {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let name = match series.strip_prefix("{\"") {
            Some(rest) => rest.split('"').next(),
            None => series.split('{').next(),
        };
        format!("{} {value}", name.expect("a name"))
    };
    samples.map(short).collect()
}

#[test]
fn conflicts_are_found_by_the_written_names() {
    let [with, without, utf8, untouched] = Translation::ALL;
    // A gauge and a counter have the same name only if no suffix is added. Then the first one is exported.
    let types = || vec![metric("a", "", counter(1, &[])), metric("a", "By", gauge(2, &[]))];
    assert_eq!(samples(types(), with.utf8()), ["a_bytes 2", "a_total 1"]);
    assert_eq!(samples(types(), utf8.utf8()), ["a_bytes 2", "a_total 1"]);
    for names in [without.utf8(), untouched.utf8(), untouched.escaped()] {
        assert_eq!(samples(types(), names), ["a 1"], "{names:?}");
    }

    // Two names that differ only in escaped characters are the same series, unless names are not translated. The value
    // of the last gauge counts.
    let dotted = || vec![metric("a.b", "", gauge(1, &[])), metric("a_b", "", gauge(2, &[]))];
    assert_eq!(samples(dotted(), untouched.utf8()), ["a.b 1", "a_b 2"]);
    assert_eq!(samples(dotted(), utf8.utf8()), ["a.b 1", "a_b 2"]);
    for names in [with.utf8(), without.utf8(), utf8.escaped(), untouched.escaped()] {
        assert_eq!(samples(dotted(), names), ["a_b 2"], "{names:?}");
        let counters = vec![metric("a.b", "", counter(1, &[])), metric("a_b", "", counter(2, &[]))];
        assert!(samples(counters, names)[0].ends_with(" 3"), "{names:?}");
    }

    // A counter with the name of a sample of a histogram.
    let parts = || vec![metric("a", "", histogram()), metric("a_count", "", counter(9, &[]))];
    let of_histogram = ["a_bucket 2", "a_bucket 3", "a_sum 7.5", "a_count 3"];
    for names in [without.utf8(), untouched.utf8(), untouched.escaped()] {
        assert_eq!(samples(parts(), names), of_histogram, "{names:?}");
    }
    assert_eq!(samples(parts(), with.utf8()).len(), 5);
}

#[test]
fn labels_are_joined_only_where_escaping_makes_them_equal() {
    let pairs = [("a.b", "1"), ("a_b", "2"), ("le", "3"), ("otel_scope_name", "4")];
    let snapshot = snapshot(Attributes::empty(), vec![metric("m", "", gauge(1, &pairs))]);
    let line = |names| render_with(&snapshot, names).lines().nth(1).map(str::to_owned);
    assert_eq!(
        line(Translation::NoTranslation.utf8()).as_deref(),
        Some(r#"m{"a.b"="1",a_b="2",le="3",otel_scope_name="s;4","otel_scope_a.b"="c"} 1"#)
    );
    assert_eq!(
        line(Translation::NoTranslation.escaped()).as_deref(),
        Some(r#"m{a_b="1;2",le="3",otel_scope_name="s;4",otel_scope_a_b="c"} 1"#)
    );
}

#[test]
fn a_metric_named_target_info_is_left_out_only_under_that_name() {
    let text = |names| {
        let metrics = vec![metric("target.info", "", gauge(7, &[]))];
        render_with(&snapshot(attributes(&[("a", "b")]), metrics), names)
    };
    assert!(!text(Translation::NoTranslation.escaped()).contains(" 7"));
    let utf8 = text(Translation::NoTranslation.utf8());
    assert!(utf8.contains("\ntarget_info{a=\"b\"} 1\n"), "{utf8}");
    assert!(utf8.contains("\n{\"target.info\",otel_scope_name"), "{utf8}");
}

#[test]
fn quotes_backslashes_and_line_ends_in_names_are_escaped() {
    let metrics = vec![metric("a\"b\\c\nd", "", gauge(1, &[("e\"f\\g\nh", "i")]))];
    let text =
        render_with(&snapshot(Attributes::empty(), metrics), Translation::NoTranslation.utf8());
    let (name, label) = (r#""a\"b\\c\nd""#, r#""e\"f\\g\nh""#);
    let expected = format!(
        "# TYPE {name} gauge\n{{{name},{label}=\"i\",otel_scope_name=\"s\",\"otel_scope_a.b\"=\"c\"}} 1\n"
    );
    assert_eq!(text, expected);
}
