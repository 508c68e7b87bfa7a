//! A registry that the application shares with the import.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use prometheus_client::registry::Registry;

/// A registry that an application shares with this library: behind an `Arc`, or also behind a lock if the application
/// still registers metrics.
///
/// For a registry that is part of another value, pass [`new`](Self::new) a function that finds it:
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
/// With a tokio lock, the function may call `blocking_lock`, because it runs on a separate thread.
pub struct SharedRegistry(Box<Borrow>);

type Borrow = dyn Fn(&mut dyn FnMut(&Registry)) + Send + Sync;

impl SharedRegistry {
    /// Creates a shared registry from a function that calls its argument with the registry.
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
