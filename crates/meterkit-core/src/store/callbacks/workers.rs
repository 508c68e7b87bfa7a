//! The threads on which callbacks run.
//!
//! There is one while callbacks are quick, and it exits when there is nothing to do for a while. When a callback holds
//! it up, others take over.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::unpoisoned::Unpoisoned;

use tracing::Dispatch;

use super::callback::{Callback, caught};

/// An idle thread exits after this time: most collections come sooner.
const IDLE: Duration = Duration::from_secs(90);

/// One of several idle threads exits after this time.
const SPARE: Duration = Duration::from_secs(1);

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this thread is running a callback of an observable instrument: it must not wait for a collection,
/// which waits for it.
pub fn in_callback() -> bool {
    IN_CALLBACK.get()
}

/// The threads on which callbacks run. They exit once this is dropped, each when its callback ends.
#[derive(Default)]
pub(super) struct Workers {
    pool: Arc<Pool>,
    /// Whether the system refused the last thread.
    is_short: AtomicBool,
}

/// A callback to be run.
pub(super) struct Job {
    pub(super) callback: Arc<Callback>,
    /// Where the collection logs to.
    pub(super) dispatch: Dispatch,
}

#[derive(Default)]
struct Pool {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Jobs that nobody waits for: they come after all others.
    background: VecDeque<Job>,
    threads: usize,
    /// How many of the threads are running a callback.
    busy: usize,
    /// When a job was last begun, or help was last added.
    progress: Option<Instant>,
    /// How many threads to add when there is no progress.
    helpers: usize,
    is_closed: bool,
}

impl Workers {
    /// Queues `jobs`, to be run one after the other as long as none takes long, and then those of the background.
    /// Returns whether there is a thread for them.
    pub(super) fn run(&self, jobs: Vec<Job>, background: Vec<Job>) -> bool {
        let mut queue = self.pool.lock();
        // An earlier collection may have left jobs queued behind one that hangs.
        if queue.jobs.is_empty() {
            queue.progress = Some(Instant::now());
            queue.helpers = 1;
        }
        queue.jobs.extend(jobs);
        queue.background.extend(background);
        if queue.jobs.is_empty() && queue.background.is_empty() {
            return true;
        }
        if queue.busy < queue.threads {
            self.pool.changed.notify_one();
            return true;
        }
        queue.threads += 1;
        drop(queue);
        self.add()
    }

    /// Adds threads if jobs wait and none was begun within `patience`: idle ones first, twice as many each time.
    pub(super) fn help(&self, patience: Duration) {
        let mut queue = self.pool.lock();
        let is_stuck = queue.progress.is_some_and(|progress| progress.elapsed() >= patience);
        if queue.jobs.is_empty() || !is_stuck {
            return;
        }
        let wanted = queue.jobs.len().min(queue.helpers);
        let idle = (queue.threads - queue.busy).min(wanted);
        queue.helpers = queue.helpers.saturating_mul(2);
        queue.progress = Some(Instant::now());
        queue.threads += wanted - idle;
        drop(queue);
        (0..idle).for_each(|_| self.pool.changed.notify_one());
        (idle..wanted).for_each(|_| {
            self.add();
        });
    }

    /// Starts a thread that the queue counts already. Returns whether the system had one.
    fn add(&self) -> bool {
        let pool = self.pool.clone();
        let thread = thread::Builder::new().name("meterkit-callback".to_owned());
        let started = thread.spawn(move || pool.serve());
        let was_short = self.is_short.swap(started.is_err(), Relaxed);
        if let Err(error) = &started {
            self.pool.lock().threads -= 1;
            if !was_short {
                tracing::error!(%error, "cannot start a thread for callbacks; exporting their last values");
            }
        }
        started.is_ok()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let jobs = {
            let mut queue = self.pool.lock();
            queue.is_closed = true;
            (std::mem::take(&mut queue.jobs), std::mem::take(&mut queue.background))
        };
        self.pool.changed.notify_all();
        drop(jobs);
    }
}

impl Pool {
    fn serve(&self) {
        IN_CALLBACK.set(true);
        while let Some(Job { callback, dispatch }) = self.next() {
            let run = || tracing::dispatcher::with_default(&dispatch, || callback.run());
            let _ = caught(run);
            // First, so that the next collection finds this thread free.
            self.lock().busy -= 1;
            callback.finish();
            // What an unregistered callback captured may panic when it is dropped.
            let _ = caught(|| drop((callback, dispatch)));
        }
    }

    /// Returns the next job, or `None` when this thread is to exit.
    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        let mut may_stay = true;
        loop {
            if let Some(job) = queue.jobs.pop_front().or_else(|| queue.background.pop_front()) {
                queue.busy += 1;
                queue.progress = Some(Instant::now());
                return Some(job);
            }
            if queue.is_closed || !may_stay {
                queue.threads -= 1;
                return None;
            }
            // One is enough as long as callbacks are quick.
            let stay = if queue.threads - queue.busy > 1 { SPARE } else { IDLE };
            let (woken, timeout) = self.changed.wait_timeout(queue, stay).unpoisoned();
            queue = woken;
            may_stay = !timeout.timed_out();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unpoisoned()
    }
}
