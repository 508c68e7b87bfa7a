//! The values that a callback reported of one instrument, as readers see them.

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

/// The values that one callback reports of one instrument.
pub(crate) struct Sheet {
    pub(super) instrument: Arc<Observed>,
    callback: OnceLock<Weak<Callback>>,
    shown: Mutex<Shown>,
}

/// The values that readers see: the rows of the last successful run.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) rows: Vec<Row>,
    /// The value of rows that exceeded the limit.
    pub(super) overflow: Option<Reading>,
    /// When the last successful run ended, or 0 before the first.
    pub(super) last_run: u64,
    is_visible: bool,
    is_outdated: bool,
    is_retired: bool,
    /// Rows sorted by their attributes; valid while neither the rows nor the keys change.
    order: Vec<u32>,
    ordered_by: Option<Arc<PointKeys>>,
}

/// One series, as a callback reported it.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) labels: Arc<LabelSet>,
    /// The hash of the labels.
    pub(super) hash: u64,
    pub(super) series: Arc<Series>,
    pub(super) value: Reading,
    /// Whether the total has fallen since it was last read.
    pub(super) fell: bool,
    /// The last run that reported the row.
    pub(super) run: u64,
}

impl Sheet {
    pub(super) fn new(instrument: Arc<Observed>) -> Self {
        Self { instrument, callback: OnceLock::new(), shown: Mutex::default() }
    }

    pub(crate) fn instrument(&self) -> &Arc<Observed> {
        &self.instrument
    }

    /// Sets the callback that reports the sheet.
    pub(crate) fn connect(&self, callback: &Weak<Callback>) {
        self.callback.get_or_init(|| callback.clone());
    }

    /// Returns the callback that reports the sheet, while it exists.
    pub(super) fn callback(&self) -> Option<Arc<Callback>> {
        self.callback.get()?.upgrade()
    }

    /// Hides the values from exports until new ones are reported.
    pub(crate) fn hide(&self) {
        self.lock().is_visible = false;
    }

    /// Hides the values like [`hide`](Self::hide), because the callback does not run while the instrument is off.
    pub(super) fn outdate(&self) {
        self.lock().outdate();
    }

    /// Notes that the callback is being asked for values again.
    pub(crate) fn ask(&self) {
        self.lock().is_outdated = false;
    }

    /// Returns whether the callback has not been asked for values since the instrument was switched off.
    pub(crate) fn is_outdated(&self) -> bool {
        self.lock().is_outdated
    }

    /// Removes the values for good, because the callback was unregistered.
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

    /// Returns the attributes of all series in the last successful run.
    pub(super) fn attributes(&self, keys: &PointKeys) -> HashSet<Attributes> {
        self.lock()
            .rows
            .iter()
            .map(|row| self.instrument.shared.attributes(keys, row.labels.clone()))
            .collect()
    }

    /// Returns the results of `see` for all series, sorted by attributes, and the value of the overflow series.
    ///
    /// `see` receives the attributes, the row, whether the total fell since the last reading, and the time of the
    /// report.
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

    /// Shows these rows from now on, which belong to other series than before.
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

    /// Updates `order`.
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
