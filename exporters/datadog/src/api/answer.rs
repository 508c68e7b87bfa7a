//! The responses of the intake.
//!
//! Follows Datadog's API reference, "Submit metrics" and "Rate limits".

use std::time::Duration;

use http::StatusCode;
use meterkit_http::reply::{message, seconds};
use meterkit_http::{Headers, Reply, SendError, SendErrorKind};

/// Converts the response of the intake to a result. Secrets that the response quotes are removed.
pub(super) fn outcome(
    answer: Result<Reply, SendError>,
    secrets: &Headers,
) -> Result<(), SendError> {
    let reply = answer?;
    if reply.status().is_success() {
        return Ok(());
    }
    let mut error = SendError::of(&reply, &message(&reply), secrets);
    if error.kind == SendErrorKind::Unavailable {
        error.retry_after = until_reset(&reply).or(error.retry_after);
    }
    if is_key_refused(&reply) {
        error.reason = format!("{KEY_REFUSED} ({})", error.reason);
    }
    Err(error)
}

/// Returns whether the intake refused the API key.
pub(super) fn is_key_refused(reply: &Reply) -> bool {
    matches!(reply.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// The message for a refused key. The check and exports share it, so that it is logged only once.
pub(super) const KEY_REFUSED: &str = "Datadog refuses the API key; check DD_API_KEY, and that DD_SITE names the site \
                                      of the account that it belongs to";

/// Returns the time until the intake's rate limit is reset.
fn until_reset(reply: &Reply) -> Option<Duration> {
    seconds(reply.headers().get("x-ratelimit-reset")?.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;

    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)], body: &'static str) -> Reply {
        let response = Response::builder().status(status);
        let response =
            headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
        response.body(Bytes::from_static(body.as_bytes())).expect("a good response")
    }

    fn error(status: u16) -> SendError {
        outcome(Ok(reply(status, &[], "")), &Headers::default()).expect_err("no success")
    }

    #[test]
    fn each_status_is_taken_as_datadogs_own_clients_take_it() {
        for (status, body) in [(202, "{\"errors\":[]}"), (200, "")] {
            assert_eq!(outcome(Ok(reply(status, &[], body)), &Headers::default()), Ok(()));
        }
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(error(status).kind, SendErrorKind::Unavailable, "{status}");
        }
        for status in [400, 422] {
            assert_eq!(error(status).kind, SendErrorKind::Invalid, "{status}");
        }
        for status in [301, 401, 402, 403, 404, 405] {
            assert_eq!(error(status).kind, SendErrorKind::Denied, "{status}");
        }
        assert_eq!(error(413).kind, SendErrorKind::TooLarge);
    }

    #[test]
    fn a_limit_is_waited_for() {
        for (headers, expected) in [
            (&[("X-RateLimit-Reset", "7")][..], Some(Duration::from_secs(7))),
            (&[("x-ratelimit-reset", " 7 "), ("retry-after", "9")], Some(Duration::from_secs(7))),
            (&[("x-ratelimit-reset", "soon"), ("retry-after", "9")], Some(Duration::from_secs(9))),
            (&[("x-ratelimit-reset", "-1")], None),
            (&[], None),
        ] {
            let error = outcome(Ok(reply(429, headers, "")), &Headers::default());
            let error = error.expect_err("no success");
            assert_eq!(error.retry_after, expected, "{headers:?}");
            assert!(!error.may_have_arrived, "{headers:?}");
        }
    }

    #[test]
    fn what_the_intake_says_is_passed_on_and_a_page_is_not() {
        for (body, expected) in [
            (
                "{\"errors\":[\"bad tag\",\"too long\"]}",
                "HTTP status 404 Not Found: bad tag; too long",
            ),
            ("no such path\n", "HTTP status 404 Not Found: no such path"),
            (" <html>hello</html>", "HTTP status 404 Not Found"),
            ("", "HTTP status 404 Not Found"),
        ] {
            let error = outcome(Ok(reply(404, &[], body)), &Headers::default());
            let error = error.expect_err("no success");
            assert_eq!((error.kind, error.reason.as_str()), (SendErrorKind::Denied, expected));
        }
        let SendError { kind, reason, .. } = error(403);
        assert_eq!(kind, SendErrorKind::Denied);
        assert!(reason.starts_with(KEY_REFUSED), "{reason}");
        assert!(reason.ends_with("(HTTP status 403 Forbidden)"), "{reason}");
    }

    #[test]
    fn a_quoted_key_is_left_out_even_where_the_text_is_cut() {
        let key = "0123456789abcdef0123456789abcdef";
        let mut secrets = Headers::default();
        secrets.insert("dd-api-key", key.as_bytes()).expect("a header");
        for before in 0..400 {
            let body = format!("{} {key} is no key", "x".repeat(before));
            let response = Response::builder().status(403).body(Bytes::from(body));
            let error = outcome(Ok(response.expect("a good response")), &secrets);
            let SendError { kind, reason, .. } = error.expect_err("no success");
            assert_eq!(kind, SendErrorKind::Denied);
            assert!(!reason.contains("0123"), "{reason}");
        }
    }
}
