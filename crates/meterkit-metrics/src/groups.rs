//! Groups by the names that the crate `metrics` has for them, and their descriptions.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock, RwLock};

use meterkit_core::{Meter, Unpoisoned};

/// The groups of one kind of instrument, by name.
pub(crate) struct Groups<G>(RwLock<HashMap<String, Arc<Slot<G>>>>);

/// Where one group is. It is made while no lock is held: that may log, and a logger may record in the same group.
pub(crate) struct Slot<G> {
    /// Of whoever registered the name first. Others who make the group at the same time make the same one.
    pub(crate) meter: Meter,
    pub(crate) description: Description,
    /// Set once the group is made: nobody waits for someone else who makes it.
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
            // Code of the user: before the lock is taken.
            let (meter, description) = (meter(), descriptions.get(name).unwrap_or_default());
            let new = Arc::new(Slot { meter, description, made: OnceLock::new() });
            self.0.write().unpoisoned().entry(name.to_owned()).or_insert(new).clone()
        })
    }
}

/// What a metric is described as.
#[derive(Clone, Default)]
pub(crate) struct Description {
    /// Empty for none.
    pub(crate) unit: &'static str,
    pub(crate) text: String,
}

/// What metrics are described as, by name. The first description counts.
#[derive(Default)]
pub(crate) struct Descriptions(RwLock<HashMap<String, Description>>);

impl Descriptions {
    /// Adds a description. Returns whether it is the first one of this name.
    pub(crate) fn add(&self, name: &str, unit: &'static str, text: &str) -> bool {
        if self.0.read().unpoisoned().contains_key(name) {
            // Code that describes a metric wherever it records takes no exclusive lock.
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
