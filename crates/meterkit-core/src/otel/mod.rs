//! Each instrument is an instrument of OpenTelemetry too, so that any reader or exporter of its ecosystem sees it.
//!
//! Numbers become observable instruments whose callback reads the store. Histograms, which cannot be observable,
//! feed their twin through bound instruments. The twins are made when something is going to read them, and never on
//! a thread that merely makes an instrument: the SDK holds a lock while callbacks run, and waiting for it there
//! could be for ever.

mod reported;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::LocalKey;

use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::{Meter as SdkMeter, MeterProvider};

use self::reported::Reported;
use crate::attributes::Attributes;
use crate::buckets::ExponentialLimits;
use crate::data::{Data, NumberPoint};
use crate::kind::Kind;
use crate::number::{NumberType, Value};
use crate::store::handle::BeforeRead;
use crate::store::instrument::Stored;
use crate::store::shared::Shared;

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
    static EXPONENTIAL: Cell<Option<ExponentialLimits>> = const { Cell::new(None) };
}

/// Runs `collect` with the observable twins of this thread silent.
///
/// For a collection of the SDK that is joined with what [`Registry::read`](crate::Registry::read) gives: nothing is
/// read twice.
pub fn silently<R>(collect: impl FnOnce() -> R) -> R {
    with(&SILENT, true, collect)
}

/// The limits of the exponential histogram whose twin this thread is making.
///
/// An instrument of OpenTelemetry's API cannot ask to be exponential, only a view of the SDK can make it so. The SDK
/// asks its views while it makes an instrument: one that asks this in turn knows which instruments are ours to be.
pub fn exponential_twin() -> Option<ExponentialLimits> {
    EXPONENTIAL.get()
}

/// Runs `make`, which makes the twin of an exponential histogram.
pub(crate) fn as_exponential<R>(limits: ExponentialLimits, make: impl FnOnce() -> R) -> R {
    with(&EXPONENTIAL, Some(limits), make)
}

/// Runs `work` while `cell` holds `value`.
fn with<V, R>(cell: &'static LocalKey<Cell<V>>, value: V, work: impl FnOnce() -> R) -> R
where
    V: Copy + 'static,
{
    struct Restore<V: Copy + 'static>(&'static LocalKey<Cell<V>>, V);
    impl<V: Copy + 'static> Drop for Restore<V> {
        fn drop(&mut self) {
            self.0.set(self.1);
        }
    }
    let _restore = Restore(cell, cell.replace(value));
    work()
}

/// Whether instruments have twins in the SDK.
#[derive(Clone)]
pub(crate) enum Mapping {
    /// Nobody has said yet.
    Undecided,
    /// Nothing will read them.
    Unwanted,
    /// They are made with this provider.
    To(Arc<Twins>),
}

impl Mapping {
    pub(crate) fn to(provider: Arc<dyn MeterProvider + Send + Sync>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self::To(Arc::new(Twins {
            id: NEXT.fetch_add(1, Relaxed),
            provider,
            meters: Mutex::default(),
            reported: Mutex::default(),
            is_announced: AtomicBool::new(false),
        }))
    }
}

/// The twins at one provider.
pub(crate) struct Twins {
    id: u64,
    provider: Arc<dyn MeterProvider + Send + Sync>,
    meters: Mutex<HashMap<InstrumentationScope, SdkMeter>>,
    /// By scope and name of a counter: of one that is made again after its scope was unloaded, readers know the old
    /// one.
    reported: Mutex<HashMap<(InstrumentationScope, String), Arc<Reported>>>,
    /// Whether there is a twin that announces readings.
    is_announced: AtomicBool,
}

impl Twins {
    /// Makes the twin of `instrument` unless it has one here.
    pub(crate) fn map(
        &self,
        scope: &InstrumentationScope,
        instrument: Arc<dyn Stored>,
        before_read: &BeforeRead,
    ) {
        if instrument.shared().mapped_to.swap(self.id, AcqRel) == self.id {
            return;
        }
        // The SDK calls in the order in which twins were made: the first one knows when a reading begins.
        let observable = instrument.shared().identity.kind != Kind::Histogram;
        let is_first = observable && !self.is_announced.swap(true, AcqRel);
        let twin = Twin {
            meter: self.meter(scope),
            before_read: is_first.then(|| before_read.clone()),
            reported: self.reported(scope, instrument.shared()),
        };
        instrument.map(&twin);
    }

    fn reported(&self, scope: &InstrumentationScope, shared: &Shared) -> Option<Arc<Reported>> {
        let is_counter = matches!(shared.identity.kind, Kind::Counter | Kind::ObservableCounter);
        is_counter.then(|| {
            let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (scope.clone(), shared.descriptor().name.clone());
            reported.entry(key).or_default().clone()
        })
    }

    fn meter(&self, scope: &InstrumentationScope) -> SdkMeter {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || self.provider.meter_with_scope(scope.clone());
        meters.entry(scope.clone()).or_insert_with(make).clone()
    }
}

/// What an instrument's twin is made with.
#[allow(missing_debug_implementations, reason = "public for the sealed trait only")]
pub struct Twin {
    pub(crate) meter: SdkMeter,
    /// To be called when something begins to read the twin.
    before_read: Option<BeforeRead>,
    /// Of a counter, which must not fall.
    reported: Option<Arc<Reported>>,
}

/// Makes an observable twin that reports what `stored` holds.
pub(crate) fn map_numbers(stored: Arc<dyn Stored>, twin: &Twin) {
    let shared = stored.shared();
    let settings = shared.settings.clone();
    // Weak: the SDK keeps callbacks for ever.
    let instrument = Arc::downgrade(&stored);
    let Twin { meter, before_read, reported } = twin;
    let (before_read, reported) = (before_read.clone(), reported.clone());

    macro_rules! observe {
        ($build:ident, $variant:ident) => {{
            meter
                .$build(name(shared))
                .with_unit(shared.identity.unit.clone())
                .with_description(shared.identity.description.clone())
                .with_callback(move |observer| {
                    let observe = |value, attributes: &Attributes| {
                        if let Value::$variant(value) = value {
                            observer.observe(value, &attributes.to_key_values());
                        }
                    };
                    let Some(points) = points(before_read.as_ref(), &instrument) else { return };
                    match &reported {
                        Some(reported) => reported.tell(points, settings.clock.elapsed(), observe),
                        None => points.iter().for_each(|it| observe(it.value, &it.attributes)),
                    }
                })
                .build();
        }};
    }
    match (shared.identity.kind, shared.identity.number) {
        (Kind::Counter | Kind::ObservableCounter, number) => match number {
            NumberType::F64 => observe!(f64_observable_counter, F64),
            _ => observe!(u64_observable_counter, U64),
        },
        (Kind::UpDownCounter | Kind::ObservableUpDownCounter, number) => match number {
            NumberType::F64 => observe!(f64_observable_up_down_counter, F64),
            _ => observe!(i64_observable_up_down_counter, I64),
        },
        (Kind::Gauge | Kind::ObservableGauge, number) => match number {
            NumberType::U64 => observe!(u64_observable_gauge, U64),
            NumberType::I64 => observe!(i64_observable_gauge, I64),
            NumberType::F64 => observe!(f64_observable_gauge, F64),
        },
        (Kind::Histogram, _) => {} // has a way of its own: callbacks cannot report distributions
    }
}

/// The instrument's full name, for the twin.
pub(crate) fn name(shared: &Shared) -> Cow<'static, str> {
    Cow::Owned(shared.descriptor().name.clone())
}

/// What the instrument holds; nothing while the twins of this thread are silent.
fn points(
    before_read: Option<&BeforeRead>,
    instrument: &Weak<dyn Stored>,
) -> Option<Vec<NumberPoint>> {
    if SILENT.get() {
        return None;
    }
    if let Some(before_read) = before_read {
        before_read();
    }
    let data = instrument.upgrade().map(|instrument| instrument.data());
    match data {
        Some(Data::Gauge(points) | Data::Sum { points, .. }) => Some(points),
        _ => Some(Vec::new()),
    }
}
