//! The state of collection and delivery, for people who operate a program.

mod json;

use std::fmt;
use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds;
use meterkit_core::StoreHealth;
use meterkit_rules::Cause;

use crate::clock_skew::ClockSkew;
use crate::target::TargetQueue;

/// The state of collection and delivery: the content of the self-metrics as a value. Contains no secrets.
///
/// `Health` is for people: an admin page, a log line, a support bundle. Do not use it for probes. A service whose
/// metrics are not delivered still serves; a readiness or liveness check that fails because a collector is down takes
/// all replicas out of service at once, and a restart loses the values that are kept for the receiver. Alert on the
/// self-metrics instead.
///
/// `Display` writes one line per target and one per problem in the store:
///
/// ```text
/// metrics: 1 of 2 targets fails
/// otlp http://localhost:4318 fails 3 times in a row: connection refused (2026-03-01T12:00:30Z); last success 2026-03-01T12:00:00Z
/// prometheus http://127.0.0.1:9464/metrics works; last success 2026-03-01T12:00:12Z
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The state of each target: push targets first, then scrape endpoints.
    pub targets: Vec<TargetHealth>,
    /// Problems with the recorded values, if any.
    pub store: StoreHealth,
    /// The time since the last collection ended. `None` before the first collection.
    pub snapshot_age: Option<Duration>,
    /// The number of points in the last collection.
    pub snapshot_points: usize,
    /// Settings with an invalid value, in place of which the default is used, and variables without effect, such as
    /// misspelled ones. Each entry says what is wrong and what to write.
    pub settings: Vec<String>,
}

impl Health {
    /// Returns whether every target receives its metrics, so that no target is failing or silent. `false` means that
    /// telemetry is degraded; the service itself may be fine.
    pub fn is_delivering(&self) -> bool {
        !self.targets.iter().any(TargetHealth::is_failing)
    }
}

/// The state of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetHealth {
    /// The target's name, as in `OTEL_METRICS_EXPORTER`. A scrape endpoint that the application serves itself is named
    /// `scrape`.
    pub name: String,
    /// Where the target sends to, or where it is scraped.
    pub endpoint: String,
    /// The name with a number that distinguishes targets of the same name, such as `otlp/0`. Reported as the attribute
    /// `otel.component.name` of its self-metrics.
    pub component: String,
    /// Whether the target pushes metrics or is scraped.
    pub kind: TargetKind,
    /// When an export last succeeded, or a scrape was last answered. `None` before the first success.
    pub last_success: Option<SystemTime>,
    /// The last failed attempt, even if later attempts succeeded.
    pub last_error: Option<TargetError>,
    /// A problem that exists although no attempt has failed: no export has ended for three intervals, the task that
    /// serves a scrape endpoint has ended, or a queue cannot be kept on disk.
    pub problem: Option<String>,
    /// The least number of seconds by which the receiver's clock is ahead of this machine's, according to its last
    /// reply; negative if the clock is behind. `None` if no reply contained the time.
    pub clock_skew: Option<i64>,
    /// The number of failed attempts since the last success.
    pub consecutive_failures: u64,
    /// The number of points that were delivered.
    pub exported_points: u64,
    /// The number of points in exports that failed and are not retried. Their values are not lost: with cumulative
    /// temporality, and with delta temporality as this library computes it, the next successful export includes them.
    pub failed_points: u64,
    /// The number of points that the receiver refused in exports that it otherwise accepted, or in the last export when
    /// the target was shut down.
    pub rejected_points: u64,
    /// The queue of undelivered requests, if the target has one.
    pub queue: Option<TargetQueue>,
}

impl TargetHealth {
    /// Creates the state of a target that has not done anything yet.
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

    /// Returns whether the last attempt failed or there is another [`problem`](Self::problem).
    pub fn is_failing(&self) -> bool {
        self.consecutive_failures > 0 || self.problem.is_some()
    }
}

/// How metrics reach a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetKind {
    /// The target sends metrics once per interval.
    Push,
    /// The target is scraped.
    Pull,
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetError {
    /// A description of the failure.
    pub text: String,
    /// The cause, which self-metrics report as the attribute `error.type`.
    pub cause: Cause,
    /// When the attempt failed.
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
            write!(
                f,
                "\nmissing in Prometheus because older instruments have the same names: {names}"
            )?;
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
            (None, TargetKind::Pull) => f.write_str("; not scraped yet")?,
        }
        if let Some(skew) = self.clock_skew.map(ClockSkew).filter(|skew| skew.is_large()) {
            write!(f, "; its clock is {skew}")?;
        }
        if self.rejected_points > 0 {
            write!(f, "; points rejected: {}", self.rejected_points)?;
        }
        match self.queue {
            Some(TargetQueue { requests, bytes, .. }) if requests > 0 => {
                write!(f, "; queued requests: {requests} ({bytes} bytes)")?;
            }
            _ => {}
        }
        match self.queue {
            Some(TargetQueue { dropped_values, .. }) if dropped_values > 0 => {
                write!(f, "; values dropped: {dropped_values}")?;
            }
            _ => {}
        }
        Ok(())
    }
}
