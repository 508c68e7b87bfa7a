//! Each instrument is an instrument of OpenTelemetry too, so that any reader or exporter of its ecosystem sees it.
//!
//! Numbers become observable instruments whose callback reads the store. Histograms, which cannot be observable,
//! feed their twin through bound instruments. The twins are made when something is going to read them, and never on
//! a thread that merely makes an instrument: the SDK holds a lock while callbacks run, and waiting for it there
//! could be for ever.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use opentelemetry::metrics::{Meter as SdkMeter, MeterProvider};
use opentelemetry::{InstrumentationScope, KeyValue};

use crate::data::Data;
use crate::kind::Kind;
use crate::number::{NumberType, Value};
use crate::store::handle::BeforeRead;
use crate::store::instrument::Stored;
use crate::store::shared::Shared;

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `collect` with the observable twins of this thread silent.
///
/// For a collection of the SDK that is joined with what [`Registry::read`](crate::Registry::read) gives: nothing is read twice.
pub fn silently<R>(collect: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            SILENT.set(self.0);
        }
    }
    let _restore = Restore(SILENT.replace(true));
    collect()
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
            is_announced: AtomicBool::new(false),
        }))
    }
}

/// The twins at one provider.
pub(crate) struct Twins {
    id: u64,
    provider: Arc<dyn MeterProvider + Send + Sync>,
    meters: Mutex<HashMap<InstrumentationScope, SdkMeter>>,
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
        let meter = self.meter(scope);
        instrument.map(&meter, is_first.then_some(before_read));
    }

    fn meter(&self, scope: &InstrumentationScope) -> SdkMeter {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || self.provider.meter_with_scope(scope.clone());
        meters.entry(scope.clone()).or_insert_with(make).clone()
    }
}

/// Makes an observable twin that reports what `stored` holds.
pub(crate) fn map_numbers(
    stored: Arc<dyn Stored>,
    meter: &SdkMeter,
    before_read: Option<&BeforeRead>,
) {
    let shared = stored.shared();
    // Weak: the SDK keeps callbacks for ever.
    let instrument = Arc::downgrade(&stored);
    let before_read = before_read.cloned();

    macro_rules! observe {
        ($build:ident, $variant:ident) => {{
            meter
                .$build(name(shared))
                .with_unit(shared.identity.unit.clone())
                .with_description(shared.identity.description.clone())
                .with_callback(move |observer| {
                    report(before_read.as_ref(), &instrument, |value, attributes| {
                        if let Value::$variant(value) = value {
                            observer.observe(value, attributes);
                        }
                    });
                })
                .build();
        }};
    }
    match (shared.identity.kind, shared.identity.number) {
        (Kind::Counter, NumberType::F64) => observe!(f64_observable_counter, F64),
        (Kind::Counter, _) => observe!(u64_observable_counter, U64),
        (Kind::UpDownCounter, NumberType::F64) => observe!(f64_observable_up_down_counter, F64),
        (Kind::UpDownCounter, _) => observe!(i64_observable_up_down_counter, I64),
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

fn report(
    before_read: Option<&BeforeRead>,
    instrument: &Weak<dyn Stored>,
    mut observe: impl FnMut(Value, &[KeyValue]),
) {
    if SILENT.get() {
        return;
    }
    if let Some(before_read) = before_read {
        before_read();
    }
    let Some(instrument) = instrument.upgrade() else {
        return;
    };
    if let Data::Gauge(points) | Data::Sum { points, .. } = instrument.data() {
        for point in points {
            observe(point.value, &point.attributes.to_key_values());
        }
    }
}
