//! Blocks callbacks at points that a test chooses, and reads the store's metrics about callbacks.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use meterkit_core::Registry;

use crate::readings::series;

/// Longer than any operation takes on any machine, so that a deadlock fails instead of hanging.
const LONGEST: Duration = Duration::from_secs(60);

/// A gate that blocks callbacks while it is closed.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_closed: bool,
    arrived: usize,
    passed: usize,
}

impl Gate {
    /// Creates an open gate.
    pub fn open() -> Arc<Self> {
        Arc::default()
    }

    /// Creates a closed gate.
    pub fn closed() -> Arc<Self> {
        let gate = Self::open();
        gate.set_closed(true);
        gate
    }

    /// Closes or opens the gate.
    pub fn set_closed(&self, is_closed: bool) {
        self.state.lock().unwrap().is_closed = is_closed;
        self.changed.notify_all();
    }

    /// Waits until the gate is open.
    pub fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.arrived += 1;
        self.changed.notify_all();
        let mut state =
            self.changed.wait_timeout_while(state, LONGEST, |it| it.is_closed).unwrap().0;
        state.passed += 1;
        self.changed.notify_all();
    }

    /// Returns the number of callbacks that have arrived so far.
    pub fn arrived(&self) -> usize {
        self.state.lock().unwrap().arrived
    }

    /// Waits until `arrivals` callbacks have arrived since the gate was created.
    pub fn await_arrivals(&self, arrivals: usize) {
        let state = self.state.lock().unwrap();
        let waited =
            self.changed.wait_timeout_while(state, LONGEST, |it| it.arrived < arrivals).unwrap();
        assert!(!waited.1.timed_out(), "{} came, not {arrivals}", waited.0.arrived);
    }
}

/// Waits until `is_so` returns true.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONGEST, "timed out: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Runs `test` on a separate thread, and panics if it takes too long.
pub fn in_time<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, done) = std::sync::mpsc::channel();
    thread::spawn(move || sender.send(test()));
    done.recv_timeout(2 * LONGEST).expect("a panic above, or a deadlock")
}

/// Returns the value of a metric about one instrument's callbacks, such as `overruns`.
pub fn told(registry: &Registry, metric: &str, instrument: &str) -> Option<f64> {
    let labels = format!("instrument={instrument}");
    told_with(registry, metric, &labels)
}

/// Returns the number of runs of an instrument's callbacks that failed for `reason`.
pub fn failures(registry: &Registry, instrument: &str, reason: &str) -> f64 {
    let labels = format!("instrument={instrument},reason={reason}");
    told_with(registry, "failures", &labels).unwrap_or_default()
}

fn told_with(registry: &Registry, metric: &str, labels: &str) -> Option<f64> {
    let all = series(registry, &format!("meterkit.callback.{metric}"));
    all.into_iter().find(|(known, _)| known == labels).map(|(_, value)| value)
}

/// Returns the number of series that the store counts for an instrument.
pub fn counted(registry: &Registry, instrument: &str) -> Option<f64> {
    let labels = format!("instrument={instrument}");
    let all = series(registry, "meterkit.series");
    all.into_iter().find(|(known, _)| *known == labels).map(|(_, value)| value)
}
