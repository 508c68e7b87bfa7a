//! The types around instruments: builders, groups, timers, number types.
//!
//! [`Meter`](crate::Meter) creates instruments, and the instruments themselves are in the [root](crate) of this crate.
//! You need the types in this module to name what their methods take and return, such as the [`Timer`] that a
//! [`Histogram`](crate::Histogram) starts, and to write functions that are generic over numbers or instruments.
//!
//! ```
//! use meterkit::instrument::Timer;
//! use meterkit::{Histogram, Registry};
//!
//! /// A running task, which ends when dropped.
//! struct Task {
//!     _timer: Timer,
//! }
//!
//! fn start(duration: &Histogram) -> Task {
//!     Task { _timer: duration.start_timer() }
//! }
//!
//! let meter = Registry::new().scoped("plugin", "scaffolder");
//! let duration = meter.histogram::<f64>("tasks.duration").unit("s").build()?;
//! drop(start(&duration));
//! # Ok::<(), meterkit::InstrumentError>(())
//! ```

pub use meterkit_core::{
    Buckets, Called, CounterNumber, DynamicLabels, Entry, ExponentialLimits, GaugeNumber, Group,
    GroupTimer, HistogramNumber, InFlight, Instrument, InstrumentBuilder, LabelsOf, Measurement,
    Number, Outcome, Polled, ScopeError, Timeable, TimedFuture, Timer, Unlabeled, UpDownNumber,
};
