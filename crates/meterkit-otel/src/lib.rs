//! OpenTelemetry's side of `meterkit`.
//!
//! [`MeterProvider`] implements OpenTelemetry's API over the store, so that metrics of other libraries are stored,
//! limited, collected and delivered by the same code as those of the facade. With the feature `sdk`, the module `sdk`
//! mirrors all instruments in OpenTelemetry's SDK, for readers and exporters that need instruments there.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod instruments;
mod provider;
mod recent;
#[cfg(feature = "sdk")]
pub mod sdk;

pub use self::provider::{MeterProvider, OtelMeter};
