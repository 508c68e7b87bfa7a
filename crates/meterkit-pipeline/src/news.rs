//! Notifications from the registry that the pipeline acts on.

use std::sync::Arc;

use meterkit_core::Tap;
use tokio::sync::Notify;

/// Wakes the task that runs background callbacks when a new callback is registered.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) refresh: Arc<Notify>,
}

impl Tap for News {
    fn refresh_made(&self) {
        self.refresh.notify_one();
    }
}
