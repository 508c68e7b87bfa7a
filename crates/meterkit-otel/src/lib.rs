//! OpenTelemetry's side of `meterkit`.
//!
//! [`MeterProvider`] makes OpenTelemetry's API a second door to the store: what other libraries record through it is
//! kept, limited, collected and delivered as what the facade records. With the feature `sdk`, [`sdk`] keeps a copy of
//! all instruments in OpenTelemetry's SDK, for readers and exporters that need one.

mod instruments;
mod provider;
mod recent;
#[cfg(feature = "sdk")]
pub mod sdk;

pub use self::provider::{MeterProvider, OtelMeter};
