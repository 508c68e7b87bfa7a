//! The cell of a histogram series: bucket counts, sum, count, smallest and largest value.

use std::sync::{Mutex, MutexGuard};

use super::cell::Cell;
use super::exponential::{ExponentialCounts, SignedIndex};
use super::feed::{Feeding, Sink};
use super::settings::Settings;
use super::shared::Shared;
use crate::attributes::Attributes;
use crate::buckets::HistogramBuckets;
use crate::number::Number;
use crate::unpoisoned::Unpoisoned;

/// A distribution over buckets. All of it changes together, under a lock that is never held while
/// anything else runs, so that what is read fits together.
pub struct DistributionCell<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    distribution: Distribution,
    /// Whether it counts by buckets that an operator asked for, in place of the instrument's own.
    is_other: bool,
    outlet: Outlet<T>,
    /// How many of the values that wait were forgotten here.
    forgotten: usize,
}

impl<T: Number> State<T> {
    fn sort_anew(&mut self, shared: &Shared) {
        let Some(buckets) = shared.other_buckets() else {
            return;
        };
        let Self { distribution, is_other, outlet, forgotten } = self;
        if std::mem::replace(is_other, true) {
            return;
        }
        let own = &shared.identity.buckets;
        let mut counts = Counts::new(buckets);
        if let Outlet::Waiting(values) = outlet {
            for value in values.iter().skip(*forgotten) {
                counts.add(value.to_f64(), buckets);
                distribution.counts.take(value.to_f64(), own);
            }
        }
        let (min, max) = (distribution.min, distribution.max);
        // Without values there are no ends to keep to, and no counts either.
        distribution.counts.for_each(own, |upper, count| {
            counts.add_several(upper.min(max).max(min), count, buckets);
        });
        distribution.counts = counts;
    }
}

impl<T> State<T> {
    fn clear(&mut self) {
        self.distribution.clear();
        if let Outlet::Waiting(values) = &self.outlet {
            self.forgotten = values.len();
        }
    }
}

/// What has been recorded so far.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    pub(crate) counts: Counts,
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// How many values fell into each bucket.
#[derive(Clone, Debug)]
pub(crate) enum Counts {
    /// One more than there are bounds.
    Explicit(Box<[u64]>),
    Exponential(Box<ExponentialCounts>),
}

/// Where the values of one series go besides its buckets.
enum Outlet<T> {
    /// Nobody has said yet whether something listens: values wait.
    Waiting(Vec<T>),
    /// Nothing listens.
    Off,
    On(Sink),
}

impl<T: Number> DistributionCell<T> {
    pub(crate) fn new(shared: &Shared) -> Self {
        let other = shared.other_buckets();
        let buckets = other.unwrap_or(&shared.identity.buckets);
        let distribution = Distribution::of(Counts::new(buckets));
        let is_other = other.is_some();
        let outlet = Outlet::Waiting(Vec::new());
        Self { state: Mutex::new(State { distribution, is_other, outlet, forgotten: 0 }) }
    }

    #[inline]
    pub(crate) fn record(&self, value: T, shared: &Shared) {
        let number = value.to_f64();
        // The bucket is found before the lock is taken.
        let (buckets, is_other) = match shared.other_buckets() {
            None => (&shared.identity.buckets, false),
            Some(other) => (other, true),
        };
        match buckets {
            HistogramBuckets::Explicit(bounds) => {
                let bucket = bounds.partition_point(|bound| *bound < number);
                self.add(value, number, is_other, shared, |counts| {
                    if let Counts::Explicit(counts) = counts {
                        counts[bucket] += 1;
                    }
                });
            }
            HistogramBuckets::Exponential(_) => {
                self.record_by_size(value, number, is_other, shared)
            }
        }
    }

    // Apart, so that what stands where the caller is stays small.
    #[inline(never)]
    fn record_by_size(&self, value: T, number: f64, is_other: bool, shared: &Shared) {
        let place = SignedIndex::of(number);
        self.add(value, number, is_other, shared, |counts| {
            if let Counts::Exponential(counts) = counts {
                counts.add(place);
            }
        });
    }

    #[inline]
    fn add(
        &self,
        value: T,
        number: f64,
        is_other: bool,
        shared: &Shared,
        count: impl FnOnce(&mut Counts),
    ) {
        let settings = &shared.settings;
        let mut state = self.lock();
        let State { distribution, is_other: counts_other, .. } = &mut *state;
        if *counts_other == is_other {
            count(&mut distribution.counts);
        } else {
            // The buckets have changed since the place was looked for, or will in a moment.
            let own = &shared.identity.buckets;
            let buckets = shared.other_buckets().filter(|_| *counts_other).unwrap_or(own);
            distribution.counts.add(number, buckets);
        }
        distribution.count += 1;
        // Finite values can add up to more than a float holds.
        distribution.sum = (distribution.sum + number).clamp(f64::MIN, f64::MAX);
        distribution.min = distribution.min.min(number);
        distribution.max = distribution.max.max(number);
        state.outlet.send(value, settings);
    }

    pub(crate) fn read(&self) -> Distribution {
        self.lock().distribution.clone()
    }

    /// Returns what was recorded, by the buckets that were asked for, or by the instrument's own. `None` while these
    /// change.
    pub(crate) fn read_by(&self, is_other: bool, shared: &Shared) -> Option<Distribution> {
        let mut state = self.lock();
        if is_other {
            state.sort_anew(shared);
        }
        (state.is_other == is_other).then(|| state.distribution.clone())
    }

    /// Sorts what was recorded into the buckets that took the place of the instrument's own: exactly where values still
    /// wait for a listener, and the rest as if at the upper ends of the buckets that they are in.
    pub(crate) fn sort_anew(&self, shared: &Shared) {
        self.lock().sort_anew(shared);
    }

    /// Sends what waits and all later values where `feeding` says, to the sink that `make` returns. Under the lock: no
    /// value is missed, none is sent twice.
    pub(crate) fn feed(
        &self,
        feeding: &Feeding,
        settings: &Settings,
        attributes: impl FnOnce() -> Attributes,
    ) {
        let outlet = match feeding {
            Feeding::Waiting => return,
            Feeding::Off => Outlet::Off,
            // Made without the lock: it is the listener's code.
            Feeding::To(make) => Outlet::On(make(&attributes())),
        };
        let mut state = self.lock();
        let waiting = match std::mem::replace(&mut state.outlet, outlet) {
            Outlet::Waiting(values) => values,
            _ => Vec::new(),
        };
        settings.waiting.give_back(waiting.len());
        for value in waiting {
            state.outlet.send(value, settings);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unpoisoned()
    }
}

impl<T: Number + Send> Cell for DistributionCell<T> {
    fn is_empty(&self) -> bool {
        self.lock().distribution.count == 0
    }

    fn reset(&self) {
        self.lock().clear();
    }

    fn was_touched(&self, mark: &mut u64) -> bool {
        let count = self.lock().distribution.count;
        std::mem::replace(mark, count) != count
    }

    fn reset_unless_touched(&self, mark: u64) -> bool {
        let mut state = self.lock();
        let is_untouched = state.distribution.count == mark;
        if is_untouched {
            state.clear();
        }
        is_untouched
    }
}

impl Distribution {
    /// One without values.
    fn of(counts: Counts) -> Self {
        Self { counts, count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }

    fn clear(&mut self) {
        self.counts.clear();
        (self.count, self.sum) = (0, 0.0);
        (self.min, self.max) = (f64::INFINITY, f64::NEG_INFINITY);
    }
}

impl Counts {
    fn new(buckets: &HistogramBuckets) -> Self {
        match buckets {
            HistogramBuckets::Explicit(bounds) => Self::Explicit(vec![0; bounds.len() + 1].into()),
            HistogramBuckets::Exponential(limits) => {
                Self::Exponential(Box::new(ExponentialCounts::new(*limits)))
            }
        }
    }

    fn add(&mut self, number: f64, buckets: &HistogramBuckets) {
        self.add_several(number, 1, buckets);
    }

    fn add_several(&mut self, number: f64, values: u64, buckets: &HistogramBuckets) {
        match self {
            Self::Explicit(counts) => {
                let bucket = buckets.bounds().partition_point(|bound| *bound < number);
                if let Some(count) = counts.get_mut(bucket) {
                    *count += values;
                }
            }
            Self::Exponential(counts) => counts.add_several(SignedIndex::of(number), values),
        }
    }

    /// Takes out a value that was counted.
    fn take(&mut self, number: f64, buckets: &HistogramBuckets) {
        match self {
            Self::Explicit(counts) => {
                let bucket = buckets.bounds().partition_point(|bound| *bound < number);
                if let Some(count) = counts.get_mut(bucket) {
                    *count = count.saturating_sub(1);
                }
            }
            Self::Exponential(counts) => counts.take(SignedIndex::of(number)),
        }
    }

    /// Returns the upper end of each bucket, and how many values it has.
    fn for_each(&self, buckets: &HistogramBuckets, mut each: impl FnMut(f64, u64)) {
        match self {
            Self::Explicit(counts) => {
                let ends = buckets.bounds().iter().copied().chain([f64::INFINITY]);
                let filled = counts.iter().zip(ends).filter(|(count, _)| **count > 0);
                filled.for_each(|(count, end)| each(end, *count));
            }
            Self::Exponential(counts) => counts.for_each(each),
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Explicit(counts) => counts.fill(0),
            Self::Exponential(counts) => counts.clear(),
        }
    }
}

impl<T: Number> Outlet<T> {
    #[inline]
    fn send(&mut self, value: T, settings: &Settings) {
        match self {
            Self::Off => {}
            Self::On(sink) => sink(value.value()),
            Self::Waiting(values) => {
                if settings.may_wait() {
                    values.push(value);
                }
            }
        }
    }
}
