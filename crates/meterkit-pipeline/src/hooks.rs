//! What the registry calls: when there is something new, and while a reader of OpenTelemetry's ecosystem reads.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use meterkit_core::Hooks;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::collector::{Collector, Freshness};

/// How much longer a reader waits than callbacks may take to bring observed values up to date.
const SLACK: Duration = Duration::from_millis(200);

/// How often a reader looks whether the refresh that another one asked for has ended.
const POLL: Duration = Duration::from_millis(1);

/// What happened in the registry that the pipeline has something to do for.
#[derive(Clone, Debug, Default)]
pub(crate) struct News {
    /// An instrument was made.
    pub(crate) instrument: Arc<Notify>,
    /// A callback was registered that is refreshed in the background.
    pub(crate) refresh: Arc<Notify>,
}

/// What the registry calls while nothing reads OpenTelemetry's copies.
pub(crate) fn without_readers(news: &News) -> Hooks {
    let refresh = news.refresh.clone();
    Hooks { refresh_made: Some(Arc::new(move || refresh.notify_one())), ..Hooks::default() }
}

/// What the registry calls while something may read them.
pub(crate) fn with_readers(collector: Arc<Collector>, runtime: Handle, news: &News) -> Hooks {
    let is_refreshing = Arc::new(AtomicBool::new(false));
    let before_sdk_read = move || {
        if collector.cached(Freshness::Recent, Instant::now()).is_some() {
            return;
        }
        // One thread at most waits for a callback that hangs, however often readers come by.
        let wait_at_most = collector.longest_refresh() + SLACK;
        if is_refreshing.swap(true, AcqRel) {
            let end = Instant::now() + wait_at_most;
            while is_refreshing.load(Acquire) && Instant::now() < end {
                thread::sleep(POLL);
            }
            return;
        }
        // On another thread: this one holds a lock of the SDK, and a callback may make instruments.
        let (done, wait) = mpsc::channel();
        let (collector, refreshing) = (collector.clone(), Refreshing(is_refreshing.clone()));
        runtime.spawn_blocking(move || {
            collector.collect(Freshness::Recent);
            drop(refreshing);
            let _ = done.send(());
        });
        let _ = wait.recv_timeout(wait_at_most);
    };
    let instrument = news.instrument.clone();
    Hooks {
        instrument_made: Some(Arc::new(move || instrument.notify_one())),
        before_sdk_read: Some(Arc::new(before_sdk_read)),
        ..without_readers(news)
    }
}

/// A reader's refresh, until it ends, however it does.
struct Refreshing(Arc<AtomicBool>);

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}
