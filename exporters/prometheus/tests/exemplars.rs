//! Exemplars in each format of a scrape.

use std::sync::Arc;
use std::time::Duration;

use meterkit_core::{Exemplar, Exemplars, Registry, SpanIds, Value};
use meterkit_fakes::open_metrics::{self, Labels};
use meterkit_fakes::spans::{sampled_span, span_ids};
use meterkit_pipeline::{Pipeline, Snapshot};
use meterkit_prometheus::{Format, Names, Scrape, Translation, render, render_in};

use crate::metric_family::{self, families};
use crate::nasty::{
    attributes, counter, exponential, exponentials, histogram, metric, number, snapshot_of, start,
};

fn exemplar(number: u64, value: f64) -> Exemplar {
    Exemplar {
        time: start() + Duration::from_secs(number),
        value: Value::F64(value),
        span: Some(span_ids(number)),
        filtered: None,
    }
}

fn with(mut snapshot: Snapshot, exemplars: &[Exemplar]) -> Snapshot {
    let mut all = Exemplars::default();
    let metrics = snapshot.scopes.iter().flat_map(|scope| &scope.metrics);
    for series in metrics.flat_map(|metric| metric.data.series()) {
        all.insert(series, exemplars.into());
    }
    snapshot.exemplars = Arc::new(all);
    snapshot
}

/// Returns a counter and histograms with fixed and with exponential buckets, each with these exemplars.
fn snapshot(exemplars: &[Exemplar]) -> Snapshot {
    let took = histogram(&[1.0, 2.0], &[], &[1, 1, 1], 7.5, 0.5);
    let waited = exponentials(vec![exponential(&[], 0, (0, &[2]), (0, &[]))]);
    let metrics = vec![
        metric("calls", "", "", counter(vec![number(&[], Value::U64(3))])),
        metric("took", "", "", took),
        metric("waited", "", "", waited),
        metric("tasks", "", "", crate::nasty::up_down(vec![number(&[], Value::I64(3))])),
    ];
    with(snapshot_of(&[], metrics), exemplars)
}

fn text(snapshot: &Snapshot, format: Format, names: Names) -> String {
    String::from_utf8(render_in(snapshot, format, names).into()).expect("text")
}

/// Returns the lines with an exemplar, without the labels of the scope.
fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.contains(" # "));
    lines.map(|line| line.replace("otel_scope_name=\"s\"", "")).collect()
}

#[test]
fn open_metrics_has_exemplars_on_totals_and_matching_buckets() {
    let all = [exemplar(1, 1.0), exemplar(2, 1.5), exemplar(3, 9.0), exemplar(4, 1.25)];
    let snapshot = snapshot(&all);
    for format in [Format::OpenMetrics, Format::OldOpenMetrics] {
        let text = text(&snapshot, format, Names::default());
        let body = open_metrics::checked(&text);
        let values = |name: &str| -> Vec<(Option<String>, f64)> {
            let all = body.exemplars.iter().filter(|((sample, _), _)| sample == name);
            let all = all.map(|((_, labels), (_, value, _))| (labels.get("le").cloned(), *value));
            all.collect()
        };
        let le = |bound: &str| Some(bound.to_owned());
        assert_eq!(values("calls_total"), [(None, 1.25)], "the last one");
        let buckets = [(le("+Inf"), 9.0), (le("1.0"), 1.0), (le("2.0"), 1.25)];
        assert_eq!(values("took_bucket"), buckets);
        assert!(!values("waited_bucket").is_empty(), "{text}");
        assert!(body.exemplars.keys().all(|(name, _)| !name.starts_with("tasks")), "{text}");
        let line = lines(&text).remove(0);
        let expected = " # {trace_id=\"00000000000000000000000000000004\",span_id=\"0000000000000004\"} 1.25 1.700000004125e+09";
        assert!(line.ends_with(expected), "{line}");
    }
}

#[test]
fn the_older_text_formats_have_no_exemplars() {
    let snapshot = snapshot(&[exemplar(1, 1.0)]);
    assert!(lines(&render(&snapshot)).is_empty());
    assert!(lines(&text(&snapshot, Format::QuotedText, Names::default())).is_empty());
}

#[test]
fn attributes_that_views_removed_are_labels_whose_names_every_scraper_reads() {
    let filtered =
        Exemplar { filtered: Some(attributes(&[("user.id", "a\"b".into())])), ..exemplar(1, 1.0) };
    let snapshot = snapshot(&[filtered]);
    for translation in [Translation::default(), Translation::NoTranslation] {
        let text = text(&snapshot, Format::OpenMetrics, translation.utf8());
        let body = open_metrics::checked(&text);
        let labels: Vec<&Labels> = body.exemplars.values().map(|(labels, ..)| labels).collect();
        assert!(!labels.is_empty(), "{text}");
        assert!(labels.iter().all(|it| it.get("user_id").is_some_and(|it| it == "a\"b")), "{text}");
    }
}

#[test]
fn a_counter_that_open_metrics_does_not_know_as_one_has_none() {
    let text = text(
        &snapshot(&[exemplar(1, 1.0)]),
        Format::OpenMetrics,
        Translation::NoTranslation.utf8(),
    );
    let body = open_metrics::checked(&text);
    assert_eq!(body.families["calls"], "unknown");
    assert!(body.exemplars.keys().all(|(name, _)| name != "calls"), "{text}");
}

#[test]
fn measurements_outside_of_spans_have_no_labels() {
    let snapshot = snapshot(&[Exemplar { span: None, ..exemplar(1, 1.0) }]);
    let text = text(&snapshot, Format::OpenMetrics, Names::default());
    open_metrics::checked(&text);
    assert!(lines(&text)[0].contains(" # {} 1.0 "), "{text}");
}

#[test]
fn protobuf_has_exemplars_on_counters_buckets_and_native_histograms() {
    let all = [exemplar(1, 1.0), exemplar(2, 1.5), exemplar(3, 1.25)];
    let body = render_in(&snapshot(&all), Format::Protobuf, Names::default());
    let families = families(&body);
    let of = |name: &str| {
        let family = families.iter().find(|family| family.name.as_deref() == Some(name));
        family.expect("a family").metric[0].clone()
    };
    let value = |exemplar: &metric_family::Exemplar| exemplar.value.expect("a value");
    let counted = of("calls_total").counter.expect("a counter").exemplar.expect("an exemplar");
    assert_eq!(value(&counted), 1.25);
    let time = counted.timestamp.expect("a time");
    assert_eq!((time.seconds, time.nanos), (1_700_000_003, 125_000_000));
    let label = |at: usize| counted.label[at].value.clone().expect("a value");
    assert_eq!(label(0), "00000000000000000000000000000003");
    assert_eq!(label(1), "0000000000000003");
    let took = of("took").histogram.expect("a histogram");
    let buckets = took.bucket.iter().map(|bucket| bucket.exemplar.as_ref().map(value));
    assert_eq!(buckets.collect::<Vec<_>>(), [Some(1.0), Some(1.25), None]);
    let waited = of("waited").histogram.expect("a histogram");
    assert_eq!(waited.exemplars.iter().map(value).collect::<Vec<_>>(), [1.0, 1.5, 1.25]);
}

#[test]
fn joined_series_show_the_exemplars_of_all() {
    let [first, second] = ["a", "b"].map(|_| number(&[], Value::U64(1)));
    let metrics = vec![
        metric("calls.made", "", "", counter(vec![first.clone()])),
        metric("calls_made", "", "", counter(vec![second.clone()])),
    ];
    let mut snapshot = snapshot_of(&[], metrics);
    let mut all = Exemplars::default();
    all.insert(first.series, [exemplar(1, 1.0)].into());
    all.insert(second.series, [exemplar(2, 2.0)].into());
    snapshot.exemplars = Arc::new(all);
    let body = open_metrics::checked(&text(&snapshot, Format::OpenMetrics, Names::default()));
    let values: Vec<_> = body.exemplars.values().map(|(_, value, _)| *value).collect();
    assert_eq!(values, [2.0], "{body:?}");
}

#[test]
fn what_is_recorded_in_a_span_is_scraped() {
    let registry = Registry::new();
    let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
    let requests = requests.expect("a good name");
    let pipeline = Pipeline::builder(registry).expect("a registry of its own");
    let pipeline = pipeline.start().expect("the pipeline starts");
    let record = || {
        let _span = sampled_span(7);
        requests.add(5);
    };
    record();
    assert!(pipeline.source().snapshot_blocking().exemplars.is_empty(), "nobody takes them");
    let _scrape = Scrape::new(pipeline.source());
    record();
    std::thread::sleep(Duration::from_millis(110));
    let snapshot = pipeline.source().snapshot_blocking();
    let body = open_metrics::checked(&text(&snapshot, Format::OpenMetrics, Names::default()));
    let (labels, value, time) = body.exemplars.values().next().expect("an exemplar");
    let ids: SpanIds = span_ids(7);
    assert_eq!(labels["span_id"], format!("{:016x}", u64::from_be_bytes(ids.span_id)));
    assert_eq!(*value, 5.0);
    let taken = snapshot.time.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    assert!(*time <= taken.as_secs_f64());
}
