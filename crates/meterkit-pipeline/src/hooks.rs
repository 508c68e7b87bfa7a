//! What the registry calls while a reader of OpenTelemetry's ecosystem reads.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use meterkit_core::Hooks;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::collector::{Collector, Freshness};

/// How long a reader waits for callbacks to bring observed values up to date.
const REFRESH_WAIT: Duration = Duration::from_secs(1);

pub(crate) fn hooks(collector: Arc<Collector>, runtime: Handle, made: Arc<Notify>) -> Hooks {
    let before_sdk_read = move || {
        if collector.cached(Freshness::Recent, Instant::now()).is_some() {
            return;
        }
        // On another thread: this one holds a lock of the SDK, and a callback may make instruments.
        let (done, wait) = mpsc::channel();
        let collector = collector.clone();
        runtime.spawn_blocking(move || {
            collector.collect(Freshness::Recent);
            let _ = done.send(());
        });
        let _ = wait.recv_timeout(REFRESH_WAIT);
    };
    Hooks {
        instrument_made: Some(Arc::new(move || made.notify_one())),
        before_sdk_read: Some(Arc::new(before_sdk_read)),
    }
}
