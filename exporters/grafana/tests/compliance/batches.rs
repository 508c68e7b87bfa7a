//! Cases about requests in 1.0, and about the sizes of requests.

use prost::Message;

use super::*;

fn many(count: usize) -> Vec<Metric> {
    let points = (0..count).map(|at| NumberPoint {
        series: SeriesId::from_hash(at as u64),
        attributes: Attributes::from_pairs([("at".into(), (at as i64).into())]),
        start: SystemTime::UNIX_EPOCH + START,
        value: Value::U64(at as u64),
    });
    vec![metric("many", "", "", Data::Gauge(points.collect()))]
}

fn tagged() -> Vec<Metric> {
    vec![
        counter("calls_total", "Calls.", &[(&[("to", "a")], 1.0), (&[("to", "b")], 2.0)]),
        gauge("load", &[(&[("of", "a")], 0.5)]),
        histogram("took", &[1.0], &[1, 2], 5.0),
    ]
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "rw1_version_header",
        level: Should,
        rule: "In 1.0, the version is `0.1.0`.",
        check: One(any, |it| {
            assert_eq!(it.header("x-prometheus-remote-write-version"), "0.1.0");
        }),
    },
    Case {
        name: "rw1_content_type",
        level: Should,
        rule: "In 1.0, the content type names no message.",
        check: One(any, |it| assert_eq!(it.header("content-type"), "application/x-protobuf")),
    },
    Case {
        name: "rw1_samples_encoding",
        level: Must,
        rule: "In 1.0, samples have the same values and times.",
        check: One(tagged, |it| {
            let values: Vec<_> = it.rows("calls_total").map(|row| row.value).collect();
            assert_eq!((values, it.arrival.time()), (vec![1.0, 2.0], NOW.as_millis() as i64));
        }),
    },
    Case {
        name: "rw1_labels_encoding",
        level: Must,
        rule: "In 1.0, labels are sorted and complete.",
        check: One(tagged, |it| {
            for row in &it.arrival.content {
                assert!(row.labels.is_sorted_by(|a, b| a.0 < b.0), "{row:?}");
                assert!(row.labels.iter().all(|(_, value)| !value.is_empty()), "{row:?}");
            }
            assert_eq!(it.row("load").label("of"), Some("a"));
        }),
    },
    Case {
        name: "rw1_no_native_histograms",
        level: Must,
        rule: "Requests in 1.0 never have native histograms, even if they were converted from 2.0.",
        check: HeldBy(&[
            "exporters/grafana/tests/histograms.rs::a_target_that_is_told_1_never_tries_2_and_sends_no_native_histogram",
            "exporters/grafana/tests/histograms.rs::native_histograms_that_wait_become_classic_where_the_receiver_knows_1_only",
            "exporters/grafana/src/batch/tests.rs::a_native_histogram_that_an_earlier_release_wrote_in_1_is_classic_when_it_is_sent",
        ]),
    },
    Case {
        name: "rw1_no_start_timestamp",
        level: Must,
        rule: "1.0 has no start times.",
        check: One(tagged, |it| assert!(it.arrival.content.iter().all(|row| row.start == 0))),
    },
    Case {
        name: "rw1_metadata_handling",
        level: May,
        rule: "In 1.0, each family has its metadata in the request.",
        check: One(tagged, |it| assert_eq!(it.row("took_sum").metadata.0, 3)),
    },
    Case {
        name: "rw1_symbol_table_not_used",
        level: Must,
        rule: "1.0 has no table of symbols.",
        check: One(tagged, |it| {
            let message = Request::decode(&*it.arrival.plain);
            assert!(message.is_ok_and(|it| it.symbols.is_empty() && it.timeseries.is_empty()));
        }),
    },
    Case {
        name: "rw1_configuration",
        level: Should,
        rule: "A setting chooses 1.0.",
        check: One(any, |it| assert_eq!(it.arrival.version(), "0.1.0")),
    },
    Case {
        name: "multiple_series_per_request",
        level: Recommended,
        rule: "Series of several metrics share a request.",
        check: Two(tagged, |it| assert_eq!(it.arrival.content.len(), 7)),
    },
    Case {
        name: "batch_size_reasonable",
        level: Recommended,
        rule: "Of 12,000 series, no request has more than 2,000.",
        check: Two(|| many(12_000), |it| assert_eq!(it.arrival.content.len(), 2000)),
    },
    Case {
        name: "handles_varying_cardinality",
        level: Recommended,
        rule: "Metrics with few and with many series share a table of symbols.",
        check: Two(
            || {
                let mut metrics = many(50);
                metrics.append(&mut tagged());
                metrics
            },
            |it| {
                assert_eq!(it.rows("many").count(), 50);
                assert!(it.request.symbols.len() < 90, "{}", it.request.symbols.len());
            },
        ),
    },
    Case {
        name: "efficient_symbol_reuse",
        level: Recommended,
        rule: "Each request has a table of its own, without repetitions.",
        check: Two(
            || many(3000),
            |it| {
                let mut symbols = it.request.symbols.clone();
                symbols.sort();
                symbols.dedup();
                assert_eq!(symbols.len(), it.request.symbols.len());
                assert!(symbols.len() < 2020, "{}", symbols.len());
            },
        ),
    },
    Case {
        name: "metadata_batching",
        level: Recommended,
        rule: "All series of a request have metadata.",
        check: Two(tagged, |it| {
            it.each_series(|series, _| assert_ne!(series.metadata.metric_type, 0));
        }),
    },
    Case {
        name: "concurrent_requests",
        level: May,
        rule: "Requests of different series are sent at the same time.",
        check: HeldBy(&[
            "exporters/grafana/tests/requests.rs::much_goes_out_in_several_requests_at_once",
        ]),
    },
    Case {
        name: "empty_scrape",
        level: Should,
        rule: "Without series, nothing is sent.",
        check: HeldBy(&[
            "exporters/grafana/tests/requests.rs::a_snapshot_without_series_is_not_sent",
        ]),
    },
    Case {
        name: "many_timeseries",
        level: Recommended,
        rule: "A hundred series are one request.",
        check: Two(|| many(100), |it| assert_eq!(it.rows("many").count(), 100)),
    },
    Case {
        name: "high_cardinality",
        level: Recommended,
        rule: "A label may have many values.",
        check: Two(
            || many(50),
            |it| {
                let mut values: Vec<_> = it.rows("many").map(|row| row.value as usize).collect();
                values.sort_unstable();
                assert!(values.into_iter().eq(0..50));
            },
        ),
    },
    Case {
        name: "robustness_under_load",
        level: Should,
        rule: "Two hundred series are one request.",
        check: Two(|| many(200), |it| assert_eq!(it.arrival.content.len(), 200)),
    },
];
