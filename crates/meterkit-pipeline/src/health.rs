//! How delivery is doing, for people who operate a program.

mod json;

use std::fmt;
use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds;
use meterkit_core::StoreHealth;
use meterkit_rules::Cause;

use crate::clock_skew::ClockSkew;
use crate::target::TargetQueue;

/// How collection and delivery are doing: what the self-metrics tell, as a value. Holds no secrets.
///
/// It is for people: an admin page, a line in a log, a support bundle. It is not for probes. A service whose metrics are
/// not delivered still serves; a readiness or liveness check that fails because a collector is away takes all replicas out of
/// service at once, and a restart loses what is kept for the receiver. Alert on the self-metrics instead.
///
/// Shown as text, it has a line per target and one per trouble in the store:
///
/// ```text
/// metrics: 1 of 2 targets fails
/// otlp http://localhost:4318 fails 3 times in a row: connection refused (2026-03-01T12:00:30Z); last success 2026-03-01T12:00:00Z
/// prometheus http://127.0.0.1:9464/metrics works; last success 2026-03-01T12:00:12Z
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Each target: those that push, then scrape endpoints.
    pub targets: Vec<TargetHealth>,
    /// What is wrong with what was recorded, if anything.
    pub store: StoreHealth,
    /// How long ago the last collection ended. `None` before the first.
    pub snapshot_age: Option<Duration>,
    /// How many points the last collection had.
    pub snapshot_points: usize,
    /// Settings with a wrong value, for which a default holds: what is wrong with each, and what to write.
    pub settings: Vec<String>,
}

impl Health {
    /// Returns whether every target is delivered to: none is failing, and none is silent. `false` means that telemetry is
    /// degraded; the service itself may be fine.
    pub fn is_delivering(&self) -> bool {
        !self.targets.iter().any(TargetHealth::is_failing)
    }
}

/// How one target is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetHealth {
    /// The target's name, as in `OTEL_METRICS_EXPORTER`. `scrape` is one that the application serves itself.
    pub name: String,
    /// Where it sends to, or where it is scraped.
    pub endpoint: String,
    /// Which one of its name it is, `otlp/0`: the attribute `otel.component.name` of its self-metrics.
    pub component: String,
    /// Whether it sends or is asked.
    pub kind: TargetKind,
    /// When an export last succeeded, or a scrape was last answered.
    pub last_success: Option<SystemTime>,
    /// The last attempt that failed, also when later ones succeeded.
    pub last_error: Option<TargetError>,
    /// A problem that shows although no attempt has failed: no export has ended for three intervals, the task that serves a
    /// scrape endpoint has ended, or a queue cannot be kept on disk.
    pub problem: Option<String>,
    /// By how many seconds the receiver's clock is ahead of this machine's, or behind if negative: what its last reply shows at
    /// least. `None` if it does not say.
    pub clock_skew: Option<i64>,
    /// How many attempts have failed since the last success.
    pub consecutive_failures: u64,
    /// Points that arrived.
    pub exported_points: u64,
    /// Points of exports that failed for good. With cumulative temporality, and with delta temporality as this library
    /// derives it, the next success makes up for them.
    pub failed_points: u64,
    /// Points that the receiver refused in exports that it took otherwise, or of the last one when the target was shut
    /// down.
    pub rejected_points: u64,
    /// What waits in the target, if it keeps what could not be delivered.
    pub queue: Option<TargetQueue>,
}

impl TargetHealth {
    /// Returns the health of a target that has not done anything yet.
    pub(crate) fn new(name: &str, endpoint: String, kind: TargetKind) -> Self {
        Self {
            name: name.to_owned(),
            endpoint,
            component: String::new(),
            kind,
            last_success: None,
            last_error: None,
            problem: None,
            clock_skew: None,
            consecutive_failures: 0,
            exported_points: 0,
            failed_points: 0,
            rejected_points: 0,
            queue: None,
        }
    }

    /// Returns whether the last attempt failed, or there is another [`problem`](Self::problem).
    pub fn is_failing(&self) -> bool {
        self.consecutive_failures > 0 || self.problem.is_some()
    }
}

/// How metrics get to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetKind {
    /// Sent once per interval.
    Push,
    /// Asked for.
    Pull,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetError {
    /// What happened.
    pub text: String,
    /// Why, as the attribute `error.type` of self-metrics names it.
    pub cause: Cause,
    /// When.
    pub time: SystemTime,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failing = self.targets.iter().filter(|target| target.is_failing()).count();
        match (failing, self.targets.len()) {
            (0, 0) => f.write_str("metrics: no targets")?,
            (0, 1) => f.write_str("metrics: the target works")?,
            (0, all) => write!(f, "metrics: all {all} targets work")?,
            (1, all) => write!(f, "metrics: 1 of {all} targets fails")?,
            (failing, all) => write!(f, "metrics: {failing} of {all} targets fail")?,
        }
        for target in &self.targets {
            write!(f, "\n{target}")?;
        }
        let StoreHealth { overflowing, near_limit, callbacks_in_background, name_meetings, .. } =
            &self.store;
        if !overflowing.is_empty() {
            write!(f, "\ntoo many series: {}", overflowing.join(", "))?;
        }
        if !near_limit.is_empty() {
            write!(f, "\nnearly too many series: {}", near_limit.join(", "))?;
        }
        if !callbacks_in_background.is_empty() {
            write!(f, "\ncallbacks too slow: {}", callbacks_in_background.join(", "))?;
        }
        if !name_meetings.is_empty() {
            let names = name_meetings.join(", ");
            write!(f, "\nnot in Prometheus, where older instruments have their names: {names}")?;
        }
        if self.store.dropped_values > 0 {
            write!(f, "\nvalues that could not be recorded: {}", self.store.dropped_values)?;
        }
        for setting in &self.settings {
            write!(f, "\nsetting {setting}")?;
        }
        Ok(())
    }
}

impl fmt::Display for TargetHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.name, self.endpoint)?;
        match (&self.last_error, self.consecutive_failures) {
            (Some(error), times @ 1..) => {
                let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
                let time = format_rfc3339_seconds(error.time);
                write!(f, "fails {times} in a row: {} ({time})", error.text)?;
                if let Some(problem) = &self.problem {
                    write!(f, "; {problem}")?;
                }
            }
            _ => match &self.problem {
                Some(problem) => write!(f, "fails: {problem}")?,
                None => f.write_str("works")?,
            },
        }
        match (self.last_success, self.kind) {
            (Some(time), _) => write!(f, "; last success {}", format_rfc3339_seconds(time))?,
            (None, TargetKind::Push) => f.write_str("; no success yet")?,
            (None, TargetKind::Pull) => f.write_str("; not asked yet")?,
        }
        if let Some(skew) = self.clock_skew.map(ClockSkew).filter(|skew| skew.is_large()) {
            write!(f, "; its clock is {skew}")?;
        }
        if self.rejected_points > 0 {
            write!(f, "; points rejected: {}", self.rejected_points)?;
        }
        match self.queue {
            Some(TargetQueue { requests, bytes, .. }) if requests > 0 => {
                write!(f, "; requests that wait: {requests}, of {bytes} bytes")?;
            }
            _ => {}
        }
        match self.queue {
            Some(TargetQueue { dropped_values, .. }) if dropped_values > 0 => {
                write!(f, "; values given up: {dropped_values}")?;
            }
            _ => {}
        }
        Ok(())
    }
}
