//! The data of a collection: scopes, metrics, points and their attributes.
//!
//! [`Registry::read`](crate::Registry::read) returns this data, and a [`Snapshot`] carries it to every
//! [target](crate::target). Tests rarely need it: [`testing`](crate::testing) has assertions.
//!
//! ```
//! use meterkit::Registry;
//! use meterkit::data::{Data, Value};
//!
//! let registry = Registry::new();
//! registry.scoped("plugin", "catalog").counter::<u64>("requests").build()?.add(3);
//!
//! let scopes = registry.read();
//! let metric = &scopes[0].metrics[0];
//! assert_eq!(metric.descriptor.name, "backstage.plugin.catalog.requests");
//! let Data::Sum { points, .. } = &metric.data else { panic!("a counter is a sum") };
//! assert_eq!(points[0].value, Value::U64(3));
//! # Ok::<(), meterkit::InstrumentError>(())
//! ```

pub use meterkit_core::{
    AbsentSeries, AttributeError, AttributeList, AttributeRef, AttributeValue, Attributes, Data,
    Descriptor, Exemplar, ExemplarFilter, Exemplars, ExponentialBuckets, ExponentialHistogramPoint,
    HistogramPoint, Kind, Metric, NumberPoint, NumberPoints, NumberType, ScopeMetrics, SeriesId,
    SpanIds, SummaryPoint, Temporality, Value,
};
pub use meterkit_pipeline::Snapshot;
