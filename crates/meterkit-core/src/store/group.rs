//! The series of one instrument: found by label set, created on first use, limited in number, and removed again.

mod addresses;
mod closed;
mod idle;
mod kept;
pub(crate) mod keyed;
mod later;
mod members;
mod open;
mod overflow;
mod reading;
mod room;
mod table;
mod value_cap;

use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;

pub(crate) use self::addresses::{AddressHasher, Addresses};
use self::closed::ClosedSeries;
pub(crate) use self::closed::Places;
use self::kept::KeptSeries;
use self::keyed::{Attribute, ByKey};
use self::later::{Later, LaterSeries};
pub(crate) use self::members::Members;
use self::members::{Found, NewMember, OpenMember, Upkeep};
use self::open::{Member, OpenSeries};
pub(crate) use self::overflow::{Overflow, warn as warn_of_overflow};
pub(crate) use self::room::{GroupOptions, Room, collecting, is_collecting};
use self::table::{Place, Writer};
pub(crate) use self::value_cap::{Capped, ValueCap};
use super::entry::Entry;
use super::handle::{self, AnyHandle, Handle};
use super::label_set::{Declared, LabelSet, Query, hash_declared, is_plainly};
use super::settings::Settings;
use super::shared::{PointKeys, Shared};
use crate::data::AttributesByPlace;
use crate::instrument::members_of;
use crate::labels::{LabelKey, Labels};

/// The largest closed label set in which each combination has a place from the start, which takes some hundred
/// kilobytes. Larger sets are looked up like open ones.
pub(crate) const MOST_PLACES: usize = 4096;

/// The series of one instrument.
pub(crate) struct SeriesGroup<H: Handle> {
    upkeep: Upkeep,
    pub(crate) overflow: Overflow<H>,
    /// How series with the declared labels are found, once labels are declared.
    declared: OnceLock<DeclaredSeries<H>>,
    /// The series that are found by their values, once there is one.
    open: OnceLock<Arc<OpenSeries<H>>>,
}

/// How series with declared labels are found.
pub(crate) enum DeclaredSeries<H> {
    /// There are no labels, and this is the only series. It does not count toward the limit.
    Plain(H),
    /// By place.
    Closed(ClosedSeries<H>),
    /// By value. Labels may have a cap on the number of their values.
    Open(Box<[Option<ValueCap>]>),
}

/// How many series an instrument has, and how close it is to its limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) series: usize,
    /// How often recordings went to the overflow series.
    pub(crate) overflowed: u64,
    /// Whether less than a tenth of the allowed series are left.
    pub(crate) is_nearly_full: bool,
}

impl<H: Handle> SeriesGroup<H> {
    pub(crate) fn new(settings: Arc<Settings>, declared: OnceLock<DeclaredSeries<H>>) -> Self {
        Self {
            upkeep: Upkeep::new(settings),
            overflow: Overflow::new(),
            declared,
            open: OnceLock::new(),
        }
    }

    pub(crate) fn room(&self) -> &Room {
        &self.upkeep.room
    }

    /// Returns the group without the type of its handles.
    ///
    /// Used by code that is compiled again in each crate that looks series up; methods of the result are compiled only
    /// once.
    #[cold]
    pub(crate) fn members(&self) -> Option<&dyn Members> {
        members_of(self)
    }

    /// Returns how series with declared labels are found, or `None` until labels are declared.
    #[inline]
    pub(crate) fn declared(&self) -> Option<&DeclaredSeries<H>> {
        self.declared.get()
    }

    /// Returns whether a series was ever looked up by its values.
    pub(crate) fn has_open(&self) -> bool {
        self.open.get().is_some()
    }

    /// Declares the labels. Series with these labels that were recorded by attributes before are kept.
    ///
    /// Returns an error with the labels that were declared before, if they differ.
    pub(crate) fn declare(
        &self,
        keys: &'static [LabelKey],
        shared: &Arc<Shared>,
    ) -> Result<(), &'static [LabelKey]> {
        let _creation = self.upkeep.lock_creation();
        shared.declare(keys)?;
        if self.declared.get().is_some() {
            return Ok(());
        }
        let most = self.room().limit().min(MOST_PLACES);
        let declared = match LabelKey::closed_sets(keys).filter(|sets| *sets <= most) {
            _ if keys.is_empty() => {
                let recorded = self.untyped().take_plain();
                let recorded = recorded.and_then(|handle| handle.typed().cloned());
                DeclaredSeries::Plain(
                    recorded.unwrap_or_else(|| handle::make(LabelSet::none(), shared)),
                )
            }
            Some(sets) => DeclaredSeries::Closed(ClosedSeries::new(keys, sets)),
            None => DeclaredSeries::Open(ValueCap::of(keys)),
        };
        if let Some(open) = self.open.get().filter(|_| !keys.is_empty()) {
            for (labels, handle) in self.untyped().take_declared(keys, shared) {
                if let DeclaredSeries::Closed(closed) = &declared {
                    let place = LabelKey::place_of_values(keys, &labels);
                    place.and_then(|place| closed.get_or_make(place, || handle.typed().cloned()));
                } else {
                    let hash = hash_declared(&open.hasher, &labels);
                    self.untyped().inherit(hash, labels, handle);
                }
            }
        }
        // Readings number the places of closed series before those of open ones, so the next reading starts from
        // scratch.
        let mut reading = self.upkeep.lock_reading();
        *reading = None;
        let _ = self.declared.set(declared);
        Ok(())
    }

    /// Returns the series of each closed label set, or an empty list for an open one.
    pub(crate) fn places(&self) -> Places<H> {
        match self.closed() {
            Some(closed) => closed.places().clone(),
            None => Places::default(),
        }
    }

    /// Returns the series with these declared labels, if this thread found it recently. Otherwise returns the
    /// addresses, which the caller uses to remember the series that it finds.
    // Not inlined, and with only one call, at the end: there are few registers to save, and none while the instrument
    // is off.
    #[inline(never)]
    pub(crate) fn recall(&self, labels: &impl Labels) -> Result<&H, Addresses> {
        let addresses = self.addresses(labels);
        let Some((open, place)) = self.open.get().zip(addresses.recall()) else {
            return Err(addresses);
        };
        // With caps, labels equal those of a series only if the caps let their values through.
        match open.recall(place, |stored| is_plainly(labels, stored)) {
            Some(handle) => Ok(handle),
            None => self.recall_other(labels, addresses),
        }
    }

    /// Like [`recall`](Self::recall), for labels that do not [plainly](is_plainly) equal those of the series.
    #[cold]
    #[inline(never)]
    fn recall_other(&self, labels: &impl Labels, addresses: Addresses) -> Result<&H, Addresses> {
        // The number of keys does not matter because nothing is hashed.
        let (open, query) = (self.open.get(), Declared { labels, key_count: 0 });
        let found = open.zip(addresses.recall());
        let found = found.and_then(|(open, place)| open.recall(place, |it| query.is(it)));
        found.ok_or(addresses)
    }

    /// Returns the series with these declared labels, creating it if needed. Takes no lock and allocates nothing if the
    /// series exists.
    #[inline]
    pub(crate) fn with(
        &self,
        declared: &DeclaredSeries<H>,
        labels: &impl Labels,
        addresses: Addresses,
        shared: &Arc<Shared>,
    ) -> Entry<'_, H> {
        let key_count = shared.label_keys().len();
        let found = match declared {
            // Existing series of these two variants were found by their places before this call.
            DeclaredSeries::Plain(_) | DeclaredSeries::Closed(_) => {
                self.make_closed(labels, shared)
            }
            DeclaredSeries::Open(caps) if caps.is_empty() => {
                self.find(addresses, &Declared { labels, key_count }, shared, || true)
            }
            DeclaredSeries::Open(caps) => {
                let capped = &Capped { labels, caps, learns: true };
                self.find(addresses, &Declared { labels: capped, key_count }, shared, || true)
            }
        };
        found.unwrap_or_else(|| self.overflow(shared))
    }

    /// Returns the series with these attributes, creating it if needed. `may_make` is called before creating a series,
    /// while no other thread can create one. If it returns `false`, this function returns `None`.
    #[inline]
    pub(crate) fn with_attributes(
        &self,
        query: &ByKey<'_, impl Attribute>,
        shared: &Arc<Shared>,
        may_make: impl Fn() -> bool,
    ) -> Option<Entry<'_, H>> {
        let addresses = query.addresses(AddressHasher::new(self));
        let recent =
            addresses.recall().and_then(|place| self.open().recall(place, |it| query.is(it)));
        if let Some(handle) = recent {
            return Some(Entry::kept(handle));
        }
        self.find(addresses, query, shared, &may_make)
            .or_else(|| may_make().then(|| self.overflow(shared)))
    }

    /// Removes the series with these labels from all later exports. Returns whether it existed.
    pub(crate) fn remove(&self, labels: &impl Labels, shared: &Shared) -> bool {
        let keys = shared.label_keys();
        match self.declared.get() {
            Some(DeclaredSeries::Closed(_)) => {
                let place = LabelKey::place_of(keys, labels);
                place.is_some_and(|place| self.members().is_some_and(|it| it.remove_closed(place)))
            }
            Some(DeclaredSeries::Open(caps)) if ValueCap::let_through(caps, labels) => {
                let labels = &Capped { labels, caps, learns: false };
                let query = Declared { labels, key_count: keys.len() };
                self.remove_by(&query)
            }
            _ => false,
        }
    }

    /// Removes the series that `query` finds from all later exports. Returns whether it existed.
    pub(crate) fn remove_by(&self, query: &dyn Query) -> bool {
        self.members().is_some_and(|it| it.remove_open(query))
    }

    /// Returns the group without the type of its handles.
    pub(crate) fn untyped(&self) -> &dyn Members {
        self
    }

    fn closed(&self) -> Option<&ClosedSeries<H>> {
        match self.declared.get() {
            Some(DeclaredSeries::Closed(closed)) => Some(closed),
            _ => None,
        }
    }

    /// Returns the addresses of labels that are looked up in this group.
    #[inline(always)]
    pub(crate) fn addresses(&self, labels: &impl Labels) -> Addresses {
        let mut hasher = AddressHasher::new(self);
        labels.visit(&mut hasher);
        hasher.finish()
    }

    #[inline]
    fn open(&self) -> &OpenSeries<H> {
        self.open.get_or_init(|| Arc::new(OpenSeries::new()))
    }

    /// Returns the series that `query` finds by its values, creating it if there is room. Remembers it for labels at
    /// the same addresses.
    #[inline]
    fn find(
        &self,
        addresses: Addresses,
        query: &impl Query,
        shared: &Arc<Shared>,
        may_make: impl Fn() -> bool,
    ) -> Option<Entry<'_, H>> {
        // Checked before the look-up: a series that takes the last room after this check may be the one that is looked
        // up.
        let has_room = self.room().is_free();
        let open = self.open();
        let hash = open.hash(query);
        match open.get(hash, query) {
            Some((slot, handle)) if !handle.series().is_hidden() => {
                addresses.remember(Place::of(slot));
                Some(Entry::kept(handle))
            }
            // Many look-ups end here once the limit is reached.
            None if !has_room && open.later.len() == 0 => None,
            _ => self.make_open(hash, query, shared, &may_make),
        }
    }

    #[cold]
    fn make_open(
        &self,
        hash: u64,
        query: &dyn Query,
        shared: &Arc<Shared>,
        may_make: &dyn Fn() -> bool,
    ) -> Option<Entry<'_, H>> {
        match self.members()?.make_open(hash, query, shared, may_make)? {
            Found::Slot(slot) => Some(Entry::kept(self.open().table.entry(slot)?.handle())),
            Found::Later(handle) => handle.typed().cloned().map(Entry::shared),
        }
    }

    #[cold]
    fn make_closed(&self, labels: &impl Labels, shared: &Arc<Shared>) -> Option<Entry<'_, H>> {
        let (closed, place) = (self.closed()?, LabelKey::place_of(shared.label_keys(), labels)?);
        self.members()?.closed_member(place, shared)?;
        closed.get(place).map(Entry::kept)
    }

    #[inline]
    pub(crate) fn overflow(&self, shared: &Arc<Shared>) -> Entry<'_, H> {
        loop {
            if let Some(handle) = self.overflow.use_it() {
                return Entry::kept(handle);
            }
            self.members().into_iter().for_each(|it| it.begin_overflow(shared));
        }
    }
}

impl<H: Handle> Members for SeriesGroup<H> {
    fn upkeep(&self) -> &Upkeep {
        &self.upkeep
    }

    fn plain(&self) -> Option<&dyn AnyHandle> {
        match self.declared.get() {
            Some(DeclaredSeries::Plain(handle)) => Some(handle),
            _ => None,
        }
    }

    fn overflow(&self) -> Option<&dyn AnyHandle> {
        self.overflow.get().map(|handle| -> &dyn AnyHandle { handle })
    }

    fn kept(&self, keys: Arc<PointKeys>) -> Box<dyn AttributesByPlace> {
        let closed = self.closed().map(|closed| closed.places().clone());
        Box::new(KeptSeries { closed, open: self.open.get().cloned(), keys })
    }

    fn make_overflow(&self, shared: &Arc<Shared>) -> bool {
        self.overflow.make(shared)
    }

    fn closed_places(&self) -> usize {
        self.closed().map_or(0, |closed| closed.places().len())
    }

    fn closed_labels(&self, place: usize) -> Option<LabelSet> {
        let closed = self.closed().filter(|closed| place < closed.places().len())?;
        Some(closed.labels(place))
    }

    fn closed_at(&self, place: usize) -> Option<&dyn AnyHandle> {
        self.closed()?.get(place).map(|handle| -> &dyn AnyHandle { handle })
    }

    fn make_closed(&self, place: usize, labels: LabelSet, shared: &Arc<Shared>) {
        if let Some(closed) = self.closed() {
            closed.get_or_make(place, || Some(handle::make(labels, shared)));
        }
    }

    fn open_slots(&self) -> usize {
        self.open.get().map_or(0, |open| open.table.len())
    }

    fn open_at(&self, slot: usize) -> Option<OpenMember<'_>> {
        let member = self.open.get()?.table.entry(slot)?;
        let (labels, has_left) = (member.labels(), member.has_left());
        Some(OpenMember { labels, handle: member.handle(), has_left })
    }

    fn find_open(&self, hash: u64, is_it: &dyn Fn(&LabelSet) -> bool) -> Option<usize> {
        let table = &self.open.get()?.table;
        table.find(hash, |member| is_it(member.labels())).map(|(slot, _)| slot)
    }

    fn hasher(&self) -> &RandomState {
        &self.open().hasher
    }

    fn later(&self) -> Option<&LaterSeries> {
        Some(&self.open.get()?.later)
    }

    fn lock_open(&self) -> Writer<'_> {
        self.open().table.lock()
    }

    fn add_open(
        &self,
        writer: &Writer<'_>,
        hash: u64,
        limit: usize,
        new: NewMember<'_>,
    ) -> Option<Result<usize, Later>> {
        let member = match new {
            NewMember::Own(labels, shared) => Member::Own(handle::make(labels, shared)),
            NewMember::Heir(labels, handle) => {
                Member::Heir(Box::new((labels, handle.typed::<H>()?.clone())))
            }
        };
        let table = &self.open().table;
        Some(match table.insert(writer, hash, limit, member) {
            Ok(_) => Ok(table.len() - 1),
            Err(Member::Own(handle)) => Err(Later::new(Box::new(handle), None)),
            Err(Member::Heir(heir)) => Err(Later::new(Box::new(heir.1), Some(heir.0))),
        })
    }
}

#[cfg(test)]
mod tests;
