//! What a store reports to those who collect from it, or who keep a copy of its instruments elsewhere.

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

/// Listens to what happens in a registry. Methods are called on the threads that make it happen, so they must return
/// at once.
pub trait Tap: Send + Sync {
    /// An instrument was made.
    fn instrument_made(&self) {}

    /// A callback was registered that is refreshed in the background, or a scope enabled that may have some.
    fn refresh_made(&self) {}
}

/// An instrument of the store, for a mirror that keeps a copy of it elsewhere. Does not keep the instrument alive.
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

    /// Returns the scope, as it was named when this was asked for.
    pub fn scope(&self) -> &InstrumentationScope {
        &self.scope
    }

    /// Returns full name, unit and description.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Returns what the instrument is.
    pub fn kind(&self) -> Kind {
        self.descriptor.kind
    }

    /// Returns which numbers it records.
    pub fn number(&self) -> NumberType {
        self.number
    }

    /// Returns a number that no other instrument has as long as this one is there.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Returns whether another library counts it, in a registry of its own.
    pub fn is_import(&self) -> bool {
        self.stored.upgrade().is_some_and(|stored| stored.shared().door() == Door::Import)
    }

    /// Returns whether the instrument is still in the store.
    pub fn is_there(&self) -> bool {
        self.stored.strong_count() > 0
    }

    /// Returns how many series the instrument may have.
    pub fn limit(&self) -> usize {
        self.stored.upgrade().map_or(0, |stored| stored.limit())
    }

    /// Returns the upper bounds of a histogram's buckets; none if its buckets are exponential.
    pub fn bounds(&self) -> Vec<f64> {
        self.stored.upgrade().map(|it| it.shared().buckets().bounds().to_vec()).unwrap_or_default()
    }

    /// Returns the limits of a histogram's buckets, if these are exponential.
    pub fn exponential(&self) -> Option<ExponentialLimits> {
        self.stored.upgrade()?.shared().buckets().exponential()
    }

    /// Returns what the instrument holds now; `None` once it has gone.
    pub fn read(&self) -> Option<Data> {
        self.stored.upgrade().map(|stored| stored.data())
    }

    /// Sends each value of a histogram that is recorded from now on to a sink per series, and first those that waited.
    /// Other instruments have no feed.
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
