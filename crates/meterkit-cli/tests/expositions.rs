//! Expositions in each format can be read, and other texts are rejected.

use meterkit_cli::{Comparison, Inventory, ReadError};

const TEXT: &str = "\
# HELP jobs_total Jobs.
# TYPE jobs_total counter
jobs_total{queue=\"a\"} 4 1700000000000
# A comment.

# TYPE wait_seconds histogram
wait_seconds_bucket{le=\"1\"} 1
wait_seconds_bucket{le=\"+Inf\"} 1
wait_seconds_sum 1
wait_seconds_count 1
# TYPE build_info gauge
build_info{version=\"1\"} 1
# TYPE state gauge
state{state=\"on\"} 1
# TYPE size_buckets untyped
size_buckets 3
";

const OPEN_METRICS: &str = "\
# TYPE jobs counter
# HELP jobs Jobs.
jobs_total{queue=\"a\"} 4.0 # {trace_id=\"a\"} 1.0 17.5
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
wait_seconds_bucket{le=\"1.0\"} 1
wait_seconds_bucket{le=\"+Inf\"} 1
wait_seconds_sum 1.0
wait_seconds_count 1
# TYPE build info
build_info{version=\"1\"} 1
# TYPE state stateset
state{state=\"on\"} 1
# TYPE size_buckets unknown
size_buckets 3
# EOF
";

#[test]
fn one_program_is_the_same_in_each_format() {
    let [text, open_metrics] =
        [TEXT, OPEN_METRICS].map(|text| Inventory::read(text).expect("an exposition"));
    let comparison = Comparison::new(&text, &open_metrics).expect("two expositions");
    assert!(comparison.is_equal(), "{comparison}");
    assert_eq!(comparison.to_string(), "Nothing differs: 5 metrics in both.\n");
    let lines = TEXT.replace('\n', "\r\n");
    assert_eq!(Inventory::read(&lines), Ok(text));
}

#[test]
fn invalid_expositions_are_rejected_with_their_line() {
    for (text, number, line) in [
        ("<html><body>\n", 1, "<html><body>"),
        ("a 1\n404 page not found\n", 2, "404 page not found"),
        ("a 1\n\nb{x=\"1} 2\n", 3, "b{x=\"1} 2"),
        ("a one\n", 1, "a one"),
        ("# TYPE a\n", 1, "# TYPE a"),
        ("# TYPE a histogram\na_bucket{le=\"x\"} 2\n", 2, "a_bucket{le=\"x\"} 2"),
    ] {
        let error = Inventory::read(text).expect_err(text);
        assert_eq!(
            error.to_string(),
            format!("line {number} is not valid in an exposition: `{line}`")
        );
    }
    for text in ["", "# EOF\n", "# TYPE a counter\n"] {
        assert_eq!(Inventory::read(text), Err(ReadError::Empty));
    }
}
