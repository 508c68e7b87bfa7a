//! The series of snapshots, including a comparison with those of a scrape.

use std::collections::BTreeMap;

use meterkit_core::{AttributeValue, Data};
use opentelemetry::{InstrumentationScope, KeyValue};

use super::*;
use crate::tests::samples::{self, histogram, metric, point, scope, snapshot, sum};

type Text = BTreeMap<(String, Vec<(String, String)>), String>;

fn all(snapshot: &Snapshot) -> Vec<Series<'static>> {
    let mut all = Vec::new();
    for_each(snapshot, None, RemoteWriteHistograms::AsRecorded, &mut |series| {
        all.push(owned(series))
    });
    all
}

fn owned(series: &Series<'_>) -> Series<'static> {
    let own = |text: &Cow<'_, str>| Cow::Owned(text.clone().into_owned());
    let metadata = Metadata {
        family: String::leak(series.metadata.family.to_owned()),
        help: String::leak(series.metadata.help.to_owned()),
        unit: String::leak(series.metadata.unit.to_owned()),
        ..series.metadata
    };
    let owned_labels =
        |labels: &Labels<'_>| labels.iter().map(|(name, value)| (own(name), own(value))).collect();
    let labels = owned_labels(&series.labels);
    let exemplars = series
        .exemplars
        .iter()
        .map(|exemplar| SeriesExemplar { labels: owned_labels(&exemplar.labels), ..*exemplar });
    let exemplars = exemplars.collect();
    Series { labels, value: series.value.clone(), metadata, exemplars, ..*series }
}

fn label<'a>(series: &'a Series<'_>, name: &str) -> Option<&'a str> {
    series.labels.iter().find(|(label, _)| label == name).map(|(_, value)| &**value)
}

/// Returns the name, labels and value of each series that is not a native histogram.
fn as_text(snapshot: &Snapshot) -> Text {
    let mut text = Text::new();
    for series in all(snapshot) {
        let SeriesValue::Number(value) = series.value else {
            continue;
        };
        let labels = series.labels.iter().filter(|(name, _)| name != "__name__");
        let labels = labels.map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let before = text.insert((name(&series.labels).to_owned(), labels), format!("{value:?}"));
        assert_eq!(before, None, "{series:?} comes twice");
    }
    text
}

/// Returns the same for a scrape in Prometheus' text format.
fn scraped(snapshot: &Snapshot) -> Text {
    let page = meterkit_prometheus::render(snapshot);
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let mut text = Text::new();
    for line in lines {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
        let mut pairs: Vec<(String, String)> = labels
            .split_terminator("\",")
            .map(|label| {
                let (name, value) = label.split_once("=\"").expect("a label");
                (name.to_owned(), value.trim_end_matches('"').replace("\\\\", "\\"))
            })
            .collect();
        pairs.sort();
        let value: f64 = value.replace("Inf", "inf").parse().expect("a number");
        text.insert((name.to_owned(), pairs), format!("{value:?}"));
    }
    text
}

fn pair(key: &'static str, value: &'static str) -> (&'static str, AttributeValue) {
    (key, AttributeValue::from(value))
}

#[test]
fn a_scrape_has_the_same_series() {
    let numbers = |pairs: &[(&'static str, AttributeValue)]| sum(true, vec![point(pairs, 1.5)]);
    let odd_labels = numbers(&[
        pair("http.route", "/a"),
        pair("http_route", "/b"),
        pair("le", "1"),
        pair("__x", "C:\\dir"),
        pair("otel_scope_name", "mine"),
        pair("empty", ""),
        pair("Upper", "x"),
        ("flag", true.into()),
        ("whole", 7_i64.into()),
        ("part", 0.5.into()),
    ]);
    let same_twice =
        sum(true, vec![point(&[("a", 1_i64.into())], 1.0), point(&[pair("a", "1")], 2.0)]);
    let plain = || Data::Gauge(vec![point(&[], 1.0)].into());
    let mut scoped = scope("b", vec![metric("x", "", "", plain())]);
    scoped.scope = std::sync::Arc::new(
        InstrumentationScope::builder("b")
            .with_version("1.2")
            .with_schema_url("https://x")
            .with_attributes([KeyValue::new("kind", "k"), KeyValue::new("name", "n")])
            .build(),
    );
    for scopes in [
        vec![scope("a", vec![metric("requests", "By", "", odd_labels)])],
        vec![scope("a", vec![metric("same", "", "", same_twice)])],
        vec![scope("a", vec![metric("took", "s", "", histogram(&[pair("z", "1")], [1, 0, 2]))])],
        vec![scope("a", vec![metric("x", "", "", plain()), metric("y", "", "", plain())]), scoped],
        vec![scope("a", vec![metric("x.y", "", "one", plain()), metric("x_y", "", "", plain())])],
        vec![scope(
            "a",
            vec![
                metric("x", "", "", histogram(&[], [0, 0, 0])),
                metric("x_count", "", "", plain()),
                metric("x_total", "", "", numbers(&[])),
                metric("x", "", "", numbers(&[])),
            ],
        )],
        vec![scope(
            "a",
            vec![metric(
                "g",
                "1",
                "",
                Data::Gauge(
                    vec![
                        point(&[pair("a", "1")], f64::NAN),
                        point(&[pair("a", "2")], f64::INFINITY),
                        point(&[pair("a", "3")], -0.0),
                    ]
                    .into(),
                ),
            )],
        )],
    ] {
        let snapshot = snapshot(1, scopes);
        let scraped = scraped(&snapshot);
        assert!(!scraped.is_empty());
        assert_eq!(as_text(&snapshot), scraped);
    }
}

#[test]
fn series_that_become_equal_are_added_and_of_gauges_the_last_one_counts() {
    let points = |one: f64, other: f64| {
        vec![point(&[pair("a.b", "1")], one), point(&[pair("a_b", "1")], other)]
    };
    for (data, expected) in [
        (sum(true, points(1.0, 2.5)), 3.5),
        (sum(false, points(-1.0, 2.5)), 1.5),
        (Data::Gauge(points(7.0, 2.5).into()), 2.5),
    ] {
        let series = all(&snapshot(1, vec![scope("a", vec![metric("x", "", "", data)])]));
        assert_eq!(series.len(), 1);
        assert_eq!(series[0].value, SeriesValue::Number(expected));
        assert_eq!(label(&series[0], "a_b"), Some("1"));
    }
}

#[test]
fn labels_are_in_order_and_none_is_empty() {
    let pairs = [pair("Z", "1"), pair("_a", "2"), pair("zz", "3"), pair("none", "")];
    let data = histogram(&pairs, [1, 1, 1]);
    let mut snapshot = snapshot(1, vec![scope("a", vec![metric("x", "", "", data)])]);
    snapshot.resource = samples::attributes(&[pair("service.name", "s"), pair("host", "h")]);
    let series = all(&snapshot);
    assert_eq!(series.len(), 6);
    for series in series {
        assert!(series.labels.windows(2).all(|pair| pair[0].0 < pair[1].0), "{series:?}");
        assert!(series.labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
        assert_eq!(series.time, 1000);
    }
}

#[test]
fn the_process_is_on_every_series_and_the_resource_on_one() {
    let data = sum(true, vec![point(&[pair("job", "mine"), pair("instance", "i")], 1.0)]);
    let mut snapshot = snapshot(1, vec![scope("a", vec![metric("x", "", "", data)])]);
    for (resource, job, instance, info) in [
        (&[][..], None, None, None),
        (&[pair("service.name", "s")], Some("s"), None, None),
        (
            &[
                pair("service.name", "s"),
                pair("service.namespace", "n"),
                pair("service.instance.id", "7"),
            ],
            Some("n/s"),
            Some("7"),
            None,
        ),
        (
            &[pair("service.name", "s"), pair("host.name", "h"), pair("job", "x")],
            Some("s"),
            None,
            Some(("h", "x")),
        ),
    ] {
        snapshot.resource = samples::attributes(resource);
        let series = all(&snapshot);
        assert_eq!(series.len(), 1 + usize::from(info.is_some()), "{resource:?}");
        for series in &series {
            assert_eq!((label(series, "job"), label(series, "instance")), (job, instance));
        }
        if let Some((host, exported_job)) = info {
            assert_eq!(name(&series[0].labels), "target_info");
            assert_eq!(series[0].value, SeriesValue::Number(1.0));
            assert_eq!(label(&series[0], "host_name"), Some(host));
            assert_eq!(label(&series[0], "exported_job"), Some(exported_job));
            assert_eq!(label(&series[0], "service_name"), None, "`job` says it");
        }
        let last = series.last().expect("the counter");
        assert_eq!(label(last, "exported_job"), Some("mine"));
        assert_eq!(label(last, "exported_instance"), Some("i"));
    }
}

#[test]
fn metadata_and_starts_are_those_of_the_metric() {
    let snapshot = samples::all_kinds(100);
    let described: Vec<_> = all(&snapshot)
        .iter()
        .map(|series| {
            let Metadata { family, family_type, help, unit } = series.metadata;
            let name = name(&series.labels).trim_start_matches(family).to_owned();
            (family.to_owned(), name, family_type.as_str(), help.to_owned(), unit, series.start)
        })
        .collect();
    let start = samples::START.as_millis() as i64;
    let row = |family: &str, part: &str, kind, help: &str, unit, start| {
        (family.to_owned(), part.to_owned(), kind, help.to_owned(), unit, start)
    };
    let took = |part| row("took_seconds", part, "histogram", "How long.", "seconds", start);
    assert_eq!(
        described,
        [
            row("load_ratio", "", "gauge", "", "ratio", 0),
            row("requests_total", "", "counter", "Requests.", "", start),
            row("requests_total", "", "counter", "Requests.", "", start),
            row("sent_bytes_total", "", "counter", "", "bytes", start),
            row("sizes_bytes", "", "histogram", "How large.", "bytes", start),
            row("tasks", "", "gauge", "Tasks.", "", 0),
            took("_bucket"),
            took("_bucket"),
            took("_bucket"),
            took("_sum"),
            took("_count"),
        ]
    );
}

#[test]
fn no_value_of_the_user_ends_its_series() {
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let data = Data::Gauge(vec![point(&[], stale)].into());
    let series = all(&snapshot(1, vec![scope("a", vec![metric("x", "", "", data)])]));
    let SeriesValue::Number(value) = series[0].value else { panic!("{series:?}") };
    assert!(value.is_nan());
    assert_ne!(value.to_bits(), stale.to_bits());

    let SeriesValue::Number(end) = series[0].value.stale() else { panic!("a number") };
    assert_eq!(end.to_bits(), 0x7ff0_0000_0000_0002);
}
