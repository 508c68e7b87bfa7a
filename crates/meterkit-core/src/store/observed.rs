//! An observable instrument, whose series are reported by callbacks.
//!
//! Each callback has a [`Sheet`] per instrument, which shows readers its last successful run. While the callback runs,
//! it writes to a [`Draft`], which replaces the shown values when the run ends. Thus a callback that fails, hangs or is
//! unregistered does not affect others, and no reader sees half of a run's values for an instrument.

mod draft;
mod index;
mod series;
mod sheet;

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use foldhash::fast::RandomState;

pub(crate) use self::draft::Draft;
use self::series::Series;
use self::sheet::Row;
pub(crate) use self::sheet::Sheet;
use super::callbacks::Callback;
use super::group::keyed::KeyLayouts;
use super::group::{self, Room, Usage, ValueCap};
use super::instrument::Stored;
use super::label_set::LabelSet;
use super::shared::{Door, PointKeys, Shared, Switch};
use crate::Kind;
use crate::attributes::Attributes;
use crate::buckets::HistogramBuckets;
use crate::data::{
    Data, HistogramPoint, NumberPoint, Reading, SeriesId, SummaryPoint, Temporality,
};
use crate::labels::LabelKey;
use crate::order;
use crate::unpoisoned::Unpoisoned;

/// An observable instrument.
pub struct Observed {
    pub(crate) shared: Arc<Shared>,
    /// When the instrument was created, or when one of its series was last forgotten, in nanoseconds since 1970. New
    /// series begin at this time, because they may have the labels of a forgotten one.
    start: AtomicU64,
    room: Room,
    caps: OnceLock<Box<[Option<ValueCap>]>>,
    hasher: RandomState,
    /// The attribute layouts of rows that are reported by attributes.
    layouts: KeyLayouts,
    /// One sheet per registered callback, in the order of registration.
    sheets: Mutex<Vec<Arc<Sheet>>>,
    /// All series, including those that no callback reports at present.
    series: Mutex<HashMap<Arc<LabelSet>, Arc<Series>, RandomState>>,
    overflow: Series,
    /// How many values went to the overflow series.
    overflowed: AtomicU64,
}

impl Observed {
    pub(crate) fn new(shared: Shared) -> Self {
        let start = shared.settings.start();
        Self::since(shared, start)
    }

    /// Returns an instrument whose first series begin at `start`, in nanoseconds since 1970.
    pub(crate) fn since(shared: Shared, start: u64) -> Self {
        let settings = shared.settings.clone();
        Self {
            start: AtomicU64::new(start),
            room: Room::new(settings),
            caps: OnceLock::new(),
            hasher: RandomState::default(),
            layouts: KeyLayouts::default(),
            sheets: Mutex::default(),
            series: Mutex::default(),
            overflow: Series::new(start),
            overflowed: AtomicU64::new(0),
            shared: Arc::new(shared),
        }
    }

    fn caps(&self) -> &[Option<ValueCap>] {
        self.caps.get_or_init(|| ValueCap::of(self.keys()))
    }

    /// Returns the draft for a new callback's values of this instrument.
    pub(crate) fn attach(self: &Arc<Self>) -> Draft {
        let sheet = Arc::new(Sheet::new(self.clone()));
        self.lock().push(sheet.clone());
        Draft::new(sheet)
    }

    fn detach(&self, sheet: &Arc<Sheet>) {
        self.lock().retain(|known| !Arc::ptr_eq(known, sheet));
    }

    /// Returns whether the instrument's values are totals that only rise.
    fn is_counter(&self) -> bool {
        use Kind::{Histogram, ObservableCounter, Summary};
        matches!(self.shared.identity.kind, ObservableCounter | Histogram | Summary)
    }

    fn keys(&self) -> &'static [LabelKey] {
        self.shared.label_keys()
    }

    fn now(&self) -> u64 {
        self.shared.settings.start()
    }

    /// Returns whether a total has fallen, which means that it began anew.
    #[inline]
    fn fell(&self, now: &Reading, before: Option<&Reading>) -> bool {
        self.is_counter() && before.is_some_and(|before| now.fell_since(before))
    }

    /// Returns the series with these labels. A new series begins at `last_run`, when the callback had not reported it
    /// yet, or at the instrument's start if that is later.
    fn series_of(&self, labels: &Arc<LabelSet>, last_run: u64) -> Arc<Series> {
        let mut series = self.lock_series();
        // Series that no callback reports are kept only up to the number that callbacks may report.
        if series.len() >= 2 * self.room.limit() && !series.contains_key(labels) {
            series.retain(|_, series| Arc::strong_count(series) > 1);
            self.start.fetch_max(self.now(), Relaxed);
        }
        let start = || last_run.max(self.start.load(Relaxed));
        let new = || Arc::new(Series::new(start()));
        series.entry(labels.clone()).or_insert_with(new).clone()
    }

    /// Releases the room of removed rows. A row without labels takes no room.
    fn give_back(&self, rows: &[Row]) {
        let labeled = rows.iter().filter(|row| !row.labels.is_empty());
        labeled.for_each(|_| self.room.give_back());
    }

    /// Returns the value of the overflow series after one more value: the last value of gauges, the sum of all others.
    fn overflow(&self, before: Option<Reading>, value: Reading) -> Reading {
        match before {
            Some(before) if self.shared.identity.kind != Kind::ObservableGauge => {
                before.plus(value)
            }
            _ => value,
        }
    }

    /// Counts a value that goes to the overflow series. Returns whether it is the first one.
    fn is_first_overflow(&self) -> bool {
        self.overflowed.fetch_add(1, Relaxed) == 0
    }

    fn warn_of_overflow(&self, series: &mut dyn Iterator<Item = &LabelSet>) {
        group::warn_of_overflow(&self.shared, &self.room, series);
    }

    /// Returns a point for each series, sorted by attributes.
    fn points<P>(&self, to_point: impl Fn(Read<'_>) -> Option<P>) -> Vec<P> {
        if self.shared.is_off() {
            return Vec::new();
        }
        let keys = self.shared.keys();
        let sheets = self.lock().clone();
        let (mut points, overflow) = match &sheets[..] {
            [sheet] => sheet.read(&keys, |attributes, row, fell, time| {
                to_point(self.read(attributes, &row.series, &row.value, fell, time))
            }),
            _ => self.points_of_several(&sheets, &keys, &to_point),
        };
        if let Some(value) = overflow {
            let attributes = self.shared.attributes(&keys, Arc::new(LabelSet::overflow()));
            let read = self.read(attributes, &self.overflow, &value, false, self.now());
            points.extend(to_point(read));
        }
        points
    }

    /// Returns the series of several callbacks. If more than one callback reports a series, the callback that was
    /// registered last wins.
    fn points_of_several<P>(
        &self,
        sheets: &[Arc<Sheet>],
        keys: &Arc<PointKeys>,
        to_point: impl Fn(Read<'_>) -> Option<P>,
    ) -> (Vec<P>, Option<Reading>) {
        let mut rows: Vec<(Attributes, Row, bool, u64)> = Vec::new();
        let mut overflow = None;
        for sheet in sheets {
            let (seen, value) = sheet.read(keys, |attributes, row, fell, time| {
                Some((attributes, row.clone(), fell, time))
            });
            if let Some(value) = value {
                overflow = Some(self.overflow(overflow, value));
            }
            if seen.is_empty() && self.is_counter() {
                // The totals of this callback are temporarily missing. Others must not replace them under the same
                // labels, because they are different totals.
                let missing = sheet.attributes(keys);
                rows.retain(|(attributes, ..)| !missing.contains(attributes));
            }
            rows.extend(seen);
        }
        // The sort is stable: of equal rows, the one of the callback that was registered last comes last.
        order::sort_by(&mut rows, |a, b| a.0.cmp(&b.0));
        let all = rows.len();
        rows.dedup_by(|later, kept| {
            let is_same = later.0 == kept.0;
            if is_same {
                std::mem::swap(later, kept);
            }
            is_same
        });
        if rows.len() < all {
            self.warn_of_repeated();
        }
        let points = rows.into_iter().filter_map(|(attributes, row, fell, time)| {
            to_point(self.read(attributes, &row.series, &row.value, fell, time))
        });
        (points.collect(), overflow)
    }

    /// Warns if two imported registries have the same series. Other callbacks replace each other's series on purpose.
    #[cold]
    fn warn_of_repeated(&self) {
        let (shared, name) = (&self.shared, self.shared.descriptor().name.clone());
        if shared.door() == Door::Import && shared.settings.logged.is_new(&("repeated", &name)) {
            tracing::warn!(
                instrument = name,
                "two imported registries have the same series: the one of the registry that was imported last is \
                 exported; give one of the registries an additional label"
            );
        }
    }

    fn read<'a>(
        &self,
        attributes: Attributes,
        series: &Series,
        value: &'a Reading,
        fell: bool,
        time: u64,
    ) -> Read<'a> {
        let has_fallen = |before: Option<&Reading>| fell || self.fell(value, before);
        let (series, start) = series.read(value, has_fallen, time, &self.shared.settings);
        let start = UNIX_EPOCH + Duration::from_nanos(start);
        Read { series, attributes, start, value }
    }

    fn histogram_points(&self) -> Vec<HistogramPoint> {
        self.points(|Read { series, attributes, start, value }| match value {
            Reading::Histogram(histogram) => Some(HistogramPoint {
                series,
                attributes,
                start,
                count: histogram.count(),
                sum: histogram.sum,
                min: None,
                max: None,
                buckets: histogram.buckets.clone(),
            }),
            _ => None,
        })
    }

    fn summary_points(&self) -> Vec<SummaryPoint> {
        self.points(|Read { series, attributes, start, value }| match value {
            Reading::Summary(summary) => Some(SummaryPoint {
                series,
                attributes,
                start,
                count: summary.count,
                sum: summary.sum,
                quantiles: summary.quantiles.clone(),
            }),
            _ => None,
        })
    }

    fn number_points(&self) -> Vec<NumberPoint> {
        self.points(|Read { series, attributes, start, value }| match *value {
            Reading::Number(value) => Some(NumberPoint { series, attributes, start, value }),
            _ => None,
        })
    }

    fn lock_series(&self) -> MutexGuard<'_, HashMap<Arc<LabelSet>, Arc<Series>, RandomState>> {
        self.series.lock().unpoisoned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Sheet>>> {
        self.sheets.lock().unpoisoned()
    }
}

/// The state of one series when it is read.
struct Read<'a> {
    series: SeriesId,
    attributes: Attributes,
    start: SystemTime,
    value: &'a Reading,
}

impl Stored for Observed {
    fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn data(&self) -> Data {
        let temporality = Temporality::Cumulative;
        match self.shared.identity.kind {
            Kind::Histogram => {
                let bounds = self.shared.identity.buckets().bounds().into();
                Data::Histogram { temporality, bounds, points: self.histogram_points() }
            }
            Kind::Summary => Data::Summary(self.summary_points()),
            kind => Data::of_numbers(kind, self.number_points().into()),
        }
    }

    fn usage(&self) -> Option<Usage> {
        let usage = self.room.usage(self.overflowed.load(Relaxed));
        (!self.keys().is_empty() || usage.series > 0).then_some(usage)
    }

    fn switch(&self, to: Switch) {
        self.shared.switch(to);
        if to != Switch::On {
            // Callbacks do not run while the instrument is off, so their values are outdated when it is on again.
            self.lock().iter().for_each(|sheet| sheet.outdate());
        }
        if to == Switch::Unloaded {
            // If the instrument is created again under this name, it begins later, even if the clock stands still.
            let settings = &self.shared.settings;
            settings.start_after(settings.start());
        }
    }

    fn forget(&self, series: &HashSet<SeriesId>) {
        let settings = &self.shared.settings;
        self.overflow.forget(series, settings);
        self.lock_series().retain(|_, known| match known.forget(series, settings) {
            Some(start) => {
                self.start.fetch_max(start, Relaxed);
                Arc::strong_count(known) > 1
            }
            None => true,
        });
    }

    fn callbacks(&self) -> Vec<Arc<Callback>> {
        self.lock().iter().filter_map(|sheet| sheet.callback()).collect()
    }

    fn room(&self) -> Option<&Room> {
        Some(&self.room)
    }

    fn limit(&self) -> usize {
        self.room.limit()
    }

    fn set_stream(&self, _buckets: Option<HistogramBuckets>, cardinality_limit: Option<usize>) {
        self.room.set_limit(cardinality_limit);
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
