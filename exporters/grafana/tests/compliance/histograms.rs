//! Cases about histograms, exemplars, and requests with metrics of all kinds.

use meterkit_core::{ExponentialBuckets, ExponentialHistogramPoint};
use meterkit_fakes::remote_write::message::{self, Count, Native};

use super::*;

fn fixed() -> Vec<Metric> {
    vec![histogram("took", &[0.5, 1.0, 5.0], &[10, 40, 50, 150], 500.5)]
}

fn exponential(zero_count: u64, positive: &[u64], negative: &[u64]) -> Vec<Metric> {
    let count = zero_count + positive.iter().chain(negative).sum::<u64>();
    let buckets = |counts: &[u64]| ExponentialBuckets { offset: 2, counts: counts.to_vec() };
    let point = ExponentialHistogramPoint {
        series: SeriesId::new(),
        attributes: Attributes::empty(),
        start: SystemTime::UNIX_EPOCH + START,
        count,
        sum: 25.5,
        min: None,
        max: None,
        scale: 3,
        zero_count,
        zero_threshold: 0.0,
        positive: buckets(positive),
        negative: buckets(negative),
    };
    let (temporality, points) = (Temporality::Cumulative, vec![point]);
    vec![metric("waited", "", "", Data::ExponentialHistogram { temporality, points })]
}

fn native(it: &Sent) -> &Native {
    it.row("waited").native.as_ref().expect("a native histogram")
}

fn mixed() -> Vec<Metric> {
    let calls: [(Labels, f64); 3] = [
        (&[("code", "200"), ("method", "GET"), ("path", "/users")], 5000.0),
        (&[("code", "201"), ("method", "POST"), ("path", "/users")], 1000.0),
        (&[("code", "204"), ("method", "DELETE"), ("path", "/users")], 10.0),
    ];
    let mut metrics = fixed();
    metrics.append(&mut exponential(1, &[2, 3], &[4]));
    metrics.push(counter("http_requests_total", "All HTTP requests.", &calls));
    metrics.push(gauge("temperature", &[(&[], 22.5)]));
    metrics
}

/// Returns the labels, values and times of all exemplars of the series with this name.
fn exemplars<'a>(it: &'a Sent, name: &str) -> Vec<&'a (message::Labels, f64, i64)> {
    let all: Vec<_> = it.rows(name).flat_map(|row| &row.exemplars).collect();
    assert!(!all.is_empty(), "{name}");
    all
}

/// Asserts that exemplars have this label.
fn have_label(it: &Sent, name: &str, value: &str) {
    for (labels, ..) in exemplars(it, "http_requests_total") {
        assert!(labels.iter().any(|label| (&*label.0, &*label.1) == (name, value)), "{labels:?}");
    }
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "native_histogram_structure",
        level: Must,
        rule: "An exponential histogram is a native one, with spans and deltas for all its values.",
        check: Two(
            || exponential(1, &[2, 0, 3], &[4]),
            |it| {
                let native = native(it);
                let length = |spans: &[_]| -> usize {
                    let spans: &[message::Span] = spans;
                    spans.iter().map(|span| span.length as usize).sum()
                };
                assert_eq!(length(&native.positive_spans), native.positive_deltas.len());
                assert_eq!(length(&native.negative_spans), native.negative_deltas.len());
                assert_eq!(native.positive_deltas, [2, -2, 3]);
            },
        ),
    },
    Case {
        name: "histogram_count_present",
        level: Must,
        rule: "A histogram has the count of its values.",
        check: Two(mixed, |it| {
            assert_eq!(it.row("took_count").value, 250.0);
            assert_eq!(native(it).count, Some(Count::Whole(10)));
        }),
    },
    Case {
        name: "histogram_sum_present",
        level: Must,
        rule: "A histogram has the sum of its values.",
        check: Two(mixed, |it| {
            assert_eq!((it.row("took_sum").value, native(it).sum), (500.5, 25.5));
        }),
    },
    Case {
        name: "histogram_buckets_ordered",
        level: Should,
        rule: "Buckets of a classic histogram are cumulative and come in the order of their bounds.",
        check: Two(fixed, |it| {
            let buckets = it.rows("took_bucket").map(|row| (row.label("le"), row.value));
            let bounds = [("0.5", 10.0), ("1", 50.0), ("5", 100.0), ("+Inf", 250.0)];
            assert!(buckets.eq(bounds.map(|(bound, value)| (Some(bound), value))));
        }),
    },
    Case {
        name: "histogram_positive_buckets",
        level: May,
        rule: "Values above zero have buckets.",
        check: Two(
            || exponential(0, &[5, 3], &[]),
            |it| assert_eq!(native(it).positive_deltas, [5, -2]),
        ),
    },
    Case {
        name: "histogram_negative_buckets",
        level: May,
        rule: "Values below zero have buckets.",
        check: Two(
            || exponential(0, &[], &[5, 3]),
            |it| {
                assert_eq!(native(it).negative_deltas, [5, -2]);
                assert!(native(it).positive_spans.is_empty());
            },
        ),
    },
    Case {
        name: "histogram_zero_bucket",
        level: May,
        rule: "Values of zero are counted.",
        check: Two(|| exponential(10, &[], &[]), |it| assert_eq!(native(it).zero_count, Some(10))),
    },
    Case {
        name: "histogram_schema",
        level: Must,
        rule: "A native histogram has the schema of its buckets.",
        check: Two(|| exponential(0, &[1], &[]), |it| assert_eq!(native(it).schema, 3)),
    },
    Case {
        name: "histogram_timestamp",
        level: Must,
        rule: "Histograms have the time of their collection.",
        check: Two(mixed, |it| assert_eq!(it.arrival.time(), NOW.as_millis() as i64)),
    },
    Case {
        name: "histogram_no_mixed_with_samples",
        level: Must,
        rule: "No series has both a sample and a native histogram.",
        check: Two(mixed, |it| {
            it.each_series(|series, _| {
                assert!(series.samples.is_empty() || series.histograms.is_empty());
            });
        }),
    },
    Case {
        name: "histogram_empty_buckets",
        level: Should,
        rule: "A histogram without values is sent.",
        check: Two(
            || {
                let mut metrics = vec![histogram("took", &[1.0], &[0, 0], 0.0)];
                metrics.append(&mut exponential(0, &[], &[]));
                metrics
            },
            |it| {
                assert_eq!(it.row("took_count").value, 0.0);
                assert_eq!(native(it).count, Some(Count::Whole(0)));
            },
        ),
    },
    Case {
        name: "histogram_large_counts",
        level: Must,
        rule: "Large counts are kept.",
        check: Two(
            || {
                let mut metrics = vec![histogram("took", &[], &[1_000_000_000], 5e9)];
                metrics.append(&mut exponential(0, &[u64::MAX >> 1], &[]));
                metrics
            },
            |it| {
                assert_eq!(it.row("took_count").value, 1e9);
                assert_eq!(native(it).count, Some(Count::Whole(u64::MAX >> 1)));
            },
        ),
    },
    Case {
        name: "exemplar_with_trace_id",
        level: May,
        rule: "An exemplar may name its trace.",
        check: Two(mixed, |it| have_label(it, "trace_id", "02020202020202020202020202020202")),
    },
    Case {
        name: "exemplar_with_span_id",
        level: May,
        rule: "An exemplar may name its span.",
        check: Two(mixed, |it| have_label(it, "span_id", "0202020202020202")),
    },
    Case {
        name: "exemplar_value_valid",
        level: Must,
        rule: "An exemplar has a value.",
        check: Two(mixed, |it| {
            let values =
                exemplars(it, "http_requests_total").into_iter().map(|(_, value, _)| *value);
            assert!(values.eq([0.75; 3]));
        }),
    },
    Case {
        name: "exemplar_timestamp_valid",
        level: Must,
        rule: "An exemplar has a time in milliseconds.",
        check: Two(mixed, |it| {
            for (.., time) in exemplars(it, "took_bucket") {
                let age = NOW.as_millis() as i64 - time;
                assert!(age == 8_000 || age == 9_000, "{age}");
            }
        }),
    },
    Case {
        name: "exemplar_labels_valid_refs",
        level: Must,
        rule: "References of an exemplar's labels are indices of the table.",
        check: Two(mixed, |it| {
            it.each_series(|series, _| {
                let references = series.exemplars.iter().flat_map(|exemplar| &exemplar.labels);
                references.for_each(|at| assert!((*at as usize) < it.request.symbols.len()));
            });
        }),
    },
    Case {
        name: "exemplar_custom_labels",
        level: May,
        rule: "An exemplar may have further labels.",
        check: Two(mixed, |it| have_label(it, "user_id", "7")),
    },
    Case {
        name: "exemplar_on_histogram",
        level: May,
        rule: "Buckets may have exemplars.",
        check: Two(fixed, |it| {
            let buckets = it.rows("took_bucket").map(|row| {
                let values: Vec<_> = row.exemplars.iter().map(|(_, value, _)| *value).collect();
                values
            });
            assert!(buckets.eq([vec![0.25], vec![0.75], vec![], vec![]]));
            let others = [it.row("took_sum"), it.row("took_count")];
            assert!(others.iter().all(|row| row.exemplars.is_empty()));
        }),
    },
    Case {
        name: "exemplar_labels_even_length",
        level: Must,
        rule: "References of an exemplar's labels are pairs.",
        check: Two(mixed, |it| {
            it.each_series(|series, _| {
                let mut exemplars = series.exemplars.iter();
                assert!(exemplars.all(|exemplar| exemplar.labels.len() == 6));
            });
        }),
    },
    Case {
        name: "multiple_exemplars_per_series",
        level: May,
        rule: "A series may have several exemplars.",
        check: Two(mixed, |it| assert_eq!(exemplars(it, "waited").len(), 2)),
    },
    Case {
        name: "samples_with_metadata",
        level: Should,
        rule: "Samples come with type and help.",
        check: Two(mixed, |it| {
            for row in it.rows("http_requests_total") {
                assert_eq!((row.metadata.0, &*row.metadata.1), (1, "All HTTP requests."));
            }
        }),
    },
    Case {
        name: "samples_with_exemplars",
        level: May,
        rule: "Samples may come with exemplars.",
        check: Two(mixed, |it| {
            assert!(it.rows("http_requests_total").all(|row| row.exemplars.len() == 1));
            assert!(it.row("temperature").exemplars.is_empty());
        }),
    },
    Case {
        name: "histogram_with_metadata_and_exemplars",
        level: May,
        rule: "Histograms may come with exemplars.",
        check: Two(mixed, |it| {
            let row = it.row("waited");
            assert_eq!((row.metadata.0, row.exemplars.len()), (3, 2));
        }),
    },
    Case {
        name: "multiple_metric_types",
        level: Must,
        rule: "A request may have counters, gauges and histograms.",
        check: Two(mixed, |it| {
            let mut types: Vec<_> = it.arrival.content.iter().map(|row| row.metadata.0).collect();
            types.sort_unstable();
            types.dedup();
            assert_eq!(types, [1, 2, 3]);
        }),
    },
    Case {
        name: "high_cardinality_labels",
        level: Recommended,
        rule: "Each combination of labels is a series.",
        check: Two(mixed, |it| assert_eq!(it.rows("http_requests_total").count(), 3)),
    },
    Case {
        name: "complete_metric_family",
        level: Must,
        rule: "All series of a histogram are sent together.",
        check: Two(fixed, |it| {
            let names: Vec<_> = it.arrival.content.iter().map(Row::name).collect();
            assert_eq!(names[4..], ["took_sum", "took_count"]);
            assert!(names[..4].iter().all(|name| *name == "took_bucket"));
        }),
    },
    Case {
        name: "mixed_labels_and_metadata",
        level: Should,
        rule: "Series with many labels have all of them, and metadata.",
        check: Two(mixed, |it| {
            for row in it.rows("http_requests_total") {
                assert!(["code", "method", "path"].iter().all(|name| row.label(name).is_some()));
                assert_eq!(row.metadata.0, 1);
            }
        }),
    },
    Case {
        name: "real_world_scenario",
        level: Must,
        rule: "All of a realistic payload arrives, in one request.",
        check: Two(mixed, |it| assert_eq!(it.arrival.content.len(), 6 + 1 + 3 + 1)),
    },
    Case {
        name: "mixed_sample_and_histogram_families",
        level: Must,
        rule: "A request may have samples and native histograms.",
        check: Two(mixed, |it| {
            let is_native = |row: &&Row| row.native.is_some();
            assert_eq!(it.arrival.content.iter().filter(is_native).count(), 1);
        }),
    },
];
