//! The overflow series, which receives recordings once a limit is reached.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use super::room::Room;
use crate::attributes::AttributeValue;
use crate::store::handle::{self, Handle};
use crate::store::label_set::LabelSet;
use crate::store::shared::{OVERFLOW, Shared, Topic};

/// Logs why recordings go to the overflow series. `series` are the label sets that have series of their own.
pub(crate) fn warn(shared: &Shared, room: &Room, series: &mut dyn Iterator<Item = &LabelSet>) {
    let instrument = &shared.descriptor().name;
    if !shared.is_new(Topic::Overflow, "") {
        return;
    }
    if room.taken() >= room.limit() {
        let (label, values) = most_values(shared, series);
        let limit = match room.own_limit() {
            Some(_) => "the instrument's `cardinality_limit`",
            None => "METERKIT_CARDINALITY_LIMIT",
        };
        tracing::warn!(
            instrument,
            limit = room.limit(),
            label,
            values,
            "cardinality limit reached: further label sets are recorded together as {OVERFLOW}=true; give label \
             `{label}` fewer values, or raise {limit}"
        );
    } else if !room.is_free() {
        tracing::warn!(
            instrument,
            limit = shared.settings.series_limit.load(Relaxed),
            "series limit of the process reached: new label sets of all instruments are recorded together as \
             {OVERFLOW}=true; remove series, or raise METERKIT_SERIES_LIMIT"
        );
    } else {
        tracing::warn!(
            instrument,
            "a label has a value that its type does not list; the series is recorded as {OVERFLOW}=true; correct the \
             type's `LabelValue`"
        );
    }
}

/// Returns the label with the most distinct values, and their number.
fn most_values(shared: &Shared, series: &mut dyn Iterator<Item = &LabelSet>) -> (String, usize) {
    let keys = shared.keys();
    let mut values: HashMap<String, HashSet<AttributeValue>> = HashMap::new();
    for labels in series {
        for (key, value) in keys.own_attributes(labels) {
            values.entry(key.into_owned()).or_default().insert(value);
        }
    }
    let counts = values.into_iter().map(|(key, values)| (key, values.len()));
    counts.max_by(|(a, one), (b, other)| (one, b).cmp(&(other, a))).unwrap_or_default()
}

/// Logs that the limit of a group is lower than the number of its closed label sets.
pub(crate) fn warn_of_fewer(shared: &Shared, room: &Room, sets: usize) {
    if !shared.settings.logged.is_new(&(Topic::Overflow, &shared.descriptor().name, sets)) {
        return;
    }
    tracing::warn!(
        instrument = %shared.descriptor().name,
        limit = room.limit(),
        sets,
        "the cardinality limit allows fewer series than the instrument has label sets: the rest are recorded together \
         as {OVERFLOW}=true; raise METERKIT_CARDINALITY_LIMIT"
    );
}

/// The overflow series.
pub(crate) struct Overflow<H> {
    series: OnceLock<H>,
    /// How often the series was looked up.
    uses: AtomicU64,
}

impl<H: Handle> Overflow<H> {
    pub(crate) fn new() -> Self {
        Self { series: OnceLock::new(), uses: AtomicU64::new(0) }
    }

    /// Returns the series, if it exists.
    pub(crate) fn get(&self) -> Option<&H> {
        self.series.get()
    }

    /// Returns the series for recording, if it exists, and counts the use.
    #[inline]
    pub(crate) fn use_it(&self) -> Option<&H> {
        let handle = self.series.get()?;
        if handle.series().is_hidden() {
            handle.series().set_hidden(false);
        }
        // Not an atomic increment: losing a few counts is cheaper than an exact number.
        self.uses.store(self.uses().wrapping_add(1), Relaxed);
        Some(handle)
    }

    /// Creates the series. Returns whether it did not exist before.
    pub(crate) fn make(&self, shared: &Arc<Shared>) -> bool {
        self.series.set(handle::make(LabelSet::overflow(), shared)).is_ok()
    }

    /// Returns how often recordings went to this series. The number may be too low: concurrent look-ups may be counted
    /// once.
    pub(crate) fn uses(&self) -> u64 {
        self.uses.load(Relaxed)
    }
}
