//! Observable instruments: values that a callback returns.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

use super::gauge::Gauge;
use crate::number::GaugeNumber;
use crate::registry::{Inner, Registry};
use crate::store::callbacks::{GaugeCallback, Observe};
use crate::store::instrument::Core;

/// A gauge whose value comes from a callback that runs once per collection, however many targets read it.
///
/// Made by [`Meter::observable_gauge`](crate::Meter::observable_gauge), registered by
/// [`observe`](crate::InstrumentBuilder::observe).
///
/// Follows OpenTelemetry's Metrics API, section Asynchronous Gauge.
#[derive(Debug)]
pub struct ObservableGauge<T: GaugeNumber> {
    number: PhantomData<T>,
}

/// Keeps a callback registered. Dropping it unregisters the callback and takes its value out of later exports.
#[must_use = "dropped at once, the callback never runs; keep it, or call `forget`"]
pub struct CallbackGuard {
    name: String,
    callback: Option<Arc<dyn Observe>>,
    registry: Weak<Inner>,
}

impl CallbackGuard {
    pub(super) fn register<T: GaugeNumber>(
        registry: &Registry,
        core: &Core<Gauge<T>>,
        callback: impl Fn() -> T + Send + Sync + 'static,
    ) -> Self {
        let callback = core.plain().map(|gauge| {
            let callback: Arc<dyn Observe> =
                Arc::new(GaugeCallback::new(gauge.series_ref(), callback));
            registry.inner.callbacks.register(callback.clone());
            callback
        });
        Self {
            name: core.shared.descriptor().name.clone(),
            callback,
            registry: Arc::downgrade(&registry.inner),
        }
    }

    /// Keeps the callback registered as long as the program runs.
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
        f.debug_struct("CallbackGuard").field("instrument", &self.name).finish_non_exhaustive()
    }
}
