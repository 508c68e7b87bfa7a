//! Callbacks of observable instruments: what a refresh runs.
//!
//! They run on [`workers`], threads of their own: a collection waits for each as long as its budget allows and then
//! continues without it. Async callbacks run in the [background](refreshing) instead, once per period.

mod callback;
mod events;
mod refresh;
mod refreshing;
mod state;
mod workers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::unpoisoned::Unpoisoned;

pub(crate) use self::callback::{Callback, CallbackOptions, Routine};
pub use self::refreshing::BackgroundTask;
pub(crate) use self::refreshing::{Found, Refreshing, Report};
use self::workers::Workers;
pub use self::workers::in_callback;

/// All registered callbacks, in the order of registration.
#[derive(Default)]
pub(crate) struct Callbacks {
    registered: Mutex<BTreeMap<u64, Arc<Callback>>>,
    workers: Workers,
}

impl Callbacks {
    pub(crate) fn register(&self, callback: Arc<Callback>) {
        callback.connect();
        self.lock().insert(callback.number(), callback.clone());
        if callback.is_unloaded() {
            // The scope was unloaded while this callback was being made, perhaps after the list was searched.
            self.unregister(&callback);
        }
    }

    pub(crate) fn unregister(&self, callback: &Arc<Callback>) {
        self.lock().remove(&callback.number());
        callback.retire();
    }

    /// Unregisters those among `callbacks` all of whose instruments were unloaded.
    pub(crate) fn unregister_unloaded(&self, callbacks: impl IntoIterator<Item = Arc<Callback>>) {
        for callback in callbacks.into_iter().filter(|callback| callback.is_unloaded()) {
            self.unregister(&callback);
        }
    }

    /// Returns how many callbacks run in the background because they are too slow, by the name that all have in metrics.
    pub(crate) fn by_name(&self) -> BTreeMap<String, u64> {
        let mut slow: BTreeMap<String, u64> = BTreeMap::new();
        for callback in self.registered() {
            *slow.entry(callback.name()).or_default() += u64::from(callback.state().is_background);
        }
        slow
    }

    /// Returns the full names of the instruments of each callback that runs in the background because it is too slow.
    pub(crate) fn in_background(&self) -> Vec<String> {
        let registered = self.registered();
        let slow = registered.iter().filter(|callback| callback.state().is_background);
        slow.map(|callback| callback.names()).collect()
    }

    fn registered(&self) -> Vec<Arc<Callback>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Callback>>> {
        self.registered.lock().unpoisoned()
    }
}
