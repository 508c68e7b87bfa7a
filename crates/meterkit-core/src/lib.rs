//! Scopes, names, labels, instruments and the store of `meterkit`.
//!
//! Users depend on the `meterkit` crate, which re-exports what they need from here. This crate does not know about
//! collection, delivery or exporters, and uses only the API of OpenTelemetry.
//!
//! - [`Meter`] creates instruments: [`Counter`], [`UpDownCounter`], [`Gauge`], [`Histogram`], and a [`Group`] of each
//!   for [`Labels`]; and [`Observable`] instruments, whose values [callbacks](CallbackBuilder) report.
//! - [`Registry`] holds the instruments and their values, which it [returns](Registry::read) as [`ScopeMetrics`]. Its
//!   [`Catalog`] lists the instruments.
//!
//! Recording never fails, never blocks on the look-ups of other threads, and never panics. Creating an instrument may
//! return an error, which says what to write instead.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod attributes;
mod buckets;
mod call_site;
mod catalog;
mod data;
#[cfg(feature = "declare")]
mod declared;
mod distinct_name;
mod error;
mod family_type;
mod instrument;
mod labels;
mod log_once;
mod measurement;
mod meter;
mod metrics;
mod number;
#[doc(hidden)] // for the crates that collect and export
pub mod order;
mod registry;
mod scope;
mod scope_kind;
mod scope_options;
mod scope_patterns;
mod store;
mod store_health;
mod stream;
mod tap;
mod unpoisoned;

#[doc(hidden)] // for `Health`
pub use self::attributes::json_text;
pub use self::attributes::{AttributeList, AttributeRef, AttributeValue, Attributes};
pub use self::buckets::{Boundaries, Buckets, ExponentialLimits, HistogramBuckets};
#[cfg(feature = "catalog-json")]
pub use self::catalog::CatalogError;
pub use self::catalog::{Catalog, CatalogEntry, CatalogLabel, CatalogScope};
pub use self::data::{
    AbsentSeries, Collections, Data, Descriptor, Exemplar, ExemplarFilter, Exemplars,
    ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint, HistogramReading, Interval,
    Intervals, Metric, NumberPoint, NumberPoints, Reading, ScopeMetrics, SeriesId, SignedBuckets,
    SpanIds, SummaryPoint, SummaryReading, Temporality,
};
#[cfg(feature = "declare")]
#[doc(hidden)] // for `declare!`
pub use self::declared::{
    Declaration as __Declaration, description as __description, inventory as __inventory,
};
#[doc(hidden)] // for the crates that observe pools and tasks
pub use self::distinct_name::DistinctName;
pub use self::error::{
    AttributeError, InstrumentError, NamingError, ScopeError, ScopePatternError,
};
pub use self::instrument::{
    AnyObservable, AttributeCallback, AttributeObserver, CallbackBuilder, CallbackGuard,
    CallbackOutput, Called, Counter, CounterGroup, CounterKind, DynamicLabels, Gauge, GaugeGroup,
    GaugeKind, Group, GroupTimer, Histogram, HistogramGroup, Import, ImportedFamily, InFlight,
    Instrument, InstrumentBuilder, LabelsOf, OWN_SCOPE, Observable, ObservableCounter,
    ObservableCounterGroup, ObservableGauge, ObservableGaugeGroup, ObservableKind,
    ObservableUpDownCounter, ObservableUpDownCounterGroup, Observer, Outcome, Polled,
    SeriesObserver, Several, Timeable, TimedFuture, Timer, Unlabeled, UpDownCounter,
    UpDownCounterGroup, UpDownCounterKind, is_importing,
};
pub use self::labels::{LabelKey, LabelRef, LabelValue, LabelVisitor, Labels};
pub use self::log_once::LogOnce;
pub use self::measurement::Measurement;
pub use self::meter::Meter;
pub use self::metrics::Metrics;
pub use self::number::{
    CounterNumber, GaugeNumber, HistogramNumber, Number, NumberType, UpDownNumber, Value,
};
pub use self::registry::{Claim, Registry};
pub use self::scope::{Naming, NamingPolicy};
pub use self::scope_kind::ScopeKind;
pub use self::scope_options::ScopeOptions;
pub use self::scope_patterns::ScopePatterns;
pub use self::store::callbacks::{BackgroundTask, in_callback};
pub use self::store::clock::ManualClock;
#[doc(hidden)] // for the crates that collect and export
pub use self::store::clock::now;
pub use self::store::entry::Entry;
#[doc(hidden)]
pub use self::store::prometheus_names::{NameMeetings, PrometheusNames};
#[doc(hidden)] // for the test kit
pub use self::store::redirect::Redirect;
pub use self::store_health::StoreHealth;
pub use self::stream::{StreamRequest, StreamSettings};
pub use self::tap::{MakeSink, MirroredInstrument, Sink, Tap};
#[doc(hidden)]
pub use self::unpoisoned::Unpoisoned;
pub use meterkit_rules::Kind;
