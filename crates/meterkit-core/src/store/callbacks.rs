//! Callbacks of observable instruments, which a refresh runs.
//!
//! Callbacks run on [`workers`], which are separate threads. A collection waits for each callback as long as its budget
//! allows and then continues without it. Async callbacks run in the [background](refreshing) instead, once per period.

mod callback;
mod events;
mod refresh;
mod refreshing;
mod state;
mod workers;

use std::sync::{Arc, Mutex, MutexGuard};

use crate::order;
use crate::unpoisoned::Unpoisoned;

pub(crate) use self::callback::{Callback, CallbackOptions, Routine};
pub use self::refreshing::BackgroundTask;
pub(crate) use self::refreshing::{Found, Refreshing, Report};
use self::workers::Workers;
pub use self::workers::in_callback;

/// All registered callbacks.
#[derive(Default)]
pub(crate) struct Callbacks {
    /// Sorted by number, which is the order of creation.
    registered: Mutex<Vec<Arc<Callback>>>,
    workers: Workers,
}

impl Callbacks {
    pub(crate) fn register(&self, callback: Arc<Callback>) {
        callback.connect();
        let mut registered = self.lock();
        // The position is mostly the end of the list.
        let at = registered.partition_point(|it| it.number() < callback.number());
        registered.insert(at, callback.clone());
        drop(registered);
        if callback.is_unloaded() {
            // The scope was unloaded while this callback was being made, perhaps after the list was searched.
            self.unregister(&callback);
        }
    }

    pub(crate) fn unregister(&self, callback: &Arc<Callback>) {
        let mut registered = self.lock();
        if let Ok(at) = registered.binary_search_by_key(&callback.number(), |it| it.number()) {
            registered.remove(at);
        }
        drop(registered);
        callback.retire();
    }

    /// Unregisters each of `callbacks` if all of its instruments were unloaded.
    pub(crate) fn unregister_unloaded(&self, callbacks: impl IntoIterator<Item = Arc<Callback>>) {
        for callback in callbacks.into_iter().filter(|callback| callback.is_unloaded()) {
            self.unregister(&callback);
        }
    }

    /// Returns how many callbacks run in the background because they are too slow, per callback name in metrics. The
    /// result is sorted by name.
    pub(crate) fn by_name(&self) -> Vec<(String, u64)> {
        let is_slow = |it: &Arc<Callback>| u64::from(it.state().is_background);
        let mut slow: Vec<_> =
            self.registered().iter().map(|it| (it.name(), is_slow(it))).collect();
        order::join(&mut slow, |total, more| *total += more);
        slow
    }

    /// Returns, for each callback that runs in the background because it is too slow, the full names of its
    /// instruments.
    pub(crate) fn in_background(&self) -> Vec<String> {
        let registered = self.registered();
        let slow = registered.iter().filter(|callback| callback.state().is_background);
        slow.map(|callback| callback.names()).collect()
    }

    fn registered(&self) -> Vec<Arc<Callback>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Callback>>> {
        self.registered.lock().unpoisoned()
    }
}
