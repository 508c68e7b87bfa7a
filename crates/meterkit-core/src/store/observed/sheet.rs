//! What a callback reported of one instrument, as readers see it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use super::Observed;
use super::series::Series;
use crate::attributes::Attributes;
use crate::data::Reading;
use crate::order;
use crate::store::callbacks::Callback;
use crate::store::label_set::LabelSet;
use crate::store::shared::{PointKeys, Shared};
use crate::unpoisoned::Unpoisoned;

/// What one callback reports of one instrument.
pub(crate) struct Sheet {
    pub(super) instrument: Arc<Observed>,
    callback: OnceLock<Weak<Callback>>,
    shown: Mutex<Shown>,
}

/// What readers see: the rows of the last run that went well.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) rows: Vec<Row>,
    /// What had no row of its own.
    pub(super) overflow: Option<Reading>,
    /// When the last run that went well ended; 0 before the first.
    pub(super) last_run: u64,
    is_visible: bool,
    is_outdated: bool,
    is_retired: bool,
    /// Rows by their attributes, as long as there are the same rows with the same keys.
    order: Vec<u32>,
    ordered_by: Option<Arc<PointKeys>>,
}

/// One series as a callback reported it.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) labels: Arc<LabelSet>,
    /// Of the labels.
    pub(super) hash: u64,
    pub(super) series: Arc<Series>,
    pub(super) value: Reading,
    /// Whether its total fell since it was last read.
    pub(super) fell: bool,
    /// The run that reported it last.
    pub(super) run: u64,
}

impl Sheet {
    pub(super) fn new(instrument: Arc<Observed>) -> Self {
        Self { instrument, callback: OnceLock::new(), shown: Mutex::default() }
    }

    pub(crate) fn instrument(&self) -> &Arc<Observed> {
        &self.instrument
    }

    /// Remembers who reports it.
    pub(crate) fn connect(&self, callback: &Weak<Callback>) {
        self.callback.get_or_init(|| callback.clone());
    }

    /// Returns who reports it, while it is registered.
    pub(super) fn callback(&self) -> Option<Arc<Callback>> {
        self.callback.get()?.upgrade()
    }

    /// What was reported is in no export until something is reported again.
    pub(crate) fn hide(&self) {
        self.lock().is_visible = false;
    }

    /// Like [`hide`](Self::hide), because nobody asks meanwhile.
    pub(super) fn outdate(&self) {
        self.lock().outdate();
    }

    /// The callback is asked again.
    pub(crate) fn ask(&self) {
        self.lock().is_outdated = false;
    }

    /// Returns whether nobody has asked since the instrument was switched off.
    pub(crate) fn is_outdated(&self) -> bool {
        self.lock().is_outdated
    }

    /// The callback is gone: takes what it reported away, for good.
    pub(crate) fn retire(self: &Arc<Self>) {
        let mut shown = self.lock();
        shown.is_visible = false;
        shown.is_retired = true;
        shown.overflow = None;
        let rows = std::mem::take(&mut shown.rows);
        drop(shown);
        self.instrument.give_back(&rows);
        self.instrument.detach(self);
    }

    /// Returns the attributes of all series that the last run that went well reported.
    pub(super) fn attributes(&self, keys: &PointKeys) -> HashSet<Attributes> {
        self.lock()
            .rows
            .iter()
            .map(|row| self.instrument.shared.attributes(keys, row.labels.clone()))
            .collect()
    }

    /// Returns what `see` makes of each series, ordered by attributes. Beside it, the value that has no row of its own.
    ///
    /// `see` gets the attributes, the row, whether the total fell since the last reading, and when it was reported.
    pub(super) fn read<T>(
        &self,
        keys: &Arc<PointKeys>,
        see: impl Fn(Attributes, &Row, bool, u64) -> Option<T>,
    ) -> (Vec<T>, Option<Reading>) {
        let mut shown = self.lock();
        if !shown.is_visible {
            return (Vec::new(), None);
        }
        let shared = &self.instrument.shared;
        shown.sort(shared, keys);
        let Shown { rows, order, overflow, last_run: time, .. } = &mut *shown;
        let mut seen = Vec::with_capacity(order.len());
        seen.extend(order.iter().filter_map(|row| {
            let row = rows.get_mut(*row as usize)?;
            let fell = std::mem::take(&mut row.fell);
            see(shared.attributes(keys, row.labels.clone()), row, fell, *time)
        }));
        (seen, overflow.clone())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unpoisoned()
    }
}

impl Shown {
    pub(super) fn is_retired(&self) -> bool {
        self.is_retired
    }

    /// From now on these rows are seen, which are others than before.
    pub(super) fn replace(&mut self, rows: Vec<Row>) {
        self.rows = rows;
        self.ordered_by = None;
    }

    pub(super) fn show(&mut self) {
        self.is_visible = true;
        self.is_outdated = false;
    }

    pub(super) fn outdate(&mut self) {
        self.is_visible = false;
        self.is_outdated = true;
    }

    /// Brings `order` up to date.
    fn sort(&mut self, shared: &Shared, keys: &Arc<PointKeys>) {
        let is_known = self.ordered_by.as_ref().is_some_and(|known| Arc::ptr_eq(known, keys));
        if is_known {
            return;
        }
        let attributes = |row: &u32| -> Option<Attributes> {
            Some(shared.attributes(keys, self.rows.get(*row as usize)?.labels.clone()))
        };
        let mut order: Vec<u32> = (0..self.rows.len() as u32).collect();
        order::sort_by_key(&mut order, attributes);
        self.order = order;
        self.ordered_by = Some(keys.clone());
    }
}
