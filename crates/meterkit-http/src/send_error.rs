//! Errors of requests that were not delivered.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::StatusCode;
use http::header::LOCATION;
use meterkit_rules::Cause;

use crate::client::Reply;
use crate::connector::ProxyFailed;
use crate::headers::Headers;
use crate::reply::{quoted, retry_after, shown, with_causes};

/// Why a request was not delivered, or may not have been. Contains no credentials.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
#[expect(clippy::exhaustive_structs, reason = "targets construct it for their own protocols")]
pub struct SendError {
    /// What would help to deliver the request.
    pub kind: SendErrorKind,
    /// A description of the failure.
    pub reason: String,
    /// The cause, reported as the attribute `error.type`.
    pub cause: Cause,
    /// The HTTP status of the reply, if there was one. Other protocols use the equivalent HTTP status.
    pub status: Option<StatusCode>,
    /// How long the receiver asks to wait before the next request.
    pub retry_after: Option<Duration>,
    /// Whether the receiver may have received the request nevertheless.
    pub may_have_arrived: bool,
}

meterkit_rules::debug_as_text!(SendError);

/// What would help after a request was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "targets handle each kind differently")]
pub enum SendErrorKind {
    /// Waiting: the receiver is down, is busy or limits the rate, and may accept the same request later.
    Unavailable,
    /// A smaller request.
    TooLarge,
    /// Different content: the receiver will never accept this request, but may accept others.
    Invalid,
    /// A different configuration of the sender: the receiver accepts no request until credentials, the URL or similar
    /// settings are corrected.
    Denied,
}

impl SendError {
    /// Creates the error for a request without an answer.
    pub fn no_answer(cause: Cause, reason: impl Into<String>, may_have_arrived: bool) -> Self {
        Self {
            kind: SendErrorKind::Unavailable,
            reason: reason.into(),
            cause,
            status: None,
            retry_after: None,
            may_have_arrived,
        }
    }

    /// Creates the error for a connection that could not be opened, or that broke before there was an answer. The text
    /// contains no value of `secrets`.
    pub fn unanswered(
        error: &(dyn Error + 'static),
        may_have_arrived: bool,
        secrets: &Headers,
    ) -> Self {
        let reason = shown(&secrets.redact(&with_causes(error)));
        Self::no_answer(cause_of(error), reason, may_have_arrived)
    }

    /// Creates the error for a request that cannot be sent as it is.
    pub fn invalid(reason: impl Into<String>) -> Self {
        Self { kind: SendErrorKind::Invalid, ..Self::no_answer(Cause::Other, reason, false) }
    }

    /// Returns whether the receiver may accept the same request later.
    pub fn is_retryable(&self) -> bool {
        self.kind == SendErrorKind::Unavailable
    }

    /// Returns whether another secret or certificate may help, because the receiver refused the current one or TLS
    /// failed.
    pub fn is_of_identity(&self) -> bool {
        match self.cause {
            Cause::Tls | Cause::Proxy => true,
            // A receiver that refuses a client certificate may close the connection before its answer is read.
            Cause::Connect => self.may_have_arrived,
            _ => self.status.is_some_and(is_of_identity),
        }
    }

    /// Creates the error for a reply that is not a success. The text quotes `message`, the receiver's own words,
    /// without the values of `secrets`.
    ///
    /// ```
    /// use meterkit_http::{Headers, Reply, SendError, SendErrorKind};
    ///
    /// let mut reply = Reply::default();
    /// *reply.status_mut() = http::StatusCode::UNAUTHORIZED;
    /// let secrets = Headers::parse("x-key=hunter2")?;
    /// let error = SendError::of(&reply, "hunter2 has expired", &secrets);
    /// assert_eq!(error.kind, SendErrorKind::Denied);
    /// assert_eq!(error.to_string(), "HTTP status 401 Unauthorized: ... has expired");
    /// # Ok::<(), String>(())
    /// ```
    pub fn of(reply: &Reply, message: &str, secrets: &Headers) -> Self {
        let (status, headers) = (reply.status(), reply.headers());
        let kind = match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                SendErrorKind::Unavailable
            }
            StatusCode::PAYLOAD_TOO_LARGE => SendErrorKind::TooLarge,
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => SendErrorKind::Invalid,
            _ if status.is_server_error() => SendErrorKind::Unavailable,
            _ => SendErrorKind::Denied,
        };
        let mut reason = quoted(format_args!("HTTP status {status}"), message, secrets);
        if status.is_redirection() && headers.contains_key(LOCATION) {
            reason +=
                " (redirects are not followed; set the endpoint to the target of the redirect)";
        }
        let is_for_later = kind == SendErrorKind::Unavailable;
        Self {
            kind,
            reason,
            cause: Cause::Http(status.as_u16()),
            status: Some(status),
            retry_after: retry_after(headers).filter(|_| is_for_later),
            // A gateway may answer so although the request arrived.
            may_have_arrived: is_for_later && status != StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// Returns whether this status means that the receiver refuses the credentials.
pub(crate) fn is_of_identity(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// Returns why there is no answer, according to `error` and its sources.
pub(crate) fn cause_of(error: &(dyn Error + 'static)) -> Cause {
    let mut cause = Cause::Connect;
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<ProxyFailed>() {
            // The sources of this error describe the failure on the way to the proxy.
            return Cause::Proxy;
        }
        if is_of_tls(error) {
            return Cause::Tls;
        }
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::TimedOut) => cause = Cause::Timeout,
            // The connector's error reveals this only by its text.
            _ if error.to_string().starts_with("dns error") => cause = Cause::Dns,
            _ => {}
        }
        next = error.source();
    }
    cause
}

#[cfg(feature = "tls")]
fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    // An HTTP/2 error hides its cause, for example when a receiver refuses a client certificate.
    let is_alert = |error: &dyn Error| error.to_string().contains("received fatal alert: ");
    error.is::<rustls::Error>() || inner.is_some_and(|inner| is_of_tls(inner)) || is_alert(error)
}

#[cfg(not(feature = "tls"))]
fn is_of_tls(_: &(dyn Error + 'static)) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;

    use super::*;

    fn error(status: u16, headers: &[(&str, &str)], message: &str) -> SendError {
        let response = Response::builder().status(status);
        let response =
            headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
        let reply = response.body(Bytes::new()).expect("a good reply");
        SendError::of(&reply, message, &Headers::parse("x-key=hunter2").expect("a pair"))
    }

    #[test]
    fn each_status_says_what_would_help() {
        for (kind, statuses) in [
            (SendErrorKind::Unavailable, &[408, 429, 500, 501, 502, 503, 504, 507, 599][..]),
            (SendErrorKind::TooLarge, &[413]),
            (SendErrorKind::Invalid, &[400, 422]),
            (SendErrorKind::Denied, &[300, 301, 304, 401, 402, 403, 404, 405, 407, 409, 415, 451]),
        ] {
            for status in statuses {
                assert_eq!(error(*status, &[], "").kind, kind, "{status}");
            }
        }
    }

    #[test]
    fn only_a_receiver_that_may_accept_it_later_can_ask_for_a_pause() {
        let pause = |status| error(status, &[("retry-after", "7")], "").retry_after;
        for status in [408, 429, 503] {
            assert_eq!(pause(status), Some(Duration::from_secs(7)), "{status}");
            assert_eq!(error(status, &[], "").retry_after, None, "{status}");
        }
        for status in [301, 400, 401, 413] {
            assert_eq!(pause(status), None, "{status}");
        }
    }

    #[test]
    fn a_request_without_a_clear_answer_may_have_arrived() {
        for (status, expected) in [(408, true), (429, false), (503, true), (400, false)] {
            assert_eq!(error(status, &[], "").may_have_arrived, expected, "{status}");
        }
    }

    #[test]
    fn a_redirect_says_what_to_do() {
        let location = [("location", "https://elsewhere.example.com/?token=hunter2")];
        let text = error(308, &location, "").to_string();
        assert!(text.ends_with("; set the endpoint to the target of the redirect)"), "{text}");
        assert_eq!(error(308, &[], "").to_string(), "HTTP status 308 Permanent Redirect");
        assert_eq!(error(404, &location, "").to_string(), "HTTP status 404 Not Found");
    }

    #[test]
    fn a_secret_is_left_out_also_where_a_long_message_ends() {
        for before in 0..400 {
            let text = error(403, &[], &format!("{} hunter2 is no key", "x".repeat(before)));
            assert!(!text.reason.contains("hunt"), "{text}");
        }
    }
}
