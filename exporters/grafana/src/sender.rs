//! Requests over HTTP, and what receivers answer.
//!
//! By the Remote-Write specifications 1.0 and 2.0-rc.4, sections Protocol, Retries & Backoff and Partial Write.

use std::fmt;
use std::time::Duration;

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use meterkit_http::reply::{retry_after, shown};
use meterkit_http::{Client, Post, Reply, url};

use crate::batch::Batch;

/// Sends requests to one receiver. Clones share its connections.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) client: Client,
    pub(crate) uri: Uri,
    /// Credentials, the tenant and the user agent.
    pub(crate) headers: HeaderMap,
}

/// What became of a request. Reasons may quote credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The receiver has it. One of 2.0 tells how many values it wrote.
    Accepted { written: Option<u64> },
    /// It does not know this version.
    Unsupported { reason: String },
    /// It will not take this request as it is, but perhaps the same in another version.
    BadRequest { reason: String, written: Option<u64> },
    /// It will not take this request, but perhaps others.
    Refused { reason: String, written: Option<u64> },
    /// It would take a smaller one.
    TooLarge { reason: String },
    /// It takes none, until someone changes something.
    Closed { reason: String },
    /// It may take it later.
    Later { reason: String, retry_after: Option<Duration> },
}

impl Sender {
    pub(crate) async fn send(&self, batch: &Batch) -> Answer {
        let mut headers = self.headers.clone();
        headers.insert(VERSION, batch.version.header());
        let post = Post {
            uri: self.uri.clone(),
            headers,
            content_type: batch.version.content_type(),
            content_encoding: Some(HeaderValue::from_static("snappy")),
            body: batch.body.clone(),
        };
        match self.client.send(post).await {
            Ok(reply) => answer(&reply),
            Err(error) => Answer::Later { reason: error.reason, retry_after: None },
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers and queries hold credentials.
        let uri = url::shown(&self.uri.to_string());
        f.debug_struct("Sender").field("uri", &uri).finish_non_exhaustive()
    }
}

const VERSION: HeaderName = HeaderName::from_static("x-prometheus-remote-write-version");

/// With these, a receiver of 2.0 tells how much it wrote.
const WRITTEN: [&str; 3] = [
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

fn answer(reply: &Reply) -> Answer {
    let (status, headers) = (reply.status(), reply.headers());
    let written = written(headers);
    if status.is_success() {
        return Answer::Accepted { written };
    }
    let said = message(reply);
    let said = if said.is_empty() { said } else { format!(": {said}") };
    let reason = format!("HTTP status {status}{said}");
    match status {
        StatusCode::TOO_MANY_REQUESTS => {
            Answer::Later { reason, retry_after: retry_after(headers) }
        }
        _ if status.is_server_error() => {
            Answer::Later { reason, retry_after: retry_after(headers) }
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Answer::Unsupported { reason },
        StatusCode::BAD_REQUEST => Answer::BadRequest { reason, written },
        StatusCode::PAYLOAD_TOO_LARGE => Answer::TooLarge { reason },
        // What Thanos and others say of values that come too late, or twice.
        StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
            Answer::Refused { reason, written }
        }
        _ if status.is_redirection() && headers.contains_key(LOCATION) => {
            let remedy = "redirects are not followed; set the URL to where it leads";
            Answer::Closed { reason: format!("{reason} ({remedy})") }
        }
        _ => Answer::Closed { reason },
    }
}

/// How many samples and histograms were written; one that is not told of is none. `None` where nothing is told at all,
/// which a receiver of 2.0 never does.
fn written(headers: &HeaderMap) -> Option<u64> {
    WRITTEN.iter().any(|name| headers.contains_key(*name)).then(|| {
        let count = |name: &&str| headers.get(*name)?.to_str().ok()?.trim().parse::<u64>().ok();
        WRITTEN[..2].iter().filter_map(count).sum()
    })
}

/// What the receiver says of an error. Pages are for browsers.
fn message(reply: &Reply) -> String {
    let content_type = reply.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    if content_type.is_some_and(|it| it.to_ascii_lowercase().contains("html")) {
        return String::new();
    }
    std::str::from_utf8(reply.body()).map(shown).unwrap_or_default()
}
