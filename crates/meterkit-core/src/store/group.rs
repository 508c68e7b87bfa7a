//! The series of one labelled instrument: found by label set, made when first asked for, limited in number.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use foldhash::fast::RandomState;

use super::handle::Handle;
use super::instrument::Shared;
use super::series::Series;
use super::table::SeriesTable;
use crate::attributes::{AttributeValue, Attributes, Keys};
use crate::labels::{LabelKey, LabelRef, LabelVisitor, Labels};

/// The attribute that marks the series to which recordings go once the limit is reached.
const OVERFLOW: &str = "otel.metric.overflow";

pub(crate) struct SeriesGroup<H: Handle> {
    keys: Arc<Keys>,
    key_count: usize,
    hasher: RandomState,
    table: SeriesTable<Member<H>>,
    overflow: OnceLock<H>,
    /// The instrument's own limit; the registry's counts when it has none.
    limit: Option<usize>,
    /// Slots in the order of their attributes, as far as they were there at the last read.
    order: Mutex<Vec<u32>>,
}

/// A series and its labels. These stand here too so that a look-up does not touch the series itself, whose line
/// other threads are writing to.
struct Member<H> {
    labels: Arc<[Option<AttributeValue>]>,
    handle: H,
}

impl<H: Handle> SeriesGroup<H> {
    pub(crate) fn new(keys: &'static [LabelKey], limit: Option<usize>) -> Self {
        Self {
            keys: Arc::new(Keys::new(keys.iter().map(|key| key.name().into()).collect())),
            key_count: keys.len(),
            hasher: RandomState::default(),
            table: SeriesTable::new(),
            overflow: OnceLock::new(),
            limit,
            order: Mutex::new(Vec::new()),
        }
    }

    /// The series with these labels. Takes no lock and allocates nothing when it exists.
    #[inline]
    pub(crate) fn with(&self, labels: &impl Labels, shared: &Arc<Shared>, sdk: &H::Sdk) -> &H {
        let hash = self.hash(labels);
        match self.table.get(hash, |member| matches(labels, &member.labels)) {
            Some(member) => &member.handle,
            None => self.make(labels, shared, sdk),
        }
    }

    /// Each series, the overflow series last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &H> {
        self.table.iter().map(|member| &member.handle).chain(self.overflow.get())
    }

    /// Calls `read` with all series, ordered by their attributes.
    pub(crate) fn in_order<R>(&self, read: impl FnOnce(&mut dyn Iterator<Item = &H>) -> R) -> R {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let known = order.len();
        let len = self.table.len();
        if known < len {
            order.extend(known as u32..len as u32);
            let attributes = |slot: &u32| {
                self.table.entry(*slot as usize).map(|it| &it.handle.series().attributes)
            };
            order.sort_by(|a, b| attributes(a).cmp(&attributes(b)));
        }
        let series =
            order.iter().filter_map(|slot| Some(&self.table.entry(*slot as usize)?.handle));
        read(&mut series.chain(self.overflow.get()))
    }

    /// Keeps new series out while `work` runs.
    pub(crate) fn with_creation_paused<R>(&self, work: impl FnOnce() -> R) -> R {
        self.table.with_writers_excluded(work)
    }

    #[inline]
    fn hash(&self, labels: &impl Labels) -> u64 {
        let mut visitor = Hashing { hasher: self.hasher.build_hasher(), room: self.key_count };
        labels.visit(&mut visitor);
        for _ in 0..visitor.room {
            LabelRef::Absent.hash_into(&mut visitor.hasher);
        }
        visitor.hasher.finish()
    }

    /// The same hash, of values that were collected.
    fn hash_stored(&self, values: &[Option<AttributeValue>]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for value in values {
            LabelRef::of(value).hash_into(&mut hasher);
        }
        hasher.finish()
    }

    #[cold]
    fn make(&self, labels: &impl Labels, shared: &Arc<Shared>, sdk: &H::Sdk) -> &H {
        let limit = self.limit.unwrap_or_else(|| shared.settings.cardinality_limit.load(Relaxed));
        if self.table.len() >= limit {
            return self.overflow(limit, shared, sdk);
        }
        // The caller's code hands out the labels: it must not run under the table's lock.
        let values = self.values(labels);
        // Of these values: a second visit may hand out others than the first.
        let hash = self.hash_stored(&values);
        let made = self.table.get_or_insert(
            hash,
            limit,
            |member| member.labels == values,
            || {
                let attributes = Attributes::new(self.keys.clone(), values.clone());
                Member { labels: values.clone(), handle: Series::make(attributes, shared, sdk) }
            },
        );
        match made {
            Some(member) => &member.handle,
            None => self.overflow(limit, shared, sdk),
        }
    }

    fn values(&self, labels: &impl Labels) -> Arc<[Option<AttributeValue>]> {
        let mut collecting =
            Collecting { values: Vec::with_capacity(self.key_count), room: self.key_count };
        labels.visit(&mut collecting);
        collecting.values.resize(self.key_count, None);
        collecting.values.into()
    }

    fn overflow(&self, limit: usize, shared: &Arc<Shared>, sdk: &H::Sdk) -> &H {
        if let Some(handle) = self.overflow.get() {
            return handle;
        }
        let mut is_new = false;
        // Under the same lock as other new series, for whoever looks at all of them at once.
        let handle = self.with_creation_paused(|| {
            self.overflow.get_or_init(|| {
                is_new = true;
                let mark = (OVERFLOW.into(), AttributeValue::Bool(true));
                Series::make(Attributes::from_pairs([mark]), shared, sdk)
            })
        });
        if is_new {
            self.warn_of_overflow(limit, shared);
        }
        handle
    }

    fn warn_of_overflow(&self, limit: usize, shared: &Shared) {
        let mut values = vec![HashSet::new(); self.key_count];
        for member in self.table.iter() {
            for (seen, value) in values.iter_mut().zip(&*member.labels) {
                seen.insert(value);
            }
        }
        let most = values.iter().enumerate().max_by_key(|(_, seen)| seen.len());
        let (key, count) = most.map_or(("", 0), |(at, seen)| {
            (shared.identity.label_keys.get(at).map_or("", LabelKey::name), seen.len())
        });
        tracing::warn!(
            instrument = %shared.descriptor().name,
            limit,
            label = key,
            values = count,
            "cardinality limit reached: further label sets are recorded together as \
             {OVERFLOW}=true; give label `{key}` fewer values, or raise METERKIT_CARDINALITY_LIMIT"
        );
    }
}

#[inline]
fn matches(labels: &impl Labels, stored: &[Option<AttributeValue>]) -> bool {
    let mut visitor = Matching { stored: stored.iter(), equal: true };
    labels.visit(&mut visitor);
    visitor.equal && visitor.stored.all(Option::is_none)
}

/// Hashes as many values as there are keys: what is one series in the end has one hash.
struct Hashing<S> {
    hasher: S,
    room: usize,
}

impl<S: Hasher> LabelVisitor for Hashing<S> {
    #[inline(always)]
    fn visit(&mut self, value: LabelRef<'_>) {
        if self.room > 0 {
            self.room -= 1;
            value.hash_into(&mut self.hasher);
        }
    }
}

struct Matching<'a> {
    stored: std::slice::Iter<'a, Option<AttributeValue>>,
    equal: bool,
}

impl LabelVisitor for Matching<'_> {
    #[inline(always)]
    fn visit(&mut self, value: LabelRef<'_>) {
        if let Some(stored) = self.stored.next() {
            self.equal &= value.is(stored);
        }
    }
}

struct Collecting {
    values: Vec<Option<AttributeValue>>,
    room: usize,
}

impl LabelVisitor for Collecting {
    fn visit(&mut self, value: LabelRef<'_>) {
        if self.values.len() < self.room {
            self.values.push(value.to_value());
        }
    }
}
