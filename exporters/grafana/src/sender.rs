//! Requests over HTTP, and the responses of receivers.
//!
//! Follows the Remote-Write specifications 1.0 and 2.0-rc.4, sections Protocol, Retries & Backoff and Partial Write.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use meterkit_http::reply::message;
use meterkit_http::{Client, Post, SendError, SendErrorKind};

use crate::batch::Batch;
use crate::wire::Version;

/// Sends requests to one receiver. Clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) client: Client,
}

/// The response to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) outcome: Result<(), SendError>,
    /// The number of values that a receiver of 2.0 wrote. It may have written some even if it refused the request.
    pub(crate) written: Option<u64>,
}

impl Sender {
    /// Sends a request without series.
    pub(crate) async fn send_nothing(&self, version: Version) -> Result<(), SendError> {
        self.send_body(version, NOTHING).await.outcome
    }

    pub(crate) async fn send(&self, batch: &Batch) -> Answer {
        self.send_body(batch.version, batch.body.clone()).await
    }

    async fn send_body(&self, version: Version, body: Bytes) -> Answer {
        let post = Post {
            uri: self.client.receiver().clone(),
            headers: HeaderMap::from_iter([(VERSION, version.header())]),
            content_type: version.content_type(),
            content_encoding: Some(HeaderValue::from_static("snappy")),
            body,
        };
        let reply = match self.client.send(post).await {
            Ok(reply) => reply,
            Err(error) => return Answer { outcome: Err(error), written: None },
        };
        let written = written(reply.headers());
        if reply.status().is_success() {
            return Answer { outcome: Ok(()), written };
        }
        let mut error = SendError::of(&reply, &message(&reply), &self.client.secrets());
        if reply.status() == StatusCode::CONFLICT {
            // Thanos and others respond with this status to values that are too old or duplicates.
            error.kind = SendErrorKind::Invalid;
        }
        Answer { outcome: Err(error), written }
    }
}

/// An empty message, compressed with snappy: only its length, 0.
const NOTHING: Bytes = Bytes::from_static(&[0]);

const VERSION: HeaderName = HeaderName::from_static("x-prometheus-remote-write-version");

/// The headers in which a receiver of 2.0 reports how much it wrote.
const WRITTEN: [&str; 3] = [
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

/// Returns the number of samples and histograms that were written. A missing header counts as 0. Returns `None` if
/// all headers are missing, which means that the receiver does not support 2.0.
fn written(headers: &HeaderMap) -> Option<u64> {
    WRITTEN.iter().any(|name| headers.contains_key(*name)).then(|| {
        let count = |name: &&str| headers.get(*name)?.to_str().ok()?.trim().parse::<u64>().ok();
        WRITTEN[..2].iter().filter_map(count).sum()
    })
}
