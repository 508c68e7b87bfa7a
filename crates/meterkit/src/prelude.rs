//! The names that most files that record metrics need: `use meterkit::prelude::*;`.
//!
//! ```
//! use meterkit::prelude::*;
//!
//! #[derive(Metrics)]
//! #[metrics(scope = "plugin", name = "catalog")]
//! struct CatalogMetrics {
//!     /// Requests that were answered.
//!     requests: Counter,
//! }
//!
//! let metrics = CatalogMetrics::register();
//! metrics.requests.increment();
//! ```

#[doc(no_inline)]
pub use crate::otel::OtelMeter;
#[doc(no_inline)]
pub use crate::{
    CallbackGuard, Counter, CounterGroup, Gauge, GaugeGroup, Histogram, HistogramGroup, LabelValue,
    Labels, Meter, Metrics, ObservableCounter, ObservableCounterGroup, ObservableGauge,
    ObservableGaugeGroup, ObservableUpDownCounter, ObservableUpDownCounterGroup, Registry,
    Telemetry, UpDownCounter, UpDownCounterGroup,
};
