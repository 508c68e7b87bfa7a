//! One instrument in the store: what it is, and its series.

use std::any::Any;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use opentelemetry::KeyValue;

use super::callbacks::Callback;
use super::cell::Cell;
use super::entry::Entry;
use super::feed::MakeSink;
use super::group::keyed::{AsDeclared, ByKey, KeyLayouts};
use super::group::{Addresses, DeclaredSeries, Places, Room, SeriesGroup, Usage};
use super::handle::{self, Handle};
use super::label_set::LabelSet;
use super::shared::{Shared, Switch};
use crate::Kind;
use crate::buckets::HistogramBuckets;
use crate::data::{Data, SeriesId};
use crate::error::InstrumentError;
use crate::labels::{LabelKey, Labels};

/// An instrument with all its series. `H` is the handle that users hold.
pub struct Core<H: Handle> {
    pub(crate) shared: Arc<Shared>,
    group: SeriesGroup<H>,
    /// The layouts of the attributes that were recorded by, if any were but the declared ones.
    layouts: OnceLock<Box<KeyLayouts>>,
    /// What look-ups return while the instrument is off.
    nowhere: OnceLock<H>,
}

impl<H: Handle> Core<H> {
    /// Returns an instrument whose labels are not declared yet.
    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            group: SeriesGroup::new(shared.settings.clone()),
            shared: Arc::new(shared),
            layouts: OnceLock::new(),
            nowhere: OnceLock::new(),
        }
    }

    /// Returns the handle of an instrument that declares no labels.
    pub(crate) fn plain(&self) -> &H {
        match self.group.declared() {
            Some(DeclaredSeries::Plain(handle)) => handle,
            _ => self.nowhere(),
        }
    }

    /// Returns the series of each closed label set; none for an open one.
    pub(crate) fn places(&self) -> Places<H> {
        self.group.places()
    }

    // Apart, so that finding a place is small enough to stand where the caller is.
    #[inline(never)]
    pub(crate) fn with(&self, labels: &impl Labels) -> Entry<'_, H> {
        if self.shared.is_off() {
            return Entry::kept(self.plain());
        }
        let addresses = self.group.addresses(labels);
        let recent = self.group.recall(labels, addresses);
        recent.map_or_else(|| self.find(labels, addresses), Entry::kept)
    }

    // Apart, so that what is found by addresses has few registers to save.
    #[inline(never)]
    fn find(&self, labels: &impl Labels, addresses: Addresses) -> Entry<'_, H> {
        match self.group.declared() {
            None | Some(DeclaredSeries::Plain(_)) => Entry::kept(self.plain()),
            Some(declared) => self.group.with(declared, labels, addresses, &self.shared),
        }
    }

    /// Returns the series with these attributes: one with declared labels, if these are the declared ones.
    #[inline]
    pub(crate) fn with_attributes(&self, attributes: &[KeyValue]) -> Entry<'_, H> {
        if self.shared.is_off() {
            return Entry::kept(self.nowhere());
        }
        loop {
            let declared = self.group.declared();
            let found = declared.and_then(|it| self.with_declared(it, attributes));
            let found = found.or_else(|| {
                // Labels that are declared meanwhile may be these: then once more.
                self.with_keys(attributes, || self.group.declared().is_some() == declared.is_some())
            });
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Returns the series with these attributes, of all that do not have declared labels. `may_make` is asked before one
    /// is made, while no other can be; `None` if it says no.
    #[inline]
    fn with_keys(
        &self,
        attributes: &[KeyValue],
        may_make: impl Fn() -> bool,
    ) -> Option<Entry<'_, H>> {
        let layouts = self.layouts.get_or_init(Box::default);
        match layouts.find(attributes) {
            Some(layout) => {
                self.group.with_attributes(&ByKey { attributes, layout }, &self.shared, may_make)
            }
            None => layouts.with_new(attributes, &self.shared, |layout| match layout {
                Some(layout) => {
                    let query = ByKey { attributes, layout };
                    self.group.with_attributes(&query, &self.shared, may_make)
                }
                None => Some(self.group.overflow(&self.shared)),
            }),
        }
    }

    fn with_declared<'a>(
        &'a self,
        declared: &'a DeclaredSeries<H>,
        attributes: &[KeyValue],
    ) -> Option<Entry<'a, H>> {
        let keys = self.shared.label_keys();
        let labels = AsDeclared::new(keys, attributes)?;
        let is_closed = LabelKey::closed_sets(keys).is_some();
        match declared {
            DeclaredSeries::Plain(handle) => Some(Entry::kept(handle)),
            _ if is_closed && LabelKey::place_of(keys, &labels).is_none() => None,
            declared => {
                let addresses = self.group.addresses(&labels);
                Some(self.group.with(declared, &labels, addresses, &self.shared))
            }
        }
    }

    /// Takes the series with these labels out of every later export. Returns whether there was one.
    pub(crate) fn remove(&self, labels: &impl Labels) -> bool {
        self.group.remove(labels, &self.shared)
    }

    /// Takes all series but a plain one out of every later export.
    pub(crate) fn clear(&self) {
        self.group.clear();
    }

    /// Makes all series of a closed set, exported as zero from now on. Returns the limit as an error when it allows
    /// fewer.
    pub(crate) fn zero_initialize(&self) -> Result<(), usize> {
        match self.group.declared() {
            Some(DeclaredSeries::Plain(handle)) if handle.series().cell().is_empty() => {
                handle.zero();
                Ok(())
            }
            Some(DeclaredSeries::Plain(_)) | None => Ok(()),
            Some(_) => self.group.zero_initialize(&self.shared),
        }
    }

    /// Calls `change` once, then `each` with every series that was made before; later ones see what it changed.
    pub(crate) fn for_all(&self, change: impl FnOnce(), each: impl FnMut(&H)) {
        self.group.for_all(change, each);
    }

    #[cold]
    fn nowhere(&self) -> &H {
        self.nowhere.get_or_init(|| {
            // Nothing waits in it, and it feeds nothing: the instrument may be on again while someone still holds it.
            let off = Arc::new(self.shared.off_for_good());
            handle::make(LabelSet::none(), &off)
        })
    }
}

/// Makes an instrument of what its series share.
pub(crate) type MakeStored<'a> = Box<dyn FnOnce(Shared) -> Arc<dyn Stored> + 'a>;

/// What the registry needs of an instrument, whatever its type.
pub(crate) trait Stored: Send + Sync {
    fn shared(&self) -> &Shared;
    /// Declares the labels. Returns those that were declared before, if others were.
    fn declare(&self, keys: &'static [LabelKey]) -> Result<(), &'static [LabelKey]> {
        self.shared().declare(keys)
    }
    fn data(&self) -> Data;
    /// Returns how many series there are; `None` without labels.
    fn usage(&self) -> Option<Usage>;
    /// Sets whether values are recorded and exported.
    fn switch(&self, to: Switch);
    /// Forgets these series. They begin anew if they return.
    fn forget(&self, _series: &HashSet<SeriesId>) {}
    /// Returns the callbacks that report it.
    fn callbacks(&self) -> Vec<Arc<Callback>> {
        Vec::new()
    }
    /// Returns the room that there is for series.
    fn room(&self) -> &Room;
    /// Returns how many series there may be.
    fn limit(&self) -> usize;
    /// Keeps values as an operator asks for.
    fn set_stream(&self, buckets: Option<HistogramBuckets>, cardinality_limit: Option<usize>);
    /// Sends the values of a histogram to sinks too, or to none any more.
    fn feed(&self, _to: Option<MakeSink>) {}
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl dyn Stored {
    /// Returns the instrument as what it is.
    pub(crate) fn typed<S: Stored + 'static>(self: Arc<Self>) -> Result<Arc<S>, InstrumentError> {
        self.clone().into_any().downcast::<S>().map_err(|_| InstrumentError::Clash {
            name: self.shared().descriptor().name.clone(),
            aspect: "type",
            existing: "another type".to_owned(),
            requested: std::any::type_name::<S>().to_owned(),
        })
    }
}

impl<H: Handle> Stored for Core<H> {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn declare(&self, keys: &'static [LabelKey]) -> Result<(), &'static [LabelKey]> {
        self.group.declare(keys, &self.shared)
    }

    fn data(&self) -> Data {
        let shared = &self.shared;
        if shared.is_off() {
            return H::data(shared, &mut std::iter::empty());
        }
        self.group.in_order(shared, |series| H::data(shared, series))
    }

    fn usage(&self) -> Option<Usage> {
        let SeriesGroup { room, overflow, .. } = &self.group;
        let usage = Usage { series: room.taken(), overflowed: overflow.uses() };
        let is_plain = matches!(self.group.declared(), None | Some(DeclaredSeries::Plain(_)));
        // An instrument that is recorded without attributes has no labels either.
        (!is_plain || usage.series > 1).then_some(usage)
    }

    fn switch(&self, to: Switch) {
        let is_back = to == Switch::On && self.shared.is_off();
        self.shared.switch(to);
        if to == Switch::Unloaded {
            // One that is made again under this name begins later, even if the clock stands still.
            let settings = &self.shared.settings;
            settings.start_after(settings.start());
            self.clear();
            if let Some(nowhere) = self.nowhere.get() {
                nowhere.series().shared.switch(to);
            }
        } else if is_back {
            // Targets that take deltas have seen these series go: they begin anew.
            self.group.restart();
        }
    }

    fn room(&self) -> &Room {
        &self.group.room
    }

    fn limit(&self) -> usize {
        match self.group.declared() {
            Some(DeclaredSeries::Plain(_)) if !self.group.has_open() => 1,
            _ => self.group.room.limit(),
        }
    }

    fn set_stream(&self, buckets: Option<HistogramBuckets>, cardinality_limit: Option<usize>) {
        self.group.room.set_limit(cardinality_limit);
        if let Some(buckets) = buckets.filter(|_| H::KIND == Kind::Histogram) {
            H::set_buckets(self, buckets);
        }
    }

    fn feed(&self, to: Option<MakeSink>) {
        if H::KIND == Kind::Histogram {
            let change = || match to {
                Some(make) => self.shared.feed.start(make),
                None => self.shared.feed.stop(),
            };
            self.for_all(change, H::feed);
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
