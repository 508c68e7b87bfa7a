//! Names that distinguish observed objects.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use crate::unpoisoned::Unpoisoned;

/// The value of a label, for example the name of a pool, that is reserved in the registry while this exists.
///
/// Without the reservation, two pools with the same name would report the same series, and only one of them would be
/// exported. The callback that reports the series owns the name, so that the name becomes available again when the
/// callback is dropped.
pub struct DistinctName {
    label: &'static str,
    name: String,
    taken: TakenNames,
}

/// The names in use, by label.
pub(crate) type TakenNames = Arc<Mutex<BTreeSet<(&'static str, String)>>>;

impl DistinctName {
    /// Takes `name`, or the first of `name-2`, `name-3`, … that is free.
    pub(crate) fn take(taken: &TakenNames, label: &'static str, name: &str) -> Self {
        let mut names = taken.lock().unpoisoned();
        let further = (2_u64..).map(|number| format!("{name}-{number}"));
        let mut candidates = std::iter::once(name.to_owned()).chain(further);
        let free = candidates.find(|candidate| names.insert((label, candidate.clone())));
        drop(names);
        let free = free.unwrap_or_default(); // cannot fail: the numbers do not run out
        if free != name {
            tracing::warn!(
                label,
                name,
                "the name is already in use in this registry: `{free}` is used instead; use a different name"
            );
        }
        Self { label, name: free, taken: taken.clone() }
    }
}

impl Deref for DistinctName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl Drop for DistinctName {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        self.taken.lock().unpoisoned().remove(&(self.label, name));
    }
}

impl fmt::Debug for DistinctName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DistinctName").field(&self.name).finish()
    }
}
