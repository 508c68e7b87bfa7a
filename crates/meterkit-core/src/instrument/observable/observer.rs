//! The observers that callbacks report to.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Observable, ObservableKind, Types};
use crate::Kind;
use crate::instrument::made::NoLabels;
use crate::labels::Labels;
use crate::number::Number;
use crate::store::observed::{Draft, Observed};
use crate::store::settings::DropReason;
use crate::store::shared::Shared;

/// Receives the values that a callback for several instruments reports.
pub struct Observer<'a> {
    drafts: &'a mut [Draft],
}

/// Receives the values that a callback for one instrument with labels reports.
pub struct SeriesObserver<'a, K, T, L> {
    draft: &'a mut Draft,
    types: Types<K, T, L>,
}

impl<'a> Observer<'a> {
    pub(super) fn new(drafts: &'a mut [Draft]) -> Self {
        Self { drafts }
    }

    /// Reports the value of an instrument without labels. If the instrument is reported more than once, the last value
    /// wins.
    ///
    /// If the callback was not registered for the instrument, the value is dropped and counted in `meterkit.dropped`,
    /// and a warning is logged once.
    pub fn observe<K: ObservableKind<T>, T: Number>(
        &mut self,
        instrument: &Observable<K, T>,
        value: T,
    ) {
        if let Some(draft) = self.draft(&instrument.observed) {
            report::<K, T>(draft, &NoLabels, value);
        }
    }

    /// Reports the value of one series of an instrument with labels. If a series is reported more than once, the last
    /// value wins.
    ///
    /// If the callback was not registered for the instrument, the value is dropped and counted in `meterkit.dropped`,
    /// and a warning is logged once.
    #[inline]
    pub fn observe_series<K: ObservableKind<T>, T: Number, L: Labels>(
        &mut self,
        instrument: &Observable<K, T, L>,
        labels: impl Labels<Set = L::Set>,
        value: T,
    ) {
        if let Some(draft) = self.draft(&instrument.observed) {
            report::<K, T>(draft, &labels, value);
        }
    }

    #[inline]
    fn draft(&mut self, observed: &Arc<Observed>) -> Option<&mut Draft> {
        let is_it = |draft: &&mut Draft| Arc::ptr_eq(draft.instrument(), observed);
        let draft = self.drafts.iter_mut().find(is_it);
        if draft.is_none() {
            observed.shared.dropped(DropReason::NotRegistered);
        }
        draft
    }
}

impl<'a, K: ObservableKind<T>, T: Number, L: Labels> SeriesObserver<'a, K, T, L> {
    pub(super) fn new(draft: &'a mut Draft) -> Self {
        Self { draft, types: PhantomData }
    }

    /// Reports the value of one series. If a series is reported more than once, the last value wins.
    #[inline]
    pub fn observe(&mut self, labels: impl Labels<Set = L::Set>, value: T) {
        report::<K, T>(self.draft, &labels, value);
    }
}

/// Reports a value, unless the instrument cannot record it.
#[inline]
pub(super) fn report<K: ObservableKind<T>, T: Number>(
    draft: &mut Draft,
    labels: &impl Labels,
    value: T,
) {
    if may_be::<K, T>(&draft.instrument().shared, value) {
        draft.report(labels, value.value().into());
    }
}

#[inline]
fn may_be<K: ObservableKind<T>, T: Number>(shared: &Shared, value: T) -> bool {
    if !value.is_recordable() {
        shared.dropped(DropReason::NotFinite);
        return false;
    }
    if K::KIND == Kind::ObservableCounter && value.is_negative() {
        shared.dropped(DropReason::Negative);
        return false;
    }
    true
}

impl fmt::Debug for Observer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.drafts.iter().map(|it| it.instrument().shared.descriptor().name.clone());
        f.debug_struct("Observer").field("instruments", &names.collect::<Vec<_>>()).finish()
    }
}

impl<K, T, L> fmt::Debug for SeriesObserver<'_, K, T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.draft.instrument().shared.descriptor().name;
        f.debug_struct("SeriesObserver").field("instrument", name).finish_non_exhaustive()
    }
}
