//! Instruments: the handles that users record through.

mod builder;
mod counter;
mod gauge;
mod group;
mod histogram;
mod observable;
mod up_down_counter;

pub use self::builder::InstrumentBuilder;
pub use self::counter::{Counter, CounterGroup};
pub use self::gauge::{Gauge, GaugeGroup};
pub use self::group::Group;
pub use self::histogram::{Histogram, HistogramGroup, Timer};
pub use self::observable::{CallbackGuard, ObservableGauge};
pub use self::up_down_counter::{InFlight, UpDownCounter, UpDownCounterGroup};

/// What an instrument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A sum that only rises.
    Counter,
    /// A sum that rises and falls.
    UpDownCounter,
    /// A value that is set.
    Gauge,
    /// A distribution of values.
    Histogram,
    /// A value that a callback returns.
    ObservableGauge,
}

impl Kind {
    /// The kind in words, `up-down counter` for example.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "up-down counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::ObservableGauge => "observable gauge",
        }
    }
}

pub(crate) mod sealed {
    use std::sync::{Arc, Weak};

    use opentelemetry::metrics::Meter as SdkMeter;

    use super::Kind;
    use crate::attributes::Attributes;
    use crate::data::Data;
    use crate::number::NumberType;
    use crate::otel;
    use crate::store::instrument::{Core, Identity, Shared, Stored};
    use crate::store::registry::Inner;
    use crate::store::series::Series;

    /// What the store needs of a handle type.
    pub trait Handle: Clone + Send + Sync + Sized + 'static {
        /// Where the value of a series lives.
        type Cell: Send + Sync + 'static;
        /// What the instrument keeps about its twin in the SDK.
        type Sdk: Default + Send + Sync + 'static;

        const KIND: Kind;
        const NUMBER: NumberType;

        fn new(series: Arc<Series<Self::Cell>>) -> Self;
        fn series(&self) -> &Series<Self::Cell>;
        fn cell(shared: &Shared, sdk: &Self::Sdk, attributes: &Attributes) -> Self::Cell;

        /// The points of these series.
        fn data(identity: &Identity, series: &mut dyn Iterator<Item = &Self>) -> Data;

        /// Makes the instrument's twin.
        fn map(core: &Arc<Core<Self>>, meter: &SdkMeter, registry: &Weak<Inner>) {
            let stored: Arc<dyn Stored> = core.clone();
            otel::map_numbers(meter, Arc::downgrade(&stored), registry);
        }

        /// The twin is not read (any more).
        fn unmap(_core: &Core<Self>) {}
    }
}
