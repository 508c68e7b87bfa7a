//! Sends the values of a histogram to a mirror of the store, such as OpenTelemetry's SDK, in addition to its cells.
//!
//! The SDK has no asynchronous histogram, so its copy of a histogram must be given each value.

use std::fmt;
use std::sync::{Arc, RwLock};

use crate::attributes::Attributes;
use crate::number::Value;
use crate::unpoisoned::Unpoisoned;

/// Receives each value that is recorded in one series. It is called under the lock of the series, so it must not block
/// and must not record in the store.
pub type Sink = Arc<dyn Fn(Value) + Send + Sync>;

/// Creates the sink of the series with these attributes.
pub type MakeSink = Arc<dyn Fn(&Attributes) -> Sink + Send + Sync>;

/// Where the values of one histogram are sent. Instruments of other kinds have no feed.
pub(crate) struct Feed(Option<Box<RwLock<Feeding>>>);

#[derive(Clone)]
pub(crate) enum Feeding {
    /// It is unknown whether there will be a listener, so values wait.
    Waiting,
    /// There is no listener.
    Off,
    To(MakeSink),
}

impl Feed {
    /// Returns the feed of an instrument whose values are never sent anywhere.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Returns a feed without a listener. If `waits`, values wait for one.
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
