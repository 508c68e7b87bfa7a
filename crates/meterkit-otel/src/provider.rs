//! An OpenTelemetry meter provider over the store, and its meters.

use std::sync::Arc;

use meterkit_core::{Meter, Registry};
use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::{self, Meter as ApiMeter};

use crate::instruments::Instruments;

/// An OpenTelemetry meter provider over the store of a [`Registry`].
///
/// `Telemetry::install` sets the provider of the global registry as OpenTelemetry's global provider. An instrument that
/// a library creates before that is a no-op for its whole life. If you use such a library, set the provider at the
/// beginning of `main`. The provider works before `Telemetry` is installed, and keeps what is recorded until then:
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
/// A provider is cheap to clone. It holds no values, so there is nothing to flush or shut down.
///
/// Instruments follow OpenTelemetry's Metrics API: names, units and attribute keys need not follow meterkit's style
/// rules. Attributes may have any type and come in any order; if a key occurs twice, the last value counts. An
/// instrument that is requested more than once follows the section "Duplicate instrument registration" of
/// OpenTelemetry's Metrics SDK specification.
#[derive(Clone, Debug)]
pub struct MeterProvider {
    registry: Registry,
}

impl MeterProvider {
    /// Creates a provider over `registry`.
    pub fn new(registry: Registry) -> Self {
        Self { registry }
    }

    /// Returns the provider over [`Registry::global`].
    pub fn global() -> Self {
        Self::new(Registry::global().clone())
    }
}

impl metrics::MeterProvider for MeterProvider {
    fn meter_with_scope(&self, scope: InstrumentationScope) -> ApiMeter {
        ApiMeter::new(Arc::new(Instruments { meter: self.registry.meter_of(&scope) }))
    }
}

/// Extends [`Meter`] with access to an OpenTelemetry meter for the same scope.
pub trait OtelMeter {
    /// Returns an OpenTelemetry meter for the same scope. An instrument that is requested from both meters is one
    /// stream.
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
        ApiMeter::new(Arc::new(Instruments { meter: self.clone() }))
    }
}
