//! The guard that keeps a callback registered.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::registry::{Inner, Registry};
use crate::store::callbacks::Callback;

/// Keeps a callback registered. Dropping the guard unregisters the callback and removes its values from all later
/// exports. (Readers of OpenTelemetry's SDK see a counter for another hour, because a total must not fall for them.)
///
/// The guard may be dropped anywhere, even in the callback itself or while a collection runs the callback. The drop
/// does not wait, and values that the callback still reports are not exported.
#[must_use = "if the guard is dropped immediately, the callback never runs: keep it with `let _guard = …` (`let _ = …` drops it too), or call `forget`"]
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

    /// Returns the guard for a callback that never runs, because its instrument could not be created or its scope was
    /// unloaded.
    pub(super) fn of_none(names: String) -> Self {
        Self { names, callback: None, registry: Weak::new() }
    }

    /// Keeps the callback registered until the program ends or its scope is unloaded.
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
