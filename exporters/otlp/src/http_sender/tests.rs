//! Tests of all kinds of responses.

use std::time::Duration;

use bytes::Bytes;
use http::Response;

use super::*;

fn response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Response<Bytes> {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Bytes::copy_from_slice(body)).expect("a response")
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const TEXT: (&str, &str) = ("content-type", "text/plain");

fn taken(reply: &Reply) -> Result<Accepted, SendError> {
    outcome(reply, &Headers::default())
}

fn error(reply: &Reply) -> SendError {
    taken(reply).expect_err("an error")
}

fn partial(rejected: u64, message: &str) -> Accepted {
    Accepted { rejected, message: message.to_owned(), problem: None }
}

#[test]
fn each_status_is_treated_as_specified() {
    for status in [429, 502, 503, 504] {
        let error = error(&response(status, &[], b""));
        assert_eq!((error.kind, error.retry_after), (SendErrorKind::Unavailable, None), "{status}");
    }
    for status in [300, 304, 401, 403, 404, 405, 408, 415, 500, 501, 505] {
        assert_eq!(error(&response(status, &[], b"")).kind, SendErrorKind::Denied, "{status}");
    }
    for status in [200, 202, 204] {
        assert_eq!(taken(&response(status, &[], b"")), Ok(Accepted::default()));
    }
    assert_eq!(error(&response(413, &[], b"")).kind, SendErrorKind::TooLarge);
    assert_eq!(error(&response(400, &[], b"")).kind, SendErrorKind::Invalid);
}

#[test]
fn a_pause_is_asked_for_in_seconds_or_with_a_date() {
    let pause = |text| error(&response(503, &[("retry-after", text)], b"")).retry_after;
    assert_eq!(pause("7"), Some(Duration::from_secs(7)));
    assert_eq!(pause("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
    let later = pause("Fri, 31 Dec 9999 23:59:59 GMT").expect("a date");
    assert!(later > Duration::from_secs(3600 * 24 * 365), "{later:?}");
    for nonsense in ["-1", "soon", ""] {
        assert_eq!(pause(nonsense), None);
    }
}

#[test]
fn partial_success_is_read_in_both_forms() {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsPartialSuccess;
    let message = ExportMetricsServiceResponse {
        partial_success: Some(ExportMetricsPartialSuccess {
            rejected_data_points: 3,
            error_message: "no unit".to_owned(),
        }),
    };
    let both = Ok(partial(3, "no unit"));
    assert_eq!(taken(&response(200, &[PROTOBUF], &message.encode_to_vec())), both);
    for json in [
        r#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"no unit"}}"#,
        r#"{"partialSuccess":{"rejectedDataPoints":3,"errorMessage":"no unit","new":[]}}"#,
    ] {
        assert_eq!(taken(&response(200, &[JSON], json.as_bytes())), both, "{json}");
    }
    for json in ["{}", r#"{"partialSuccess":{}}"#, r#"{"partialSuccess":null}"#, ""] {
        assert_eq!(taken(&response(200, &[JSON], json.as_bytes())), Ok(partial(0, "")), "{json}");
    }
}

#[test]
fn garbage_after_a_success_changes_nothing() {
    for kind in [JSON, PROTOBUF, TEXT] {
        for body in [&b"\xff\xff\xff"[..], b"[]", b"null", b"<html>"] {
            let accepted = taken(&response(200, &[kind], body)).expect("it is accepted");
            assert!(accepted.problem.is_some());
            assert_eq!(Accepted { problem: None, ..accepted }, Accepted::default());
        }
    }
}

#[test]
fn errors_quote_what_the_receiver_says() {
    let mut status = RpcStatus::default();
    status.message = "bad\nmetric".to_owned();
    for (kind, body, expected) in [
        (PROTOBUF, &status.encode_to_vec()[..], ": bad metric"),
        (JSON, br#"{"code":3,"message":"bad metric"}"#, ": bad metric"),
        (TEXT, b"bad metric\n", ": bad metric"),
        (("content-type", "text/html"), b"<html>", ""),
        (PROTOBUF, b"\xff", ""),
    ] {
        let error = error(&response(403, &[kind], body));
        assert_eq!(error.kind, SendErrorKind::Denied);
        assert_eq!(error.reason, format!("HTTP status 403 Forbidden{expected}"));
    }
}

#[test]
fn the_error_for_a_redirect_says_what_to_do() {
    let headers = [("location", "https://elsewhere.example.com")];
    let error = error(&response(308, &headers, b""));
    assert_eq!(error.kind, SendErrorKind::Denied);
    assert!(error.reason.contains("set the endpoint to the target of the redirect"), "{error}");
}
