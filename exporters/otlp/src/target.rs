//! The OTLP target.

use std::sync::Arc;
use std::time::SystemTime;

use meterkit_core::{Exemplars, Temporality};
use meterkit_http::reply::shown;
use meterkit_http::{
    Client, Compression, CompressionError, Divide, Dropped, Headers, Link, Outbox, Refusals,
    SendError, SendErrorKind, TlsError, url,
};
use meterkit_pipeline::{
    Cause, CheckFuture, Checked, ExportError, ExportFuture, Snapshot, Target, exporter,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;

use crate::batch::Request;
use crate::body::{Body, Format};
use crate::config::OtlpConfig;
use crate::credentials::Authenticator;
use crate::encode::{encode, too_large_integer};
use crate::finite::remove_what_is_not_finite;
use crate::grpc_sender::GrpcSender;
use crate::http_sender::HttpSender;
use crate::losses::Losses;
use crate::protocol::Protocol;
use crate::reply::Accepted;

/// Sends snapshots to an OTLP receiver: `OTEL_METRICS_EXPORTER=otlp`.
///
/// - The target connects at the first export, on the runtime of the pipeline, and reconnects when necessary.
/// - Exports that exceed the receiver's size limit are split into several requests. Once some of them were accepted,
///   the pipeline continues with the others, even after an outage, so that no delta counts twice. A request without a
///   response is sent again, so the receiver may get it twice.
/// - The target sends only its own headers, follows no redirects, and uses only the proxies of
///   [`OtlpConfig::with_transport`]. [`OtlpConfig::read`] reads proxies from the environment.
///
/// Follows OpenTelemetry's protocol specification 1.11.
#[derive(Debug)]
pub struct OtlpTarget {
    config: OtlpConfig,
    sender: Sender,
    losses: Losses,
    refusals: Refusals,
    /// The export in progress, even if it was interrupted, and the time of its snapshot.
    outbox: Option<(SystemTime, Outbox<Request>)>,
    /// Number of points that were lost before the current or last export.
    lost_before: u64,
    /// The exemplars of the last delivered snapshot, because each exemplar is sent only once.
    exemplars: Arc<Exemplars>,
}

impl OtlpTarget {
    /// Creates a target with these settings. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the target could never send: TLS or the compression is not compiled in, or the certificates
    /// cannot be used.
    pub fn new(config: OtlpConfig) -> Result<Self, BuildError> {
        let compression = config.transport.compression().unwrap_or_default();
        let compression = compression.built_in(config.transport.hints().package)?;
        let sender = Sender::new(&config, compression).map_err(|problem| BuildError::Tls {
            endpoint: config.endpoint.to_string(),
            problem,
        })?;
        let refusals = Refusals::new(config.max_request_bytes);
        let losses = Losses::default();
        let exemplars = Arc::default();
        Ok(Self { config, sender, losses, refusals, outbox: None, lost_before: 0, exemplars })
    }

    /// Returns the settings.
    pub fn config(&self) -> &OtlpConfig {
        &self.config
    }

    /// Returns the counts of rejected points. They stay readable after the target is handed to the pipeline.
    pub fn losses(&self) -> Losses {
        self.losses.clone()
    }

    /// Returns the number of points that will not be sent again; see [`Losses::rejected_points`].
    pub fn rejected_points(&self) -> u64 {
        self.losses.rejected_points()
    }

    async fn deliver(&mut self, snapshot: &Snapshot) -> Result<(), ExportError> {
        self.refusals.begin_attempt();
        if self.outbox.as_ref().is_none_or(|(time, _)| *time != snapshot.time) {
            self.lost_before = self.losses.rejected_points();
            let request = Request(Arc::new(self.request(snapshot)));
            self.outbox = Some((snapshot.time, Outbox::new([request], &mut self.refusals)));
        }
        let mut failure = None;
        while let Some((_, outbox)) = &mut self.outbox {
            let Some(request) = outbox.next(&mut self.refusals) else {
                break;
            };
            let limit = self.refusals.limit();
            // The size in protobuf. JSON is longer, and is checked below once it has been written.
            if request.0.encoded_len() > limit && request.items() > 1 {
                outbox.halve(&mut self.refusals);
                continue;
            }
            let points = request.items();
            let body = Body::write(request.0, self.sender.format(), self.sender.compression());
            let body = body.await.map_err(|error| ExportError::permanent(error.to_string()))?;
            let size = body.size;
            if size > limit && points > 1 {
                outbox.halve(&mut self.refusals);
                continue;
            }
            if size > self.config.max_request_bytes {
                outbox.drop_current(&mut self.refusals, &too_long(size, limit), Cause::Other);
                continue;
            }
            match self.sender.send(body).await {
                Ok(accepted) => {
                    outbox.accepted(&mut self.refusals, size);
                    self.note(&accepted);
                }
                Err(error) => {
                    let error = self.config.advised(error);
                    outbox.refused(&mut self.refusals, &error, size);
                    if error.kind == SendErrorKind::TooLarge {
                        self.note_too_large(&error.reason, size, points);
                    }
                    failure = Some(error);
                }
            }
        }
        match (self.outbox.take_if(|(_, outbox)| outbox.is_empty()), failure) {
            (Some((_, outbox)), _) => self.end(outbox),
            (None, Some(error)) => Err(failed(error)),
            (None, None) => Ok(()),
        }
    }

    /// Ends an export that has nothing left to send. Returns an error if the receiver accepted no part of it.
    fn end(&mut self, outbox: Outbox<Request>) -> Result<(), ExportError> {
        let dropped =
            outbox.end(&mut self.refusals).map_err(|Dropped { reason, cause, .. }| {
                ExportError::permanent(reason).with_cause(cause)
            })?;
        for Dropped { items, reason, .. } in dropped {
            self.losses.reject(items);
            if self.losses.is_news(&reason) {
                tracing::error!(
                    exporter = exporter(&self.config.name),
                    endpoint = %self.config.endpoint,
                    points = items,
                    "the receiver refused some of the points, which are lost: {reason}"
                );
            }
        }
        Ok(())
    }

    fn request(&self, snapshot: &Snapshot) -> ExportMetricsServiceRequest {
        let mut request = encode(snapshot, &snapshot.exemplars.since(&self.exemplars));
        if let Some(metric) = too_large_integer(snapshot).filter(|_| self.losses.is_news("large")) {
            tracing::warn!(
                exporter = exporter(&self.config.name),
                metric,
                "integers above 2^63 - 1 are sent as floating-point numbers, with 15 to 17 significant digits"
            );
        }
        if self.sender.format() == Format::Json {
            let removed = remove_what_is_not_finite(&mut request);
            self.losses.reject(removed);
            if removed > 0 && self.losses.is_news("not finite") {
                let remedy = "use `grpc` or `http/protobuf` to send them";
                tracing::warn!(
                    exporter = exporter(&self.config.name),
                    points = removed,
                    "points with infinite or NaN values are left out of JSON; {remedy}"
                );
            }
        }
        request
    }

    fn note_too_large(&self, reason: &str, size: usize, points: usize) {
        self.losses.count_oversized();
        if self.losses.is_news("too large") {
            tracing::error!(
                exporter = exporter(&self.config.name),
                endpoint = %self.config.endpoint,
                bytes = size,
                points,
                "the receiver refuses requests of this size, so smaller ones are sent for a while ({reason}); \
                 raise its limit, or send deltas or fewer series"
            );
        }
    }

    fn note(&self, accepted: &Accepted) {
        self.losses.reject(accepted.rejected);
        if let Some(problem) = accepted.problem.as_ref().filter(|it| self.losses.is_news(it)) {
            tracing::warn!(
                exporter = exporter(&self.config.name),
                endpoint = %self.config.endpoint,
                "the receiver accepts the metrics, but its reply cannot be read: {problem}"
            );
        }
        let message = shown(&self.sender.secrets().redact(&accepted.message));
        let says_something = accepted.rejected > 0 || !message.is_empty();
        if says_something && self.losses.is_news(&message) {
            tracing::warn!(
                exporter = exporter(&self.config.name),
                endpoint = %self.config.endpoint,
                rejected_points = accepted.rejected,
                "the receiver did not accept all points: {message}"
            );
        }
    }
}

impl Target for OtlpTarget {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn endpoint(&self) -> String {
        self.config.endpoint.to_string()
    }

    fn component_type(&self) -> &'static str {
        match self.config.protocol {
            Protocol::Grpc => "otlp_grpc_metric_exporter",
            Protocol::HttpProtobuf => "otlp_http_metric_exporter",
            Protocol::HttpJson => "otlp_http_json_metric_exporter",
        }
    }

    fn server(&self) -> Option<(String, u16)> {
        url::server(self.config.endpoint.uri())
    }

    fn temporality(&self) -> Temporality {
        self.config.temporality.temporality()
    }

    fn observed_temporality(&self) -> Temporality {
        self.config.temporality.observed()
    }

    fn takes_exemplars(&self) -> bool {
        true
    }

    fn rejected(&self) -> u64 {
        self.losses.rejected_points() - self.lost_before
    }

    fn check(&mut self) -> CheckFuture<'_> {
        Box::pin(async move {
            let nothing = Arc::new(ExportMetricsServiceRequest::default());
            let body = Body::write(nothing, self.sender.format(), self.sender.compression()).await;
            let body = body.map_err(|error| ExportError::permanent(error.to_string()))?;
            match self.sender.send(body).await {
                Ok(accepted) => match accepted.problem {
                    None => Ok(Checked::Accepted("accepted an empty export".to_owned())),
                    Some(problem) => {
                        let reason = format!("the reply is not an OTLP message: {problem}");
                        Err(ExportError::permanent(reason))
                    }
                },
                Err(error) => Err(failed(self.config.advised(error))),
            }
        })
    }

    fn is_checked_at_start(&self) -> bool {
        false
    }

    fn clock_skew(&self) -> Option<i64> {
        match &self.sender {
            Sender::Http(sender) => sender.client.clock_skew(),
            Sender::Grpc(sender) => sender.clock_skew(),
        }
    }

    fn is_partway(&self) -> bool {
        self.outbox.as_ref().is_some_and(|(_, outbox)| outbox.is_begun())
    }

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(async move {
            let outcome = self.deliver(snapshot).await;
            if outcome.is_ok() {
                self.exemplars = snapshot.exemplars.clone();
            }
            if !self.is_partway() {
                // Drop the encoded requests, which take as much memory as the snapshot.
                self.outbox = None;
            }
            outcome
        })
    }
}

fn failed(error: SendError) -> ExportError {
    ExportError::new(error.is_retryable(), error.reason)
        .with_retry_after(error.retry_after)
        .with_cause(error.cause)
}

/// The error when a target cannot be created.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// TLS cannot be set up.
    #[error("OTLP endpoint `{endpoint}`: {problem}")]
    Tls {
        /// The endpoint of the target.
        endpoint: String,
        /// The problem.
        problem: TlsError,
    },
    /// The compression is not compiled in.
    #[error("OTLP {0}")]
    Compression(#[from] CompressionError),
}

meterkit_rules::debug_as_text!(BuildError);

/// Sends requests over one of the protocols.
#[derive(Debug)]
enum Sender {
    Http(Box<HttpSender>),
    Grpc(Box<GrpcSender>),
}

impl Sender {
    fn new(config: &OtlpConfig, compression: Compression) -> Result<Self, TlsError> {
        let OtlpConfig { endpoint, protocol, headers, credentials, transport, .. } = config;
        let (timeout, setting) = (transport.timeout(), transport.hints().timeout);
        let authenticator = Authenticator::new(credentials.clone(), timeout, setting);
        let uri = endpoint.uri().clone();
        let format = match protocol {
            Protocol::Grpc => {
                let link = Link::http2(&uri, transport, headers.clone())?;
                let sender = GrpcSender::new(link, authenticator, compression, transport);
                return Ok(Self::Grpc(Box::new(sender)));
            }
            Protocol::HttpProtobuf => Format::Protobuf,
            Protocol::HttpJson => Format::Json,
        };
        let client = Client::new(&uri, transport)?.with_headers(headers.clone(), PRODUCT);
        Ok(Self::Http(Box::new(HttpSender { client, authenticator, format, compression })))
    }

    fn format(&self) -> Format {
        match self {
            Self::Http(sender) => sender.format,
            Self::Grpc(_) => Format::Protobuf,
        }
    }

    /// Returns the headers of requests whose values must not be shown.
    fn secrets(&self) -> Headers {
        match self {
            Self::Http(sender) => sender.secrets(),
            Self::Grpc(sender) => sender.secrets(),
        }
    }

    /// Returns the compression of bodies.
    fn compression(&self) -> Compression {
        match self {
            Self::Http(sender) => sender.compression,
            Self::Grpc(sender) => sender.compression(),
        }
    }

    async fn send(&mut self, body: Body) -> Result<Accepted, SendError> {
        match self {
            Self::Http(sender) => sender.send(body).await,
            Self::Grpc(sender) => sender.send(body).await,
        }
    }
}

/// The user agent. The specification requires a distribution to name its own product before that of the exporter.
pub(crate) const PRODUCT: &str = concat!(
    "meterkit-otlp/",
    env!("CARGO_PKG_VERSION"),
    " OTel-OTLP-Exporter-Rust/",
    env!("CARGO_PKG_VERSION")
);

fn too_long(size: usize, limit: usize) -> String {
    format!("a request with a single point has {size} bytes, more than the allowed {limit}")
}
