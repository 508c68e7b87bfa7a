//! The threads on which callbacks run.
//!
//! One thread is enough while callbacks are quick; it exits after being idle for a while. When a callback blocks it,
//! other threads take over.

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

/// An idle thread exits after this time. Most collections come sooner.
const IDLE: Duration = Duration::from_secs(90);

/// If several threads are idle, each exits after this time.
const SPARE: Duration = Duration::from_secs(1);

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this thread is running a callback of an observable instrument. Such a thread must not wait for a
/// collection, because the collection waits for the callback.
pub fn in_callback() -> bool {
    IN_CALLBACK.get()
}

/// The threads on which callbacks run. After this is dropped, each thread exits when its callback ends.
#[derive(Default)]
pub(super) struct Workers {
    pool: Arc<Pool>,
    /// Whether the operating system refused to start the last thread.
    is_short: AtomicBool,
}

/// A callback to run.
pub(super) struct Job {
    pub(super) callback: Arc<Callback>,
    /// The log subscriber of the collection.
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
    /// Jobs that nobody waits for. They run after all others.
    background: VecDeque<Job>,
    threads: usize,
    /// How many of the threads are running a callback.
    busy: usize,
    /// When a job last began, or helper threads were last added.
    progress: Option<Instant>,
    /// How many threads to add when there is no progress.
    helpers: usize,
    is_closed: bool,
}

impl Workers {
    /// Queues `jobs` and, after them, the `background` jobs. They run one after the other unless one takes long.
    /// Returns whether a thread is available for them.
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

    /// Adds threads if jobs are waiting and none has begun within `patience`. Wakes idle threads first, and doubles the
    /// number each time.
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

    /// Starts a thread that the queue already counts. Returns whether the operating system started it.
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
            // Done first, so that the next collection finds this thread free.
            self.lock().busy -= 1;
            callback.finish();
            // Values captured by an unregistered callback may panic when dropped.
            let _ = caught(|| drop((callback, dispatch)));
        }
    }

    /// Returns the next job, or `None` if this thread is to exit.
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
            // One thread is enough as long as callbacks are quick.
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
