//! What the intake answers.
//!
//! By Datadog's API reference, "Submit metrics", and "Rate limits".

use std::time::Duration;

use http::StatusCode;
use meterkit_http::reply::{retry_after, shown};
use meterkit_http::{Headers, NoAnswer, Reply};

/// The intake does not have the payload, or may not have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It may take it later.
    Later { reason: String, retry_after: Option<Duration>, may_have_arrived: bool },
    /// It would take a smaller one.
    TooLarge { reason: String },
    /// It will never take this one, but perhaps others.
    Malformed { reason: String },
    /// It takes none, until someone changes something.
    Final { reason: String },
}

/// Whether the intake has what it was sent. What it quotes of `secrets` is left out.
pub(super) fn outcome(answer: Result<Reply, NoAnswer>, secrets: &Headers) -> Result<(), Refusal> {
    let reply = answer.map_err(|NoAnswer { reason, may_have_arrived, .. }| Refusal::Later {
        reason,
        retry_after: None,
        may_have_arrived,
    })?;
    let status = reply.status();
    if status.is_success() {
        return Ok(());
    }
    let reason = reason(&reply, secrets);
    Err(match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            let may_have_arrived = status == StatusCode::REQUEST_TIMEOUT;
            Refusal::Later { reason, retry_after: wait(&reply), may_have_arrived }
        }
        _ if status.is_server_error() => {
            // Something on the way may say so of a request that went through.
            Refusal::Later { reason, retry_after: wait(&reply), may_have_arrived: true }
        }
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge { reason },
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Refusal::Malformed { reason },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Refusal::Final { reason: format!("{KEY_REFUSED} ({reason})") }
        }
        _ => Refusal::Final { reason },
    })
}

/// What to say of a key that is refused, in the check of it and in exports: the same is said once.
pub(super) const KEY_REFUSED: &str = "Datadog refuses the API key; check DD_API_KEY, and that DD_SITE names the site \
                                      of the account that it belongs to";

fn reason(reply: &Reply, secrets: &Headers) -> String {
    // In this order: a secret that is cut in two would not be found.
    let said = shown(&secrets.redact(&errors(reply.body())));
    let said = if said.is_empty() { said } else { format!(": {said}") };
    format!("HTTP status {}{said}", reply.status())
}

/// The list `errors` of an answer, or its text.
fn errors(body: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let errors = json.as_ref().and_then(|json| json["errors"].as_array());
    match errors {
        Some(errors) => {
            let texts: Vec<_> = errors.iter().filter_map(|error| error.as_str()).collect();
            texts.join("; ")
        }
        // Pages are for browsers.
        None if body.trim_ascii_start().starts_with(b"<") => String::new(),
        None => std::str::from_utf8(body).unwrap_or_default().to_owned(),
    }
}

/// How long to leave the intake alone: seconds until its limit begins anew.
fn wait(reply: &Reply) -> Option<Duration> {
    let reset = reply.headers().get("x-ratelimit-reset").and_then(|value| value.to_str().ok());
    let seconds = reset.and_then(|text| text.trim().parse().ok());
    seconds.map(Duration::from_secs).or_else(|| retry_after(reply.headers()))
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

    fn refusal(status: u16) -> Refusal {
        outcome(Ok(reply(status, &[], "")), &Headers::default()).expect_err("no success")
    }

    #[test]
    fn each_status_is_taken_as_datadogs_own_clients_take_it() {
        for (status, body) in [(202, "{\"errors\":[]}"), (200, "")] {
            assert_eq!(outcome(Ok(reply(status, &[], body)), &Headers::default()), Ok(()));
        }
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(matches!(refusal(status), Refusal::Later { .. }), "{status}");
        }
        for status in [400, 422] {
            assert!(matches!(refusal(status), Refusal::Malformed { .. }), "{status}");
        }
        for status in [301, 401, 402, 403, 404, 405] {
            assert!(matches!(refusal(status), Refusal::Final { .. }), "{status}");
        }
        assert!(matches!(refusal(413), Refusal::TooLarge { .. }));
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
            let outcome = outcome(Ok(reply(429, headers, "")), &Headers::default());
            let Err(Refusal::Later { retry_after, may_have_arrived, .. }) = outcome else {
                panic!("{outcome:?}");
            };
            assert_eq!((retry_after, may_have_arrived), (expected, false), "{headers:?}");
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
            let outcome = outcome(Ok(reply(404, &[], body)), &Headers::default());
            let Err(Refusal::Final { reason }) = outcome else {
                panic!("{body}");
            };
            assert_eq!(reason, expected);
        }
        let Refusal::Final { reason } = refusal(403) else { panic!("403") };
        assert!(reason.starts_with(KEY_REFUSED), "{reason}");
        assert!(reason.ends_with("(HTTP status 403 Forbidden)"), "{reason}");
    }

    #[test]
    fn a_key_that_is_quoted_is_left_out_also_where_the_text_ends() {
        let key = "0123456789abcdef0123456789abcdef";
        let mut secrets = Headers::default();
        secrets.insert("dd-api-key", key.as_bytes()).expect("a header");
        for before in 0..400 {
            let body = format!("{} {key} is no key", "x".repeat(before));
            let response = Response::builder().status(403).body(Bytes::from(body));
            let outcome = outcome(Ok(response.expect("a good response")), &secrets);
            let Err(Refusal::Final { reason }) = outcome else {
                panic!("{outcome:?}");
            };
            assert!(!reason.contains("0123"), "{reason}");
        }
    }
}
