//! OpenTelemetry support for `meterkit`.
//!
//! [`MeterProvider`] implements OpenTelemetry's API over the store. Metrics of other libraries are therefore stored,
//! limited, collected and delivered by the same code as metrics of meterkit's own API. With the feature `sdk`, the
//! module `sdk` mirrors all instruments in the OpenTelemetry SDK, for readers and exporters that need SDK instruments.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod instruments;
mod provider;
mod recent;
#[cfg(feature = "sdk")]
pub mod sdk;

pub use self::provider::{MeterProvider, OtelMeter};
