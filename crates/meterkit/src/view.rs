//! Views rename or drop metrics, remove attributes, or choose other buckets, without changing the code that records.
//!
//! A [`View`] has a selector, which determines the instruments that it applies to, and a stream, which determines how
//! they change. Views apply on the way to the targets; see [`TelemetryBuilder::views`](crate::TelemetryBuilder::views)
//! for exceptions.
//!
//! ```
//! use meterkit::view::{Aggregation, View, ViewSelector, ViewStream, Views};
//! use meterkit::{Registry, Telemetry};
//!
//! let quiet = View {
//!     selector: ViewSelector { instrument_name: Some("tokio.*".into()), ..Default::default() },
//!     stream: ViewStream { aggregation: Some(Aggregation::Drop), ..Default::default() },
//! };
//! let builder = Telemetry::builder().registry(Registry::new()).views(Views::new(vec![quiet]));
//! # let _ = builder;
//! ```

pub use meterkit_pipeline::{
    Aggregation, KeyFilter, NamePattern, View, ViewSelector, ViewStream, Views,
};
