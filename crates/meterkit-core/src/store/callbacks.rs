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
    /// By number, which is the order in which they were made.
    registered: Mutex<Vec<Arc<Callback>>>,
    workers: Workers,
}

impl Callbacks {
    pub(crate) fn register(&self, callback: Arc<Callback>) {
        callback.connect();
        let mut registered = self.lock();
        // Mostly at the end.
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

    /// Unregisters those among `callbacks` all of whose instruments were unloaded.
    pub(crate) fn unregister_unloaded(&self, callbacks: impl IntoIterator<Item = Arc<Callback>>) {
        for callback in callbacks.into_iter().filter(|callback| callback.is_unloaded()) {
            self.unregister(&callback);
        }
    }

    /// Returns how many callbacks run in the background because they are too slow, by the name that all have in metrics.
    /// Names are in order.
    pub(crate) fn by_name(&self) -> Vec<(String, u64)> {
        let is_slow = |it: &Arc<Callback>| u64::from(it.state().is_background);
        let mut slow: Vec<_> =
            self.registered().iter().map(|it| (it.name(), is_slow(it))).collect();
        order::join(&mut slow, |total, more| *total += more);
        slow
    }

    /// Returns the full names of the instruments of each callback that runs in the background because it is too slow.
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
