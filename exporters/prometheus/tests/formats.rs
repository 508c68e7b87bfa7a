//! The features in which formats differ, and bodies in pieces.

use std::sync::Arc;

use meterkit_core::{Data, NumberPoint, Value};
use meterkit_pipeline::Snapshot;
use meterkit_prometheus::{Exposition, ExpositionOptions, Format, Names, Translation, render_in};

use crate::metric_family::{Histogram, Timestamp, families};
use crate::nasty::{
    Pairs, counter, exponential, exponentials, histogram, metric, number, snapshot, snapshot_of,
};
use meterkit_fakes::open_metrics;

use crate::checker;

fn open_metrics_of(snapshot: &Snapshot, names: Names) -> String {
    String::from_utf8(render_in(snapshot, Format::OpenMetrics, names).into()).unwrap()
}

fn one(value: u64) -> Vec<NumberPoint> {
    vec![number(&[], Value::U64(value))]
}

/// Returns the `# TYPE` lines of these metrics in OpenMetrics.
fn types(resource: Pairs<'_>, metrics: Vec<meterkit_core::Metric>) -> Vec<String> {
    let text = open_metrics_of(&snapshot_of(resource, metrics), Names::default());
    open_metrics::checked(&text);
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(str::to_owned).collect()
}

#[test]
fn families_of_open_metrics_that_would_share_a_name_have_another_type() {
    let gauge = |name| metric(name, "", "", Data::Gauge(one(1).into()));
    let counts = |name| metric(name, "", "", counter(one(1)));
    let distribution = |name| metric(name, "", "", histogram(&[1.0], &[], &[1, 0], 0.5, 0.5));
    for (metrics, expected) in [
        (vec![gauge("o"), counts("o")], &["o gauge", "o_total unknown"][..]),
        (vec![counts("o"), gauge("o.created")], &["o_created gauge", "o_total unknown"]),
        (vec![distribution("h"), counts("h.count")], &["h histogram", "h_count_total unknown"]),
        (vec![distribution("h"), gauge("h.created")], &["h histogram"]),
        (vec![counts("total")], &["total unknown"]),
        (vec![counts("a"), counts("b.total")], &["a counter", "b counter"]),
    ] {
        assert_eq!(types(&[], metrics), expected);
    }
    let resource = [("service.name", "s".into())];
    for (metrics, expected) in [
        (vec![gauge("load")], &["target info", "load gauge"][..]),
        (vec![gauge("target")], &["target_info gauge", "target gauge"]),
        (vec![counts("target")], &["target info", "target_total unknown"]),
        (vec![counts("target.info")], &["target info", "target_info_total unknown"]),
    ] {
        assert_eq!(types(&resource, metrics), expected);
    }
}

#[test]
fn a_counter_without_the_suffix_is_unknown_to_open_metrics() {
    let names = Translation::UnderscoreEscapingWithoutSuffixes.escaped();
    let data = counter(one(3));
    let text = open_metrics_of(&snapshot_of(&[], vec![metric("jobs", "s", "Jobs.", data)]), names);
    let expected =
        "# TYPE jobs unknown\n# HELP jobs Jobs.\njobs{otel_scope_name=\"shop\"} 3.0\n# EOF\n";
    assert_eq!(text, expected);
}

#[test]
fn open_metrics_has_no_counter_that_falls() {
    let point = |at: &'static str, value| number(&[("at", at.into())], Value::F64(value));
    let points = vec![point("a", -1.0), point("b", f64::NAN), point("c", f64::INFINITY)];
    let snapshot = snapshot_of(&[], vec![metric("x", "", "", counter(points))]);
    let read = open_metrics::checked(&open_metrics_of(&snapshot, Names::default()));
    let values: Vec<f64> = read.samples.into_values().collect();
    assert_eq!(values, [1_700_000_000.125, f64::INFINITY]);
}

#[test]
fn a_start_is_never_after_the_values() {
    let mut snapshot = snapshot_of(&[], vec![metric("x", "", "", counter(one(1)))]);
    snapshot.time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(1500);
    let text = open_metrics_of(&snapshot, Names::default());
    assert!(text.contains("\nx_created{otel_scope_name=\"shop\"} 1.5\n"), "{text}");
    let body = render_in(&snapshot, Format::Protobuf, Names::default());
    let counter = families(&body)[0].metric[0].counter.clone().unwrap();
    assert_eq!(counter.created_timestamp, Some(Timestamp { seconds: 1, nanos: 500_000_000 }));

    let without = ExpositionOptions::new().start_times(false);
    let text = render_in(&snapshot, Format::OpenMetrics, without.clone());
    assert!(!String::from_utf8(text.into()).unwrap().contains("_created"));
    let counter = &families(&render_in(&snapshot, Format::Protobuf, without))[0].metric[0].counter;
    assert_eq!(counter.as_ref().unwrap().created_timestamp, None);

    // An unknown start time is not written.
    snapshot.time = std::time::UNIX_EPOCH;
    assert!(!open_metrics_of(&snapshot, Names::default()).contains("_created"));
}

/// Returns an exponential histogram as it is written in protobuf.
fn in_protobuf(scale: i32, positive: (i32, &[u64]), negative: (i32, &[u64])) -> Histogram {
    let point = exponential(&[], scale, positive, negative);
    let snapshot = snapshot_of(&[], vec![metric("x", "", "", exponentials(vec![point]))]);
    let body = render_in(&snapshot, Format::Protobuf, Names::default());
    let [family] = &families(&body)[..] else { panic!("one family") };
    assert_eq!((family.name.as_deref(), family.kind), (Some("x"), Some(4)));
    family.metric[0].histogram.clone().unwrap()
}

#[test]
fn exponential_histograms_are_native_in_protobuf() {
    let native = in_protobuf(3, (-4, &[1, 3, 0, 0, 0, 0, 9]), (5, &[2]));
    assert_eq!((native.schema, native.zero_threshold), (Some(3), Some(1e-128)));
    assert_eq!((native.sample_count, native.zero_count), (Some(18), Some(3)));
    assert_eq!(native.sample_sum, Some(12.5));
    let spans = |spans: &[crate::metric_family::BucketSpan]| -> Vec<_> {
        spans.iter().map(|span| (span.offset.unwrap(), span.length.unwrap())).collect()
    };
    assert_eq!(spans(&native.positive_span), [(-3, 2), (4, 1)]);
    assert_eq!(native.positive_delta, [1, 2, 6]);
    assert_eq!(spans(&native.negative_span), [(6, 1)]);
    assert_eq!(native.negative_delta, [2]);
    assert!(native.bucket.is_empty());
    assert_eq!(
        native.created_timestamp,
        Some(Timestamp { seconds: 1_700_000_000, nanos: 125_000_000 })
    );

    let fine = in_protobuf(20, (0, &[1, 2]), (0, &[]));
    assert_eq!((fine.schema, fine.positive_delta), (Some(8), vec![3]));

    // The buckets are wider than those of any native histogram.
    let wide = in_protobuf(-5, (-1, &[4, 5]), (0, &[]));
    assert_eq!(wide.schema, None);
    let buckets: Vec<_> = wide.bucket.iter().map(|it| it.cumulative_count.unwrap()).collect();
    assert_eq!(buckets, [3, 3, 7, 12, 12]);
    let last = wide.bucket.last().and_then(|it| it.upper_bound);
    assert_eq!(last, Some(f64::INFINITY));
}

/// Returns a snapshot with `series` series of a counter, and some of a histogram.
fn many(series: u64) -> Arc<Snapshot> {
    let numbers = (0..series).map(|n| number(&[("n", (n as i64).into())], Value::U64(n)));
    let distributions = (0..series / 100)
        .map(|n| exponential(&[("n", (n as i64).into())], 3, (-4, &[1, 3, 0, 0, n + 1]), (0, &[])));
    Arc::new(snapshot_of(
        &[("a", "b".into())],
        vec![
            metric("first", "", "", counter(numbers.collect())),
            metric("second", "", "", exponentials(distributions.collect())),
            metric("third", "", "", counter(one(1))),
        ],
    ))
}

#[test]
fn the_pieces_of_a_body_make_up_the_whole() {
    let snapshot = many(20_000);
    for format in Format::ALL {
        let whole = render_in(&snapshot, format, Names::default());
        let pieces: Vec<_> = Exposition::new(snapshot.clone(), format, Names::default()).collect();
        assert!(pieces.len() > 5, "{format:?}");
        for piece in &pieces[..pieces.len() - 1] {
            assert!((60_000..80_000).contains(&piece.len()), "{format:?}: {}", piece.len());
        }
        assert_eq!(pieces.concat(), whole, "{format:?}");
    }
    let text =
        String::from_utf8(render_in(&snapshot, Format::OpenMetrics, Names::default()).into());
    open_metrics::checked(&text.unwrap());
    let body = render_in(&snapshot, Format::Protobuf, Names::default());
    let lengths: Vec<_> = families(&body).iter().map(|family| family.metric.len()).collect();
    assert_eq!(lengths, [1, 20_000, 200, 1]);
}

#[test]
fn an_exposition_ends_once_and_can_go_to_another_thread() {
    let mut exposition = Exposition::new(many(10), Format::OpenMetrics, Names::default());
    let thread = std::thread::spawn(move || {
        assert!(exposition.next().unwrap().ends_with(b"# EOF\n"));
        assert_eq!(exposition.next(), None);
        assert_eq!(exposition.next(), None);
    });
    thread.join().unwrap();
    let empty = Arc::new(snapshot_of(&[], Vec::new()));
    assert_eq!(Exposition::new(empty.clone(), Format::Text, Names::default()).next(), None);
    assert_eq!(Exposition::new(empty, Format::Protobuf, Names::default()).next(), None);
}

#[test]
fn the_memory_of_a_dropped_piece_is_reused() {
    let mut exposition = Exposition::new(many(20_000), Format::Text, Names::default());
    let first = exposition.next().unwrap().as_ptr();
    assert!(exposition.by_ref().all(|piece| piece.as_ptr() == first));
}

// Compares every sample of numbers and histograms, sorted by name and labels, without what only some formats write.
#[test]
fn all_formats_have_the_same_values() {
    let (snapshot, names) = (snapshot(), Names::default());
    let text = render_in(&snapshot, Format::Text, names);
    let text = checker::checked(std::str::from_utf8(&text).unwrap());
    let strict = open_metrics::checked(&open_metrics_of(&snapshot, names));
    let mut compared = 0;
    for ((name, labels), value) in &strict.samples {
        if name.ends_with("_created") {
            continue;
        }
        let mut labels = labels.clone();
        if let Some(bound) = labels.get_mut("le").filter(|_| name.ends_with("_bucket")) {
            let number: f64 = bound.replace("Inf", "inf").parse().unwrap();
            let same = |it: &&String| {
                it.replace("Inf", "inf").parse().is_ok_and(|other: f64| other == number)
            };
            let others = text.samples.keys().filter(|(other, _)| other == name);
            let other = others.filter_map(|(_, labels)| labels.get("le")).find(same);
            other.unwrap().clone_into(bound);
        }
        let other = &text.samples[&(name.clone(), labels)];
        let other: f64 = other.replace("Inf", "inf").parse().unwrap();
        assert!(other.to_bits() == value.to_bits() || other.is_nan() && value.is_nan(), "{name}");
        compared += 1;
    }
    assert!(compared > 60, "{compared}");

    for family in families(&render_in(&snapshot, Format::Protobuf, names)) {
        let name = family.name.clone().unwrap();
        for metric in &family.metric {
            let labels = metric
                .label
                .iter()
                .map(|pair| (pair.name.clone().unwrap(), pair.value.clone().unwrap()));
            let labels: checker::Labels = labels.collect();
            let (name, value) = match (&metric.gauge, &metric.counter, &metric.histogram) {
                (Some(gauge), None, None) => (name.clone(), gauge.value.unwrap()),
                (None, Some(counter), None) => (name.clone(), counter.value.unwrap()),
                (None, None, Some(histogram)) => {
                    (format!("{name}_count"), histogram.sample_count.unwrap() as f64)
                }
                other => panic!("{other:?}"),
            };
            let other: f64 = text.samples[&(name, labels)].replace("Inf", "inf").parse().unwrap();
            assert!(other == value || other.is_nan() && value.is_nan(), "{other} {value}");
        }
    }
}
