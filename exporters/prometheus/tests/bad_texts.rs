//! Tests of the checker that all other tests rely on: it accepts valid text, and rejects each kind of invalid text.

use crate::checker::{check, checked};

const GOOD: &str = r#"# HELP target_info Target metadata
# TYPE target_info gauge
target_info{service_name="shop"} 1
# TYPE a_total counter
a_total 0
a_total{k="v"} 3
# HELP h_seconds How long.\nSecond \\ line
# TYPE h_seconds histogram
h_seconds_bucket{k="a \"b\"\\\n",le="0.5"} 1
h_seconds_bucket{k="a \"b\"\\\n",le="+Inf"} 3
h_seconds_sum{k="a \"b\"\\\n"} 4.5
h_seconds_count{k="a \"b\"\\\n"} 3
h_seconds_bucket{le="0.5"} 0
h_seconds_bucket{le="+Inf"} 0
h_seconds_sum 0
h_seconds_count 0
# TYPE temperature gauge
temperature{room="küche, \"süd\" {1}"} -1.5e-7
temperature NaN
"#;

#[test]
fn a_valid_text_is_accepted_and_read() {
    let text = checked(GOOD);
    assert_eq!(text.value("a_total", &[("k", "v")]), 3.0);
    assert_eq!(text.value("temperature", &[("room", "küche, \"süd\" {1}")]), -1.5e-7);
    assert_eq!(text.value("h_seconds_count", &[("k", "a \"b\"\\\n")]), 3.0);
    assert_eq!(text.help["h_seconds"], "How long.\nSecond \\ line");
    assert_eq!(text.rising().count(), 2 + 6);
    assert!(checked("").samples.is_empty());
}

#[track_caller]
fn rejects(text: &str, rule: &str) {
    match check(text) {
        Ok(_) => panic!("passed, though: {rule}\n{text}"),
        Err(broken) => assert!(broken.contains(rule), "{broken}, not {rule}\n{text}"),
    }
}

#[test]
fn lines_that_do_not_parse_are_rejected() {
    for (line, rule) in [
        ("", "neither a sample"),
        ("# EOF", "neither a sample"),
        ("#TYPE x gauge", "neither a sample"),
        ("a", "no value"),
        ("a ", "bad number"),
        ("a  1", "bad number"),
        ("a one", "bad number"),
        ("a inf", "bad number"),
        ("a nan", "bad number"),
        ("a 1 1700000000000", "bad number"),
        ("a 1 ", "bad number"),
        ("a{} 1", "bad label name"),
        ("a{k=\"v\",} 1", "bad label name"),
        ("a{1k=\"v\"} 1", "bad label name"),
        ("a{__name__=\"v\"} 1", "bad label name"),
        ("a{k.x=\"v\"} 1", "name=\"value\""),
        ("a{k=v} 1", "name=\"value\""),
        ("a{k=\"v} 1", "without an end"),
        ("a{k=\"v\" 1", "labels end with }"),
        ("a{k=\"v\"}1", "one space"),
        ("a{k=\"\\t\"} 1", "bad escape"),
        ("a{k=\"v\",k=\"w\"} 1", "a label occurs twice"),
        ("b 1", "another family"),
        ("a_sum 1", "another family"),
    ] {
        rejects(&format!("# TYPE a gauge\n{line}\n"), rule);
    }
    rejects("# TYPE a gauge\na 1", "does not end with a line feed");
}

#[test]
fn families_that_are_not_in_order_are_rejected() {
    for (text, rule) in [
        ("a 1\n", "before any TYPE"),
        ("# HELP a words\na 1\n", "before its TYPE"),
        ("# HELP a words\n", "not complete"),
        ("# HELP a\n# TYPE a gauge\na 1\n", "no help text"),
        ("# HELP a bad \\\"\n# TYPE a gauge\na 1\n", "bad escape"),
        ("# TYPE a gauge\n", "not complete"),
        ("# TYPE a gauge\n# TYPE b gauge\nb 1\n", "not complete"),
        ("# TYPE a thing\na 1\n", "unknown type"),
        ("# TYPE a-b gauge\na-b 1\n", "bad metric name"),
        ("# TYPE 1a gauge\n1a 1\n", "bad metric name"),
        ("# TYPE a counter\na 1\n", "not total"),
        ("# TYPE a gauge\na 1\n# TYPE a gauge\na{k=\"v\"} 1\n", "occurs twice"),
        ("# TYPE a gauge\na 1\n# HELP a late\n", "occurs twice"),
        ("# TYPE a gauge\n# HELP a late\na 1\n", "not complete"),
        ("# HELP a one\n# HELP a two\n# TYPE a gauge\na 1\n", "not complete"),
        ("# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\na{k=\"v\"} 1\n", "another family"),
        ("# TYPE b gauge\nb 1\n# TYPE a gauge\na 1\n", "must come before b"),
        ("# TYPE a gauge\na 1\na 2\n", "occurs twice"),
        ("# TYPE a gauge\na{k=\"\"} 1\na 2\n", "occurs twice"),
        ("# TYPE a gauge\na{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 1\n", "occurs twice"),
        ("# TYPE a_total counter\na_total -1\n", "negative"),
        ("# TYPE a_total counter\na_total +Inf\n", "not finite"),
        ("# TYPE a_total counter\na_total NaN\n", "not finite"),
    ] {
        rejects(text, rule);
    }
}

#[test]
fn histograms_that_do_not_add_up_are_rejected() {
    let bucket = |bound: &str, count: &str| format!("h_bucket{{le=\"{bound}\"}} {count}\n");
    let sum = "h_sum 1\n";
    let count = "h_count 2\n";
    let end = bucket("+Inf", "2");
    for (lines, rule) in [
        (format!("{sum}{count}"), "up to +Inf"),
        (format!("{}{sum}{count}", bucket("1", "2")), "up to +Inf"),
        (format!("{end}{count}"), "up to +Inf"),
        (format!("{end}{sum}"), "not complete"),
        (format!("{end}{sum}h_count 3\n"), "differs from that of the last bucket"),
        (format!("{}{end}{sum}{count}", bucket("1", "3")), "must rise"),
        (format!("{}{}{end}{sum}{count}", bucket("2", "1"), bucket("1", "1")), "must rise"),
        (format!("{}{}{end}{sum}{count}", bucket("1", "1"), bucket("1", "1")), "must rise"),
        (format!("{}{end}{sum}{count}", bucket("NaN", "1")), "must rise"),
        (format!("{}{end}{sum}{count}", bucket("1", "1.5")), "whole numbers"),
        (format!("h_bucket 1\n{end}{sum}{count}"), "only buckets, must have le"),
        (format!("{end}{sum}h_count{{k=\"v\"}} 2\n"), "the previous series is not complete"),
        (format!("{end}{sum}{sum}{count}"), "up to +Inf"),
        (format!("{end}{sum}{count}{end}{sum}{count}"), "occurs twice"),
        (format!("{end}{sum}{count}h 2\n"), "up to +Inf"),
    ] {
        rejects(&format!("# TYPE h histogram\n{lines}"), rule);
    }
    let good = format!("# TYPE h histogram\n{end}{sum}{count}");
    checked(&good);
    rejects(
        &format!("{good}# TYPE h_count gauge\nh_count{{k=\"v\"}} 1\n"),
        "also a name of another family",
    );
}
