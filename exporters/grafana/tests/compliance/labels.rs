//! Cases about the protocol, the symbol table and labels.

use super::*;

fn same_labels() -> Vec<Metric> {
    let values: [(Labels, f64); 4] = [
        (&[("handler", "/v1"), ("method", "GET"), ("status", "200")], 100.0),
        (&[("handler", "/v1"), ("method", "POST"), ("status", "200")], 50.0),
        (&[("handler", "/v1"), ("method", "GET"), ("status", "404")], 10.0),
        (&[("handler", "/v2"), ("method", "GET"), ("status", "200")], 75.0),
    ];
    vec![counter("http_requests_total", "All requests.", &values), gauge("load", &values)]
}

fn has_each_symbol_once(it: &Sent) {
    let mut symbols = it.request.symbols.clone();
    assert_eq!(symbols[0], "");
    symbols.sort();
    symbols.dedup();
    assert_eq!(symbols.len(), it.request.symbols.len(), "{:?}", it.request.symbols);
}

fn is_name(name: &str, also: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || also.contains(c);
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "content_type_protobuf",
        level: Must,
        rule: "The media type is `application/x-protobuf`.",
        check: Two(any, |it| {
            assert!(it.header("content-type").starts_with("application/x-protobuf"));
        }),
    },
    Case {
        name: "content_type_with_proto_param",
        level: Should,
        rule: "In 2.0, the content type names the message.",
        check: Two(any, |it| {
            let expected = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
            assert_eq!(it.header("content-type"), expected);
        }),
    },
    Case {
        name: "content_encoding_snappy",
        level: Must,
        rule: "The content encoding is `snappy`.",
        check: Two(any, |it| assert_eq!(it.header("content-encoding"), "snappy")),
    },
    Case {
        name: "version_header_present",
        level: Must,
        rule: "Each request names the version of the protocol, in 1.0 too.",
        check: One(any, |it| {
            assert!(!it.header("x-prometheus-remote-write-version").is_empty());
        }),
    },
    Case {
        name: "version_header_value",
        level: Should,
        rule: "In 2.0, the version is `2.0.0`.",
        check: Two(any, |it| {
            assert_eq!(it.header("x-prometheus-remote-write-version"), "2.0.0");
        }),
    },
    Case {
        name: "user_agent_present",
        level: Must,
        rule: "The user agent is a product with its version.",
        check: Two(any, |it| {
            let (product, version) = it.header("user-agent").split_once('/').expect("a version");
            assert!(product == "meterkit-grafana" && version.starts_with(char::is_numeric));
        }),
    },
    Case {
        name: "snappy_block_format",
        level: Must,
        rule: "The body is a block of snappy, not a stream of frames.",
        check: Two(any, |it| {
            assert!(!it.arrival.body.starts_with(b"\xff\x06\x00\x00sNaPpY"));
            let length = snap::raw::decompress_len(&it.arrival.body).expect("a block");
            assert_eq!(length, it.arrival.plain.len());
        }),
    },
    Case {
        name: "protobuf_parseable",
        level: Must,
        rule: "The body can be parsed as the message.",
        check: Two(any, |it| assert!(!it.request.symbols.is_empty())),
    },
    Case {
        name: "http_method",
        level: Must,
        rule: "Requests are sent with `POST`, which the fake receiver asserts.",
        check: Two(any, |it| assert_eq!(it.arrival.path, "/api/v1/write")),
    },
    Case {
        name: "content_type_negotiation",
        level: Should,
        rule: "A receiver that accepts 2.0 gets it without being asked first.",
        check: Answers(Speaks::Two, Vec::new, |it| {
            assert_eq!(it.versions(), ["2.0.0"; 3]);
            assert_eq!(it.exports, [Ok(()), Ok(()), Ok(())]);
        }),
    },
    Case {
        name: "empty_string_at_index_zero",
        level: Must,
        rule: "The first symbol is the empty string.",
        check: Two(any, |it| assert_eq!(it.request.symbols[0], "")),
    },
    Case {
        name: "string_deduplication",
        level: Recommended,
        rule: "Each string is in the table once.",
        check: Two(same_labels, has_each_symbol_once),
    },
    Case {
        name: "labels_refs_valid_indices",
        level: Must,
        rule: "All references of labels are indices of the table.",
        check: Two(same_labels, |it| {
            it.each_series(|series, _| {
                let symbols = it.request.symbols.len();
                assert!(series.labels.iter().all(|at| (*at as usize) < symbols));
            });
        }),
    },
    Case {
        name: "labels_refs_even_length",
        level: Must,
        rule: "References of labels are pairs.",
        check: Two(same_labels, |it| {
            it.each_series(|series, _| assert_eq!(series.labels.len() % 2, 0));
        }),
    },
    Case {
        name: "symbol_table_efficiency",
        level: Recommended,
        rule: "Eight series that share labels need few symbols.",
        check: Two(same_labels, |it| assert!(it.request.symbols.len() < 30)),
    },
    Case {
        name: "label_lexicographic_ordering",
        level: Must,
        rule: "Labels are sorted by name, bytewise.",
        check: Two(
            || vec![gauge("x", &[(&[("zzz", "3"), ("aaa", "1"), ("Z", "0"), ("_b", "2")], 42.0)])],
            |it| {
                it.each_series(|_, labels| {
                    assert!(labels.is_sorted_by(|a, b| a.0 < b.0), "{labels:?}");
                });
            },
        ),
    },
    Case {
        name: "metric_name_label_present",
        level: Must,
        rule: "Each series has a name.",
        check: Two(same_labels, |it| {
            it.each_series(|_, labels| {
                assert!(labels.iter().any(|(key, value)| *key == "__name__" && !value.is_empty()));
            });
        }),
    },
    Case {
        name: "metric_name_format_valid",
        level: Must,
        rule: "Names of metrics have letters, digits, `_` and `:` only.",
        check: Two(
            || {
                ["a.b-c/d", "9lives", "ü", "sub:system_total"]
                    .map(|it| gauge(it, &[(&[], 1.0)]))
                    .into()
            },
            |it| assert!(it.arrival.content.iter().all(|row| is_name(row.name(), ":"))),
        ),
    },
    Case {
        name: "label_name_format_valid",
        level: Must,
        rule: "Names of labels have letters, digits and `_` only.",
        check: Two(
            || vec![gauge("x", &[(&[("a.b", "1"), ("9", "2"), ("é", "3"), ("a:b", "4")], 42.0)])],
            |it| {
                it.each_series(|_, labels| assert!(labels.iter().all(|(key, _)| is_name(key, ""))));
            },
        ),
    },
    Case {
        name: "no_duplicate_label_names",
        level: Must,
        rule: "No series has a label twice, whatever its attributes are called.",
        check: Two(
            || {
                let twice: Labels = &[
                    ("a.b", "1"),
                    ("a_b", "2"),
                    ("job", "mine"),
                    ("exported_job", "other"),
                    ("otel_scope_name", "x"),
                    ("__name__", "y"),
                    ("le", "1"),
                ];
                vec![gauge("x", &[(twice, 42.0)]), counter("y", "", &[(twice, 1.0)])]
            },
            |it| {
                it.each_series(|_, labels| {
                    let mut names: Vec<_> = labels.iter().map(|(name, _)| name).collect();
                    names.sort();
                    names.dedup();
                    assert_eq!(names.len(), labels.len(), "{labels:?}");
                });
            },
        ),
    },
    Case {
        name: "label_names_not_empty",
        level: Must,
        rule: "No label has an empty name.",
        check: Two(
            || vec![gauge("x", &[(&[("", "value"), ("a", "b")], 42.0)])],
            |it| {
                it.each_series(|_, labels| assert!(labels.iter().all(|(name, _)| !name.is_empty())))
            },
        ),
    },
    Case {
        name: "label_values_may_be_empty",
        level: May,
        rule: "The specification forbids empty values: such labels are left out.",
        check: Two(
            || vec![gauge("x", &[(&[("empty", ""), ("a", "b")], 42.0)])],
            |it| assert_eq!(it.row("x").label("empty"), None),
        ),
    },
    Case {
        name: "reserved_label_prefix",
        level: Should,
        rule: "No label but `__name__` begins with `__`.",
        check: Two(
            || vec![gauge("x", &[(&[("__x", "value"), ("__name__", "y")], 42.0)])],
            |it| {
                it.each_series(|_, labels| {
                    let reserved = labels.iter().filter(|(name, _)| name.starts_with("__"));
                    assert_eq!(reserved.collect::<Vec<_>>(), [&("__name__", "x")]);
                });
            },
        ),
    },
    Case {
        name: "unicode_in_label_values",
        level: Must,
        rule: "Values of labels are any text.",
        check: Two(
            || vec![gauge("x", &[(&[("emoji", "🚀"), ("chinese", "测试")], 42.0)])],
            |it| {
                assert_eq!(it.row("x").label("emoji"), Some("🚀"));
                assert_eq!(it.row("x").label("chinese"), Some("测试"));
            },
        ),
    },
    Case {
        name: "special_chars_in_label_values",
        level: Must,
        rule: "Values of labels are not escaped.",
        check: Two(
            || vec![gauge("x", &[(&[("q", "a=b&c=\"d\"\\"), ("path", "/v1/\n\t")], 42.0)])],
            |it| {
                assert_eq!(it.row("x").label("q"), Some("a=b&c=\"d\"\\"));
                assert_eq!(it.row("x").label("path"), Some("/v1/\n\t"));
            },
        ),
    },
    Case {
        name: "very_long_label_names",
        level: Should,
        rule: "Long names of labels are kept.",
        check: Two(
            || {
                const LABELS: Labels = &[(
                    "a_label_whose_name_is_longer_than_most_of_them_are_but_which_is_valid",
                    "value",
                )];
                vec![gauge("x", &[(LABELS, 42.0)])]
            },
            |it| assert!(it.row("x").labels.iter().any(|(name, _)| name.len() > 60)),
        ),
    },
    Case {
        name: "very_long_label_values",
        level: Should,
        rule: "Long values of labels are kept.",
        check: Two(long_value, |it| {
            assert_eq!(it.row("x").label("long").map(str::len), Some(30_000));
        }),
    },
    Case {
        name: "many_labels_per_series",
        level: Should,
        rule: "A series may have many labels.",
        check: Two(
            || {
                let labels: Labels = &[
                    ("l1", "v1"),
                    ("l2", "v2"),
                    ("l3", "v3"),
                    ("l4", "v4"),
                    ("l5", "v5"),
                    ("l6", "v6"),
                    ("l7", "v7"),
                    ("l8", "v8"),
                    ("l9", "v9"),
                    ("l10", "v10"),
                ];
                vec![gauge("x", &[(labels, 42.0)])]
            },
            |it| {
                let row = it.row("x");
                for at in 1..=10 {
                    assert_eq!(row.label(&format!("l{at}")), Some(&*format!("v{at}")));
                }
            },
        ),
    },
    Case {
        name: "huge_label_values",
        level: Should,
        rule: "A value of 10 KB is not cut.",
        check: Two(long_value, |it| assert_eq!(it.row("x").label("long"), Some(LONG))),
    },
    Case {
        name: "unicode_in_labels",
        level: Must,
        rule: "Text in any script arrives unchanged.",
        check: Two(
            || {
                vec![gauge(
                    "x",
                    &[(&[("arabic", "مرحبا"), ("vietnamese", "tôi yêu việt nam")], 42.0)],
                )]
            },
            |it| {
                assert_eq!(it.row("x").label("arabic"), Some("مرحبا"));
                assert_eq!(it.row("x").label("vietnamese"), Some("tôi yêu việt nam"));
            },
        ),
    },
    Case {
        name: "very_long_metric_name",
        level: Should,
        rule: "A long name is kept.",
        check: Two(
            || vec![gauge(&"a_very_long_name_".repeat(50), &[(&[], 42.0)])],
            |it| assert!(it.arrival.content[0].name().len() > 800),
        ),
    },
    Case {
        name: "metric_name_with_colons",
        level: Must,
        rule: "Colons of names are kept.",
        check: Two(
            || vec![gauge("http:request:duration", &[(&[], 0.5)])],
            |it| assert_eq!(it.row("http:request:duration").value, 0.5),
        ),
    },
];

fn long_value() -> Vec<Metric> {
    vec![gauge("x", &[(&[("long", LONG)], 42.0)])]
}
