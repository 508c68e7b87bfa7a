//! OpenTelemetry's API on top of the same store.
//!
//! [`install`](crate::TelemetryBuilder::install) makes a [`MeterProvider`] OpenTelemetry's global one, so that metrics
//! of other libraries have the same guarantees and reach the same targets. [`OtelMeter`] returns OpenTelemetry's meter
//! for one of your scopes.
//!
//! ```
//! use meterkit::Registry;
//! use meterkit::opentelemetry::KeyValue;
//! use meterkit::otel::OtelMeter;
//!
//! let registry = Registry::new();
//! let meter = registry.scoped("plugin", "catalog").otel();
//! let requests = meter.u64_counter("requests").build();
//! requests.add(1, &[KeyValue::new("http.route", "/entities")]);
//! assert_eq!(registry.read()[0].metrics[0].descriptor.name, "backstage.plugin.catalog.requests");
//! ```
//!
//! Readers and exporters of OpenTelemetry's SDK are added with `reader` and `exporter` of
//! [`TelemetryBuilder`](crate::TelemetryBuilder).

pub use meterkit_otel::{MeterProvider, OtelMeter};
