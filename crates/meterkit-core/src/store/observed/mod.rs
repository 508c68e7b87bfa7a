//! An observable instrument: its series are what callbacks report.
//!
//! Each callback has a [`Sheet`] per instrument: what readers see of its last run that went well. While it runs, it
//! writes a [`Draft`], which becomes what is seen when the run ends. So a callback that fails, hangs or goes takes
//! nothing from others, and nobody sees half of what a run reported of an instrument.

mod draft;
mod index;
mod sheet;

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use foldhash::fast::RandomState;

pub(crate) use self::draft::Draft;
pub(crate) use self::sheet::Sheet;
use self::sheet::{Origin, Overflown, Row, Shown};
use super::group::{self, GroupOptions, Room, Usage, ValueCap};
use super::instrument::Stored;
use super::shared::{LabelSet, PointKeys, Shared, Switch};
use crate::attributes::{AttributeValue, Attributes};
use crate::buckets::Buckets;
use crate::data::{Data, NumberPoint, SeriesId, Temporality};
use crate::kind::Kind;
use crate::labels::LabelKey;
use crate::number::Value;
use crate::otel::{self, Twin};

/// An observable instrument.
pub struct Observed {
    pub(crate) shared: Arc<Shared>,
    /// When the instrument was made, in nanoseconds since 1970, or the last time when one of its series was forgotten: a
    /// new one may have the labels of that one.
    start: AtomicU64,
    room: Room,
    caps: Box<[Option<ValueCap>]>,
    hasher: RandomState,
    /// One for each registered callback, in the order of registration.
    sheets: Mutex<Vec<Arc<Sheet>>>,
    /// Series that were left out by the last run of their callback, or whose callback has gone: they go on when they
    /// are reported again. Locked before any sheet.
    left: Mutex<Left>,
    /// The overflow series of all callbacks, as it was last read.
    overflow: Mutex<Option<(Origin, Value)>>,
    /// How often something was reported of the overflow series.
    overflowed: AtomicU64,
}

impl Observed {
    pub(crate) fn new(shared: Shared, options: GroupOptions) -> Self {
        let settings = shared.settings.clone();
        Self {
            start: AtomicU64::new(settings.start()),
            room: Room::new(options, settings),
            caps: ValueCap::of(shared.identity.label_keys),
            hasher: RandomState::default(),
            sheets: Mutex::default(),
            left: Mutex::default(),
            overflow: Mutex::default(),
            overflowed: AtomicU64::new(0),
            shared: Arc::new(shared),
        }
    }

    /// What a new callback reports of this instrument.
    pub(crate) fn attach(self: &Arc<Self>) -> Draft {
        let sheet = Arc::new(Sheet::new(self.clone()));
        self.lock().push(sheet.clone());
        Draft::new(sheet)
    }

    fn detach(&self, sheet: &Arc<Sheet>) {
        self.lock().retain(|known| !Arc::ptr_eq(known, sheet));
    }

    fn is_counter(&self) -> bool {
        self.shared.identity.kind == Kind::ObservableCounter
    }

    fn keys(&self) -> &'static [LabelKey] {
        self.shared.identity.label_keys
    }

    fn now(&self) -> u64 {
        self.shared.settings.start()
    }

    /// Returns the series of a total that was another one before: it begins anew when it fell.
    #[inline]
    fn origin_of(&self, value: Value, (origin, before): (Origin, Value)) -> Origin {
        let fell = self.is_counter() && value.increase_since(before).is_none();
        if fell { Origin::new(self.shared.settings.start_after(origin.start)) } else { origin }
    }

    /// Returns the series of what was not there before. It counts since the instrument was made, if the callback has
    /// not said before that there is none, and nothing was forgotten.
    fn origin_of_new(&self, shown: &Shown) -> Origin {
        Origin::new(shown.last_run.max(self.start.load(Relaxed)))
    }

    /// Returns the rows of all other callbacks: of several for one series, that of the callback registered last.
    fn rows_beside(&self, sheet: &Arc<Sheet>) -> Left {
        let others = self.lock().clone().into_iter().filter(|other| !Arc::ptr_eq(other, sheet));
        others
            .flat_map(|other| other.lock().rows.iter().map(Row::as_left).collect::<Vec<_>>())
            .collect()
    }

    /// Lets `rows` of a sheet go. Their series go on in what another callback reports of them, which is seen from now
    /// on, or else when they are back.
    fn leave(&self, sheet: &Arc<Sheet>, rows: Vec<Row>, left: &mut Left) {
        if rows.is_empty() {
            return;
        }
        let mut gone: Left = rows.iter().map(Row::as_left).collect();
        let sheets = self.lock().clone();
        let at = sheets.iter().position(|it| Arc::ptr_eq(it, sheet)).unwrap_or(sheets.len());
        for later in sheets.iter().skip(at + 1) {
            for row in &later.lock().rows {
                gone.remove(&row.labels);
            }
        }
        for earlier in sheets.iter().take(at).rev() {
            for row in &mut earlier.lock().rows {
                if let Some(before) = gone.remove(&row.labels) {
                    row.origin = self.origin_of(row.value, before);
                }
            }
        }
        // Those that left before go when there are more than there may be series.
        if left.len() + gone.len() > self.room.limit().max(gone.len()) {
            left.drain().for_each(|(_, (origin, _))| self.let_go(origin));
        }
        left.extend(gone);
    }

    /// Forgets a series: one with its labels that comes later begins later, whoever reports it.
    fn let_go(&self, origin: Origin) {
        self.start.fetch_max(self.shared.settings.start_after(origin.start), Relaxed);
    }

    /// Whether there is room for one more series. An instrument without labels needs none.
    fn has_room(&self) -> bool {
        self.keys().is_empty() || self.room.is_free()
    }

    /// Takes room for one more series.
    fn try_take(&self) -> bool {
        self.keys().is_empty() || self.room.try_take()
    }

    fn give_back(&self, series: usize) {
        if !self.keys().is_empty() {
            (0..series).for_each(|_| self.room.give_back());
        }
    }

    /// What the overflow series holds with one more value: of totals the sum, of gauges the last.
    fn overflow(&self, before: Option<Value>, value: Value) -> Value {
        match before {
            Some(before) if self.shared.identity.kind != Kind::ObservableGauge => {
                before.plus(value)
            }
            _ => value,
        }
    }

    /// Counts a value that goes to the overflow series. Whether it is the first one.
    fn is_first_overflow(&self) -> bool {
        self.overflowed.fetch_add(1, Relaxed) == 0
    }

    fn warn_of_overflow<'a>(&self, series: impl Iterator<Item = &'a LabelSet>) {
        let mut values = vec![HashSet::new(); self.keys().len()];
        for labels in series {
            for (seen, value) in values.iter_mut().zip(&**labels) {
                seen.insert(value);
            }
        }
        let values = values.iter().zip(self.keys()).map(|(seen, key)| (key.name(), seen.len()));
        group::warn_of_overflow(&self.shared, &self.room, values);
    }

    /// All series, ordered by their attributes. Of one that several callbacks report, the one that was registered last
    /// counts.
    fn points(&self) -> Vec<NumberPoint> {
        let keys = self.shared.keys();
        let sheets = self.lock().clone();
        let mut points = Vec::new();
        let (mut overflow, mut misses_some) = (None, false);
        let mut with_points = 0;
        for sheet in &sheets {
            let before = points.len();
            match sheet.read(&keys, &mut points) {
                Some(Overflown::Shown(value)) => overflow = Some(self.overflow(overflow, value)),
                Some(Overflown::Hidden) => misses_some = self.is_counter(),
                None => {}
            }
            with_points += usize::from(points.len() > before);
            if before > 0 && points.len() == before && self.is_counter() {
                // Its totals are missing for once. Those of others under the same labels are not the same totals.
                let missing = sheet.attributes(&keys);
                points.retain(|point: &NumberPoint| !missing.contains(&point.attributes));
            }
        }
        if with_points > 1 {
            // Stable: of equal ones, those of the callback that was registered last come last.
            points.sort_by(|a, b| a.attributes.cmp(&b.attributes));
            points.dedup_by(|later, kept| {
                let is_same = later.attributes == kept.attributes;
                if is_same {
                    std::mem::swap(later, kept);
                }
                is_same
            });
        }
        if let Some(value) = overflow.filter(|_| !misses_some) {
            let mut last = self.overflow.lock().unwrap_or_else(PoisonError::into_inner);
            let origin = match *last {
                Some(before) => self.origin_of(value, before),
                None => Origin::new(self.start.load(Relaxed)),
            };
            *last = Some((origin, value));
            points.push(point(overflow_attributes(&keys), origin, value));
        }
        points
    }

    fn lock_left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Sheet>>> {
        self.sheets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored for Observed {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn data(&self) -> Data {
        let points = if self.shared.is_off() { Vec::new() } else { self.points() };
        let temporality = Temporality::Cumulative;
        match self.shared.identity.kind {
            Kind::ObservableCounter => Data::Sum { monotonic: true, temporality, points },
            Kind::ObservableUpDownCounter => Data::Sum { monotonic: false, temporality, points },
            _ => Data::Gauge(points),
        }
    }

    fn usage(&self) -> Option<Usage> {
        let usage = Usage { series: self.room.taken(), overflowed: self.overflowed.load(Relaxed) };
        (!self.keys().is_empty()).then_some(usage)
    }

    fn switch(&self, to: Switch) {
        self.shared.switch(to);
        if to != Switch::On {
            // Callbacks do not run meanwhile: what they said before is old when the instrument is on again.
            self.lock().iter().for_each(|sheet| sheet.outdate());
        }
        if to == Switch::Unloaded {
            // One that is made again under this name begins later, even if the clock stands still.
            let settings = &self.shared.settings;
            settings.start_after(settings.start());
        }
    }

    fn forget(&self, series: &HashSet<SeriesId>) {
        let is_forgotten = |origin: &Origin| series.contains(&origin.series);
        let mut left = self.lock_left();
        left.retain(|_, (origin, _)| {
            let is_forgotten = is_forgotten(origin);
            if is_forgotten {
                self.let_go(*origin);
            }
            !is_forgotten
        });
        for sheet in self.lock().clone() {
            let mut shown = sheet.lock();
            for row in shown.rows.iter_mut().filter(|row| is_forgotten(&row.origin)) {
                row.origin = Origin::new(self.shared.settings.start_after(row.origin.start));
            }
        }
        let mut overflow = self.overflow.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((origin, _)) = overflow.take_if(|(origin, _)| is_forgotten(origin)) {
            self.let_go(origin);
        }
    }

    fn names_limit(&self) -> bool {
        self.room.own_limit().is_some()
    }

    fn limit(&self) -> usize {
        self.room.limit()
    }

    fn set_stream(&self, _buckets: Option<Buckets>, cardinality_limit: Option<usize>) {
        self.room.set_limit(cardinality_limit);
    }

    fn map(self: Arc<Self>, twin: &Twin) {
        otel::map_numbers(self, twin);
    }

    fn unmap(&self) {}

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// Series that nothing reports now, with the last value of each.
type Left = HashMap<LabelSet, (Origin, Value)>;

fn overflow_attributes(keys: &PointKeys) -> Attributes {
    static MARK: LazyLock<LabelSet> =
        LazyLock::new(|| Arc::new([Some(AttributeValue::Bool(true))]));
    keys.overflow_attributes(&MARK)
}

fn point(attributes: Attributes, origin: Origin, value: Value) -> NumberPoint {
    let Origin { series, start } = origin;
    NumberPoint { series, attributes, start: UNIX_EPOCH + Duration::from_nanos(start), value }
}
