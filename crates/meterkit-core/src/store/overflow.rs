//! The series to which recordings go once a limit is reached.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use super::handle::Handle;
use super::member::Member;
use super::series::SeriesRef;
use super::shared::Shared;
use crate::attributes::AttributeValue;

/// The overflow series, and how often it was used.
pub(crate) struct Overflow<H> {
    series: OnceLock<Member<H>>,
    uses: AtomicU64,
}

impl<H: Handle> Overflow<H> {
    pub(crate) fn new() -> Self {
        Self { series: OnceLock::new(), uses: AtomicU64::new(0) }
    }

    /// The series, if there is one.
    pub(crate) fn get(&self) -> Option<&Member<H>> {
        self.series.get()
    }

    /// The series, to record in.
    #[inline]
    pub(crate) fn use_it(&self) -> Option<&H> {
        let member = self.series.get()?;
        if member.is_hidden() {
            member.set_hidden(false);
        }
        self.uses.fetch_add(1, Relaxed);
        Some(&member.handle)
    }

    /// Makes the series. Whether it was not there before.
    pub(crate) fn make(&self, shared: &Arc<Shared>, sdk: &H::Sdk) -> bool {
        let mark = [Some(AttributeValue::Bool(true))];
        let member = Member::new(SeriesRef::make(Arc::new(mark), true, shared, sdk));
        self.series.set(member).is_ok()
    }

    /// How often recordings went here.
    pub(crate) fn uses(&self) -> u64 {
        self.uses.load(Relaxed)
    }
}
