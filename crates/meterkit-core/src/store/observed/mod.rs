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
use self::sheet::{Origin, Row, Shown};
use super::group::{self, GroupOptions, Room, Usage, ValueCap};
use super::instrument::Stored;
use super::shared::{LabelSet, PointKeys, Shared, Switch};
use crate::attributes::{AttributeValue, Attributes};
use crate::buckets::Buckets;
use crate::data::{Data, NumberPoint, Temporality};
use crate::kind::Kind;
use crate::labels::LabelKey;
use crate::number::Value;
use crate::otel::{self, Twin};

/// An observable instrument.
pub struct Observed {
    pub(crate) shared: Arc<Shared>,
    /// When the instrument was made, or when a series last went, in nanoseconds since 1970: a new one may be one that
    /// went.
    start: AtomicU64,
    room: Room,
    caps: Box<[Option<ValueCap>]>,
    hasher: RandomState,
    /// One for each registered callback, in the order of registration.
    sheets: Mutex<Vec<Arc<Sheet>>>,
    /// Totals of the callback that went last, and since when they counted: another one may take its place.
    left: Mutex<HashMap<LabelSet, (Origin, Value)>>,
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

    /// The series of a total that was another one before: it begins anew when it fell.
    #[inline]
    fn origin_of(&self, value: Value, (origin, before): (Origin, Value)) -> Origin {
        let fell = self.is_counter() && value.increase_since(before).is_none();
        if fell { Origin::new(self.shared.settings.start_after(origin.start)) } else { origin }
    }

    /// Since when a series counts that was not there before: since the instrument was made, if the callback has not
    /// said before that there is none, and no series has gone.
    fn origin_of_new(&self, shown: &Shown) -> Origin {
        Origin::new(shown.last_run.max(self.start.load(Relaxed)))
    }

    /// A callback has gone that reported `rows`. What takes its place goes on with its totals.
    fn leave(&self, rows: Vec<Row>) {
        if self.is_counter() && !rows.is_empty() {
            let totals = rows.into_iter().map(|row| (row.labels, (row.origin, row.value)));
            let totals: HashMap<_, _> = totals.collect();
            let others = self.lock().clone();
            others.iter().for_each(|sheet| sheet.go_on_from(&totals));
            *self.left.lock().unwrap_or_else(PoisonError::into_inner) = totals;
        }
    }

    /// Gives series their ids and starts that were not there before.
    fn begin(&self, rows: &mut [Row], shown: &Shown) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            row.origin = match left.remove(&row.labels) {
                Some(before) => self.origin_of(row.value, before),
                None => self.origin_of_new(shown),
            };
        }
    }

    /// A series has gone: one with its labels that comes later begins later, whoever reports it.
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
        let mut with_points = 0;
        for sheet in &sheets {
            let before = points.len();
            sheet.read(&keys, &mut points);
            with_points += usize::from(points.len() > before);
            if before > 0 && points.len() == before && self.is_counter() {
                // Its totals are missing for once. Those of others under the same labels are not the same totals.
                let missing = sheet.attributes(&keys);
                points.retain(|point: &NumberPoint| !missing.contains(&point.attributes));
            }
        }
        if with_points > 1 {
            self.join(&keys, &mut points);
        }
        points
    }

    fn join(&self, keys: &PointKeys, points: &mut Vec<NumberPoint>) {
        let overflow = overflow_attributes(keys);
        // Stable: of equal ones, those of the callback that was registered last come last.
        points.sort_by(|a, b| {
            let is_overflow = |it: &NumberPoint| it.attributes == overflow;
            is_overflow(a).cmp(&is_overflow(b)).then_with(|| a.attributes.cmp(&b.attributes))
        });
        points.dedup_by(|later, kept| {
            let is_same = later.attributes == kept.attributes;
            if is_same && later.attributes == overflow {
                kept.value = self.overflow(Some(kept.value), later.value);
                if later.start > kept.start {
                    (kept.series, kept.start) = (later.series, later.start);
                }
            } else if is_same {
                std::mem::swap(later, kept);
            }
            is_same
        });
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

fn overflow_attributes(keys: &PointKeys) -> Attributes {
    static MARK: LazyLock<LabelSet> =
        LazyLock::new(|| Arc::new([Some(AttributeValue::Bool(true))]));
    keys.overflow_attributes(&MARK)
}

fn point(attributes: Attributes, origin: Origin, value: Value) -> NumberPoint {
    let Origin { series, start } = origin;
    NumberPoint { series, attributes, start: UNIX_EPOCH + Duration::from_nanos(start), value }
}
