//! Compares the metrics of a tokio runtime with what the test makes it do.
#![cfg(feature = "tokio")]

mod readings;

use std::future::pending;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use meterkit_core::{CallbackGuard, Registry};
use tokio::runtime::{Builder, Runtime};

use self::readings::{kind_and_unit, value};

struct Observed {
    runtime: Runtime,
    registry: Registry,
    _guard: CallbackGuard,
}

impl Observed {
    fn with_workers(workers: usize) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(workers).build().unwrap();
        let registry = Registry::new();
        registry.set_callback_budget(Duration::from_secs(60));
        let guard = meterkit_runtime::tokio::observe(&registry, runtime.handle()).unwrap();
        Self { runtime, registry, _guard: guard }
    }

    /// Collects, and returns the value.
    fn now(&self, name: &str) -> f64 {
        self.registry.refresh();
        value(&self.registry, name, &[]).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// Waits until the value is at least `least`: a runtime needs a moment to update its metrics.
    fn wait_for(&self, name: &str, least: f64) -> f64 {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let now = self.now(name);
            if now >= least {
                return now;
            }
            assert!(Instant::now() < deadline, "{name} stays at {now}, short of {least}");
            std::thread::yield_now();
        }
    }
}

#[test]
fn kinds_and_units_match_the_documentation() {
    let observed = Observed::with_workers(1);
    observed.registry.refresh();
    for (name, kind, unit) in [
        ("tokio.worker.count", "updowncounter", "{worker}"),
        ("tokio.worker.busy.time", "counter", "s"),
        ("tokio.worker.parks", "counter", "{park}"),
        ("tokio.task.count", "updowncounter", "{task}"),
        ("tokio.global_queue.length", "updowncounter", "{task}"),
    ] {
        let known = kind_and_unit(&observed.registry, name);
        assert_eq!(known, Some((kind, unit.to_owned())), "{name}");
    }
}

#[test]
fn tasks_count_until_they_end_and_workers_match_the_runtime() {
    let observed = Observed::with_workers(3);
    assert_eq!(observed.now("tokio.worker.count"), 3.0);
    assert_eq!(observed.now("tokio.task.count"), 0.0);
    let tasks: Vec<_> = (0..7).map(|_| observed.runtime.spawn(pending::<()>())).collect();
    assert_eq!(observed.now("tokio.task.count"), 7.0);
    tasks.iter().for_each(|task| task.abort());
    for task in tasks {
        assert!(observed.runtime.block_on(task).unwrap_err().is_cancelled());
    }
    // The runtime releases a task a moment after the task has ended.
    while observed.now("tokio.task.count") > 0.0 {
        std::thread::yield_now();
    }
}

#[test]
fn tasks_that_no_worker_is_free_for_wait_in_the_global_queue() {
    let observed = Observed::with_workers(1);
    let (begun, begins) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    let blocker = observed.runtime.spawn(async move {
        begun.send(()).unwrap();
        // Block the worker, so that no worker is free.
        let _ = stopped.recv();
    });
    begins.recv().unwrap();
    let tasks: Vec<_> = (0..5).map(|_| observed.runtime.spawn(async {})).collect();
    assert_eq!(observed.now("tokio.global_queue.length"), 5.0);
    drop(stop);
    for task in tasks.into_iter().chain([blocker]) {
        observed.runtime.block_on(task).unwrap();
    }
    assert_eq!(observed.now("tokio.global_queue.length"), 0.0);
}

#[test]
fn busy_time_and_parks_add_up_over_collections() {
    let observed = Observed::with_workers(1);
    let mut last = [0.0; 2];
    for _ in 0..3 {
        let work = observed.runtime.spawn(async {
            let end = Instant::now() + Duration::from_millis(20);
            while Instant::now() < end {
                std::hint::spin_loop();
            }
        });
        observed.runtime.block_on(work).unwrap();
        let busy = observed.wait_for("tokio.worker.busy.time", last[0] + 0.02);
        let parks = observed.wait_for("tokio.worker.parks", last[1] + 1.0);
        last = [busy, parks];
    }
    assert!(observed.now("tokio.worker.busy.time") >= 0.06);
    assert!(observed.now("tokio.worker.parks") >= 3.0);
}

#[test]
fn a_dropped_runtime_has_no_tasks() {
    let observed = Observed::with_workers(1);
    let _task = observed.runtime.spawn(pending::<()>());
    assert_eq!(observed.now("tokio.task.count"), 1.0);
    let Observed { runtime, registry, _guard } = observed;
    drop(runtime);
    registry.refresh();
    assert_eq!(value(&registry, "tokio.task.count", &[]), Some(0.0));
}

#[test]
fn a_runtime_of_one_thread_is_observed_from_within() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let registry = Registry::new();
    registry.set_callback_budget(Duration::from_secs(60));
    runtime.block_on(async {
        let handle = tokio::runtime::Handle::current();
        let _guard = meterkit_runtime::tokio::observe(&registry, &handle).unwrap();
        let _tasks = [tokio::spawn(pending::<()>()), tokio::spawn(pending::<()>())];
        registry.refresh();
        assert_eq!(value(&registry, "tokio.worker.count", &[]), Some(1.0));
        assert_eq!(value(&registry, "tokio.task.count", &[]), Some(2.0));
    });
}
