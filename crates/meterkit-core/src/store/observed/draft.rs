//! What a callback reports of one instrument while it runs: nobody sees it before it went well.

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
/// Begins with the rows that are seen, in the same places. A callback tends to report the same series in the same order
/// each time: then each is found by looking at the next row, without hashing, and [`commit`](Self::commit) only swaps.
pub(crate) struct Draft {
    sheet: Arc<Sheet>,
    rows: Vec<Row>,
    /// How many of them are seen; further ones are new in this run.
    known: usize,
    run: u64,
    /// How many rows this run has reported.
    reported: usize,
    /// The row that comes next if everything is as it was.
    next: usize,
    overflow: Option<Reading>,
    /// Whether what is being reported has labels that became `other`, and adds to what is there.
    joins: bool,
    /// Of the rows; made when one is not where it was.
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

    /// A run begins.
    pub(crate) fn begin(&mut self) {
        self.run += 1;
        self.reported = 0;
        self.next = 0;
        self.overflow = None;
    }

    /// Reports the value of a series. Of several values of one series, the last one counts.
    #[inline]
    pub(crate) fn report(&mut self, labels: &impl Labels, value: Reading) {
        if self.sheet.instrument.caps().is_empty() {
            let key_count = self.sheet.instrument.keys().len();
            self.set(&Declared { labels, key_count }, value);
        } else {
            self.report_capped(labels, value);
        }
    }

    /// Reports the value of the series with these attributes: one with declared labels, if these are the declared ones.
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

    /// Reports the value of a series some of whose labels may become `other`. As in the overflow series, totals of
    /// several such add up.
    fn report_capped(&mut self, labels: &impl Labels, value: Reading) {
        let sheet = self.sheet.clone();
        let caps = sheet.instrument.caps();
        let capped = Capped { labels, caps, learns: true };
        // First of all, so that what may still be learned is let through.
        let query = Declared { labels: &capped, key_count: caps.len() };
        drop(query.to_stored());
        self.joins = !ValueCap::let_through(caps, labels);
        self.set(&query, value);
        self.joins = false;
    }

    /// Makes what this run reported what is seen, and nothing else. A total that fell begins anew.
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
        // Switched off meanwhile, it is old when the instrument is on again.
        match instrument.shared.is_off() {
            true => shown.outdate(),
            false => shown.show(),
        }
    }

    /// What this run reported counts for nothing.
    pub(crate) fn roll_back(&mut self) {
        if self.rows.len() > self.known {
            self.sheet.instrument.give_back(&self.rows[self.known..]);
            self.rows.truncate(self.known);
            self.index = None;
        }
    }

    /// Other series were reported than before.
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
        // Once more: a second visit of the caller's labels may hand out others than the first.
        let hash = query.hash_stored(hasher, &labels);
        if let Some(at) = index.find(hash, |at| *rows[at].labels == labels) {
            return self.set_row(at, value);
        }
        // Last: the caller's labels may panic, which must not cost room.
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
