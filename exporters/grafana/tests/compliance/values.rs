//! Cases about samples, their times, and metadata.

use meterkit_core::SummaryPoint;

use super::*;

macro_rules! value {
    ($name:literal, $level:ident, $rule:literal, $value:expr) => {
        Case {
            name: $name,
            level: $level,
            rule: $rule,
            check: Two(
                || vec![gauge("x", &[(&[], $value)])],
                |it| assert_eq!(it.row("x").value.to_bits(), f64::to_bits($value)),
            ),
        }
    };
}

fn described(name: &str, help: &str, unit: &str) -> Vec<Metric> {
    vec![metric(name, help, unit, Data::Gauge(points(&[(&[], 1.0)]).into()))]
}

fn requests() -> Vec<Metric> {
    let values: [(Labels, f64); 2] = [(&[("method", "GET")], 100.0), (&[("method", "POST")], 50.0)];
    vec![counter("http_requests_total", "All HTTP requests.", &values)]
}

const COUNTER: i32 = 1;
const GAUGE: i32 = 2;
const HISTOGRAM: i32 = 3;
const SUMMARY: i32 = 5;

pub(super) const CASES: &[Case] = &[
    value!("float_value_encoding", Must, "A float is sent bit by bit.", 123.45),
    Case {
        name: "integer_value_encoding",
        level: Must,
        rule: "An integer is sent as a float.",
        check: Two(
            || {
                let mut points = points(&[(&[], 0.0)]);
                points[0].value = Value::U64(42);
                vec![metric("x", "", "", Data::Gauge(points.into()))]
            },
            |it| assert_eq!(it.row("x").value, 42.0),
        ),
    },
    value!("zero_value_encoding", Must, "Zero is a value.", 0.0),
    value!("negative_value_encoding", Must, "Values may be negative.", -15.5),
    value!("positive_infinity_encoding", Must, "Values may be infinite.", f64::INFINITY),
    value!("negative_infinity_encoding", Must, "They may be so below zero.", f64::NEG_INFINITY),
    Case {
        name: "nan_encoding",
        level: Must,
        rule: "A NaN is sent as a value, and not as a staleness marker.",
        check: Two(
            || vec![gauge("x", &[(&[], f64::NAN)])],
            |it| assert!(it.row("x").value.is_nan() && !it.row("x").is_stale()),
        ),
    },
    Case {
        name: "timestamp_milliseconds_format",
        level: Must,
        rule: "Times are milliseconds since 1970.",
        check: Two(any, |it| assert_eq!(it.row("test_metric").time, NOW.as_millis() as i64)),
    },
    Case {
        name: "timestamp_recent",
        level: Should,
        rule: "The time of a sample is the one at which it was collected.",
        check: Two(any, |it| assert_eq!(it.arrival.time(), NOW.as_millis() as i64)),
    },
    Case {
        name: "multiple_samples_same_series",
        level: May,
        rule: "Samples of one series come in different requests.",
        check: Answers(Speaks::Two, Vec::new, |it| assert_eq!(it.taken, [0, 1000, 2000])),
    },
    value!("large_float_values", Must, "The largest float is kept.", f64::MAX),
    value!("small_float_values", Must, "The smallest normal float is kept.", f64::MIN_POSITIVE),
    value!("scientific_notation", Must, "Small values are kept.", 1.23e-4),
    value!("precision_preservation", Should, "All digits are kept.", 0.123_456_789_012_345),
    Case {
        name: "job_instance_labels_present",
        level: Should,
        rule: "Each series has the labels `job` and `instance`.",
        check: Two(any, |it| {
            for row in &it.arrival.content {
                assert_eq!((row.label("job"), row.label("instance")), (Some("shop"), Some("7")));
            }
        }),
    },
    Case {
        name: "sample_ordering",
        level: Must,
        rule: "Older samples of a series are sent before newer ones, after failures too.",
        check: Answers(
            Speaks::Two,
            || vec![Answer::status(503)],
            |it| {
                assert_eq!(it.taken, [0, 1000, 2000]);
            },
        ),
    },
    Case {
        name: "timestamp_int64_milliseconds",
        level: Must,
        rule: "Times of counters are milliseconds, too.",
        check: Two(requests, |it| assert_eq!(it.arrival.time(), NOW.as_millis() as i64)),
    },
    Case {
        name: "timestamp_ordering_within_series",
        level: Must,
        rule: "A series has one value in a request, so that there is no order to get wrong.",
        check: Two(requests, |it| {
            it.each_series(|series, _| {
                assert_eq!(series.samples.len() + series.histograms.len(), 1);
            });
        }),
    },
    Case {
        name: "start_timestamp_for_counters",
        level: May,
        rule: "Counters have a start time.",
        check: Two(requests, |it| {
            let mut rows = it.rows("http_requests_total");
            assert!(rows.all(|row| row.start == START.as_millis() as i64));
        }),
    },
    Case {
        name: "start_timestamp_for_histograms",
        level: May,
        rule: "All series of a histogram have a start time.",
        check: Two(
            || vec![histogram("took", &[1.0], &[1, 2], 5.0)],
            |it| {
                let mut rows = it.arrival.content.iter();
                assert!(rows.all(|row| row.start == START.as_millis() as i64));
            },
        ),
    },
    Case {
        name: "start_timestamp_zero_handling",
        level: Should,
        rule: "The start time of other values is 0, which is left out of the message.",
        check: Two(any, |it| assert_eq!(it.row("test_metric").start, 0)),
    },
    Case {
        name: "timestamp_precision",
        level: Should,
        rule: "Times are exact to the millisecond.",
        check: Two(any, |it| assert_eq!(it.arrival.time() % 1000, 123)),
    },
    Case {
        name: "timestamp_future_values",
        level: Should,
        rule: "Times do not run ahead of the clock, even if it is set.",
        check: HeldBy(&[
            "exporters/grafana/tests/requests.rs::samples_are_in_order_and_do_not_start_after_their_time_whatever_the_clock_does",
        ]),
    },
    Case {
        name: "start_timestamp_before_sample_timestamp",
        level: Should,
        rule: "No start time is later than the time of its sample.",
        check: Two(
            || {
                let mut points = points(&[(&[], 1.0)]);
                points[0].start = SystemTime::UNIX_EPOCH + NOW + Duration::from_secs(9);
                let temporality = Temporality::Cumulative;
                vec![metric(
                    "x",
                    "",
                    "",
                    Data::Sum { monotonic: true, temporality, points: points.into() },
                )]
            },
            |it| assert_eq!(it.row("x_total").start, it.arrival.time()),
        ),
    },
    Case {
        name: "zero_timestamp",
        level: Should,
        rule: "A clock that shows 1970 does not cause a failure.",
        check: HeldBy(&[
            "exporters/grafana/tests/negotiation.rs::a_receiver_of_2_gets_2",
            "exporters/grafana/tests/requests.rs::samples_are_in_order_and_do_not_start_after_their_time_whatever_the_clock_does",
        ]),
    },
    Case {
        name: "future_timestamp",
        level: Should,
        rule: "Values from a clock that was ahead do not make other values too old.",
        check: HeldBy(&[
            "exporters/grafana/src/queue.rs::a_clock_that_is_wrong_once_makes_nothing_older",
        ]),
    },
    Case {
        name: "stale_marker",
        level: Should,
        rule: "A series that disappears is ended with one staleness marker.",
        check: HeldBy(&[
            "exporters/grafana/tests/outages.rs::a_series_that_goes_away_is_ended_and_all_are_at_the_end",
            "exporters/grafana/src/batch/tests.rs::series_that_went_are_ended_once",
        ]),
    },
    Case {
        name: "metadata_type_counter",
        level: Should,
        rule: "A counter has the type counter.",
        check: Two(requests, |it| {
            assert!(it.rows("http_requests_total").all(|row| row.metadata.0 == COUNTER));
        }),
    },
    Case {
        name: "metadata_type_gauge",
        level: Should,
        rule: "A gauge has the type gauge.",
        check: Two(any, |it| assert_eq!(it.row("test_metric").metadata.0, GAUGE)),
    },
    Case {
        name: "metadata_type_histogram",
        level: Should,
        rule: "All series of a histogram have the type histogram.",
        check: Two(
            || vec![histogram("took", &[1.0], &[1, 2], 5.0)],
            |it| {
                assert_eq!(it.arrival.content.len(), 4);
                assert!(it.arrival.content.iter().all(|row| row.metadata.0 == HISTOGRAM));
            },
        ),
    },
    Case {
        name: "metadata_type_summary",
        level: Should,
        rule: "A summary has the type summary.",
        check: Two(
            || {
                let point = SummaryPoint {
                    series: SeriesId::new(),
                    attributes: Attributes::empty(),
                    start: SystemTime::UNIX_EPOCH + START,
                    count: 1000,
                    sum: 100.0,
                    quantiles: [(0.5, 0.05), (0.9, 0.1)].into(),
                };
                vec![metric("rpc_duration", "", "s", Data::Summary(vec![point]))]
            },
            |it| {
                assert!(it.arrival.content.iter().all(|row| row.metadata.0 == SUMMARY));
                let quantiles = it.rows("rpc_duration_seconds");
                let quantiles = quantiles.map(|row| (row.label("quantile"), row.value));
                assert!(quantiles.eq([(Some("0.5"), 0.05), (Some("0.9"), 0.1)]));
                assert_eq!(it.row("rpc_duration_seconds_sum").value, 100.0);
                assert_eq!(it.row("rpc_duration_seconds_count").value, 1000.0);
            },
        ),
    },
    Case {
        name: "metadata_help_text",
        level: Should,
        rule: "The description is sent as the help.",
        check: Two(requests, |it| {
            assert!(
                it.rows("http_requests_total").all(|row| row.metadata.1 == "All HTTP requests.")
            );
        }),
    },
    Case {
        name: "metadata_unit",
        level: May,
        rule: "The unit is a word.",
        check: Two(
            || described("memory", "", "By"),
            |it| assert_eq!(it.row("memory_bytes").metadata.2, "bytes"),
        ),
    },
    Case {
        name: "metadata_help_with_newlines",
        level: Should,
        rule: "Line breaks of the help are kept.",
        check: Two(
            || described("x", "One line,\nand another.", ""),
            |it| assert_eq!(it.row("x").metadata.1, "One line,\nand another."),
        ),
    },
    Case {
        name: "metadata_help_with_special_chars",
        level: Should,
        rule: "Quotes and backslashes of the help are not escaped.",
        check: Two(
            || described("x", r#"It has "quotes" and \backslashes\."#, ""),
            |it| assert_eq!(it.row("x").metadata.1, r#"It has "quotes" and \backslashes\."#),
        ),
    },
    Case {
        name: "metadata_help_refs_valid",
        level: Must,
        rule: "References of help and unit are indices of the table.",
        check: Two(
            || described("memory", "How much.", "By"),
            |it| {
                it.each_series(|series, _| {
                    let symbols = it.request.symbols.len() as u32;
                    assert!(series.metadata.help < symbols && series.metadata.unit < symbols);
                });
            },
        ),
    },
    Case {
        name: "metadata_consistent_across_series",
        level: Should,
        rule: "Series of one family have the same metadata.",
        check: Two(requests, |it| {
            let rows: Vec<_> = it.rows("http_requests_total").collect();
            assert_eq!(rows.len(), 2);
            assert_eq!(rows[0].metadata, rows[1].metadata);
        }),
    },
    Case {
        name: "metadata_empty_help_allowed",
        level: May,
        rule: "Without a description, the reference is that of the empty string.",
        check: Two(
            || vec![counter("x", "", &[(&[], 1.0)])],
            |it| it.each_series(|series, _| assert_eq!(series.metadata.help, 0)),
        ),
    },
    Case {
        name: "special_float_combinations",
        level: Must,
        rule: "A request may have several special floats.",
        check: Two(
            || {
                let values: [(Labels, f64); 5] = [
                    (&[("of", "nan")], f64::NAN),
                    (&[("of", "inf")], f64::INFINITY),
                    (&[("of", "ninf")], f64::NEG_INFINITY),
                    (&[("of", "nzero")], -0.0),
                    (&[("of", "negative")], -123.45),
                ];
                vec![gauge("x", &values)]
            },
            |it| {
                let value = |of| {
                    let mut rows = it.rows("x");
                    rows.find(|row| row.label("of") == Some(of)).map(|row| row.value.to_bits())
                };
                for (of, expected) in [
                    ("inf", f64::INFINITY),
                    ("ninf", f64::NEG_INFINITY),
                    ("nzero", -0.0),
                    ("negative", -123.45),
                ] {
                    assert_eq!(value(of), Some(expected.to_bits()), "{of}");
                }
                assert!(value("nan").is_some_and(|bits| f64::from_bits(bits).is_nan()));
            },
        ),
    },
];
