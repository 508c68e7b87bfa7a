//! The target for an agent.

use std::io;
use std::time::SystemTime;

use meterkit_core::LogOnce;
use meterkit_core::Temporality;
use meterkit_pipeline::{Cause, ExportError, ExportFuture, Snapshot, Target, exporter};
use tokio::time::sleep;

use super::address::AgentAddress;
use super::config::AgentConfig;
use super::datagram::Batch;
use super::lines::{LineWriter, Rejected};
use super::socket::{AgentSocket, SocketError};
use crate::stamp::{Stamps, is_stale};

/// Sends snapshots to a Datadog Agent over DogStatsD.
///
/// Counts and gauges carry the time of their snapshot. Agents of version 7.40 or newer forward them with that time,
/// and report counts with an interval of ten seconds, whatever the real interval is. See [`AgentConfig`] for tags and
/// for the origin of metrics.
///
/// Histograms are sent as distributions, which carry no time. Each bucket is sent as one value, with a sample rate
/// from which the agent computes the count of the bucket. The number of values is exact. The sum is exact up to the
/// precision of floats, unless no values in these buckets can have that sum. Percentiles are as fine as the buckets,
/// and minimum and maximum are values in the outermost buckets.
///
/// # Delivery
///
/// The protocol has no responses: a packet that the operating system accepted counts as delivered.
///
/// - If the agent does not read or is not running, undelivered values are kept: the pipeline exports them again, or
///   as part of a later delta. Accepted packets are not sent twice.
/// - Over a Unix socket, data is lost that an agent had not read when it ended. If a stream was reset, its last
///   packet is sent again.
/// - Over UDP, the network and the agent may drop packets silently. If the system learns that nobody listens, the
///   previous packet is sent again. This is exact on the same machine; from another machine, the information may
///   arrive late. A count that arrives twice because of this counts once, since both have the same time; a
///   distribution counts twice.
///
/// A label `host` becomes the tag `host`, which the agent uses as the host of the metric.
///
/// Follows Datadog's "DogStatsD datagram format" 1.5, and the framing of its Unix streams: the length of each packet
/// precedes it, as 32 bits in little-endian order.
#[derive(Debug)]
pub struct AgentTarget {
    config: AgentConfig,
    writer: LineWriter,
    socket: AgentSocket,
    stamps: Stamps,
    /// The current export, even if it was cut off.
    batch: Option<Batch>,
    /// The last packet of the previous export, whose loss may still be reported.
    previous: Option<Batch>,
    /// The number of points that are not in the batch, or that were skipped later.
    rejected: u64,
    logged: LogOnce,
    /// The maximum size of a packet, in bytes: the limit of the agent, or a lower limit that the socket has shown.
    limit: usize,
}

/// The number of broken connections that end an export. The first may be a connection to an earlier agent.
const ATTEMPTS: u32 = 2;

impl AgentTarget {
    /// Creates a target with these settings. It connects with the first export.
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
            logged: LogOnce::default(),
            limit,
        }
    }

    /// Returns the settings of the target.
    pub fn config(&self) -> &AgentConfig {
        &self.config
    }

    async fn deliver(&mut self, snapshot: &Snapshot) -> Result<(), ExportError> {
        let is_known = self.batch.as_ref().is_some_and(|batch| batch.is_of(snapshot.time));
        if !is_known {
            let (batch, rejected) = self.writer.write(snapshot);
            self.rejected = rejected.points();
            self.log_rejected(&rejected);
            self.batch = Some(batch);
        }
        let mut attempts = 0;
        // If the last packet of the previous export has to be sent again, it comes first.
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
                // Some systems have a lower limit for datagrams than the agent.
                Err(SocketError::TooLong) if packet.lines > 1 => {
                    self.limit = packet.bytes.len() / 2;
                    tracing::debug!(
                        exporter = exporter(&self.config.name),
                        limit = self.limit,
                        "limiting packets to this many bytes from now on"
                    );
                }
                Err(SocketError::TooLong) => {
                    if let Some(batch) = self.batch(part) {
                        batch.skip(packet.lines);
                    }
                    self.rejected += packet.lines as u64;
                    self.log_refused(packet.bytes.len());
                }
                Err(SocketError::Full) => {
                    let waited = self.config.timeout.as_millis();
                    let reason =
                        format!("the agent does not read: no room for a packet within {waited} ms");
                    return Err(ExportError::retryable(reason).with_cause(Cause::Timeout));
                }
                Err(SocketError::Unreachable(error)) => return Err(unreachable(&error)),
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

    /// Ensures that the next packet has a timestamp that Datadog accepts.
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

    fn log_rejected(&self, rejected: &Rejected) {
        let exporter = exporter(&self.config.name);
        let (logged, left_out) = (&self.logged, &rejected.left_out);
        if left_out.not_finite > 0 && logged.is_new("not finite") {
            tracing::warn!(
                exporter,
                points = left_out.not_finite,
                "points whose value is infinite or NaN are left out: DogStatsD cannot represent them"
            );
        }
        if left_out.nameless > 0 && logged.is_new("nameless") {
            tracing::warn!(
                exporter,
                points = left_out.nameless,
                "metrics without an ASCII letter in their names are left out: Datadog does not accept them"
            );
        }
        if rejected.too_long > 0 && logged.is_new("too long") {
            tracing::warn!(
                exporter,
                points = rejected.too_long,
                metric = rejected.too_long_metric,
                limit = self.config.address.max_packet_bytes(),
                "points that are longer than a packet are left out; \
                 use fewer or shorter labels, or a Unix socket, which allows larger packets"
            );
        }
    }

    fn log_refused(&self, bytes: usize) {
        if self.logged.is_new("refused") {
            tracing::error!(
                exporter = exporter(&self.config.name),
                endpoint = %self.config.address,
                bytes,
                "a point that is too long for the socket is left out; use fewer or shorter labels, \
                 or raise the limit of the system (on macOS `net.local.dgram.maxdgram`)"
            );
        }
    }
}

/// The export that a packet belongs to.
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
                // Keeping the encoded lines would take as much memory as the snapshot.
                self.batch = None;
            }
            outcome
        })
    }
}

/// Checks that the agent's socket exists, or that its host is known. What an agent receives, it does not answer.
pub(crate) async fn probe(address: &AgentAddress) -> Result<(), ExportError> {
    super::socket::probe(address).await.map_err(|error| unreachable(&error))
}

fn unreachable(error: &io::Error) -> ExportError {
    let advice = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            "; no agent listens there: start it, or check `DD_DOGSTATSD_URL`"
        }
        _ => "",
    };
    let reason = format!("cannot connect: {error}{advice}");
    ExportError::retryable(reason).with_cause(Cause::Connect)
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
