//! The provider of OpenTelemetry's API.

use std::sync::Arc;

use meterkit_core::{Meter, Registry};
use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::{self, Meter as ApiMeter};

use crate::instruments::Instruments;

/// OpenTelemetry's meter provider over the store of a registry.
///
/// Installing metrics makes the one of the global registry OpenTelemetry's global provider. Whoever has libraries that
/// make their instruments earlier does it first of all, since an instrument of OpenTelemetry's API that was made without
/// a provider records nothing for as long as it lives:
///
/// ```
/// use meterkit_otel::MeterProvider;
///
/// opentelemetry::global::set_meter_provider(MeterProvider::global());
///
/// let early = opentelemetry::global::meter("some.library").u64_counter("requests").build();
/// early.add(1, &[]);
/// let scopes = meterkit_core::Registry::global().read();
/// assert_eq!(scopes[0].metrics[0].descriptor.name, "requests");
/// ```
///
/// Cheap to clone. Nothing has to be shut down or flushed: a provider holds no values.
#[derive(Clone, Debug)]
pub struct MeterProvider {
    registry: Registry,
}

impl MeterProvider {
    /// Returns the provider over `registry`.
    pub fn new(registry: Registry) -> Self {
        Self { registry }
    }

    /// Returns the provider over the registry of the program.
    pub fn global() -> Self {
        Self::new(Registry::global().clone())
    }
}

impl metrics::MeterProvider for MeterProvider {
    fn meter_with_scope(&self, scope: InstrumentationScope) -> ApiMeter {
        ApiMeter::new(Arc::new(Instruments::new(self.registry.by_attributes(&scope))))
    }
}

/// Gives a meter of this library its other face.
pub trait OtelMeter {
    /// Returns OpenTelemetry's meter of the same scope. An instrument that is asked for from both is one.
    ///
    /// ```
    /// use meterkit_core::Registry;
    /// use meterkit_otel::OtelMeter;
    /// use opentelemetry::KeyValue;
    ///
    /// let registry = Registry::new();
    /// let meter = registry.scoped("plugin", "catalog");
    /// let requests = meter.otel().u64_counter("requests").build();
    /// requests.add(2, &[]);
    /// meter.counter::<u64>("requests").build()?.add(1);
    /// assert_eq!(registry.read()[0].metrics[0].data.len(), 1);
    /// # Ok::<(), meterkit_core::InstrumentError>(())
    /// ```
    fn otel(&self) -> ApiMeter;
}

impl OtelMeter for Meter {
    fn otel(&self) -> ApiMeter {
        ApiMeter::new(Arc::new(Instruments::new(self.by_attributes())))
    }
}
