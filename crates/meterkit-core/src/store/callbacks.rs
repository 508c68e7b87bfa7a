//! Callbacks of observable instruments: what a refresh runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use super::cell::GaugeCell;
use super::series::SeriesRef;
use super::settings::DropReason;
use super::shared::Shared;
use crate::number::GaugeNumber;

/// All registered callbacks, in the order of registration.
#[derive(Default)]
pub(crate) struct Callbacks {
    registered: Mutex<Vec<Arc<dyn Observe>>>,
}

/// One registered callback.
pub(crate) trait Observe: Send + Sync {
    /// Calls the user's code and stores what it returns.
    fn run(&self);
    /// What it observes.
    fn shared(&self) -> &Shared;
    /// From now on nothing is stored any more, and what was stored is taken back.
    fn retire(&self);
}

impl Callbacks {
    pub(crate) fn register(&self, callback: Arc<dyn Observe>) {
        self.lock().push(callback);
    }

    pub(crate) fn unregister(&self, callback: &Arc<dyn Observe>) {
        self.lock().retain(|known| !Arc::ptr_eq(known, callback));
        callback.retire();
    }

    /// Runs each callback once. They may register and unregister others: no lock is held meanwhile.
    pub(crate) fn run(&self) {
        let registered = self.lock().clone();
        for callback in registered.iter().filter(|callback| !callback.shared().is_off()) {
            callback.run();
        }
    }

    /// Unregisters all whose scope was unloaded.
    pub(crate) fn unregister_unloaded(&self) {
        let mut unloaded = Vec::new();
        self.lock().retain(|callback| {
            let is_unloaded = callback.shared().is_unloaded();
            if is_unloaded {
                unloaded.push(callback.clone());
            }
            !is_unloaded
        });
        // Dropped without the lock: a callback's captures are the user's code.
        drop(unloaded);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<dyn Observe>>> {
        self.registered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A callback whose value goes to one gauge.
pub(crate) struct GaugeCallback<F> {
    series: SeriesRef<GaugeCell>,
    callback: F,
    /// Held while a value is stored, never while the callback runs.
    is_registered: Mutex<bool>,
    has_logged: AtomicBool,
}

impl<T: GaugeNumber, F: Fn() -> T + Send + Sync> GaugeCallback<F> {
    pub(crate) fn new(series: SeriesRef<GaugeCell>, callback: F) -> Self {
        Self {
            series,
            callback,
            is_registered: Mutex::new(true),
            has_logged: AtomicBool::new(false),
        }
    }

    /// Stores `value` unless the callback was unregistered while it ran.
    fn store(&self, value: Option<T>) {
        let is_registered = self.is_registered.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = self.series.cell();
        match value {
            Some(value) if *is_registered => cell.set(value),
            _ => cell.unset(),
        }
    }

    fn log_panic(&self) {
        if !self.has_logged.swap(true, Relaxed) {
            tracing::error!(
                instrument = %self.series.shared.descriptor().name,
                "callback panicked: its value is missing from this collection; later panics are not logged"
            );
        }
    }
}

impl<T: GaugeNumber, F: Fn() -> T + Send + Sync> Observe for GaugeCallback<F> {
    fn run(&self) {
        match catch_unwind(AssertUnwindSafe(&self.callback)) {
            Ok(value) if value.is_recordable() => self.store(Some(value)),
            Ok(_) => {
                self.series.shared.dropped(DropReason::NotFinite);
                self.store(None);
            }
            Err(_) => {
                self.log_panic();
                self.store(None);
            }
        }
    }

    fn shared(&self) -> &Shared {
        &self.series.shared
    }

    fn retire(&self) {
        *self.is_registered.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.store(None);
    }
}
