//! Lines represent points in the format that agents read.

use meterkit_core::{AttributeValue, Attributes, Data, NumberPoint, Value as Number};

use super::*;
use crate::agent::AgentAddress;
use crate::tests::samples::{
    counter, histogram, labels, metric, number, recorded, scope, snapshot, up_down,
};

type Labels<'a> = &'a [(&'static str, &'static str)];

fn numbers(series: &[(Labels<'_>, Number)]) -> Vec<NumberPoint> {
    series.iter().map(|(pairs, value)| number(labels(pairs), *value)).collect()
}

fn count(series: &[(Labels<'_>, Number)]) -> Data {
    counter(numbers(series))
}

fn one_histogram(pairs: Labels<'_>, bounds: &[f64], buckets: &[u64], sum: f64) -> Data {
    histogram(bounds, vec![recorded(labels(pairs), buckets, sum)])
}

fn config() -> AgentConfig {
    AgentConfig::new(AgentAddress::default())
}

fn lines_of(config: &AgentConfig, metrics: Vec<(&str, Data)>) -> (Vec<String>, Rejected) {
    let metrics = metrics.into_iter().map(|(name, data)| metric(name, "", data)).collect();
    let snapshot = snapshot(vec![scope(Some("1.2"), metrics)]);
    let (mut batch, rejected) = LineWriter::new(config).write(&snapshot);
    batch.set_stamp(1_700_000_000);
    let mut lines = Vec::new();
    while let Some(packet) = batch.next_packet(0) {
        lines.push(String::from_utf8(packet.bytes).expect("text"));
        batch.accept(packet.lines);
    }
    (lines, rejected)
}

fn lines(metrics: Vec<(&str, Data)>) -> Vec<String> {
    let (lines, rejected) = lines_of(&config(), metrics);
    assert_eq!(rejected, Rejected::default());
    lines
}

#[test]
fn counts_and_gauges_carry_their_time() {
    let kind: Labels<'_> = &[("kind", "create")];
    let metrics = vec![
        ("a.operations", count(&[(kind, Number::U64(5)), (&[], Number::F64(0.5))])),
        ("b.in_flight", up_down(numbers(&[(&[], Number::I64(-3))]))),
        (
            "c.queue",
            Data::Gauge(numbers(&[(kind, Number::F64(12.0)), (&[], Number::U64(0))]).into()),
        ),
    ];
    let expected = [
        "a.operations:5|c|#kind:create|T1700000000",
        "a.operations:0.5|c|T1700000000",
        "b.in_flight:-3|g|T1700000000",
        "c.queue:12|g|#kind:create|T1700000000",
        "c.queue:0|g|T1700000000",
    ];
    assert_eq!(lines(metrics), expected);
}

#[test]
fn all_tags_and_fields_come_in_the_order_of_datadogs_clients() {
    let config = config()
        .with_tags(["env:dev", "service:shop", "b:2"])
        .with_scope_tags(true)
        .with_cgroup_inode(Some(77))
        .with_external_data(Some("it-false,cn-web,pu-1\n"));
    let own: Labels<'_> = &[("Z", "1"), ("B", "2")];
    let metrics = vec![
        ("a", count(&[(own, Number::U64(1))])),
        ("h", one_histogram(own, &[2.0], &[4, 0], 4.0)),
    ];
    let tags = "#z:1,instrumentation_scope:backstage.catalog,\
                instrumentation_scope_version:1.2,env:dev,service:shop,b:2\
                |c:in-77|e:it-false,cn-web,pu-1";
    let expected = [format!("h:1|d|@0.25|{tags}"), format!("a:1|c|{tags}|T1700000000")];
    assert_eq!(lines_of(&config, metrics).0, expected);

    let config = config.with_tags([""; 0]).with_container_id(Some("0f|3e\n"));
    let config = config.with_scope_tags(false).with_external_data(Some("|"));
    let metrics = vec![("a", count(&[(&[], Number::U64(1))]))];
    assert_eq!(lines_of(&config, metrics).0, ["a:1|c|c:ci-0f3e|T1700000000"]);
}

#[test]
fn nothing_in_names_and_labels_breaks_a_line() {
    let evil = "a:b|c#d,e\nf|T1\r@0.5";
    let labels: Labels<'_> = &[("k:|#,\n", "v:|#,\n@")];
    let metrics = vec![(evil, count(&[(labels, Number::U64(1))]))];
    assert_eq!(lines(metrics), ["a_b_c_d_e_f_T1_0.5:1|c|#k_____:v:_____|T1700000000"]);
}

#[test]
fn points_that_datadog_merges_share_lines() {
    let (upper, lower): (Labels<'_>, Labels<'_>) = (&[("k", "A")], &[("k", "a")]);
    let both = |a, b| [(upper, a), (lower, b)];
    let metrics = vec![
        ("a-b", count(&both(Number::U64(1), Number::U64(2)))),
        ("a_b", count(&[(lower, Number::U64(u64::MAX - 3))])),
        ("h", one_histogram(upper, &[2.0], &[4, 0], 2.0)),
        ("h", one_histogram(lower, &[2.0], &[4, 0], 4.0)),
    ];
    let expected = ["h:0.5:1|d|@0.25|#k:a", "a_b:18446744073709551615|c|#k:a|T1700000000"];
    assert_eq!(lines(metrics), expected);
}

#[test]
fn values_of_one_weight_share_a_line() {
    let bounds = [1.0, 2.0, 3.0, 4.0];
    let data = one_histogram(&[("k", "v")], &bounds, &[1, 49, 1, 0, 49], 285.0);
    // (0.5 + 2.5) + 49 * (1.5 + x), where x is the rest of the sum.
    let lines = lines(vec![("h", data)]);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], "h:0.5:2.5|d|#k:v");
    let (values, rest) = lines[1].split_once("|d|@").expect("a rate");
    assert!(values.starts_with("h:1.5:4.2"), "{values}");
    let (rate, tags) = rest.split_once('|').expect("tags");
    assert_eq!((1.0 / rate.parse::<f64>().expect("a rate")) as u64, 49);
    assert_eq!(tags, "#k:v");
}

#[test]
fn weights_beyond_the_largest_rate_are_split() {
    let lines = lines(vec![("h", one_histogram(&[], &[], &[3 * MAX_WEIGHT + 1], 0.0))]);
    assert_eq!(lines, ["h:0|d", "h:0:0:0|d|@8.881784197001252e-16"]);
}

#[test]
fn a_distribution_takes_as_many_lines_as_it_needs() {
    let bounds: Vec<f64> = (1..=1000).map(f64::from).collect();
    let buckets = vec![1; 1001];
    let lines = lines(vec![("h", one_histogram(&[], &bounds, &buckets, 500_000.0))]);
    assert!(lines.len() > 2, "{}", lines.len());
    assert!(lines.iter().all(|line| line.len() <= 1432));
    let values = lines.iter().map(|line| line.split(':').count() - 1);
    assert_eq!(values.sum::<usize>(), 1001);
}

#[test]
fn what_is_not_finite_has_no_name_or_is_too_long_is_counted() {
    let labels: Vec<(String, AttributeValue)> =
        (0..10).map(|at| (format!("k{at}"), "v".repeat(190).into())).collect();
    let long = Attributes::from_pairs(labels.into_iter().map(|(key, it)| (key.into(), it)));
    let metrics = vec![
        ("123", count(&[(&[], Number::U64(1)), (&[("a", "b")], Number::U64(1))])),
        ("a", Data::Gauge(numbers(&[(&[], Number::F64(f64::NAN))]).into())),
        ("b", count(&[(&[], Number::F64(f64::INFINITY))])),
        ("c", one_histogram(&[], &[], &[1], f64::NAN)),
        ("d.long", counter(vec![number(long.clone(), Number::U64(1))])),
        ("e.wide", histogram(&[], vec![recorded(long, &[1], 1.0)])),
        ("fine", count(&[(&[], Number::U64(1))])),
    ];
    let (lines, rejected) = lines_of(&config(), metrics.clone());
    assert_eq!(lines, ["fine:1|c|T1700000000"]);
    let left_out = LeftOut { not_finite: 3, nameless: 2 };
    let too_long_metric = "d.long".to_owned();
    let expected = Rejected { left_out, too_long: 2, too_long_metric };
    assert_eq!(rejected, expected);
    assert_eq!(rejected.points(), 7);

    if cfg!(unix) {
        let unix = AgentConfig::new("unix:///s".parse().expect("an address"));
        assert_eq!(lines_of(&unix, metrics).1.too_long, 0, "there is more room");
    }
}
