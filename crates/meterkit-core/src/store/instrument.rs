//! An instrument in the store, with its series.

use std::any::Any;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use once_cell::race::OnceBox;

use super::callbacks::Callback;
use super::cell::Cell;
use super::entry::Entry;
use super::feed::MakeSink;
use super::group::keyed::{AsDeclared, Attribute, ByKey, KeyLayouts};
use super::group::{
    Addresses, DeclaredSeries, GroupOptions, Members, Places, Room, SeriesGroup, Usage,
};
use super::handle::{self, AnyHandle, Handle};
use super::label_set::LabelSet;
use super::points::points;
use super::series::Head;
use super::shared::{Shared, Switch};
use crate::Kind;
use crate::attributes::Attributes;
use crate::buckets::HistogramBuckets;
use crate::data::{Data, SeriesId};
use crate::error::InstrumentError;
use crate::labels::{LabelKey, Labels};

/// An instrument with all its series. `H` is the handle type that users hold.
pub(crate) struct Core<H: Handle> {
    pub(crate) shared: Arc<Shared>,
    /// The series of an instrument that was declared without labels at creation.
    plain: Option<H>,
    /// Everything else. Most instruments never need it, and a program may have thousands.
    labeled: OnceBox<Labeled<H>>,
}

/// The state that an instrument needs for more than one series.
struct Labeled<H: Handle> {
    group: SeriesGroup<H>,
    /// The layouts of recorded attributes, once attributes other than the declared labels were recorded.
    layouts: OnceLock<Box<KeyLayouts>>,
    /// The handle that look-ups return while the instrument is off.
    nowhere: OnceLock<H>,
}

impl<H: Handle> Core<H> {
    pub(crate) fn new(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        // Other instruments declare their labels later.
        let is_plain = shared.declared_keys().is_some();
        let plain = is_plain.then(|| handle::make(LabelSet::none(), &shared));
        let core = Self { shared, plain, labeled: OnceBox::new() };
        if !is_plain {
            core.labeled();
        }
        core
    }

    fn labeled(&self) -> &Labeled<H> {
        self.labeled.get_or_init(|| {
            let declared = self.plain.clone().map(|handle| DeclaredSeries::Plain(handle).into());
            let settings = self.shared.settings.clone();
            let group = SeriesGroup::new(settings, declared.unwrap_or_default());
            if self.plain.is_some() {
                group.room().declare(GroupOptions::default());
            }
            Box::new(Labeled { group, layouts: OnceLock::new(), nowhere: OnceLock::new() })
        })
    }

    /// Returns the group of series, if there may be series other than a plain one.
    #[inline]
    fn group(&self) -> Option<&SeriesGroup<H>> {
        self.labeled.get().map(|labeled| &labeled.group)
    }

    /// Returns the handle of an instrument that declares no labels.
    #[inline]
    pub(crate) fn plain(&self) -> &H {
        match (&self.plain, self.labeled.get()) {
            (Some(handle), _) => handle,
            (None, Some(Labeled { group, nowhere, .. })) => match group.declared() {
                Some(DeclaredSeries::Plain(handle)) => handle,
                _ => nowhere.get().unwrap_or_else(|| self.nowhere()),
            },
            (None, None) => self.nowhere(),
        }
    }

    /// Returns the series of each closed label set, or an empty list for an open one.
    pub(crate) fn places(&self) -> Places<H> {
        self.group().map_or_else(Places::default, SeriesGroup::places)
    }

    /// Returns the series with these labels, if this thread found it recently. Otherwise returns the addresses that
    /// [`with`](Self::with) needs.
    // Not inlined, so that look-ups by place are small enough to be inlined into the caller.
    #[inline(never)]
    pub(crate) fn recall(&self, labels: &impl Labels) -> Result<&H, Addresses> {
        match self.labeled.get() {
            Some(labeled) if !self.shared.is_off() => labeled.group.recall(labels),
            Some(labeled) => labeled.nowhere.get().ok_or_else(Addresses::default),
            None => Err(Addresses::default()),
        }
    }

    #[inline(never)]
    pub(crate) fn with(&self, labels: &impl Labels, addresses: Addresses) -> Entry<'_, H> {
        let group = self.group().filter(|_| !self.shared.is_off());
        match group.and_then(|group| Some((group, group.declared()?))) {
            None | Some((_, DeclaredSeries::Plain(_))) => Entry::kept(self.plain()),
            Some((group, declared)) => group.with(declared, labels, addresses, &self.shared),
        }
    }

    /// Returns the series with these attributes, which has declared labels if the attributes match them.
    #[inline]
    pub(crate) fn with_attributes(&self, attributes: &[impl Attribute]) -> Entry<'_, H> {
        match self.labeled.get() {
            _ if self.shared.is_off() => Entry::kept(self.nowhere()),
            Some(labeled) => labeled.with_attributes(attributes, &self.shared),
            None => self.with_first_attributes(attributes),
        }
    }

    #[cold]
    fn with_first_attributes(&self, attributes: &[impl Attribute]) -> Entry<'_, H> {
        match &self.plain {
            Some(plain) if attributes.is_empty() => Entry::kept(plain),
            _ => self.labeled().with_attributes(attributes, &self.shared),
        }
    }

    /// Returns a handle to keep of the series with these declared labels. Unlike [`with`](Self::with), it returns a
    /// handle to the series itself even while the instrument is off.
    pub(crate) fn bound(&self, labels: &impl Labels) -> H {
        let group = &self.labeled().group;
        match group.declared() {
            None => self.nowhere().clone(),
            Some(DeclaredSeries::Plain(handle)) => handle.clone(),
            Some(declared) => {
                let addresses = Addresses::default();
                group.with(declared, labels, addresses, &self.shared).clone()
            }
        }
    }

    /// Returns the series with these attributes, even while the instrument is off.
    pub(crate) fn bound_attributes(&self, attributes: &[impl Attribute]) -> Entry<'_, H> {
        self.labeled().with_attributes(attributes, &self.shared)
    }

    /// Removes the series with these labels from all later exports. Returns whether it existed.
    pub(crate) fn remove(&self, labels: &impl Labels) -> bool {
        self.group().is_some_and(|group| group.remove(labels, &self.shared))
    }

    /// Removes the series with these attributes from all later exports. Returns whether it existed.
    pub(crate) fn remove_attributes(&self, attributes: &[impl Attribute]) -> bool {
        let labeled = self.labeled.get();
        labeled.is_some_and(|labeled| labeled.remove_attributes(attributes, &self.shared))
    }

    /// Returns the series that have labels of their own, with those labels.
    pub(crate) fn series(&self) -> Vec<(Attributes, H)> {
        let members = self.group().and_then(SeriesGroup::members);
        let found = members.map_or_else(Vec::new, |members| members.labeled());
        // Loaded after the series were found, so that no series has newer keys.
        let keys = self.shared.keys();
        let with_labels = |(labels, handle): (LabelSet, Box<dyn AnyHandle>)| {
            let labels = Attributes::from_pairs(keys.own_attributes(&labels));
            Some((labels, handle.typed::<H>()?.clone()))
        };
        found.into_iter().filter_map(with_labels).collect()
    }

    /// Removes all series except a plain one from all later exports.
    pub(crate) fn clear(&self) {
        self.group().and_then(SeriesGroup::members).into_iter().for_each(|it| it.clear());
    }

    /// Creates all series of a closed set, which are exported as zero from now on. Fails with the instrument's limit if
    /// it allows fewer series.
    pub(crate) fn zero_initialize(&self) -> Result<(), usize> {
        let plain = match (&self.plain, self.group()) {
            (Some(plain), _) => plain,
            (None, Some(group)) => match group.declared() {
                Some(DeclaredSeries::Plain(plain)) => plain,
                None => return Ok(()),
                Some(_) => {
                    return group.members().map_or(Ok(()), |it| it.zero_initialize(&self.shared));
                }
            },
            (None, None) => return Ok(()),
        };
        self.shared.export_empty();
        if plain.series().cell().is_empty() {
            plain.zero();
        }
        Ok(())
    }

    /// Calls `change` once, then `each` with every existing series. Series that are created later see the change.
    fn for_all(&self, change: &mut dyn FnMut(), each: &mut dyn FnMut(&dyn AnyHandle)) {
        let Some(plain) = self.plain.as_ref().filter(|_| self.labeled.get().is_none()) else {
            return self.labeled().group.untyped().for_all(change, each);
        };
        change();
        each(plain);
        // Other series may have been created in the meantime.
        if let Some(group) = self.group() {
            let plain: &Head = plain.series();
            group.untyped().for_all(&mut || (), &mut |handle| {
                if !std::ptr::eq(handle.head(), plain) {
                    each(handle);
                }
            });
        }
    }

    #[cold]
    fn nowhere(&self) -> &H {
        self.labeled().nowhere.get_or_init(|| {
            // No value waits in this series or is sent to a sink: the instrument may be on again while someone still
            // holds it.
            let off = Arc::new(self.shared.off_for_good());
            handle::make(LabelSet::none(), &off)
        })
    }
}

impl<H: Handle> Labeled<H> {
    #[inline]
    fn with_attributes(&self, attributes: &[impl Attribute], shared: &Arc<Shared>) -> Entry<'_, H> {
        loop {
            let declared = self.group.declared();
            let found = declared.and_then(|it| self.with_declared(it, attributes, shared));
            let found = found.or_else(|| {
                // If labels that match these attributes are declared in the meantime, the loop looks again.
                let may_make = || self.group.declared().is_some() == declared.is_some();
                self.with_keys(attributes, shared, may_make)
            });
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Returns the series with these attributes among those without declared labels, creating it if needed. `may_make`
    /// is called before creating a series, while no other thread can create one. If it returns `false`, this function
    /// returns `None`.
    #[inline]
    fn with_keys(
        &self,
        attributes: &[impl Attribute],
        shared: &Arc<Shared>,
        may_make: impl Fn() -> bool,
    ) -> Option<Entry<'_, H>> {
        let layouts = self.layouts.get_or_init(Box::default);
        match layouts.find(attributes) {
            Some(layout) => {
                self.group.with_attributes(&ByKey { attributes, layout }, shared, may_make)
            }
            None => layouts.with_new(attributes, shared, |layout| match layout {
                Some(layout) => {
                    let query = ByKey { attributes, layout };
                    self.group.with_attributes(&query, shared, may_make)
                }
                None => Some(self.group.overflow(shared)),
            }),
        }
    }

    fn remove_attributes(&self, attributes: &[impl Attribute], shared: &Arc<Shared>) -> bool {
        let keys = shared.label_keys();
        let is_declared = self.group.declared().is_some();
        let declared = AsDeclared::new(keys, attributes).filter(|_| is_declared);
        if declared.is_some_and(|labels| self.group.remove(&labels, shared)) {
            return true;
        }
        let Some(layouts) = self.layouts.get() else { return false };
        let layout = layouts.known(attributes, shared);
        layout.is_some_and(|layout| self.group.remove_by(&ByKey { attributes, layout: &layout }))
    }

    fn with_declared<'a>(
        &'a self,
        declared: &'a DeclaredSeries<H>,
        attributes: &[impl Attribute],
        shared: &Arc<Shared>,
    ) -> Option<Entry<'a, H>> {
        let keys = shared.label_keys();
        let labels = AsDeclared::new(keys, attributes)?;
        let is_closed = LabelKey::closed_sets(keys).is_some();
        match declared {
            DeclaredSeries::Plain(handle) => Some(Entry::kept(handle)),
            _ if is_closed && LabelKey::place_of(keys, &labels).is_none() => None,
            declared => {
                let addresses = self.group.addresses(&labels);
                Some(self.group.with(declared, &labels, addresses, shared))
            }
        }
    }
}

/// Creates an instrument from the state that its series share.
pub(crate) type MakeStored<'a> = Box<dyn FnOnce(Shared) -> Arc<dyn Stored> + 'a>;

/// What the registry requires of an instrument of any type.
pub(crate) trait Stored: Send + Sync {
    fn shared(&self) -> &Arc<Shared>;
    /// Declares the labels. Returns an error with the labels that were declared before, if they differ.
    fn declare(&self, keys: &'static [LabelKey]) -> Result<(), &'static [LabelKey]> {
        self.shared().declare(keys)
    }
    fn data(&self) -> Data;
    /// Returns how many series there are, or `None` for an instrument without labels.
    fn usage(&self) -> Option<Usage>;
    /// Sets whether values are recorded and exported.
    fn switch(&self, to: Switch);
    /// Forgets these series. If they return, they begin anew.
    fn forget(&self, _series: &HashSet<SeriesId>) {}
    /// Returns the callbacks that report the instrument.
    fn callbacks(&self) -> Vec<Arc<Callback>> {
        Vec::new()
    }
    /// Returns the room for series with labels, if there may be any.
    fn room(&self) -> Option<&Room>;
    /// Returns how many series the instrument may have.
    fn limit(&self) -> usize;
    /// Sets the buckets and the limit that an operator configured.
    fn set_stream(&self, buckets: Option<HistogramBuckets>, cardinality_limit: Option<usize>);
    /// Sends the values of a histogram to sinks as well, or stops doing so.
    fn feed(&self, _to: Option<MakeSink>) {}
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl dyn Stored {
    /// Returns the instrument as type `S`, or an error if it has another type.
    pub(crate) fn typed<S: Stored + 'static>(self: Arc<Self>) -> Result<Arc<S>, InstrumentError> {
        let typed = self.clone().into_any().downcast::<S>();
        typed.map_err(|_| self.clash_of_types(std::any::type_name::<S>()))
    }

    fn clash_of_types(&self, requested: &str) -> InstrumentError {
        InstrumentError::Clash {
            name: self.shared().descriptor().name.clone(),
            aspect: "type",
            existing: "another type".to_owned(),
            requested: requested.to_owned(),
        }
    }
}

impl<H: Handle> Stored for Core<H> {
    fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn declare(&self, keys: &'static [LabelKey]) -> Result<(), &'static [LabelKey]> {
        match self.group().filter(|_| self.plain.is_none()) {
            Some(group) => group.declare(keys, &self.shared),
            None => self.shared.declare(keys),
        }
    }

    fn data(&self) -> Data {
        let plain = self.plain.as_ref().map(|handle| -> &dyn AnyHandle { handle });
        read(&self.shared, plain, self.group().map(SeriesGroup::untyped))
    }

    fn usage(&self) -> Option<Usage> {
        let group = self.group()?;
        let usage = group.room().usage(group.overflow.uses());
        let is_plain = matches!(group.declared(), None | Some(DeclaredSeries::Plain(_)));
        // An instrument that is recorded only without attributes has no labels either.
        (!is_plain || usage.series > 1).then_some(usage)
    }

    fn switch(&self, to: Switch) {
        let is_back = to == Switch::On && self.shared.is_off();
        self.shared.switch(to);
        if to == Switch::Unloaded {
            // If the instrument is created again under this name, it begins later, even if the clock stands still.
            let settings = &self.shared.settings;
            settings.start_after(settings.start());
            self.clear();
            if let Some(nowhere) = self.labeled.get().and_then(|it| it.nowhere.get()) {
                nowhere.series().shared.switch(to);
            }
        } else if is_back {
            // Targets that take deltas have seen these series end, so the series begin anew.
            match self.group() {
                Some(group) => group.untyped().restart(),
                None => self.plain.iter().for_each(|handle| {
                    <dyn AnyHandle>::reset(handle);
                    <dyn AnyHandle>::zero_again(handle);
                }),
            }
        }
    }

    fn room(&self) -> Option<&Room> {
        self.group().map(SeriesGroup::room)
    }

    fn limit(&self) -> usize {
        match self.group() {
            None => 1,
            Some(group) => match group.declared() {
                Some(DeclaredSeries::Plain(_)) if !group.has_open() => 1,
                _ => group.room().limit(),
            },
        }
    }

    fn set_stream(&self, buckets: Option<HistogramBuckets>, cardinality_limit: Option<usize>) {
        let group = match cardinality_limit {
            Some(_) => Some(&self.labeled().group),
            None => self.group(),
        };
        if let Some(group) = group {
            group.room().set_limit(cardinality_limit);
        }
        if let Some(buckets) = buckets.filter(|_| H::KIND == Kind::Histogram) {
            let mut buckets = Some(buckets);
            let mut change =
                || buckets.take().into_iter().for_each(|it| self.shared.set_buckets(it));
            self.for_all(&mut change, &mut |handle| {
                handle.distribution().into_iter().for_each(|cell| cell.sort_anew(&self.shared));
            });
        }
    }

    fn feed(&self, to: Option<MakeSink>) {
        if H::KIND == Kind::Histogram {
            let mut to = Some(to);
            let mut change = || match to.take() {
                Some(Some(make)) => self.shared.feed.start(make),
                Some(None) => self.shared.feed.stop(),
                None => {}
            };
            self.for_all(&mut change, &mut |handle| handle.feed());
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// Returns the values of an instrument: the series of its group, or the plain series while there is no group.
fn read(shared: &Shared, plain: Option<&dyn AnyHandle>, group: Option<&dyn Members>) -> Data {
    match group {
        _ if shared.is_off() => points(shared, &mut std::iter::empty()),
        None => points(shared, &mut plain.into_iter()),
        Some(group) => {
            if shared.identity.kind != Kind::Histogram {
                if let Some(numbers) = group.numbers(shared) {
                    shared.ask_for_look();
                    return Data::of_numbers(shared.identity.kind, numbers);
                }
            }
            let mut data = None;
            group.in_order(shared, &mut |series| data = Some(points(shared, series)));
            data.unwrap_or_else(|| points(shared, &mut std::iter::empty()))
        }
    }
}

#[cfg(test)]
mod tests;
