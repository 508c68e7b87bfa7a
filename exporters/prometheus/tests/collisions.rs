//! Metrics and labels that differ in OpenTelemetry and are the same in Prometheus: the text stays valid.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::checker::checked;
use meterkit_core::{
    AttributeValue, Attributes, Counter, Data, Descriptor, HistogramPoint, LabelKey, LabelRef,
    LabelVisitor, Labels, Metric, NumberPoint, Registry, ScopeMetrics, SeriesId, Temporality,
    Value,
};
use meterkit_otel::MeterProvider;
use meterkit_pipeline::{Pipeline, Snapshot};
use meterkit_prometheus::render;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};

struct Tenant(Option<&'static str>);

impl Labels for Tenant {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("tenant")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.map_or(LabelRef::Absent, LabelRef::Str));
    }
}

fn text_of(scopes: Vec<ScopeMetrics>) -> String {
    let resource = Attributes::empty();
    let text = render(&Snapshot::new(resource, SystemTime::UNIX_EPOCH, scopes));
    checked(&text);
    text
}

fn scope(name: &'static str, metrics: Vec<Metric>) -> ScopeMetrics {
    ScopeMetrics { scope: Arc::new(InstrumentationScope::builder(name).build()), metrics }
}

fn metric(name: &str, description: &str, data: Data) -> Metric {
    let (name, description) = (name.to_owned(), description.to_owned());
    Metric {
        descriptor: Arc::new(Descriptor {
            name,
            unit: String::new(),
            description,
            kind: data.kind(),
        }),
        data,
    }
}

fn points(points: &[(u64, &[(&'static str, &'static str)])]) -> Vec<NumberPoint> {
    let point = |(value, pairs): &(u64, &[(&'static str, &'static str)])| NumberPoint {
        series: SeriesId::new(),
        attributes: pairs_of(pairs.iter().map(|(key, value)| (*key, (*value).into()))),
        start: SystemTime::UNIX_EPOCH,
        value: Value::U64(*value),
    };
    let mut points: Vec<_> = points.iter().map(point).collect();
    points.sort_by(|a, b| a.attributes.cmp(&b.attributes));
    points
}

fn pairs_of(pairs: impl Iterator<Item = (&'static str, AttributeValue)>) -> Attributes {
    Attributes::from_pairs(pairs.map(|(key, value)| (Cow::Borrowed(key), value)))
}

fn counter(value: u64) -> Data {
    counters(&[(value, &[])])
}

fn counters(of: &[(u64, &[(&'static str, &'static str)])]) -> Data {
    Data::Sum { monotonic: true, temporality: Temporality::Cumulative, points: points(of).into() }
}

fn gauge(value: u64) -> Data {
    Data::Gauge(points(&[(value, &[])]).into())
}

fn histogram(value: f64) -> Data {
    let point = HistogramPoint {
        series: SeriesId::new(),
        attributes: Attributes::empty(),
        start: SystemTime::UNIX_EPOCH,
        count: 1,
        sum: value,
        min: None,
        max: None,
        buckets: [1].into(),
    };
    let (temporality, bounds) = (Temporality::Cumulative, Arc::default());
    Data::Histogram { temporality, bounds, points: vec![point] }
}

#[test]
fn the_later_of_two_types_with_one_name_is_left_out() {
    let text = text_of(vec![
        scope("a", vec![metric("x.total", "First.", counter(1))]),
        scope("b", vec![metric("x_total", "Second.", gauge(2))]),
        scope("c", vec![metric("x", "", counter(3))]),
    ]);
    let expected = "# HELP x_total First.\n# TYPE x_total counter\n\
                    x_total{otel_scope_name=\"a\"} 1\nx_total{otel_scope_name=\"c\"} 3\n";
    assert_eq!(text, expected);
}

#[test]
fn the_first_of_two_descriptions_is_used_and_all_points_stay() {
    let text = text_of(vec![
        scope("a", vec![metric("x", "", gauge(1))]),
        scope("b", vec![metric("x", "First.", gauge(2))]),
        scope("c", vec![metric("x", "Second.", gauge(3))]),
    ]);
    let expected = "# HELP x First.\n# TYPE x gauge\nx{otel_scope_name=\"a\"} 1\n\
                    x{otel_scope_name=\"b\"} 2\nx{otel_scope_name=\"c\"} 3\n";
    assert_eq!(text, expected);
}

#[test]
fn names_of_one_scope_that_become_equal_add_their_equal_series() {
    let shared = [("k", "shared")];
    let text = text_of(vec![scope(
        "a",
        vec![
            metric("x.y", "", counters(&[(1, &shared), (2, &[("k", "one")])])),
            metric("x_y", "", counters(&[(3, &shared), (4, &[("k", "two")])])),
        ],
    )]);
    let expected = "# TYPE x_y_total counter\n\
                    x_y_total{k=\"one\",otel_scope_name=\"a\"} 2\n\
                    x_y_total{k=\"shared\",otel_scope_name=\"a\"} 4\n\
                    x_y_total{k=\"two\",otel_scope_name=\"a\"} 4\n";
    assert_eq!(text, expected);
}

#[test]
fn the_last_gauge_of_indistinguishable_scopes_is_exported() {
    let with = |key: &'static str, value: u64| {
        let scope = InstrumentationScope::builder("a");
        let scope = scope.with_attributes([KeyValue::new(key, "1")]).build();
        ScopeMetrics { scope: Arc::new(scope), metrics: vec![metric("x", "", gauge(value))] }
    };
    let text = text_of(vec![with("k.1", 1), with("k.2", 2), with("k_1", 3)]);
    let expected = "# TYPE x gauge\nx{otel_scope_name=\"a\",otel_scope_k_1=\"1\"} 3\n\
                    x{otel_scope_name=\"a\",otel_scope_k_2=\"1\"} 2\n";
    assert_eq!(text, expected);
}

#[test]
fn the_order_of_scopes_and_metrics_does_not_affect_the_text() {
    let versioned = |version: &'static str| {
        let scope = Arc::new(InstrumentationScope::builder("a").with_version(version).build());
        ScopeMetrics { scope, metrics: vec![metric("x", version, gauge(1))] }
    };
    let clash = || vec![metric("y.z", "One.", gauge(1)), metric("y_z", "Two.", counter(2))];
    let mut clash_reversed = clash();
    clash_reversed.reverse();
    let one = text_of(vec![versioned("1"), versioned("2"), scope("b", clash())]);
    let other = text_of(vec![scope("b", clash_reversed), versioned("2"), versioned("1")]);
    assert_eq!(one, other);
}

#[test]
fn labels_that_become_equal_are_joined_in_the_order_of_their_keys() {
    let pairs = [("a_b", "3"), ("a.b", "2"), ("a-b", "1"), ("z", "z")];
    let text = text_of(vec![scope("a", vec![metric("x", "", counters(&[(1, &pairs)]))])]);
    let expected =
        "# TYPE x_total counter\nx_total{a_b=\"1;2;3\",z=\"z\",otel_scope_name=\"a\"} 1\n";
    assert_eq!(text, expected);
}

#[test]
fn series_of_one_metric_that_become_equal_are_added() {
    for (one, other) in
        [(("a.b", "1"), ("a_b", "1")), (("a_b", "1"), ("a-b", "1")), (("a..b", "1"), ("a_b", "1"))]
    {
        let data = counters(&[(1, &[one]), (2, &[other]), (3, &[("c", "")]), (4, &[])]);
        let text = text_of(vec![scope("a", vec![metric("x", "", data)])]);
        assert_eq!(text.lines().count(), 3, "{text}");
        let mut values: Vec<_> = checked(&text).samples.into_values().collect();
        values.sort();
        assert_eq!(values, ["3", "7"]);
    }
}

#[test]
fn a_group_adds_series_whose_labels_differ_by_an_empty_text() {
    let registry = Registry::new();
    let group = registry.semconv("s").counter_group::<Tenant, u64>("hits").build().unwrap();
    group.with(Tenant(Some(""))).add(u64::MAX - 10);
    group.with(Tenant(None)).add(4);
    group.with(Tenant(Some("x"))).add(1);
    let pipeline = Pipeline::builder(registry).unwrap();
    let pipeline = pipeline.snapshot_max_age(Duration::ZERO).start().unwrap();
    let hits = |expected: &str| {
        let text = render(&pipeline.source().snapshot_blocking());
        checked(&text);
        let hits: String = text.split_inclusive('\n').filter(|it| it.starts_with("hits")).collect();
        assert_eq!(hits, expected);
    };
    hits(
        "hits_total{otel_scope_name=\"s\"} 18446744073709551609\n\
         hits_total{tenant=\"x\",otel_scope_name=\"s\"} 1\n",
    );
    // The total keeps the value of an ended series, and includes what the series counts once it has returned.
    assert!(group.remove(Tenant(Some(""))));
    hits(
        "hits_total{otel_scope_name=\"s\"} 18446744073709551609\n\
         hits_total{tenant=\"x\",otel_scope_name=\"s\"} 1\n",
    );
    group.with(Tenant(Some(""))).add(2);
    hits(
        "hits_total{otel_scope_name=\"s\"} 18446744073709551611\n\
         hits_total{tenant=\"x\",otel_scope_name=\"s\"} 1\n",
    );
}

#[test]
fn histograms_that_become_equal_are_added() {
    let with = |name, pairs: &'static [(&'static str, &'static str)], value| {
        let Data::Histogram { points, bounds, temporality } = histogram(value) else {
            panic!("a histogram")
        };
        let attributes = pairs_of(pairs.iter().map(|(key, value)| (*key, (*value).into())));
        let points =
            points.into_iter().map(|it| HistogramPoint { attributes: attributes.clone(), ..it });
        metric(name, "", Data::Histogram { points: points.collect(), bounds, temporality })
    };
    let text = text_of(vec![scope(
        "a",
        vec![with("x.y", &[("a.b", "1")], 1.5), with("x_y", &[("a_b", "1")], 2.25)],
    )]);
    let expected = "# TYPE x_y histogram\n\
                    x_y_bucket{a_b=\"1\",otel_scope_name=\"a\",le=\"+Inf\"} 2\n\
                    x_y_sum{a_b=\"1\",otel_scope_name=\"a\"} 3.75\n\
                    x_y_count{a_b=\"1\",otel_scope_name=\"a\"} 2\n";
    assert_eq!(text, expected);
}

#[test]
fn values_of_different_types_with_the_same_text_are_written_once() {
    let values: [AttributeValue; 3] = ["1".into(), 1_i64.into(), 1.0.into()];
    let values = values.into_iter().map(|value| NumberPoint {
        series: SeriesId::new(),
        attributes: pairs_of([("k", value)].into_iter()),
        start: SystemTime::UNIX_EPOCH,
        value: Value::U64(7),
    });
    let text = text_of(vec![scope("a", vec![metric("x", "", Data::Gauge(values.collect()))])]);
    assert_eq!(text, "# TYPE x gauge\nx{k=\"1\",otel_scope_name=\"a\"} 7\n");
}

#[test]
fn series_that_become_equal_are_found_among_many() {
    let registry = Registry::new();
    let counter = registry.semconv("a").by_attributes::<Counter<u64>>("x").register();
    for at in 0..200 {
        counter.with_attributes(&[KeyValue::new("k", format!("v{at}"))]).add(1);
    }
    counter.with_attributes(&[KeyValue::new("k", 7)]).add(2);
    counter.with_attributes(&[KeyValue::new("k", "7")]).add(3);
    let text = text_of(registry.read());
    let equal: Vec<_> = text.lines().filter(|line| line.contains("k=\"7\"")).collect();
    assert_eq!(equal, ["x_total{k=\"7\",otel_scope_name=\"a\"} 5"]);
}

#[test]
fn labels_that_the_exposition_uses_itself_are_renamed_or_joined() {
    let pairs = [
        ("le", "0.5"),
        ("quantile", "0.9"),
        ("otel_scope_name", "mine"),
        ("otel.scope.version", "mine"),
        ("__name__", "mine"),
        ("1st", "mine"),
    ];
    let text = text_of(vec![scope("a", vec![metric("x", "", counters(&[(1, &pairs)]))])]);
    let expected = "# TYPE x_total counter\nx_total{_name_=\"mine\",key_1st=\"mine\",le=\"0.5\",\
                    quantile=\"0.9\",otel_scope_name=\"a;mine\",otel_scope_version=\"mine\"} 1\n";
    assert_eq!(text, expected);

    let mut data = histogram(2.0);
    let Data::Histogram { points, .. } = &mut data else { unreachable!() };
    let pairs = pairs.map(|(key, value)| (key.into(), value.into()));
    points[0].attributes = Attributes::from_pairs(pairs);
    let text = text_of(vec![scope("a", vec![metric("x", "", data)])]);
    let labels = "_name_=\"mine\",exported_le=\"0.5\",key_1st=\"mine\",\
                  quantile=\"0.9\",otel_scope_name=\"a;mine\",otel_scope_version=\"mine\"";
    let expected = format!(
        "# TYPE x histogram\nx_bucket{{{labels},le=\"+Inf\"}} 1\nx_sum{{{labels}}} 2\nx_count{{{labels}}} 1\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn a_label_equal_to_that_of_another_scope_makes_the_same_series() {
    let scoped = |version: &'static str, data| {
        let scope = InstrumentationScope::builder("a").with_version(version).build();
        ScopeMetrics { scope: Arc::new(scope), metrics: vec![metric("x", "", data)] }
    };
    let text = text_of(vec![
        scoped("", counters(&[(1, &[("otel_scope_version", "2")])])),
        scoped("2", counters(&[(5, &[])])),
    ]);
    let expected = "# TYPE x_total counter\n\
                    x_total{otel_scope_name=\"a\",otel_scope_version=\"2\"} 6\n";
    assert_eq!(text, expected);
}

#[test]
fn a_metric_named_target_info_is_left_out_beside_the_resource() {
    let resource = Attributes::from_pairs([("service.name".into(), "shop".into())]);
    let scopes = vec![scope("a", vec![metric("target.info", "Mine.", gauge(5))])];
    let snapshot = Snapshot::new(resource, SystemTime::UNIX_EPOCH, scopes.clone());
    let text = render(&snapshot);
    checked(&text);
    let expected = "# HELP target_info Target metadata\n# TYPE target_info gauge\n\
                    target_info{service_name=\"shop\"} 1\n";
    assert_eq!(text, expected);

    let expected = "# HELP target_info Mine.\n# TYPE target_info gauge\n\
                    target_info{otel_scope_name=\"a\"} 5\n";
    assert_eq!(text_of(scopes), expected);
}

#[test]
fn a_metric_named_like_a_part_of_a_histogram_is_left_out() {
    let text = text_of(vec![
        scope(
            "a",
            vec![
                metric("tasks", "", histogram(2.0)),
                metric("tasks.active", "", gauge(1)),
                metric("tasks.bucket", "", histogram(3.0)),
                metric("tasks.count", "", gauge(5)),
                metric("tasks.sum", "", gauge(6)),
            ],
        ),
        scope("b", vec![metric("tasks.count", "", gauge(7))]),
    ]);
    let expected = "# TYPE tasks histogram\n\
                    tasks_bucket{otel_scope_name=\"a\",le=\"+Inf\"} 1\n\
                    tasks_sum{otel_scope_name=\"a\"} 2\ntasks_count{otel_scope_name=\"a\"} 1\n\
                    # TYPE tasks_active gauge\ntasks_active{otel_scope_name=\"a\"} 1\n";
    assert_eq!(text, expected);
}

#[test]
fn instruments_of_other_libraries_pass_through_whatever_their_labels() {
    let registry = Registry::new();
    let foreign = MeterProvider::new(registry.clone()).meter("other.library");
    let pipeline = Pipeline::builder(registry).unwrap().start().unwrap();
    let requests = foreign.u64_counter("http.requests").with_description("Theirs.").build();
    requests.add(2, &[KeyValue::new("le", "1"), KeyValue::new("otel_scope_name", "x")]);
    requests.add(3, &[KeyValue::new("a.b", "1"), KeyValue::new("a_b", 2)]);
    requests.add(4, &[KeyValue::new("a.b", "1;2")]);
    let empty = foreign.f64_histogram("h").with_boundaries(Vec::new()).build();
    empty.record(2.5, &[]);
    let text = render(&pipeline.source().snapshot_blocking());
    let read = checked(&text);
    let expected = "# TYPE h histogram\nh_bucket{otel_scope_name=\"other.library\",le=\"+Inf\"} 1\n\
                    h_sum{otel_scope_name=\"other.library\"} 2.5\n\
                    h_count{otel_scope_name=\"other.library\"} 1\n";
    assert!(text.starts_with(expected), "{text}");
    let labels = [("le", "1"), ("otel_scope_name", "other.library;x")];
    assert_eq!(read.value("http_requests_total", &labels), 2.0);
    assert_eq!(read.value("http_requests_total", &[("a_b", "1;2")]), 7.0);
}
