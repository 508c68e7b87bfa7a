//! The threads on which callbacks run.
//!
//! There is one while callbacks are quick, and it leaves when nothing is asked of it for a while. One that is held up
//! by a callback is not waited for: another one takes over.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::Dispatch;

use super::callback::Callback;
use super::run::discard;

/// A thread without work leaves after this time: later than most collections come.
const IDLE: Duration = Duration::from_secs(90);

/// One of several without work leaves after this time.
const SPARE: Duration = Duration::from_secs(1);

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is running a callback of an observable instrument: it must not wait for a collection, which
/// waits for it.
pub fn in_callback() -> bool {
    IN_CALLBACK.get()
}

/// The threads on which callbacks run. Dropping it lets them go, each when its callback ends.
#[derive(Default)]
pub(super) struct Workers {
    queue: Arc<Queue>,
    /// Whether the system had no thread when it was last asked for one.
    is_short: AtomicBool,
}

/// A callback to be run.
pub(super) struct Job {
    pub(super) callback: Arc<Callback>,
    pub(super) batch: Arc<Batch>,
    /// Where those who collect log to.
    pub(super) dispatch: Dispatch,
}

/// Callbacks of one collection.
#[derive(Default)]
pub(super) struct Batch {
    left: Mutex<usize>,
    done: Condvar,
}

#[derive(Default)]
struct Queue {
    work: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Those that nobody waits for: they come after all others.
    background: VecDeque<Job>,
    /// How many threads wait for a job.
    idle: usize,
    /// How many jobs were begun.
    begun: u64,
    is_closed: bool,
}

impl Workers {
    /// Has `jobs` run, one after the other as long as none takes long, and then those of the background. Whether there
    /// is a thread for them.
    pub(super) fn run(
        &self,
        jobs: impl Iterator<Item = Job>,
        background: impl Iterator<Item = Job>,
    ) -> bool {
        let mut work = self.queue.lock();
        // Some may be left of earlier collections, behind one that hangs.
        work.jobs.extend(jobs);
        work.background.extend(background);
        if work.jobs.is_empty() && work.background.is_empty() {
            return true;
        }
        if work.idle > 0 {
            self.queue.changed.notify_one();
            return true;
        }
        drop(work);
        self.add()
    }

    /// How many jobs were begun so far, and how many wait.
    pub(super) fn progress(&self) -> (u64, usize) {
        let work = self.queue.lock();
        (work.begun, work.jobs.len())
    }

    /// So many more threads, for jobs that wait while others are held up: first those that have nothing to do.
    pub(super) fn help(&self, threads: usize) {
        let idle = self.queue.lock().idle.min(threads);
        (0..idle).for_each(|_| self.queue.changed.notify_one());
        (idle..threads).for_each(|_| {
            self.add();
        });
    }

    /// One more thread. Whether the system had one.
    fn add(&self) -> bool {
        let queue = self.queue.clone();
        let thread = thread::Builder::new().name("meterkit-callback".to_owned());
        let started = thread.spawn(move || queue.serve());
        let was_short = self.is_short.swap(started.is_err(), Relaxed);
        if let (Err(error), false) = (&started, was_short) {
            tracing::error!(%error, "no thread to run callbacks on: their last values are served");
        }
        started.is_ok()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let jobs = {
            let mut work = self.queue.lock();
            work.is_closed = true;
            (std::mem::take(&mut work.jobs), std::mem::take(&mut work.background))
        };
        self.queue.changed.notify_all();
        drop(jobs);
    }
}

impl Queue {
    fn serve(&self) {
        let mut finished = None;
        while let Some(job) = self.next(finished.take()) {
            finished = Some(job.batch.clone());
            // A callback that panics is caught before; what it held may panic when it goes.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| job.run())) {
                discard(payload);
            }
        }
    }

    /// The next job, or `None` when this thread is to leave. Tells the batch of the last job that it has ended.
    fn next(&self, finished: Option<Arc<Batch>>) -> Option<Job> {
        let mut work = self.lock();
        let mut finished = finished;
        let mut may_stay = true;
        loop {
            let job = work.jobs.pop_front().or_else(|| work.background.pop_front());
            let is_over = job.is_none() && (work.is_closed || !may_stay);
            if job.is_some() {
                work.begun += 1;
            } else if !is_over {
                work.idle += 1;
            }
            // Only now: whoever collects next finds this thread idle.
            if let Some(batch) = finished.take() {
                batch.one_less();
            }
            if job.is_some() || is_over {
                return job;
            }
            // One is enough as long as callbacks are quick.
            let idle = if work.idle > 1 { SPARE } else { IDLE };
            let (woken, timeout) =
                self.changed.wait_timeout(work, idle).unwrap_or_else(PoisonError::into_inner);
            work = woken;
            work.idle -= 1;
            may_stay = !timeout.timed_out();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    fn run(self) {
        struct Left;
        impl Drop for Left {
            fn drop(&mut self) {
                IN_CALLBACK.set(false);
            }
        }
        let _left = Left;
        IN_CALLBACK.set(true);
        tracing::dispatcher::with_default(&self.dispatch, || self.callback.run());
    }
}

impl Batch {
    pub(super) fn of(jobs: usize) -> Arc<Self> {
        Arc::new(Self { left: Mutex::new(jobs), done: Condvar::new() })
    }

    /// Waits until all have ended, for some time at most. Whether they have.
    pub(super) fn wait(&self, at_most: Duration) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.done.wait_timeout_while(left, at_most, |left| *left > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }

    fn one_less(&self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.done.notify_all();
        }
    }
}
