//! How an application shares its registry.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use prometheus_client::registry::Registry;

/// A registry that an application shares with this library: behind an `Arc`, or behind a lock where metrics are still
/// being registered.
///
/// For one that is part of something else, [`new`](Self::new) takes a function that finds it:
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use meterkit_prometheus_client::SharedRegistry;
/// use prometheus_client::registry::Registry;
///
/// #[derive(Default)]
/// struct AppState {
///     registry: Registry,
/// }
///
/// let state = Arc::new(Mutex::new(AppState::default()));
/// let shared = SharedRegistry::new(move |read| read(&state.lock().expect("no panic").registry));
/// ```
///
/// With a lock of tokio, that function calls `blocking_lock`: it runs on a thread of its own.
pub struct SharedRegistry(Box<Borrow>);

type Borrow = dyn Fn(&mut dyn FnMut(&Registry)) + Send + Sync;

impl SharedRegistry {
    /// Creates one from a function that calls its argument with the registry.
    pub fn new(borrow: impl Fn(&mut dyn FnMut(&Registry)) + Send + Sync + 'static) -> Self {
        Self(Box::new(borrow))
    }

    pub(crate) fn read(&self, read: &mut dyn FnMut(&Registry)) {
        (self.0)(read);
    }
}

impl From<Arc<Registry>> for SharedRegistry {
    fn from(registry: Arc<Registry>) -> Self {
        Self::new(move |read| read(&registry))
    }
}

impl From<&'static Registry> for SharedRegistry {
    fn from(registry: &'static Registry) -> Self {
        Self::new(move |read| read(registry))
    }
}

impl From<Arc<Mutex<Registry>>> for SharedRegistry {
    fn from(registry: Arc<Mutex<Registry>>) -> Self {
        Self::new(move |read| read(&registry.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl From<Arc<RwLock<Registry>>> for SharedRegistry {
    fn from(registry: Arc<RwLock<Registry>>) -> Self {
        Self::new(move |read| read(&registry.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for SharedRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedRegistry")
    }
}
