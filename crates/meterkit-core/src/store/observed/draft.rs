//! The values that a callback reports of one instrument while it runs. They are shown only if the run succeeds.

use std::sync::Arc;

use opentelemetry::KeyValue;

use super::Observed;
use super::index::Index;
use super::sheet::{Row, Sheet, Shown};
use crate::data::Reading;
use crate::labels::Labels;
use crate::store::group::keyed::{AsDeclared, ByKey};
use crate::store::group::{Capped, ValueCap};
use crate::store::label_set::{Declared, Query};

/// The values of a run that has not ended.
///
/// A draft begins with the rows that are shown, in the same places. A callback tends to report the same series in the
/// same order each time. Each series is then found by looking at the next row, without hashing, and
/// [`commit`](Self::commit) only swaps the rows.
pub(crate) struct Draft {
    sheet: Arc<Sheet>,
    rows: Vec<Row>,
    /// How many rows are already shown. The rows after them are new in this run.
    known: usize,
    run: u64,
    /// How many rows this run has reported.
    reported: usize,
    /// The row that comes next if the order has not changed.
    next: usize,
    overflow: Option<Reading>,
    /// Whether the labels of the current value contain a value that became `other`, so that the value is added to the
    /// row.
    joins: bool,
    /// An index of the rows, created when a row is not at its expected place.
    index: Option<Index>,
}

impl Draft {
    pub(super) fn new(sheet: Arc<Sheet>) -> Self {
        Self {
            sheet,
            rows: Vec::new(),
            known: 0,
            run: 0,
            reported: 0,
            next: 0,
            overflow: None,
            joins: false,
            index: None,
        }
    }

    pub(crate) fn sheet(&self) -> &Arc<Sheet> {
        &self.sheet
    }

    #[inline]
    pub(crate) fn instrument(&self) -> &Arc<Observed> {
        &self.sheet.instrument
    }

    /// Begins a run.
    pub(crate) fn begin(&mut self) {
        self.run += 1;
        self.reported = 0;
        self.next = 0;
        self.overflow = None;
    }

    /// Reports the value of a series. If a run reports a series several times, the last value wins.
    #[inline]
    pub(crate) fn report(&mut self, labels: &impl Labels, value: Reading) {
        if self.sheet.instrument.caps().is_empty() {
            let key_count = self.sheet.instrument.keys().len();
            self.set(&Declared { labels, key_count }, value);
        } else {
            self.report_capped(labels, value);
        }
    }

    /// Reports the value of the series with these attributes, which has declared labels if the attributes match them.
    pub(crate) fn report_by_attributes(&mut self, attributes: &[KeyValue], value: Reading) {
        let instrument = self.sheet.instrument.clone();
        let declared = instrument.shared.declared_keys();
        if let Some(labels) = declared.and_then(|keys| AsDeclared::new(keys, attributes)) {
            return self.report(&labels, value);
        }
        if let Some(layout) = instrument.layouts.find(attributes) {
            return self.set(&ByKey { attributes, layout }, value);
        }
        instrument.layouts.with_new(attributes, &instrument.shared, |layout| match layout {
            Some(layout) => self.set(&ByKey { attributes, layout }, value),
            None => self.set_overflow(value),
        });
    }

    /// Reports the value of a series whose capped labels may become `other`. As in the overflow series, totals that
    /// then have the same labels are added up.
    fn report_capped(&mut self, labels: &impl Labels, value: Reading) {
        let sheet = self.sheet.clone();
        let caps = sheet.instrument.caps();
        let capped = Capped { labels, caps, learns: true };
        // Visits the labels once before the check below, so that the caps learn values while they have room.
        let query = Declared { labels: &capped, key_count: caps.len() };
        drop(query.to_stored());
        self.joins = !ValueCap::let_through(caps, labels);
        self.set(&query, value);
        self.joins = false;
    }

    /// Shows the values of this run, and only these. A total that fell begins anew.
    pub(crate) fn commit(&mut self) {
        let sheet = self.sheet.clone();
        let instrument = &sheet.instrument;
        let mut shown = sheet.lock();
        if shown.is_retired() {
            drop(shown);
            self.roll_back();
            return;
        }
        for (row, before) in self.rows.iter_mut().zip(&shown.rows) {
            row.fell = before.fell || instrument.fell(&row.value, Some(&before.value));
        }
        for row in &mut self.rows[self.known..] {
            row.fell = instrument.fell(&row.value, row.series.last().as_ref());
        }
        shown.overflow.clone_from(&self.overflow);
        if self.reported == self.rows.len() && self.known == self.rows.len() {
            std::mem::swap(&mut self.rows, &mut shown.rows);
        } else {
            self.replace(&mut shown);
        }
        shown.last_run = instrument.now();
        // If the instrument was switched off in the meantime, the values are outdated when it is on again.
        match instrument.shared.is_off() {
            true => shown.outdate(),
            false => shown.show(),
        }
    }

    /// Discards the values of this run.
    pub(crate) fn roll_back(&mut self) {
        if self.rows.len() > self.known {
            self.sheet.instrument.give_back(&self.rows[self.known..]);
            self.rows.truncate(self.known);
            self.index = None;
        }
    }

    /// Replaces the shown rows by those of this run, because it reported other series than the one before.
    fn replace(&mut self, shown: &mut Shown) {
        let run = self.run;
        let rows = std::mem::take(&mut self.rows).into_iter();
        let (reported, gone): (Vec<Row>, Vec<Row>) = rows.partition(|row| row.run == run);
        self.sheet.instrument.give_back(&gone);
        self.known = reported.len();
        self.index = None;
        self.rows.clone_from(&reported);
        shown.replace(reported);
    }

    #[inline]
    fn set(&mut self, query: &impl Query, value: Reading) {
        let at = self.next;
        match self.rows.get(at).filter(|row| query.is(&row.labels)) {
            Some(_) => self.set_row(at, value),
            None => self.find_and_set(query, value),
        }
    }

    #[inline]
    fn set_row(&mut self, at: usize, value: Reading) {
        let row = &mut self.rows[at];
        if row.run != self.run {
            row.run = self.run;
            self.reported += 1;
            row.value = value;
        } else if self.joins {
            row.value = self.sheet.instrument.overflow(Some(row.value.clone()), value);
        } else {
            row.value = value;
        }
        self.next = at + 1;
    }

    #[cold]
    fn find_and_set(&mut self, query: &dyn Query, value: Reading) {
        let instrument = self.sheet.instrument.clone();
        let hasher = &instrument.hasher;
        let rows = &self.rows;
        let index = self.index.get_or_insert_with(|| Index::of(rows.iter().map(|row| row.hash)));
        let hash = query.hash(hasher);
        if let Some(at) = index.find(hash, |at| query.is(&rows[at].labels)) {
            return self.set_row(at, value);
        }
        let needs_room = !query.is_empty();
        if needs_room && !instrument.room.is_free() {
            return self.set_overflow(value);
        }
        let labels = query.to_stored();
        // Searched again, because the caller's labels may return different values on each visit.
        let hash = query.hash_stored(hasher, &labels);
        if let Some(at) = index.find(hash, |at| *rows[at].labels == labels) {
            return self.set_row(at, value);
        }
        // Taken last: if the caller's labels panic, no room is lost.
        if needs_room && !instrument.room.try_take() {
            return self.set_overflow(value);
        }
        let (at, labels) = (rows.len(), Arc::new(labels));
        index.insert(hash, at);
        let series = instrument.series_of(&labels, self.sheet.lock().last_run);
        let row = Row { hash, labels, series, value: value.clone(), fell: false, run: 0 };
        self.rows.push(row);
        self.set_row(at, value);
    }

    fn set_overflow(&mut self, value: Reading) {
        let instrument = &self.sheet.instrument;
        self.overflow = Some(instrument.overflow(self.overflow.take(), value));
        if instrument.is_first_overflow() {
            instrument.warn_of_overflow(&mut self.rows.iter().map(|row| &*row.labels));
        }
    }
}
