//! Cases about the responses of receivers.

use super::*;

const UNAVAILABLE: fn() -> Vec<Answer> = || vec![Answer::status(503)];

fn sends_all_again_in_order(it: &Outcome) {
    assert!(matches!(it.exports[0], Err(ExportError::Retryable { .. })), "{:?}", it.exports);
    assert_eq!(it.exports[1..], [Ok(()), Ok(())]);
    assert_eq!((it.attempts(), &*it.taken), ([2, 1, 1], &[0, 1000, 2000][..]));
}

/// If someone has to correct a setting, values are kept, but not sent again before the next interval.
fn sends_again_with_the_next_interval_only(it: &Outcome) {
    assert!(matches!(it.exports[0], Err(ExportError::Permanent { .. })), "{:?}", it.exports);
    assert_eq!((it.attempts(), &*it.taken), ([2, 1, 1], &[0, 1000, 2000][..]));
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "no_retry_on_400",
        level: Must,
        rule: "A request that is refused as bad is not sent again, except once in 1.0.",
        check: Answers(
            Speaks::Two,
            || vec![Answer::status(400), Answer::status(400)],
            |it| {
                assert!(matches!(it.exports[0], Err(ExportError::Permanent { .. })));
                assert_eq!((it.attempts(), &*it.taken), ([2, 1, 1], &[1000, 2000][..]));
                assert_eq!((it.counts.refused(), it.counts.waiting_requests()), (1, 0));
            },
        ),
    },
    Case {
        name: "no_retry_on_401",
        level: Must,
        rule: "Refused credentials are no reason to try again at once.",
        check: Answers(
            Speaks::Two,
            || vec![Answer::status(401)],
            sends_again_with_the_next_interval_only,
        ),
    },
    Case {
        name: "no_retry_on_404",
        level: Must,
        rule: "An unknown URL is no reason to try again at once.",
        check: Answers(
            Speaks::Two,
            || vec![Answer::status(404)],
            sends_again_with_the_next_interval_only,
        ),
    },
    Case {
        name: "may_retry_on_429",
        level: May,
        rule: "Values wait for as long as a receiver with a rate limit asks.",
        check: Answers(
            Speaks::Two,
            || vec![Answer::Http(429, vec![("retry-after", "0")], "")],
            sends_all_again_in_order,
        ),
    },
    Case {
        name: "retry_on_500",
        level: Must,
        rule: "After a failure of the receiver, the same request is sent again.",
        check: Answers(Speaks::Two, || vec![Answer::status(500)], sends_all_again_in_order),
    },
    Case {
        name: "retry_on_503",
        level: Must,
        rule: "The same holds while it is unavailable.",
        check: Answers(Speaks::Two, UNAVAILABLE, sends_all_again_in_order),
    },
    Case {
        name: "retry_on_502",
        level: Should,
        rule: "The same holds for a gateway in front of it.",
        check: Answers(Speaks::Two, || vec![Answer::status(502)], sends_all_again_in_order),
    },
    Case {
        name: "retry_on_504",
        level: Should,
        rule: "The same holds for a gateway that times out.",
        check: Answers(Speaks::Two, || vec![Answer::status(504)], sends_all_again_in_order),
    },
    Case {
        name: "no_retry_on_413",
        level: Should,
        rule: "A series that is too large alone is not sent again.",
        check: Answers(
            Speaks::Two,
            || vec![Answer::status(413)],
            |it| {
                assert_eq!((it.attempts(), &*it.taken), ([1, 1, 1], &[1000, 2000][..]));
                assert_eq!(it.counts.refused(), 1);
            },
        ),
    },
    Case {
        name: "exponential_backoff_on_retries",
        level: Should,
        rule: "Waiting times double.",
        check: HeldBy(&[
            "crates/meterkit-pipeline/src/backoff.rs::waiting_times_double_up_to_a_limit_and_are_spread",
            "crates/meterkit-pipeline/tests/retries.rs::back_off_goes_on_over_intervals_until_an_export_succeeds",
        ]),
    },
    Case {
        name: "backoff_required",
        level: Must,
        rule: "After a failure, the next request to the receiver is delayed.",
        check: HeldBy(&[
            "crates/meterkit-pipeline/tests/retries.rs::a_failure_that_may_pass_is_tried_again_with_the_same_snapshot",
            "exporters/grafana/tests/outages.rs::a_pipeline_delivers_after_an_outage_what_it_could_not_before",
        ]),
    },
    Case {
        name: "backoff_max_delay",
        level: Should,
        rule: "No waiting time is longer than 30 seconds, unless the receiver asks for more.",
        check: HeldBy(&[
            "crates/meterkit-pipeline/src/backoff.rs::waiting_times_double_up_to_a_limit_and_are_spread",
            "crates/meterkit-pipeline/src/backoff.rs::what_the_receiver_asks_for_has_a_limit",
        ]),
    },
    Case {
        name: "backoff_with_jitter",
        level: Recommended,
        rule: "Waiting times are spread, so that senders do not come back together.",
        check: HeldBy(&[
            "crates/meterkit-pipeline/src/backoff.rs::waiting_times_double_up_to_a_limit_and_are_spread",
        ]),
    },
    Case {
        name: "fallback_on_415_unsupported_media_type",
        level: Should,
        rule: "A receiver that does not support 2.0 gets 1.0.",
        check: Answers(Speaks::One, Vec::new, |it| {
            assert_eq!(it.versions(), ["2.0.0", "0.1.0", "0.1.0", "0.1.0"]);
        }),
    },
    Case {
        name: "retry_with_different_version",
        level: Should,
        rule: "The request that was refused is sent again in 1.0, without waiting.",
        check: Answers(Speaks::One, Vec::new, |it| {
            assert_eq!(it.exports[0], Ok(()));
            assert_eq!(it.attempts(), [2, 1, 1]);
        }),
    },
    Case {
        name: "fallback_header_changes",
        level: Must,
        rule: "Both headers change with the version.",
        check: Answers(Speaks::One, Vec::new, |it| {
            let types = it.arrivals.iter().map(|it| it.header("content-type"));
            let two = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
            let one = "application/x-protobuf";
            assert!(types.eq([two, one, one, one].map(Some)));
        }),
    },
    Case {
        name: "accept_success_after_fallback",
        level: Should,
        rule: "What is accepted in 1.0 is delivered.",
        check: Answers(Speaks::One, Vec::new, |it| {
            assert_eq!(it.taken, [0, 1000, 2000]);
            assert_eq!((it.counts.written(), it.counts.waiting_requests()), (3, 0));
        }),
    },
    Case {
        name: "persistent_fallback_choice",
        level: Should,
        rule: "The version that a receiver supports is remembered.",
        check: Answers(Speaks::OneSilently, Vec::new, |it| {
            assert_eq!(it.versions(), ["2.0.0", "0.1.0", "0.1.0", "0.1.0"]);
        }),
    },
    Case {
        name: "no_fallback_on_2xx",
        level: Must,
        rule: "A receiver that accepts 2.0 keeps getting it.",
        check: Answers(
            Speaks::Two,
            || vec![Answer::Wrote(200, 1, 0)],
            |it| {
                assert_eq!(it.versions(), ["2.0.0"; 3]);
            },
        ),
    },
    Case {
        name: "ignore_response_body_on_success",
        level: Should,
        rule: "The body of a success is ignored.",
        check: HeldBy(&[
            "exporters/grafana/tests/negotiation.rs::the_body_of_a_success_is_ignored",
        ]),
    },
    Case {
        name: "process_written_count_headers",
        level: May,
        rule: "Values that the receiver did not write are counted as refused.",
        check: Answers(
            Speaks::Two,
            || vec![Answer::Wrote(204, 0, 0)],
            |it| {
                assert_eq!(it.exports, [Ok(()), Ok(()), Ok(())]);
                assert_eq!((it.counts.written(), it.counts.refused()), (2, 1));
            },
        ),
    },
    Case {
        name: "handle_partial_write_response",
        level: Should,
        rule: "If a request was written in part, the rest counts as refused, and nothing is sent again.",
        check: HeldBy(&[
            "exporters/grafana/tests/negotiation.rs::a_receiver_of_2_that_refuses_a_part_is_not_doubted",
            "exporters/grafana/tests/negotiation.rs::a_request_that_failed_in_part_is_sent_again_as_a_whole",
        ]),
    },
    Case {
        name: "handle_missing_written_headers",
        level: Should,
        rule: "After a refusal without counts, nothing was written.",
        check: Answers(
            Speaks::Two,
            || vec![Answer::Accept, Answer::status(400)],
            |it| assert_eq!((it.counts.written(), it.counts.refused()), (2, 1)),
        ),
    },
    Case {
        name: "log_error_messages_verbatim",
        level: Must,
        rule: "The message of the receiver is quoted, but not interpreted.",
        check: Answers(
            Speaks::Two,
            || {
                let bad = "Error: Invalid label name '__invalid__'";
                vec![Answer::Accept, Answer::Http(400, Vec::new(), bad)]
            },
            |it| {
                let error = it.exports[1].as_ref().expect_err("it is refused").to_string();
                assert!(error.contains("Error: Invalid label name '__invalid__'"), "{error}");
            },
        ),
    },
    Case {
        name: "handle_large_error_body",
        level: Should,
        rule: "Long messages are cut.",
        check: Answers(
            Speaks::Two,
            || vec![Answer::Accept, Answer::Http(400, Vec::new(), LONG)],
            |it| {
                let error = it.exports[1].as_ref().expect_err("it is refused").to_string();
                assert!(error.contains("xxx") && error.len() < 2000, "{}", error.len());
            },
        ),
    },
    Case {
        name: "handle_204_no_content",
        level: Must,
        rule: "204 is a success.",
        check: Answers(
            Speaks::Two,
            || vec![Answer::Wrote(204, 1, 0)],
            |it| {
                assert_eq!((&it.exports[0], it.counts.written()), (&Ok(()), 3));
            },
        ),
    },
    Case {
        name: "handle_200_ok",
        level: Must,
        rule: "So is 200.",
        check: Answers(
            Speaks::Two,
            || vec![Answer::Wrote(200, 1, 0)],
            |it| {
                assert_eq!((&it.exports[0], it.counts.written()), (&Ok(()), 3));
            },
        ),
    },
    Case {
        name: "handle_connection_refused",
        level: Should,
        rule: "A receiver that is not running may come back.",
        check: HeldBy(&[
            "exporters/grafana/tests/outages.rs::a_receiver_that_is_not_there_or_breaks_off_may_come_back",
        ]),
    },
    Case {
        name: "handle_timeout",
        level: Should,
        rule: "If a receiver does not respond, the request is sent again later.",
        check: HeldBy(&[
            "exporters/grafana/tests/outages.rs::a_receiver_that_does_not_answer_in_time_may_later",
        ]),
    },
    Case {
        name: "handle_partial_write",
        level: Should,
        rule: "A response with status 200 but without counts comes from a receiver of 1.0.",
        check: Answers(
            Speaks::OneSilently,
            || vec![Answer::Http(200, Vec::new(), "partial")],
            |it| {
                assert_eq!(it.exports, [Ok(()), Ok(()), Ok(())]);
                assert_eq!((it.versions()[1], &*it.taken), ("0.1.0", &[0, 1000, 2000][..]));
            },
        ),
    },
    Case {
        name: "handle_malformed_response",
        level: Should,
        rule: "After an incomplete response, the request is sent again.",
        check: Answers(Speaks::Two, || vec![Answer::Cut], sends_all_again_in_order),
    },
    Case {
        name: "sender_continues_after_errors",
        level: Must,
        rule: "Successive failures lose nothing.",
        check: Answers(
            Speaks::Two,
            || vec![Answer::status(500), Answer::status(502)],
            |it| {
                assert_eq!(it.exports[2], Ok(()));
                assert_eq!((it.attempts(), &*it.taken), ([3, 1, 1], &[0, 1000, 2000][..]));
            },
        ),
    },
    Case {
        name: "handle_invalid_status_code",
        level: Should,
        rule: "An unknown status is a failure, and loses nothing.",
        check: Answers(
            Speaks::Two,
            || vec![Answer::status(999)],
            |it| {
                assert!(it.exports[0].is_err());
                assert_eq!(it.taken, [0, 1000, 2000]);
            },
        ),
    },
    Case {
        name: "handle_empty_response",
        level: Should,
        rule: "An empty response without counts comes from a receiver of 1.0.",
        check: Answers(
            Speaks::OneSilently,
            || vec![Answer::status(200)],
            |it| {
                assert_eq!(it.taken, [0, 1000, 2000]);
            },
        ),
    },
    Case {
        name: "handle_large_error_response",
        level: Should,
        rule: "A response of one megabyte is not kept.",
        check: HeldBy(&[
            "exporters/grafana/tests/negotiation.rs::a_megabyte_of_an_answer_is_not_quoted",
        ]),
    },
    Case {
        name: "dns_resolution_failure",
        level: Should,
        rule: "A host name that cannot be resolved now may be resolved later.",
        check: HeldBy(&[
            "exporters/grafana/tests/negotiation.rs::a_name_that_cannot_be_resolved_is_tried_again",
        ]),
    },
    Case {
        name: "invalid_url_scheme",
        level: Should,
        rule: "An invalid URL is refused at the start.",
        check: HeldBy(&[
            "exporters/grafana/src/remote_write/tests.rs::each_mistake_names_its_variable_and_what_to_do",
        ]),
    },
];
