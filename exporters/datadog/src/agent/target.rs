//! The agent target.

use std::time::SystemTime;

use meterkit_core::LogOnce;
use meterkit_core::Temporality;
use meterkit_pipeline::{Cause, ExportError, ExportFuture, Snapshot, Target, exporter};
use tokio::time::sleep;

use super::config::AgentConfig;
use super::datagram::Batch;
use super::lines::{LineWriter, Rejected};
use super::socket::{AgentSocket, SocketError};
use crate::stamp::{Stamps, is_stale};

/// Sends snapshots to a Datadog Agent, over DogStatsD.
///
/// Counts and gauges go out with the time of their snapshot, which agents of version 7.40 or newer pass on as it is,
/// counts as if they were of ten seconds whatever the interval. See [`AgentConfig`] for tags and for where the
/// process runs.
///
/// Histograms go out as distributions, which have no time. Each bucket gives one value, with a rate that the agent
/// makes its count of. Their number is exact, their sum as exact as floats are, unless no values in these buckets
/// have that sum; percentiles are as fine as the buckets, and smallest and largest are values in the outermost ones.
///
/// # What gets there
///
/// The protocol has no answers: what the operating system took counts as delivered.
///
/// - What it did not take stays, be it that the agent does not read or that it is not there: the pipeline gives it
///   again, or a larger difference later on. Packets that were taken are not sent twice.
/// - Over a Unix socket, what an agent had not read when it ended is lost. Of a stream that was reset, the last packet
///   is sent again.
/// - Over UDP, the network and the agent may drop packets without a word. Where the system is told that nobody listens,
///   the packet before is sent again; on the same machine that is exact, from elsewhere word may come late. A count
///   that so arrives twice counts once, as both have one time; a distribution counts twice.
///
/// A label `host` becomes the tag `host`, which the agent takes for the host of the metric.
///
/// By Datadog's "DogStatsD datagram format" 1.5, and the framing of its Unix streams: before each packet its length,
/// as 32 bits in little-endian order.
#[derive(Debug)]
pub struct AgentTarget {
    config: AgentConfig,
    writer: LineWriter,
    socket: AgentSocket,
    stamps: Stamps,
    /// The export under way, also when it was cut off.
    batch: Option<Batch>,
    /// The last packet of the export before: word that it did not get there may come yet.
    previous: Option<Batch>,
    /// Points that are not in the batch, or were left out since.
    rejected: u64,
    told: LogOnce,
    /// The most that a packet may hold: what the agent takes, or what was found out to be the most that the socket
    /// takes.
    limit: usize,
}

/// How many broken connections end an export: the first may be one to an agent that was there before.
const ATTEMPTS: u32 = 2;

impl AgentTarget {
    /// A target with these settings. It connects with the first export.
    pub fn new(config: AgentConfig) -> Self {
        let writer = LineWriter::new(&config);
        let socket = AgentSocket::new(config.address.clone(), config.timeout);
        let limit = config.address.max_packet_bytes();
        Self {
            config,
            writer,
            socket,
            stamps: Stamps::default(),
            batch: None,
            previous: None,
            rejected: 0,
            told: LogOnce::default(),
            limit,
        }
    }

    /// Its settings.
    pub fn config(&self) -> &AgentConfig {
        &self.config
    }

    async fn deliver(&mut self, snapshot: &Snapshot) -> Result<(), ExportError> {
        let is_known = self.batch.as_ref().is_some_and(|batch| batch.is_of(snapshot.time));
        if !is_known {
            let (batch, rejected) = self.writer.write(snapshot);
            self.rejected = rejected.points();
            self.tell(&rejected);
            self.batch = Some(batch);
        }
        let mut attempts = 0;
        // The end of the export before comes first, if it has to come again.
        while let Some(part) = self.unsent() {
            self.stamp(part).await;
            let limit = self.limit;
            let Some(packet) = self.batch(part).and_then(|batch| batch.next_packet(limit)) else {
                break;
            };
            let outcome = self.socket.send(&packet.bytes).await;
            if let Err(SocketError::BrokenBefore(_)) = outcome {
                self.take_back_last();
            }
            match outcome {
                Ok(()) => {
                    if let Some(batch) = self.batch(part) {
                        batch.accept(packet.lines);
                    }
                }
                // On some systems datagrams are shorter than what the agent takes.
                Err(SocketError::TooLong) if packet.lines > 1 => {
                    self.limit = packet.bytes.len() / 2;
                    tracing::debug!(
                        exporter = exporter(&self.config.name),
                        limit = self.limit,
                        "packets have at most this many bytes from now on"
                    );
                }
                Err(SocketError::TooLong) => {
                    if let Some(batch) = self.batch(part) {
                        batch.skip(packet.lines);
                    }
                    self.rejected += packet.lines as u64;
                    self.tell_refused(packet.bytes.len());
                }
                Err(SocketError::Full) => {
                    let waited = self.config.timeout.as_millis();
                    let reason =
                        format!("the agent does not read: no room for a packet within {waited} ms");
                    return Err(ExportError::retryable(reason).with_cause(Cause::Timeout));
                }
                Err(SocketError::Unreachable(error)) => {
                    let reason = format!("cannot connect: {error}");
                    return Err(ExportError::retryable(reason).with_cause(Cause::Connect));
                }
                Err(SocketError::Broken(error) | SocketError::BrokenBefore(error)) => {
                    attempts += 1;
                    if attempts == ATTEMPTS {
                        let reason = format!("cannot send: {error}");
                        return Err(ExportError::retryable(reason).with_cause(Cause::Connect));
                    }
                }
            }
        }
        if let Some(last) = self.batch.take().and_then(Batch::into_last) {
            self.previous = Some(last);
        }
        Ok(())
    }

    fn unsent(&self) -> Option<Part> {
        let has_more = |batch: &Option<Batch>| batch.as_ref().is_some_and(Batch::has_more);
        let previous = Some(Part::Previous).filter(|_| has_more(&self.previous));
        previous.or_else(|| Some(Part::Current).filter(|_| has_more(&self.batch)))
    }

    fn batch(&mut self, part: Part) -> Option<&mut Batch> {
        match part {
            Part::Previous => self.previous.as_mut(),
            Part::Current => self.batch.as_mut(),
        }
    }

    /// Sees to it that what comes next has a timestamp that Datadog takes.
    async fn stamp(&mut self, part: Part) {
        let now = self.stamps.not_set_back(SystemTime::now());
        let is_fine = |stamp| !is_stale(stamp, now);
        let Some((time, stamp)) = self.batch(part).map(|batch| (batch.time(), batch.stamp()))
        else {
            return;
        };
        if stamp.is_some_and(is_fine) {
            return;
        }
        sleep(self.stamps.wait(SystemTime::now())).await;
        let stamp = self.stamps.next(time, SystemTime::now());
        if let Some(batch) = self.batch(part) {
            batch.set_stamp(stamp);
        }
    }

    fn take_back_last(&mut self) {
        let part = if self.is_partway() { Part::Current } else { Part::Previous };
        if let Some(batch) = self.batch(part) {
            batch.take_back_last();
        }
    }

    fn tell(&self, rejected: &Rejected) {
        let exporter = exporter(&self.config.name);
        let (told, left_out) = (&self.told, &rejected.left_out);
        if left_out.not_finite > 0 && told.is_new("not finite") {
            tracing::warn!(
                exporter,
                points = left_out.not_finite,
                "points whose value is infinite or no number are left out: DogStatsD has none"
            );
        }
        if left_out.nameless > 0 && told.is_new("nameless") {
            tracing::warn!(
                exporter,
                points = left_out.nameless,
                "metrics without an ASCII letter in their names are left out: Datadog has none"
            );
        }
        if rejected.too_long > 0 && told.is_new("too long") {
            tracing::warn!(
                exporter,
                points = rejected.too_long,
                metric = rejected.too_long_metric,
                limit = self.config.address.max_packet_bytes(),
                "points that are longer than a packet are left out; \
                 use fewer or shorter labels, or a Unix socket, which has the larger packets"
            );
        }
    }

    fn tell_refused(&self, bytes: usize) {
        if self.told.is_new("refused") {
            tracing::error!(
                exporter = exporter(&self.config.name),
                endpoint = %self.config.address,
                bytes,
                "a point is left out that is too long for the socket; use fewer or shorter labels, \
                 or raise the limit of the system (on macOS `net.local.dgram.maxdgram`)"
            );
        }
    }
}

/// What a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Previous,
    Current,
}

impl Target for AgentTarget {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn endpoint(&self) -> String {
        self.config.address.to_string()
    }

    fn temporality(&self) -> Temporality {
        Temporality::Delta
    }

    fn rejected(&self) -> u64 {
        self.rejected
    }

    fn is_partway(&self) -> bool {
        self.batch.as_ref().is_some_and(Batch::is_begun)
    }

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(async move {
            let outcome = self.deliver(snapshot).await;
            if outcome.is_err() && !self.is_partway() {
                // Holding on to what is encoded would cost as much memory as the snapshot.
                self.batch = None;
            }
            outcome
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::AgentAddress;

    #[test]
    fn the_target_says_what_it_is() {
        let config = AgentConfig::new(AgentAddress::default());
        let target = AgentTarget::new(config.clone());
        assert_eq!((target.name(), &*target.endpoint()), ("datadog", "udp://localhost:8125"));
        assert_eq!(target.temporality(), Temporality::Delta);
        assert!(!target.is_partway());
        assert_eq!(AgentTarget::new(config.with_name("agent")).name(), "agent");
    }
}
