//! Events and instruments of a store, for code that collects from it or mirrors its instruments elsewhere.

use std::fmt;
use std::sync::{Arc, Weak};

use opentelemetry::InstrumentationScope;

use crate::Kind;
use crate::buckets::ExponentialLimits;
use crate::data::{Data, Descriptor};
use crate::number::NumberType;
pub use crate::store::feed::{MakeSink, Sink};
use crate::store::instrument::Stored;
use crate::store::shared::Door;

/// Listens to events of a registry. Methods are called on the thread that causes the event, so they must return
/// quickly.
pub trait Tap: Send + Sync {
    /// Called when an instrument has been created.
    fn instrument_made(&self) {}

    /// Called when a callback with a background refresh has been registered, or when a scope that may contain such
    /// callbacks has been enabled.
    fn refresh_made(&self) {}
}

/// An instrument of the store, for a mirror that maintains a copy of it elsewhere. Does not keep the instrument alive.
#[derive(Clone)]
pub struct MirroredInstrument {
    scope: Arc<InstrumentationScope>,
    descriptor: Arc<Descriptor>,
    stored: Weak<dyn Stored>,
    number: NumberType,
    address: usize,
}

impl MirroredInstrument {
    pub(crate) fn new(scope: Arc<InstrumentationScope>, stored: &Arc<dyn Stored>) -> Self {
        let shared = stored.shared();
        let number = shared.identity.number;
        let address = Arc::as_ptr(shared) as usize;
        let descriptor = shared.descriptor();
        Self { scope, descriptor, stored: Arc::downgrade(stored), number, address }
    }

    /// Returns the scope, with its name at the time when the instruments were listed.
    pub fn scope(&self) -> &InstrumentationScope {
        &self.scope
    }

    /// Returns the full name, unit, description and kind.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Returns the kind of the instrument.
    pub fn kind(&self) -> Kind {
        self.descriptor.kind
    }

    /// Returns the number type of the instrument.
    pub fn number(&self) -> NumberType {
        self.number
    }

    /// Returns a number that no other instrument has while this instrument exists.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Returns whether the instrument was imported from another library's registry.
    pub fn is_import(&self) -> bool {
        self.stored.upgrade().is_some_and(|stored| stored.shared().door() == Door::Import)
    }

    /// Returns whether the instrument is still in the store.
    pub fn is_there(&self) -> bool {
        self.stored.strong_count() > 0
    }

    /// Returns the maximum number of series of the instrument.
    pub fn limit(&self) -> usize {
        self.stored.upgrade().map_or(0, |stored| stored.limit())
    }

    /// Returns the upper bounds of a histogram's buckets, or nothing if the buckets are exponential.
    pub fn bounds(&self) -> Vec<f64> {
        self.stored.upgrade().map(|it| it.shared().buckets().bounds().to_vec()).unwrap_or_default()
    }

    /// Returns the limits of a histogram's buckets if they are exponential.
    pub fn exponential(&self) -> Option<ExponentialLimits> {
        self.stored.upgrade()?.shared().buckets().exponential()
    }

    /// Returns the current content of the instrument, or `None` if the instrument has been removed.
    pub fn read(&self) -> Option<Data> {
        self.stored.upgrade().map(|stored| stored.data())
    }

    /// Sends each value that a histogram records from now on to a sink per series, after the values that have been
    /// waiting. Has no effect on other instruments.
    pub fn feed(&self, make: MakeSink) {
        if let Some(stored) = self.stored.upgrade() {
            stored.feed(Some(make));
            stored.shared().settings.drop_unreplayed();
        }
    }
}

impl fmt::Debug for MirroredInstrument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MirroredInstrument")
            .field("name", &self.descriptor.name)
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}
