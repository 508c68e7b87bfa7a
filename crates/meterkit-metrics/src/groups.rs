//! Instrument groups by their names in the crate `metrics`, and their descriptions.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock, RwLock};

use meterkit_core::{Meter, Unpoisoned};

/// The groups of one kind of instrument, by name.
pub(crate) struct Groups<G>(RwLock<HashMap<String, Arc<Slot<G>>>>);

/// The place of one group. No lock is held while the group is created: this may log, and a logger may record in the
/// same group.
pub(crate) struct Slot<G> {
    /// The meter of the thread that registered the name first. If several threads create the group at once, all of them
    /// use this meter and get the same group.
    pub(crate) meter: Meter,
    pub(crate) description: Description,
    /// Set once the group is created. No thread waits for another thread that creates it.
    pub(crate) made: OnceLock<G>,
}

impl<G> Default for Groups<G> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<G> Groups<G> {
    /// Returns the slot with this name, if the name was registered before.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Slot<G>>> {
        self.0.read().unpoisoned().get(name).cloned()
    }

    /// Returns the slot with this name. Calls `meter` if the name is new.
    pub(crate) fn get_or_add(
        &self,
        name: &str,
        descriptions: &Descriptions,
        meter: impl FnOnce() -> Meter,
    ) -> Arc<Slot<G>> {
        self.get(name).unwrap_or_else(|| {
            // Run user code before taking the lock.
            let (meter, description) = (meter(), descriptions.get(name).unwrap_or_default());
            let new = Arc::new(Slot { meter, description, made: OnceLock::new() });
            self.0.write().unpoisoned().entry(name.to_owned()).or_insert(new).clone()
        })
    }
}

/// The unit and description of a metric.
#[derive(Clone, Default)]
pub(crate) struct Description {
    /// Empty if the metric has no unit.
    pub(crate) unit: &'static str,
    pub(crate) text: String,
}

/// The descriptions of metrics, by name. The first description of a name counts.
#[derive(Default)]
pub(crate) struct Descriptions(RwLock<HashMap<String, Description>>);

impl Descriptions {
    /// Adds a description unless the name already has one. Returns whether it was added.
    pub(crate) fn add(&self, name: &str, unit: &'static str, text: &str) -> bool {
        if self.0.read().unpoisoned().contains_key(name) {
            // Check with a shared lock first, for code that describes a metric each time it records.
            return false;
        }
        match self.0.write().unpoisoned().entry(name.to_owned()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(Description { unit, text: text.to_owned() });
                true
            }
        }
    }

    /// Returns the description of a metric, if it has one.
    pub(crate) fn get(&self, name: &str) -> Option<Description> {
        self.0.read().unpoisoned().get(name).cloned()
    }
}
