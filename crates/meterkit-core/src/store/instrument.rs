//! One instrument in the store: what it is, and its series.

use std::any::Any;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use super::cell::Cell;
use super::entry::Entry;
use super::group::Places;
use super::group::{GroupOptions, SeriesGroup, Usage};
use super::handle::{self, Handle};
use super::shared::{LabelSet, Shared, Switch};
use crate::buckets::Buckets;
use crate::data::{Data, SeriesId};
use crate::kind::Kind;
use crate::labels::Labels;
use crate::otel::Twin;

/// An instrument with all its series. `H` is the handle that users hold.
pub struct Core<H: Handle> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sdk: H::Sdk,
    /// Those of a closed label set once more: nothing stands between a caller and its series but its place.
    places: Places<H>,
    series: SeriesSet<H>,
    /// What look-ups by label give while the instrument is off.
    nowhere: OnceLock<H>,
}

enum SeriesSet<H: Handle> {
    Plain(H),
    Group(Box<SeriesGroup<H>>),
}

impl<H: Handle> Core<H> {
    pub(crate) fn new(shared: Shared, sdk: H::Sdk, options: GroupOptions) -> Self {
        let shared = Arc::new(shared);
        let series = match shared.identity.label_keys {
            [] => SeriesSet::Plain(handle::make(no_labels(), false, &shared, &sdk)),
            keys => SeriesSet::Group(Box::new(SeriesGroup::new(keys, &shared.settings, options))),
        };
        let places = match &series {
            SeriesSet::Plain(_) => Arc::new([]),
            SeriesSet::Group(group) => group.places(),
        };
        Self { shared, sdk, places, series, nowhere: OnceLock::new() }
    }

    #[inline]
    pub(crate) fn with(&self, labels: &impl Labels) -> Entry<'_, H> {
        let placed = labels.index().and_then(|place| self.places.get(place)?.get());
        match placed.filter(|member| !member.is_hidden()) {
            Some(member) => Entry::kept(&member.handle),
            None => self.find(labels),
        }
    }

    // Apart, so that finding a place is small enough to stand where the caller is.
    #[inline(never)]
    fn find(&self, labels: &impl Labels) -> Entry<'_, H> {
        match &self.series {
            SeriesSet::Plain(handle) => Entry::kept(handle),
            SeriesSet::Group(_) if self.shared.is_off() => Entry::kept(self.nowhere()),
            SeriesSet::Group(group) => group.with(labels, &self.shared, &self.sdk),
        }
    }

    /// Takes the series with these labels out of every later export. Whether there was one.
    pub(crate) fn remove(&self, labels: &impl Labels) -> bool {
        match &self.series {
            SeriesSet::Plain(_) => false,
            SeriesSet::Group(group) => group.remove(labels),
        }
    }

    /// Takes all series of a group out of every later export.
    pub(crate) fn clear(&self) {
        if let SeriesSet::Group(group) = &self.series {
            group.clear();
        }
    }

    /// Makes all series of a closed set, exported as zero from now on. Gives the limit when it allows fewer.
    pub(crate) fn zero_initialise(&self) -> Result<(), usize> {
        match &self.series {
            SeriesSet::Plain(handle) => {
                if handle.series().cell().is_empty() {
                    handle.zero();
                }
                Ok(())
            }
            SeriesSet::Group(group) => group.make_all(&self.shared, &self.sdk),
        }
    }

    /// Calls `change` once, then `each` with every series that was made before; later ones see what it changed.
    pub(crate) fn for_all(&self, change: impl FnOnce(), mut each: impl FnMut(&H)) {
        match &self.series {
            SeriesSet::Plain(handle) => {
                change();
                each(handle);
            }
            SeriesSet::Group(group) => group.with_creation_paused(|| {
                change();
                group.for_each(each);
            }),
        }
    }

    #[cold]
    fn nowhere(&self) -> &H {
        self.nowhere.get_or_init(|| {
            // Nothing waits in it, and it feeds no twin: the instrument may be on again while someone still holds it.
            let off = Arc::new(self.shared.off_for_good());
            handle::make(no_labels(), false, &off, &H::Sdk::default())
        })
    }
}

/// What the registry needs of an instrument, whatever its type.
pub(crate) trait Stored: Send + Sync {
    fn shared(&self) -> &Shared;
    fn data(&self) -> Data;
    /// How many series there are; `None` without labels.
    fn usage(&self) -> Option<Usage>;
    /// Whether values are recorded and exported.
    fn switch(&self, to: Switch);
    /// Has these series begin anew should they return: nothing is known of them any more.
    fn forget(&self, _series: &HashSet<SeriesId>) {}
    /// Whether the code says how many series there may be.
    fn names_limit(&self) -> bool;
    /// How many series there may be.
    fn limit(&self) -> usize;
    /// Keeps values as an operator asks for.
    fn set_stream(&self, buckets: Option<Buckets>, cardinality_limit: Option<usize>);
    /// Makes the instrument's twin.
    fn map(self: Arc<Self>, twin: &Twin);
    /// Nothing reads the twin (any more).
    fn unmap(&self);
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<H: Handle> Stored for Core<H> {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn data(&self) -> Data {
        if self.shared.is_off() {
            return H::data(&self.shared, &mut std::iter::empty());
        }
        match &self.series {
            SeriesSet::Plain(handle) => H::data(&self.shared, &mut std::iter::once(handle)),
            SeriesSet::Group(group) => {
                group.in_order(&self.shared, |series| H::data(&self.shared, series))
            }
        }
    }

    fn usage(&self) -> Option<Usage> {
        match &self.series {
            SeriesSet::Plain(_) => None,
            SeriesSet::Group(group) => Some(group.usage()),
        }
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
            match &self.series {
                SeriesSet::Plain(handle) => handle.series().reset(),
                SeriesSet::Group(group) => group.restart(),
            }
        }
    }

    fn names_limit(&self) -> bool {
        match &self.series {
            SeriesSet::Plain(_) => false,
            SeriesSet::Group(group) => group.room().own_limit().is_some(),
        }
    }

    fn limit(&self) -> usize {
        match &self.series {
            SeriesSet::Plain(_) => 1,
            SeriesSet::Group(group) => group.room().limit(),
        }
    }

    fn set_stream(&self, buckets: Option<Buckets>, cardinality_limit: Option<usize>) {
        if let SeriesSet::Group(group) = &self.series {
            group.room().set_limit(cardinality_limit);
        }
        if let Some(buckets) = buckets.filter(|_| H::KIND == Kind::Histogram) {
            H::set_buckets(self, buckets);
        }
    }

    fn map(self: Arc<Self>, twin: &Twin) {
        H::map(&self, twin);
    }

    fn unmap(&self) {
        H::unmap(self);
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

fn no_labels() -> LabelSet {
    static NONE: std::sync::LazyLock<LabelSet> = std::sync::LazyLock::new(|| Arc::new([]));
    NONE.clone()
}
