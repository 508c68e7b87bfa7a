//! The target for Prometheus remote write.

use std::cmp::Reverse;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use meterkit_core::now;
use meterkit_http::{Client, CompressionError, Next, Refusals, SendError, url};
use meterkit_pipeline::{
    CheckFuture, Checked, ExportError, ExportFuture, Snapshot, Target, TargetQueue, exporter,
};
use tokio::task::{JoinError, JoinHandle, JoinSet, spawn_blocking};
use tokio::time::Instant;

use self::settlement::{Outcome, worse};
use self::spooling::Saving;
use crate::batch::{self, Batch, BatchError, Limits};
use crate::config::RemoteWriteConfig;
use crate::counts::RemoteWriteCounts;
use crate::dialect::Dialect;
use crate::error::BuildError;
use crate::histograms::RemoteWriteHistograms;
use crate::queue::Queue;
use crate::sender::{Answer, Sender};
use crate::series::milliseconds;
use crate::spool::Spool;
use crate::wire::Version;

mod settlement;
mod spooling;

/// Sends snapshots by Prometheus remote write: to Grafana Cloud, Mimir, Prometheus, VictoriaMetrics.
///
/// - **Version**: The target sends protocol version 2.0, and falls back to 1.0 if the receiver does not support 2.0.
///   It detects this with the first request. [`RemoteWriteConfig::with_version`] restricts it to 1.0.
/// - **Histograms**: In 2.0, exponential histograms are sent as native histograms and others as classic ones, unless
///   [`RemoteWriteConfig::with_histograms`] is set. Exponential histograms of scale -5 or less, whose buckets are too
///   wide for native histograms, are sent as classic ones with boundaries at powers of two. In 1.0, all histograms
///   are classic.
/// - **Queue**: Requests wait in a queue while the receiver is unavailable, and are sent oldest first once it
///   recovers. The memory of the queue and the age of its values are limited; see [`RemoteWriteConfig::with_queue`].
/// - **Refused series**: A series is dropped only if the receiver refuses it, with status 400, 409, 413 or 422, or if
///   the receiver repeatedly fails on it with 5xx while it accepts others. [`Refusals`] locates that series in the
///   request. After any other status, or without a response, the request stays in the queue. This includes refused
///   credentials or a wrong URL, so that nothing is lost until they are corrected.
/// - **Staleness**: A staleness marker ends each series that disappears, and every series at shutdown, so that
///   queries no longer see them.
/// - **Transport**: The target sends only its own headers, follows no redirects, and uses only the proxies of
///   [`RemoteWriteConfig::with_transport`].
///
/// Follows the Prometheus Remote-Write specifications 2.0-rc.4 and 1.0.
#[derive(Debug)]
pub struct RemoteWriteTarget {
    config: RemoteWriteConfig,
    sender: Sender,
    queue: Queue,
    refusals: Refusals,
    /// The time of the requests that are being sent.
    moment: Option<i64>,
    /// The other parts of a request whose canary is in flight.
    canary: Option<Vec<Batch>>,
    /// The copy of the queue on disk.
    spool: Option<Spool>,
    /// Requests in flight. They continue if their export is dropped.
    requests: JoinSet<(Batch, Answer)>,
    /// The snapshot that is being encoded. Encoding continues if its export is dropped.
    writing: Option<Writing>,
    /// The write to the disk that is in progress.
    saving: Option<Saving>,
    dialect: Dialect,
    /// The last snapshot that was encoded, with the time of its samples. Its series are at the receiver or in the
    /// queue.
    written: Option<Arc<Snapshot>>,
    /// The number and time of the last exported snapshot.
    exported: Option<(u64, SystemTime)>,
    counts: RemoteWriteCounts,
    /// The number of values that had been refused before the current or last export.
    refused_before: u64,
    /// The time until which the receiver asked for no more requests.
    pause: Option<Instant>,
}

/// A snapshot that is being encoded as requests.
#[derive(Debug)]
struct Writing {
    batches: JoinHandle<Result<Vec<Batch>, BatchError>>,
    snapshot: Arc<Snapshot>,
    exported: Option<(u64, SystemTime)>,
}

impl RemoteWriteTarget {
    /// Creates a target with these settings. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the target could never send or store anything: TLS is not built in, certificates cannot be
    /// used, `transport` sets a compression, the credentials contain characters that no header may hold, or the spool
    /// directory cannot be written to.
    pub fn new(config: RemoteWriteConfig) -> Result<Self, BuildError> {
        let endpoint = url::shown(&config.destination.url().to_string());
        let headers = config.destination.headers().map_err(BuildError::Header)?;
        if let Some(other) = config.transport.compression() {
            let reason = "remote write always uses `snappy`, so leave it unset";
            return Err(BuildError::Compression(CompressionError::Unsupported(other, reason)));
        }
        let transport = match config.transport.timeout() {
            Some(_) => config.transport.clone(),
            None => config.transport.clone().with_timeout(LONGEST),
        };
        let client = Client::new(config.destination.url(), &transport);
        let client = client.map_err(|problem| BuildError::Tls { endpoint, problem })?;
        let client = client.with_headers(headers, PRODUCT);
        let sender = Sender { client };
        let mut target = Self {
            sender,
            queue: Queue::new(config.queue_bytes, config.queue_age),
            refusals: Refusals::new(config.limits.bytes),
            moment: None,
            canary: None,
            spool: None,
            requests: JoinSet::new(),
            writing: None,
            saving: None,
            dialect: Dialect::new(config.version),
            written: None,
            exported: None,
            counts: RemoteWriteCounts::default(),
            refused_before: 0,
            pause: None,
            config,
        };
        target.open_spool()?;
        Ok(target)
    }

    /// Returns the settings of the target.
    pub fn config(&self) -> &RemoteWriteConfig {
        &self.config
    }

    /// Returns the counts of sent and lost values. They stay readable after the target is handed to the pipeline.
    pub fn counts(&self) -> RemoteWriteCounts {
        self.counts.clone()
    }

    /// Encodes `snapshot` and adds it to the queue, unless it was added before.
    async fn queue_up(&mut self, snapshot: &Snapshot) -> Result<(), ExportError> {
        // An export that was dropped may have left an encoding in progress. If each export started over, a large
        // snapshot would never be finished.
        self.finish_writing().await?;
        // The pipeline exports the same snapshot again when it retries.
        let exported = Some((snapshot.number, snapshot.time));
        if self.exported == exported {
            // Abort the requests in flight, which have had their time. They are sent again.
            self.requests = JoinSet::new();
            return Ok(());
        }
        if self.requests.is_empty() {
            self.refused_before = self.counts.refused();
        }
        // Receivers refuse samples that are not newer than the last sample of their series.
        let later = self.written.as_ref().map(|written| written.time + Duration::from_millis(1));
        let time = later.map_or(snapshot.time, |later| later.max(snapshot.time));
        // The clone is cheap: points share their attributes with those of the pipeline.
        let snapshot = Arc::new(Snapshot { time, ..snapshot.clone() });
        let (written, previous) = (snapshot.clone(), self.written.clone());
        let (version, histograms, limits) = self.form();
        let batches = spawn_blocking(move || {
            batch::write(&written, previous.as_deref(), version, histograms, limits)
        });
        self.writing = Some(Writing { batches, snapshot, exported });
        self.finish_writing().await
    }

    async fn finish_writing(&mut self) -> Result<(), ExportError> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let batches = (&mut writing.batches).await;
        let Some(Writing { snapshot, exported, .. }) = self.writing.take() else { return Ok(()) };
        let dropped = self.queue.push(done(batches)?);
        (self.written, self.exported) = (Some(snapshot), exported);
        self.note_dropped(values_of(&dropped));
        self.save().await;
        Ok(())
    }

    fn note_dropped(&self, values: u64) {
        if values > 0 {
            self.counts.add_dropped(values);
            if self.counts.says_dropped() {
                tracing::error!(
                    exporter = exporter(&self.config.name),
                    endpoint = self.endpoint(),
                    values,
                    "the queue is full, or its values are too old: the oldest values are dropped until the receiver \
                     accepts requests again"
                );
            }
        }
        self.note_waiting();
    }

    /// Drops the oldest requests beyond the limits of the queue.
    async fn make_room(&mut self) {
        let dropped = self.queue.drop_oldest();
        self.note_dropped(values_of(&dropped));
        self.save().await;
    }

    /// Queues staleness markers, which end all series.
    async fn push_farewell(&mut self) {
        let Some(written) = self.written.take() else {
            return;
        };
        let (version, histograms, limits) = self.form();
        let time = milliseconds(now());
        let batches = move || batch::farewell(&written, time, version, histograms, limits);
        match elsewhere(batches).await {
            Ok(batches) => {
                let dropped = self.queue.push(batches);
                self.note_dropped(values_of(&dropped));
                self.save().await;
            }
            Err(error) => tracing::error!(
                exporter = exporter(&self.config.name),
                "cannot encode staleness markers: {error}"
            ),
        }
    }

    /// Sends the queued requests, oldest first, until the queue is empty or the receiver accepts no more.
    async fn drain(&mut self) -> Result<(), ExportError> {
        self.refusals.begin_attempt();
        let (mut has_some, mut refusal, mut failure) = (false, None, None);
        loop {
            if self.requests.is_empty() {
                let batches = self.next_requests().await?;
                if batches.is_empty() {
                    break;
                }
                self.send(batches);
            }
            while let Some(ended) = self.requests.join_next().await {
                let outcome = match ended {
                    // The request was dropped for lack of room while it was in flight, and counted as dropped.
                    Ok((batch, _)) if !self.queue.has(batch.id) => Outcome::Again,
                    Ok((batch, answer)) => self.settle(&batch, answer).await,
                    Err(error) => return Err(ExportError::permanent(error.to_string())),
                };
                match outcome {
                    Outcome::Taken => has_some = true,
                    Outcome::Again => {}
                    Outcome::Refused(refused) => refusal = Some(refused),
                    Outcome::Failed(error) => failure = worse(failure, error),
                }
            }
            self.note_waiting();
            self.save().await;
        }
        match (self.queue.len(), failure, refusal) {
            (1.., Some(failure), _) => Err(failure),
            (1.., None, Some(refusal)) => Err(refusal),
            (0, _, Some(refusal)) if !has_some => {
                self.refusals.end_attempt();
                Err(refusal)
            }
            // Refused values have already been logged and counted.
            _ => {
                self.refusals.end_attempt();
                Ok(())
            }
        }
    }

    /// Returns the requests to send next, concurrently: requests with the oldest time, or a canary.
    async fn next_requests(&mut self) -> Result<Vec<Batch>, ExportError> {
        loop {
            self.canary = None;
            let oldest = self.queue.oldest(usize::MAX);
            let time = oldest.first().map(|batch| batch.time);
            if self.moment != time {
                self.moment = time;
                self.refusals.begin_lot();
            }
            let may_be_sent = oldest.iter().filter(|batch| self.refusals.may_send(batch.id));
            let mut batches: Vec<Batch> = may_be_sent.cloned().collect();
            match self.refusals.next(!batches.is_empty()) {
                Next::Request => {
                    let is_careful = self.dialect.is_open() || self.refusals.is_careful();
                    let at_once = if is_careful { 1 } else { self.config.requests_at_once };
                    // Send the larger parts of a refused request first: this gets most values accepted
                    // sooner.
                    batches.sort_by_key(|batch| Reverse(batch.len()));
                    batches.truncate(at_once);
                }
                Next::Canary => {
                    let source = oldest.iter().find(|batch| batch.len() > 1);
                    // At the end of a search, the oldest time has no request left that may be accepted.
                    let source = source.or_else(|| self.queue.next_moment()).cloned();
                    batches = match source {
                        Some(source) => vec![self.take_canary(source).await?],
                        None => Vec::new(),
                    };
                }
                Next::Nothing => batches.clear(),
            }
            match batches.iter().find(|batch| self.is_too_large(batch)) {
                Some(batch) => self.divide(&batch.clone()).await?,
                None => return Ok(batches),
            }
        }
    }

    /// Returns whether the request exceeds a limit that the receiver has shown. A request may be longer than the
    /// limit by one series.
    fn is_too_large(&self, batch: &Batch) -> bool {
        let limit = self.refusals.limit();
        limit < self.config.limits.bytes && batch.len() > 1 && batch.size / 3 > limit / 2
    }

    /// Sends requests concurrently. They must have no series in common.
    fn send(&mut self, batches: Vec<Batch>) {
        let version = self.dialect.to_send();
        for batch in batches {
            let sender = self.sender.clone();
            self.requests.spawn(async move {
                let mut batch = batch;
                if !batch.is_in(version) {
                    let waiting = batch.clone();
                    match elsewhere(move || waiting.in_version(version)).await {
                        Ok(converted) => batch = converted,
                        Err(error) => {
                            let error = SendError::invalid(error.to_string());
                            return (batch, Answer { outcome: Err(error), written: None });
                        }
                    }
                }
                let answer = sender.send(&batch).await;
                (batch, answer)
            });
        }
    }

    /// Returns the version, the form of histograms and the limits for encoding requests.
    fn form(&self) -> (Version, RemoteWriteHistograms, Limits) {
        let version = self.dialect.to_write();
        let histograms = match version {
            Version::V1 => RemoteWriteHistograms::Classic,
            Version::V2 => self.config.histograms,
        };
        (version, histograms, Limits { bytes: self.refusals.limit(), ..self.config.limits })
    }

    fn note_waiting(&self) {
        self.counts.set_waiting(self.queue.len(), self.queue.bytes());
    }

    /// Returns an error with the remaining time if the receiver asked for a pause that has not ended.
    fn paused(&mut self) -> Option<ExportError> {
        let rest = self.pause?.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            self.pause = None;
            return None;
        }
        let reason = "the receiver asked for a pause".to_owned();
        Some(ExportError::retryable(reason).with_retry_after(Some(rest)))
    }
}

impl Target for RemoteWriteTarget {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn takes_exemplars(&self) -> bool {
        // Whether the receiver supports 1.0 only is unknown before the first export.
        self.config.version != Version::V1
    }

    fn endpoint(&self) -> String {
        url::shown(&self.config.destination.url().to_string())
    }

    fn server(&self) -> Option<(String, u16)> {
        url::server(self.config.destination.url())
    }

    fn rejected(&self) -> u64 {
        self.counts.refused() - self.refused_before
    }

    fn sends_in_background(&self) -> bool {
        true
    }

    fn queue(&self) -> Option<TargetQueue> {
        Some(TargetQueue {
            requests: self.counts.waiting_requests(),
            bytes: self.counts.waiting_bytes(),
            dropped_values: self.counts.dropped(),
            is_durable: self.spool.as_ref().is_some_and(|spool| !spool.is_behind()),
        })
    }

    fn problem(&self) -> Option<String> {
        self.counts.disk_problem()
    }

    fn check(&mut self) -> CheckFuture<'_> {
        Box::pin(async move {
            let mut outcome = self.sender.send_nothing(Version::V1).await;
            if outcome
                .as_ref()
                .is_err_and(|error| error.status == Some(StatusCode::UNSUPPORTED_MEDIA_TYPE))
            {
                outcome = self.sender.send_nothing(Version::V2).await;
            }
            let advised = |error: SendError| {
                error.with_advice(self.config.transport.hints(), self.sender.client.receiver())
            };
            match outcome.map_err(advised) {
                Ok(()) => Ok(Checked::Accepted("accepted an empty request".to_owned())),
                Err(error) => Err(ExportError::new(error.is_retryable(), error.reason)
                    .with_retry_after(error.retry_after)
                    .with_cause(error.cause)),
            }
        })
    }

    fn is_checked_at_start(&self) -> bool {
        false
    }

    fn clock_skew(&self) -> Option<i64> {
        self.sender.client.clock_skew()
    }

    fn enqueue<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(async move {
            self.queue_up(snapshot).await?;
            self.make_room().await;
            Ok(())
        })
    }

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(async move {
            self.queue_up(snapshot).await?;
            let outcome = match self.paused() {
                Some(pause) => Err(pause),
                None => self.drain().await,
            };
            if outcome.is_err() {
                self.make_room().await;
            }
            outcome
        })
    }

    fn shutdown(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            let _ = self.finish_writing().await;
            // Requests that the receiver does not accept now stay in the queue.
            let _ = self.drain().await;
            let is_open = self.queue.len() == 0;
            self.push_farewell().await;
            if is_open {
                let before = self.counts.refused();
                let _ = self.drain().await;
                // Refused staleness markers do not count as rejected values.
                self.refused_before += self.counts.refused() - before;
            }
            self.make_room().await;
        })
    }
}

fn values_of(batches: &[Batch]) -> u64 {
    batches.iter().map(Batch::len).sum()
}

/// Runs `work` on a blocking thread, so that it does not delay other targets.
async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BatchError> + Send + 'static,
) -> Result<T, ExportError> {
    done(spawn_blocking(work).await)
}

fn done<T>(ended: Result<Result<T, BatchError>, JoinError>) -> Result<T, ExportError> {
    let done = ended.map_err(|error| ExportError::permanent(error.to_string()))?;
    done.map_err(|error| ExportError::permanent(error.to_string()))
}

/// The time limit of requests if no timeout is set. They continue when their export is dropped, so that nothing else
/// would end them.
const LONGEST: Duration = Duration::from_secs(300);

pub(crate) const PRODUCT: &str = concat!("meterkit-grafana/", env!("CARGO_PKG_VERSION"));
