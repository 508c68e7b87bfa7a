//! Histograms: distributions of values.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use meterkit_rules::unit;
use opentelemetry::metrics::{Histogram as SdkHistogram, Meter as SdkMeter};

use super::group::Group;
use crate::attributes::Attributes;
use crate::data::{Data, HistogramPoint, Temporality};
use crate::kind::Kind;
use crate::number::{HistogramNumber, NumberType};
use crate::otel;
use crate::store::distribution::{BindSeries, DistributionCell, Feed};
use crate::store::handle::{BeforeRead, Handle};
use crate::store::instrument::{Core, Identity, Shared};
use crate::store::series::Series;
use crate::store::settings::DropReason;

/// Records how values are distributed: durations, sizes.
///
/// Buckets follow the unit unless [`buckets`](crate::InstrumentBuilder::buckets) says otherwise: 5 ms to 10 s for `s`,
/// powers of four from 1 KiB to 1 GiB for `By`, OpenTelemetry's default (0 to 10,000) for the rest. A histogram is not
/// exported until it has a value. NaN and infinities are dropped and counted in `meterkit.dropped`.
/// Cheap to clone. Made by [`Meter::histogram`](crate::Meter::histogram).
///
/// Follows OpenTelemetry's Metrics API, section Histogram.
///
/// ```
/// # let meter = meterkit_core::Registry::new().scoped("plugin", "catalog");
/// let duration = meter.histogram::<f64>("processing.duration").unit("s").build()?;
/// duration.record(0.25);
/// let timer = duration.start_timer(); // records seconds when dropped
/// drop(timer);
/// let answer = duration.time(|| 6 * 7);
/// # assert_eq!(answer, 42);
/// # Ok::<(), meterkit_core::InstrumentError>(())
/// ```
#[must_use = "a histogram does nothing until it is used"]
pub struct Histogram<T: HistogramNumber = f64> {
    series: Arc<Series<DistributionCell<T>>>,
}

/// A histogram per label set.
pub type HistogramGroup<L, T = f64> = Group<L, Histogram<T>>;

impl<T: HistogramNumber> Histogram<T> {
    /// Records one value.
    #[inline]
    pub fn record(&self, value: T) {
        let series = &*self.series;
        if value.is_recordable() {
            let shared = &series.shared;
            series.cell.record(value, &shared.identity.bounds, &shared.settings.replay);
        } else {
            series.shared.dropped(DropReason::NotFinite);
        }
    }

    /// Starts a timer that records, when dropped, how long it lived: in the histogram's unit of time, or in seconds
    /// when its unit is none. Integers hold whole units.
    pub fn start_timer(&self) -> Timer<T> {
        Timer { histogram: self.clone(), start: Instant::now() }
    }

    /// Runs `work` and records how long it took, also when it panics; see [`start_timer`](Self::start_timer).
    pub fn time<R>(&self, work: impl FnOnce() -> R) -> R {
        let _timer = self.start_timer();
        work()
    }
}

impl<T: HistogramNumber> Clone for Histogram<T> {
    fn clone(&self) -> Self {
        Self { series: self.series.clone() }
    }
}

impl<T: HistogramNumber> fmt::Debug for Histogram<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = self.series.cell.read();
        self.series.debug(f, "Histogram", &(read.count, read.sum))
    }
}

impl<T: HistogramNumber> Handle for Histogram<T> {
    type Cell = DistributionCell<T>;
    type Sdk = SdkCopy<T>;

    const KIND: Kind = Kind::Histogram;
    const NUMBER: NumberType = T::TYPE;

    fn new(series: Arc<Series<DistributionCell<T>>>) -> Self {
        Self { series }
    }

    #[inline]
    fn series(&self) -> &Series<DistributionCell<T>> {
        &self.series
    }

    fn cell(shared: &Shared, sdk: &SdkCopy<T>, attributes: &Attributes) -> DistributionCell<T> {
        let feed = match &*sdk.read() {
            Copy::Undecided => Feed::Waiting(Vec::new()),
            Copy::Unwanted => Feed::Off,
            Copy::At(twin) => Feed::Ready(binder(twin, attributes)),
        };
        DistributionCell::new(&shared.identity.bounds, feed)
    }

    fn data(identity: &Identity, series: &mut dyn Iterator<Item = &Self>) -> Data {
        let points = series.filter_map(|Self { series }| {
            let read = series.cell.read();
            (read.count > 0).then(|| HistogramPoint {
                attributes: series.attributes.clone(),
                start: series.start,
                count: read.count,
                sum: read.sum,
                min: Some(read.min),
                max: Some(read.max),
                buckets: read.buckets,
            })
        });
        Data::Histogram {
            temporality: Temporality::Cumulative,
            points: points.collect(),
            bounds: identity.bounds.clone(),
        }
    }

    fn map(core: &Arc<Core<Self>>, meter: &SdkMeter, _: Option<&BeforeRead>) {
        let identity = &core.shared.identity;
        let twin = T::sdk_histogram(
            meter,
            otel::name(&core.shared),
            &identity.unit,
            &identity.description,
            identity.bounds.to_vec(),
        );
        core.for_all(
            || core.sdk.set(Copy::At(twin.clone())),
            |Self { series }| {
                let bind = binder(&twin, &series.attributes);
                series.cell.feed_on(bind, &series.shared.settings.replay);
            },
        );
    }

    fn unmap(core: &Core<Self>) {
        core.for_all(
            || core.sdk.set(Copy::Unwanted),
            |Self { series }| series.cell.feed_off(&series.shared.settings.replay),
        );
    }
}

fn binder<T: HistogramNumber>(twin: &SdkHistogram<T>, attributes: &Attributes) -> BindSeries<T> {
    let twin = twin.clone();
    let attributes = attributes.clone();
    Box::new(move || twin.bind(&attributes.to_key_values()))
}

/// Whether OpenTelemetry has a copy of the histogram that something reads.
#[allow(missing_debug_implementations, reason = "public for the sealed trait only")]
pub struct SdkCopy<T>(RwLock<Copy<T>>);

enum Copy<T> {
    Undecided,
    Unwanted,
    At(SdkHistogram<T>),
}

impl<T> SdkCopy<T> {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Copy<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, copy: Copy<T>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = copy;
    }
}

impl<T> Default for SdkCopy<T> {
    fn default() -> Self {
        Self(RwLock::new(Copy::Undecided))
    }
}

/// A running timer. Records when dropped. From [`Histogram::start_timer`].
#[derive(Debug)]
#[must_use = "dropped at once, it records next to nothing"]
pub struct Timer<T: HistogramNumber = f64> {
    histogram: Histogram<T>,
    start: Instant,
}

impl<T: HistogramNumber> Drop for Timer<T> {
    fn drop(&mut self) {
        let unit = &self.histogram.series.shared.identity.unit;
        let scale = unit::per_second(unit).unwrap_or(1.0);
        let elapsed = self.start.elapsed().as_secs_f64() * scale;
        self.histogram.record(T::from_duration(elapsed));
    }
}
