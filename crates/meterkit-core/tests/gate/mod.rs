//! Holds callbacks where a test wants them, and tells what the store says of them.
#![allow(dead_code, reason = "each test file uses others of them")]

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use meterkit_core::Registry;

use super::readings::series;

/// Far more than anything takes on any machine: a deadlock is to fail, not to hang.
const LONGEST: Duration = Duration::from_secs(60);

/// Where callbacks wait while it is closed.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    arrived: usize,
    passed: usize,
}

impl Gate {
    pub(crate) fn open() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn closed() -> Arc<Self> {
        let gate = Self::open();
        gate.set_closed(true);
        gate
    }

    pub(crate) fn set_closed(&self, is_closed: bool) {
        self.state.lock().unwrap().is_closed = is_closed;
        self.changed.notify_all();
    }

    /// Waits until the gate is open.
    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.arrived += 1;
        self.changed.notify_all();
        let mut state =
            self.changed.wait_timeout_while(state, LONGEST, |it| it.is_closed).unwrap().0;
        state.passed += 1;
        self.changed.notify_all();
    }

    /// How many have come so far.
    pub(crate) fn arrived(&self) -> usize {
        self.state.lock().unwrap().arrived
    }

    /// Waits until so many have come since the gate was made.
    pub(crate) fn await_arrivals(&self, arrivals: usize) {
        let state = self.state.lock().unwrap();
        let waited =
            self.changed.wait_timeout_while(state, LONGEST, |it| it.arrived < arrivals).unwrap();
        assert!(!waited.1.timed_out(), "{} came, not {arrivals}", waited.0.arrived);
    }
}

/// Waits until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONGEST, "never so: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Runs `test` on a thread of its own.
pub(crate) fn in_time<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, done) = std::sync::mpsc::channel();
    thread::spawn(move || sender.send(test()));
    done.recv_timeout(2 * LONGEST).expect("a panic above, or a deadlock")
}

/// A metric about callbacks, `overruns` for example, of one instrument.
pub(crate) fn told(registry: &Registry, metric: &str, instrument: &str) -> Option<f64> {
    let labels = format!("instrument={instrument}");
    told_with(registry, metric, &labels)
}

/// How many runs of an instrument's callbacks failed, for `reason`.
pub(crate) fn failures(registry: &Registry, instrument: &str, reason: &str) -> f64 {
    let labels = format!("instrument={instrument},reason={reason}");
    told_with(registry, "failures", &labels).unwrap_or_default()
}

fn told_with(registry: &Registry, metric: &str, labels: &str) -> Option<f64> {
    let all = series(registry, &format!("meterkit.callback.{metric}"));
    all.into_iter().find(|(known, _)| known == labels).map(|(_, value)| value)
}

/// How many series the store says that an instrument has.
pub(crate) fn counted(registry: &Registry, instrument: &str) -> Option<f64> {
    let labels = format!("instrument={instrument}");
    let all = series(registry, "meterkit.series");
    all.into_iter().find(|(known, _)| *known == labels).map(|(_, value)| value)
}
