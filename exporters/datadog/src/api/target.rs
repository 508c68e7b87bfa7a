//! The target for Datadog's intake.

use std::io;
use std::time::SystemTime;

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};
use meterkit_core::LogOnce;
use meterkit_http::{Client, Dropped, Headers, Outbox, Post, Refusals, SendError, SendErrorKind};
use meterkit_pipeline::{Cause, Checked, ExportError, Snapshot, exporter};

use super::answer::{KEY_REFUSED, is_key_refused, outcome};
use super::batch::Batch;
use super::endpoints::Endpoints;
use crate::config::DatadogConfig;
use crate::payload::{MAX_COMPRESSED, Payload, Writing, Written, payloads};
use crate::points::{Points, Tagging};
use crate::stamp::Stamps;
use crate::target::BuildError;

/// Sends snapshots to Datadog's intake: counts, gauges and distributions.
///
/// If the response to a payload is lost, the payload may have arrived. It is sent again unchanged, with the same
/// timestamps. Datadog keeps one point of a series per second, so that the payload counts once.
#[derive(Debug)]
pub(crate) struct ApiTarget {
    config: DatadogConfig,
    endpoints: Endpoints,
    client: Client,
    stamps: Stamps,
    refusals: Refusals,
    /// The current export, even if it was cut off.
    batch: Option<Batch>,
    /// The number of points of the current export that are not sent.
    rejected: u64,
    logged: LogOnce,
}

impl ApiTarget {
    pub(crate) fn new(config: DatadogConfig) -> Result<Self, BuildError> {
        let endpoints = Endpoints::new(&config)?;
        let client = Client::new(&endpoints.validate, &config.transport);
        let client =
            client.map_err(|problem| BuildError::Tls { endpoint: endpoints.shown(), problem })?;
        let mut credentials = Headers::default();
        if let Some(key) = &config.api_key {
            let inserted = credentials.insert_secret("dd-api-key", key);
            inserted.map_err(|_| BuildError::Key)?;
        }
        Ok(Self {
            config,
            endpoints,
            client: client.with_headers(credentials, PRODUCT),
            stamps: Stamps::default(),
            refusals: Refusals::new(MAX_COMPRESSED),
            batch: None,
            rejected: 0,
            logged: LogOnce::default(),
        })
    }

    pub(crate) fn endpoint(&self) -> String {
        self.endpoints.shown()
    }

    pub(crate) fn server(&self) -> Option<(String, u16)> {
        self.endpoints.server()
    }

    pub(crate) fn rejected(&self) -> u64 {
        self.rejected
    }

    pub(crate) fn clock_skew(&self) -> Option<i64> {
        self.client.clock_skew()
    }

    pub(crate) fn is_partway(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.payloads.is_begun())
    }

    /// Checks the API key. Only a refused key is a permanent error.
    pub(crate) async fn check(&self) -> Result<Checked, ExportError> {
        let uri = self.endpoints.validate.clone();
        let reply = self.client.get(uri, accept()).await;
        if let Some(reply) = reply.as_ref().ok().filter(|reply| is_key_refused(reply)) {
            let cause = Cause::Http(reply.status().as_u16());
            return Err(ExportError::permanent(KEY_REFUSED).with_cause(cause));
        }
        match outcome(reply, &self.client.secrets()) {
            Ok(()) => Ok(Checked::Accepted("the API key is valid".to_owned())),
            Err(error) => {
                tracing::debug!(%error, "the API key could not be checked");
                let hints = self.config.transport.hints();
                let error = error.with_advice(hints, self.client.receiver());
                Err(ExportError::retryable(error.reason).with_cause(error.cause))
            }
        }
    }

    pub(crate) async fn export(&mut self, snapshot: &Snapshot) -> Result<(), ExportError> {
        let outcome = self.deliver(snapshot).await;
        if !self.is_partway() {
            // Keeping the payloads would take as much memory as the snapshot.
            self.batch = None;
        }
        outcome
    }

    async fn deliver(&mut self, snapshot: &Snapshot) -> Result<(), ExportError> {
        self.refusals.begin_attempt();
        self.prepare(snapshot).await;
        let mut failure = None;
        while let Some(batch) = &mut self.batch {
            let (outbox, refusals) = (&mut batch.payloads, &mut self.refusals);
            let Some(payload) = outbox.next(refusals) else {
                break;
            };
            let written = write(payload, batch.stamp, refusals.limit()).await;
            let written = written.map_err(|error| ExportError::permanent(error.to_string()))?;
            if let Some(rest) = &written.rest {
                outbox.divide(refusals, written.payload.clone(), rest.clone());
            }
            // The payload may have arrived from here until there is a response: the export may be cut off.
            let was_in_doubt = outbox.is_doubted();
            outbox.doubt(true);
            let outcome = self.send(&written).await;
            let Some(batch) = &mut self.batch else {
                break;
            };
            let (outbox, refusals) = (&mut batch.payloads, &mut self.refusals);
            match outcome {
                Ok(()) => outbox.accepted(refusals, written.bytes.len()),
                Err(error) => {
                    outbox.doubt(was_in_doubt || error.may_have_arrived);
                    outbox.refused(refusals, &error, written.bytes.len());
                    if error.kind == SendErrorKind::TooLarge {
                        self.note_too_large(&written, &error.reason);
                    }
                    failure = Some(error);
                }
            }
        }
        match (self.batch.take_if(|batch| batch.payloads.is_empty()), failure) {
            (Some(batch), _) => self.end(batch),
            (None, Some(error)) => Err(ExportError::new(error.is_retryable(), error.reason)
                .with_retry_after(error.retry_after)
                .with_cause(error.cause)),
            (None, None) => Ok(()),
        }
    }

    /// Creates a batch for `snapshot`, unless its export has already begun. Ensures that the batch has a timestamp
    /// that Datadog accepts.
    async fn prepare(&mut self, snapshot: &Snapshot) {
        let now = SystemTime::now();
        let known = self.batch.as_ref().filter(|batch| batch.is_of(snapshot.time));
        let is_known = known.is_some();
        if known.is_some_and(|batch| !batch.is_stale(self.stamps.not_set_back(now))) {
            return;
        }
        tokio::time::sleep(self.stamps.wait(now)).await;
        let stamp = self.stamps.next(snapshot.time, SystemTime::now());
        if let Some(batch) = self.batch.as_mut().filter(|_| is_known) {
            tracing::debug!(
                exporter = exporter(&self.config.name),
                "sending the rest of an earlier export with a later timestamp"
            );
            batch.stamp = stamp;
            return;
        }
        let tagging =
            Tagging { common: self.config.common_tags(snapshot), scopes: self.config.scope_tags };
        let writing = Writing {
            host: self.config.host_of(snapshot),
            format: self.config.format,
            compression: self.config.compression(),
        };
        let (payloads, left_out) = payloads(Points::of(snapshot, &tagging), writing);
        self.rejected = left_out;
        if left_out > 0 && self.logged.is_new("left out") {
            tracing::warn!(
                exporter = exporter(&self.config.name),
                points = left_out,
                "points that Datadog cannot represent are left out: their value is infinite, or their name has no ASCII letter"
            );
        }
        let payloads = Outbox::new(payloads, &mut self.refusals);
        self.batch = Some(Batch::new(snapshot.time, stamp, payloads));
    }

    async fn send(&self, written: &Written) -> Result<(), SendError> {
        let post = Post {
            uri: self.endpoints.of(written.payload.kind()).clone(),
            headers: accept(),
            content_type: HeaderValue::from_static(written.payload.content_type()),
            content_encoding: self.config.compression().content_encoding(),
            body: written.bytes.clone(),
        };
        let hints = self.config.transport.hints();
        let outcome = outcome(self.client.send(post).await, &self.client.secrets());
        outcome.map_err(|error| error.with_advice(hints, self.client.receiver()))
    }

    fn note_too_large(&self, written: &Written, reason: &str) {
        if self.logged.is_new("too large") {
            tracing::warn!(
                exporter = exporter(&self.config.name),
                bytes = written.size,
                compressed_bytes = written.bytes.len(),
                points = written.payload.len(),
                "Datadog refuses payloads of this size; sending them in parts ({reason})"
            );
        }
    }

    /// Ends a batch that has nothing left to send. Returns an error if the intake accepted none of it: the next delta
    /// then includes it.
    fn end(&mut self, batch: Batch) -> Result<(), ExportError> {
        let dropped = batch.payloads.end(&mut self.refusals);
        let dropped = dropped.map_err(|Dropped { reason, cause, .. }| {
            ExportError::permanent(reason).with_cause(cause)
        })?;
        for Dropped { items, reason, .. } in dropped {
            self.rejected += items;
            if self.logged.is_new(&reason) {
                tracing::error!(
                    exporter = exporter(&self.config.name),
                    endpoint = self.endpoint(),
                    points = items,
                    "Datadog refused some of the points, which are lost: {reason}"
                );
            }
        }
        Ok(())
    }
}

fn accept() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))])
}

/// Encodes and compresses a payload on a blocking thread, so that it does not delay other targets.
async fn write(payload: Payload, stamp: u64, limit: usize) -> io::Result<Written> {
    let stamp = i64::try_from(stamp).unwrap_or(i64::MAX);
    let written = tokio::task::spawn_blocking(move || payload.write(stamp, limit)).await;
    written.unwrap_or_else(|error| Err(io::Error::other(error)))
}

const PRODUCT: &str = concat!("meterkit-datadog/", env!("CARGO_PKG_VERSION"));
