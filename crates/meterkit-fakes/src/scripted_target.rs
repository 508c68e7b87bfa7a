//! A target that follows a script, and records its exports.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use meterkit_core::Temporality;
use meterkit_pipeline::{
    Cause, ExportError, ExportFuture, Schedule, Snapshot, Target, TargetQueue,
};

/// Longer than any test needs: a longer wait is a failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A schedule whose interval never elapses: only a flush or a shutdown exports.
pub const ONLY_WHEN_ASKED: Schedule =
    Schedule { interval: Duration::from_secs(24 * 3600), timeout: Duration::from_secs(30) };

/// The result of an export.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Succeeds.
    Succeed,
    /// Fails, and may succeed later.
    Fail,
    /// Fails, and asks for a pause.
    FailFor(Duration),
    /// Fails permanently.
    Refuse,
    /// Fails permanently, but has accepted a part of the snapshot.
    TakePart,
    /// Never completes.
    Hang,
    /// Blocks its thread until the test releases it.
    Block,
    /// Panics.
    Panic,
}

/// A target that takes one step per export, and succeeds after the last step.
#[derive(Debug)]
pub struct ScriptedTarget {
    name: &'static str,
    temporality: Temporality,
    steps: VecDeque<Step>,
    last: Step,
    rejected: u64,
    rejected_in_the_end: u64,
    hangs_in_the_end: bool,
    sends_in_background: bool,
    takes_exemplars: bool,
    server: Option<(String, u16)>,
    is_partway: bool,
    queue: Option<TargetQueue>,
    room: u64,
    seen: Seen,
}

/// The exports of a target. A clone is another handle on the same exports.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    exports: Vec<(Instant, Snapshot)>,
    shutdowns: usize,
    queued: usize,
    is_released: bool,
    problem: Option<&'static str>,
    clock_skew: Option<i64>,
}

impl ScriptedTarget {
    /// Creates a target that takes these steps.
    pub fn new(name: &'static str, steps: impl Into<VecDeque<Step>>) -> (Self, Seen) {
        let seen = Seen::default();
        let target = Self {
            name,
            temporality: Temporality::Cumulative,
            steps: steps.into(),
            last: Step::Succeed,
            rejected: 0,
            rejected_in_the_end: 0,
            hangs_in_the_end: false,
            sends_in_background: false,
            takes_exemplars: false,
            server: None,
            is_partway: false,
            queue: None,
            room: 0,
            seen: seen.clone(),
        };
        (target, seen)
    }

    /// Creates a target that takes `step` each time.
    pub fn always(name: &'static str, step: Step) -> (Self, Seen) {
        let (target, seen) = Self::new(name, []);
        (Self { last: step, ..target }, seen)
    }

    /// Makes the receiver reject this many points of each export that it accepts.
    pub fn rejecting(self, points: u64) -> Self {
        Self { rejected: points, ..self }
    }

    /// Makes the receiver reject this many queued points at shutdown.
    pub fn rejecting_in_the_end(self, points: u64) -> Self {
        Self { rejected_in_the_end: points, ..self }
    }

    /// Makes the shutdown never complete.
    pub fn hanging_in_the_end(self) -> Self {
        Self { hangs_in_the_end: true, ..self }
    }

    /// Makes an export that hangs continue when the next one begins.
    pub fn sending_in_background(self) -> Self {
        Self { sends_in_background: true, ..self }
    }

    /// Makes the target accept exemplars.
    pub fn taking_exemplars(self) -> Self {
        Self { takes_exemplars: true, ..self }
    }

    /// Names the server that the target sends to.
    pub fn sending_to(self, host: &str, port: u16) -> Self {
        Self { server: Some((host.to_owned(), port)), ..self }
    }

    /// Queues failed exports, up to `room` requests of ten bytes and two values, until they succeed or the target shuts
    /// down.
    pub fn with_queue(self, room: u64) -> Self {
        Self { queue: Some(TargetQueue::default()), room, ..self }
    }

    /// Makes the target receive deltas.
    pub fn delta(self) -> Self {
        Self { temporality: Temporality::Delta, ..self }
    }
}

impl Target for ScriptedTarget {
    fn name(&self) -> &str {
        self.name
    }

    fn endpoint(&self) -> String {
        "a test".to_owned()
    }

    fn component_type(&self) -> &'static str {
        "scripted_metric_exporter"
    }

    fn server(&self) -> Option<(String, u16)> {
        self.server.clone()
    }

    fn takes_exemplars(&self) -> bool {
        self.takes_exemplars
    }

    fn rejected(&self) -> u64 {
        self.rejected
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        let step = self.steps.pop_front().unwrap_or(self.last);
        self.is_partway = match step {
            Step::TakePart => true,
            Step::Succeed => false,
            _ => self.is_partway,
        };
        if let Some(queue) = &mut self.queue {
            match step {
                Step::Succeed => queue.requests = 0,
                _ if queue.requests == self.room => queue.dropped_values += 2,
                _ => queue.requests += 1,
            }
            queue.bytes = queue.requests * 10;
        }
        let seen = self.seen.clone();
        Box::pin(async move {
            seen.change(|state| state.exports.push((Instant::now(), snapshot.clone())));
            match step {
                Step::Succeed => Ok(()),
                Step::Fail => {
                    let error = ExportError::retryable("the receiver is busy");
                    Err(error.with_cause(Cause::Http(503)))
                }
                Step::FailFor(asked) => {
                    let error = ExportError::retryable("the receiver asks for patience");
                    Err(error.with_retry_after(Some(asked)))
                }
                Step::Refuse | Step::TakePart => {
                    let error = ExportError::permanent("the receiver refuses");
                    Err(error.with_cause(Cause::Http(400)))
                }
                Step::Hang => std::future::pending().await,
                Step::Block => {
                    seen.wait_until(|state| state.is_released);
                    Ok(())
                }
                Step::Panic => panic!("the target has a bug"),
            }
        })
    }

    fn enqueue<'a>(&'a mut self, _: &'a Snapshot) -> ExportFuture<'a> {
        self.seen.change(|state| state.queued += 1);
        Box::pin(std::future::ready(Ok(())))
    }

    fn is_partway(&self) -> bool {
        self.is_partway
    }

    fn sends_in_background(&self) -> bool {
        self.sends_in_background
    }

    fn queue(&self) -> Option<TargetQueue> {
        self.queue
    }

    fn problem(&self) -> Option<String> {
        self.seen.0.0.lock().unwrap().problem.map(str::to_owned)
    }

    fn clock_skew(&self) -> Option<i64> {
        self.seen.0.0.lock().unwrap().clock_skew
    }

    fn shutdown(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.seen.change(|state| state.shutdowns += 1);
        if self.hangs_in_the_end {
            return Box::pin(std::future::pending());
        }
        self.rejected += self.rejected_in_the_end;
        if let Some(queue) = &mut self.queue {
            (queue.requests, queue.bytes) = (0, 0);
        }
        Box::pin(std::future::ready(()))
    }
}

impl Seen {
    /// Returns the number of attempted exports.
    pub fn attempts(&self) -> usize {
        self.exports().len()
    }

    /// Returns the snapshot of each attempted export.
    pub fn exports(&self) -> Vec<Snapshot> {
        let exports = &self.0.0.lock().unwrap().exports;
        exports.iter().map(|(_, snapshot)| snapshot.clone()).collect()
    }

    /// Returns the time of each attempted export.
    pub fn times(&self) -> Vec<Instant> {
        self.0.0.lock().unwrap().exports.iter().map(|(time, _)| *time).collect()
    }

    /// Returns the number of times that the target was shut down.
    pub fn shutdowns(&self) -> usize {
        self.0.0.lock().unwrap().shutdowns
    }

    /// Waits until `attempts` exports have been attempted.
    pub fn wait_for(&self, attempts: usize) {
        self.wait_until(|state| state.exports.len() >= attempts);
    }

    /// Waits until `snapshots` snapshots have been queued and not sent.
    pub fn wait_for_queued(&self, snapshots: usize) {
        self.wait_until(|state| state.queued >= snapshots);
    }

    /// Releases the threads that the target blocks.
    pub fn release(&self) {
        self.change(|state| state.is_released = true);
    }

    /// Sets a problem that the target reports although its exports succeed.
    pub fn set_problem(&self, problem: Option<&'static str>) {
        self.change(|state| state.problem = problem);
    }

    /// Sets the number of seconds by which the receiver's clock is ahead.
    pub fn set_clock_skew(&self, skew: Option<i64>) {
        self.change(|state| state.clock_skew = skew);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn wait_until(&self, is_so: impl Fn(&State) -> bool) {
        let state = self.0.0.lock().unwrap();
        let waited = self.0.1.wait_timeout_while(state, PATIENCE, |state| !is_so(state)).unwrap();
        assert!(!waited.1.timed_out(), "waited too long: {:?}", waited.0);
    }
}
