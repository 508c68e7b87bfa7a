//! The types that builders create, and the store's type for each.

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

/// A type that a builder creates: a synchronous instrument, an observable instrument, or a group of either.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an instrument",
    note = "instruments are `Counter`, `UpDownCounter`, `Gauge`, `Histogram`, `ObservableCounter`, \
            `ObservableUpDownCounter`, `ObservableGauge`, and groups of those; to include a struct of declared metrics, \
            add `#[metric(flatten)]` to its field"
)]
pub trait Instrument: sealed::Sealed {
    /// The type of the builder, for `derive(Metrics)`. Types that are not instruments have none, so that the compiler
    /// does not also report the calls on the builder.
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
        /// Finds or creates the instrument.
        fn make(builder: InstrumentBuilder<Self>) -> Result<Self, InstrumentError>;

        /// Returns an instrument that records nothing, in place of one that cannot be created.
        fn not_made(builder: &InstrumentBuilder<Self>) -> Self;
    }
}

/// Makes handle types instruments. Not a blanket implementation, because the compiler would then list the requirements
/// of handles for a type that is not an instrument.
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
        // An existing group keeps its own limit, which may be lower.
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

/// The labels of an instrument without labels.
pub(super) struct NoLabels;

impl Labels for NoLabels {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[];

    fn visit(&self, _: &mut impl crate::labels::LabelVisitor) {}
}

/// Creates an instrument of the kind and number type in `shared`. `is_plain` means that the code declares it without
/// labels.
///
/// All types are listed here, so that the store's code for each is compiled with this crate, and not again in every
/// crate that uses such an instrument.
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

/// Finds or creates an instrument in the given scope of `registry` with the properties of an instrument of another
/// registry.
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

/// Returns a group without the type of its handles, or `None` if `group` is not a group.
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
