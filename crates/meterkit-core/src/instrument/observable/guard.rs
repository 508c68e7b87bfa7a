//! What keeps a callback registered.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::registry::{Inner, Registry};
use crate::store::callbacks::Callback;

/// Keeps a callback registered. Dropping it unregisters the callback, and takes what it reported out of every later
/// export. (Readers of OpenTelemetry's SDK see a counter for another hour: theirs must not fall.)
///
/// It may be dropped anywhere, also in the callback and while a collection runs it: nothing waits then, and what the
/// callback still reports is in no export.
#[must_use = "dropped at once, the callback never runs: keep it with `let _guard = …` (`let _ = …` drops it too), or call `forget`"]
pub struct CallbackGuard {
    names: String,
    callback: Option<Arc<Callback>>,
    registry: Weak<Inner>,
}

impl CallbackGuard {
    pub(in crate::instrument) fn register(registry: &Registry, callback: Callback) -> Self {
        let callback = Arc::new(callback);
        registry.register_callback(callback.clone());
        Self {
            names: callback.names(),
            callback: Some(callback),
            registry: Arc::downgrade(&registry.inner),
        }
    }

    /// The guard of a callback that never runs: its instrument could not be made, or its scope was unloaded.
    pub(super) fn of_none(names: String) -> Self {
        Self { names, callback: None, registry: Weak::new() }
    }

    /// Keeps the callback registered as long as the program runs, or until its scope is unloaded.
    pub fn forget(mut self) {
        self.callback = None;
    }
}

impl Drop for CallbackGuard {
    fn drop(&mut self) {
        if let (Some(callback), Some(registry)) = (self.callback.take(), self.registry.upgrade()) {
            registry.callbacks.unregister(&callback);
        }
    }
}

impl fmt::Debug for CallbackGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackGuard").field("instruments", &self.names).finish_non_exhaustive()
    }
}
