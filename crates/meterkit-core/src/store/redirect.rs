//! Redirects recordings from instruments of the global registry to another registry, for tests.
//!
//! The first redirect of a process sets a bit next to the [`Switch`](super::shared::Switch) of each instrument, which
//! recording reads anyway. A program that redirects nothing therefore has no extra cost. After that, each recording
//! checks a thread-local variable, and looks up its series in the other registry.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

use opentelemetry::{KeyValue, Value};

use super::handle::Handle;
use super::instrument::Core;
use super::shared::{OVERFLOW, Shared};
use crate::instrument::find_or_make_like;
use crate::registry::Registry;

thread_local! {
    /// The registry in which this thread records instead of the global one.
    static INSTEAD: RefCell<Option<Registry>> = const { RefCell::new(None) };
}

/// Redirects the recordings of its thread until it is dropped.
#[derive(Debug)]
#[must_use = "if dropped immediately, it redirects nothing"]
pub struct Redirect {
    before: Option<Registry>,
    /// Makes the type `!Send`, because a redirect belongs to its thread.
    thread: PhantomData<*const ()>,
}

impl Registry {
    /// Redirects this thread's recordings in instruments of the [global](Self::global) registry to the same instruments
    /// of this one. Values that callbacks report are not redirected. If a thread has several redirects, the latest
    /// applies.
    #[doc(hidden)] // for the test kit
    pub fn redirect(&self) -> Redirect {
        let global = Self::global();
        global.inner.scopes.set_redirected();
        let instead = (!Arc::ptr_eq(&self.inner, &global.inner)).then(|| self.clone());
        let before = INSTEAD.try_with(|it| it.replace(instead)).ok().flatten();
        Redirect { before, thread: PhantomData }
    }
}

impl Drop for Redirect {
    fn drop(&mut self) {
        let ended = INSTEAD.try_with(|it| it.replace(self.before.take()));
        // Dropped after the borrow has ended, because this may drop a registry, and with it closures of users.
        drop(ended);
    }
}

/// Returns whether this thread records in another registry.
#[cfg(feature = "exemplars")]
pub(crate) fn is_active() -> bool {
    INSTEAD.try_with(|it| it.borrow().is_some()).unwrap_or(false)
}

/// Returns the instrument in which this thread records instead, if it is redirected.
#[cold]
pub(crate) fn instrument<H: Handle>(shared: &Shared) -> Option<Arc<Core<H>>> {
    let registry = INSTEAD.try_with(|it| it.borrow().clone()).ok()??;
    let key = Registry::global().inner.scopes.key_of(shared)?;
    find_or_make_like(&registry, &key, shared).ok()?.typed().ok()
}

/// Returns the series in which this thread records instead, if it is redirected.
#[cold]
pub(crate) fn series<H: Handle>(handle: &H) -> Option<H> {
    let series = handle.series();
    if !series.shared.is_redirected() {
        return None;
    }
    let core = instrument::<H>(&series.shared)?;
    let keys = series.shared.keys();
    let labels = keys.own_attributes(series.labels());
    let mut labels: Vec<_> =
        labels.map(|(key, value)| KeyValue::new(key, Value::from(&value))).collect();
    if series.is_overflow() {
        labels.push(KeyValue::new(OVERFLOW, true));
    }
    let found = core.with_attributes(&labels).clone();
    Some(found)
}

/// Calls `record` with the series in which this thread records instead. Returns whether there is such a series.
#[cold]
pub(crate) fn record<H: Handle, V>(handle: &H, value: V, record: impl FnOnce(&H, V)) -> bool {
    series(handle).map(|instead| record(&instead, value)).is_some()
}
