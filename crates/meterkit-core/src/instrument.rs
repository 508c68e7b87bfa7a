//! Instruments: the handles through which users record values.

mod bound_labels;
mod builder;
mod by_attributes;
mod chosen_buckets;
mod counter;
mod dynamic_labels;
mod gauge;
mod group;
mod histogram;
mod import;
mod made;
mod number_handle;
mod observable;
mod outcome;
mod renamed;
mod self_metrics;
mod timer;
mod up_down_counter;

pub(crate) use self::bound_labels::BoundLabels;
pub use self::builder::InstrumentBuilder;
pub use self::by_attributes::{AttributeCallback, AttributeObserver};
pub use self::counter::{Counter, CounterGroup};
pub use self::dynamic_labels::DynamicLabels;
pub use self::gauge::{Gauge, GaugeGroup};
pub use self::group::{Group, LabelsOf};
pub use self::histogram::{Histogram, HistogramGroup};
pub use self::import::{Import, ImportedFamily, is_importing};
pub use self::made::Instrument;
pub(crate) use self::made::{find_or_make_like, members_of};
pub use self::observable::{
    AnyObservable, CallbackBuilder, CallbackGuard, CallbackOutput, CounterKind, GaugeKind,
    Observable, ObservableCounter, ObservableCounterGroup, ObservableGauge, ObservableGaugeGroup,
    ObservableKind, ObservableUpDownCounter, ObservableUpDownCounterGroup, Observer,
    SeriesObserver, Several, Unlabeled, UpDownCounterKind,
};
pub use self::outcome::Outcome;
pub use self::self_metrics::OWN_SCOPE;
pub(crate) use self::self_metrics::SelfMetrics;
pub use self::timer::{Called, GroupTimer, Polled, Timeable, TimedFuture, Timer};
pub use self::up_down_counter::{InFlight, UpDownCounter, UpDownCounterGroup};
