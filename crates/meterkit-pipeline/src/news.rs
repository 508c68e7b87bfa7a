//! What happens in the registry that the pipeline has something to do for.

use std::sync::Arc;

use meterkit_core::Tap;
use tokio::sync::Notify;

/// Wakes whoever runs callbacks in the background when there is a new one.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) refresh: Arc<Notify>,
}

impl Tap for News {
    fn refresh_made(&self) {
        self.refresh.notify_one();
    }
}
