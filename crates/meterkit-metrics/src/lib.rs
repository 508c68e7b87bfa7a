//! Support for the crate `metrics` in `meterkit`.
//!
//! [`MetricsRecorder`] records what libraries measure with that crate in the store, so that it reaches every target.
//!
//! ```
//! use meterkit_core::Registry;
//! use meterkit_metrics::MetricsRecorder;
//!
//! let registry = Registry::new();
//! let recorder = MetricsRecorder::new(&registry);
//! metrics::with_local_recorder(&recorder, || {
//!     let open = metrics::gauge!("pool.connections", "state" => "open");
//!     open.set(10);
//!     open.increment(5);
//! });
//! let metric = &registry.read()[0].metrics[0];
//! assert_eq!(metric.descriptor.name, "pool.connections");
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod groups;
mod handles;
mod recent;
mod recorder;
mod totals;
mod unit;

pub use self::recorder::{MetricsRecorder, RecorderError};
