//! Where the values of a histogram go besides its cells: to a mirror of the store, such as OpenTelemetry's SDK.
//!
//! The SDK has no asynchronous histogram, so that its copy of one must be given each value.

use std::fmt;
use std::sync::{Arc, RwLock};

use crate::attributes::Attributes;
use crate::number::Value;
use crate::unpoisoned::Unpoisoned;

/// Takes each value that is recorded in one series. Called under the lock of the series: it must not block, and must
/// not record in the store.
pub type Sink = Arc<dyn Fn(Value) + Send + Sync>;

/// Makes the sink of the series with these attributes.
pub type MakeSink = Arc<dyn Fn(&Attributes) -> Sink + Send + Sync>;

/// Where the values of one histogram go. Other instruments have none.
pub(crate) struct Feed(Option<Box<RwLock<Feeding>>>);

#[derive(Clone)]
pub(crate) enum Feeding {
    /// Nobody has said yet whether something listens: values wait.
    Waiting,
    /// Nothing listens.
    Off,
    To(MakeSink),
}

impl Feed {
    /// Returns the feed of an instrument without one.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Returns a feed without a listener. `waits` says whether one may come.
    pub(crate) fn new(waits: bool) -> Self {
        let feeding = if waits { Feeding::Waiting } else { Feeding::Off };
        Self(Some(Box::new(RwLock::new(feeding))))
    }

    pub(crate) fn get(&self) -> Feeding {
        self.0.as_ref().map_or(Feeding::Off, |feeding| feeding.read().unpoisoned().clone())
    }

    pub(crate) fn start(&self, make: MakeSink) {
        self.set(Feeding::To(make));
    }

    pub(crate) fn stop(&self) {
        self.set(Feeding::Off);
    }

    fn set(&self, to: Feeding) {
        if let Some(feeding) = &self.0 {
            *feeding.write().unpoisoned() = to;
        }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed")
    }
}
