//! What builders make: the types of instruments, and the store's type for each.

use std::any::Any;
use std::sync::Arc;

use super::builder::InstrumentBuilder;
use super::counter::Counter;
use super::dynamic_labels::DynamicLabels;
use super::gauge::Gauge;
use super::group::Group;
use super::histogram::Histogram;
use super::observable::{Observable, ObservableKind, Unlabeled};
use super::self_metrics;
use super::up_down_counter::UpDownCounter;
use crate::Kind;
use crate::error::InstrumentError;
use crate::labels::{LabelKey, Labels};
use crate::number::{
    CounterNumber, GaugeNumber, HistogramNumber, Number, NumberType, UpDownNumber,
};
use crate::registry::Registry;
use crate::scope::ScopeKey;
use crate::store::group::{GroupOptions, MOST_PLACES, Members, SeriesGroup};
use crate::store::handle::Handle;
use crate::store::instrument::{Core, Stored};
use crate::store::observed::Observed;
use crate::store::shared::Shared;

/// What a builder makes: an instrument that is recorded in, one that callbacks report, or a group of such.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no instrument",
    note = "instruments are `Counter`, `UpDownCounter`, `Gauge`, `Histogram`, `ObservableCounter`, \
            `ObservableUpDownCounter`, `ObservableGauge`, and groups of those; a struct of declared metrics goes in with \
            `#[metric(flatten)]`"
)]
pub trait Instrument: sealed::Sealed {
    /// The builder, for `derive(Metrics)`: a type that is no instrument has none, so that the compiler does not report calls
    /// on it, too.
    #[doc(hidden)]
    type Builder: From<InstrumentBuilder<Self>>;
}

impl<L: Labels, H: Handle> Instrument for Group<L, H> {
    type Builder = InstrumentBuilder<Self>;
}

impl<K: ObservableKind<T>, T: Number> Instrument for Observable<K, T, Unlabeled> {
    type Builder = InstrumentBuilder<Self>;
}

impl<K: ObservableKind<T>, T: Number, L: Labels> Instrument for Observable<K, T, L> {
    type Builder = InstrumentBuilder<Self>;
}

impl<H: Handle> Instrument for Group<DynamicLabels, H> {
    type Builder = InstrumentBuilder<Self>;
}

pub(super) mod sealed {
    use super::{InstrumentBuilder, InstrumentError};

    pub trait Sealed: Sized {
        /// Finds or makes the instrument.
        fn make(builder: InstrumentBuilder<Self>) -> Result<Self, InstrumentError>;

        /// Returns an instrument that records nowhere, for one that cannot be made.
        fn not_made(builder: &InstrumentBuilder<Self>) -> Self;
    }
}

/// Makes handles instruments. Not a blanket implementation: the compiler would list what a handle is for a type that is
/// none.
macro_rules! recorded {
    ($($handle:ident of $number:ident),*) => {$(
        impl<T: $number> Instrument for $handle<T> {
            type Builder = InstrumentBuilder<Self>;
        }

        impl<T: $number> sealed::Sealed for $handle<T> {
            fn make(builder: InstrumentBuilder<Self>) -> Result<Self, InstrumentError> {
                builder.request.recorded()
            }

            fn not_made(builder: &InstrumentBuilder<Self>) -> Self {
                let (kind, number) = (Self::KIND, Self::NUMBER);
                builder.request.not_made::<Core<Self>>(kind, number, Some(&[])).plain().clone()
            }
        }
    )*};
}

recorded!(
    Counter of CounterNumber,
    UpDownCounter of UpDownNumber,
    Gauge of GaugeNumber,
    Histogram of HistogramNumber
);

impl<L: Labels, H: Handle> sealed::Sealed for Group<L, H> {
    fn make(builder: InstrumentBuilder<Self>) -> Result<Self, InstrumentError> {
        let find = |builder: InstrumentBuilder<Self>| {
            builder.request.find_or_make(H::KIND, H::NUMBER, Some(L::KEYS))
        };
        if !builder.request.is_zero_initialized {
            return Ok(Self::new(find(builder)?));
        }
        let name = builder.request.name.clone().into_owned();
        let sets = LabelKey::closed_sets(L::KEYS).unwrap_or(usize::MAX);
        let limit = builder.request.options.limit.unwrap_or(MOST_PLACES).min(MOST_PLACES);
        if sets > limit {
            return Err(InstrumentError::TooManySets { name, sets, limit });
        }
        let core = find(builder)?;
        // One that existed has its own limit.
        let made = core.zero_initialize();
        made.map_err(|limit| InstrumentError::TooManySets { name, sets, limit })?;
        Ok(Self::new(core))
    }

    fn not_made(builder: &InstrumentBuilder<Self>) -> Self {
        Self::new(builder.request.not_made(H::KIND, H::NUMBER, Some(L::KEYS)))
    }
}

impl<H: Handle> sealed::Sealed for Group<DynamicLabels, H> {
    fn make(builder: InstrumentBuilder<Self>) -> Result<Self, InstrumentError> {
        Ok(Self::new(builder.request.find_or_make(H::KIND, H::NUMBER, None)?))
    }

    fn not_made(builder: &InstrumentBuilder<Self>) -> Self {
        Self::new(builder.request.not_made(H::KIND, H::NUMBER, None))
    }
}

/// The labels of an instrument that has none.
pub(super) struct NoLabels;

impl Labels for NoLabels {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[];

    fn visit(&self, _: &mut impl crate::labels::LabelVisitor) {}
}

/// Makes an instrument of its kind and number. `is_plain` says that the code declares it, without labels.
///
/// All types are listed here, so that the code of the store for each is compiled with this crate and not again with every
/// crate that has such an instrument.
pub(super) fn make(shared: Shared, is_plain: bool) -> Arc<dyn Stored> {
    use NumberType::{F64, I64};
    fn recorded<H: Handle>(shared: Shared) -> Arc<dyn Stored> {
        Arc::new(Core::<H>::new(shared))
    }
    let shared = if is_plain { shared.without_labels() } else { shared };
    match (shared.identity.kind, shared.identity.number) {
        (Kind::Counter, F64) => recorded::<Counter<f64>>(shared),
        (Kind::Counter, _) => recorded::<Counter<u64>>(shared),
        (Kind::UpDownCounter, F64) => recorded::<UpDownCounter<f64>>(shared),
        (Kind::UpDownCounter, _) => recorded::<UpDownCounter<i64>>(shared),
        (Kind::Gauge, F64) => recorded::<Gauge<f64>>(shared),
        (Kind::Gauge, I64) => recorded::<Gauge<i64>>(shared),
        (Kind::Gauge, _) => recorded::<Gauge<u64>>(shared),
        (Kind::Histogram, F64) => recorded::<Histogram<f64>>(shared),
        (Kind::Histogram, _) => recorded::<Histogram<u64>>(shared),
        _ => Arc::new(Observed::new(shared)),
    }
}

/// Returns the instrument of this scope in `registry` that is like one of another registry, made if it does not exist.
pub(crate) fn find_or_make_like(
    registry: &Registry,
    scope: &ScopeKey,
    other: &Shared,
) -> Result<Arc<dyn Stored>, InstrumentError> {
    let label_keys = other.declared_keys();
    let make = Box::new(move |shared| make(shared, label_keys == Some(&[])));
    let (identity, options) = (other.identity.clone(), GroupOptions::default());
    let found = registry.find_or_make(scope, identity, other.door(), options, make)?;
    let _ = label_keys.map(|keys| found.declare(keys));
    self_metrics::count_drops(registry);
    Ok(found)
}

/// Returns a group of any type of handle without that type; `None` if it is no group.
pub(crate) fn members_of(group: &dyn Any) -> Option<&dyn Members> {
    fn typed<H: Handle>(group: &dyn Any) -> Option<&dyn Members> {
        group.downcast_ref::<SeriesGroup<H>>().map(|group| -> &dyn Members { group })
    }
    let all = [
        typed::<Counter<u64>>,
        typed::<Counter<f64>>,
        typed::<UpDownCounter<i64>>,
        typed::<UpDownCounter<f64>>,
        typed::<Gauge<i64>>,
        typed::<Gauge<u64>>,
        typed::<Gauge<f64>>,
        typed::<Histogram<f64>>,
        typed::<Histogram<u64>>,
    ];
    all.into_iter().find_map(|typed| typed(group))
}
