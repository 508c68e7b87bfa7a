//! Observable instruments, whose values are reported by callbacks instead of being recorded.
//!
//! A callback runs when a scrape or an export is due, and within a budget. It is registered until its
//! [`CallbackGuard`](crate::CallbackGuard) is dropped. A [`CallbackBuilder`] configures how it runs: cached, in the
//! background, or asynchronously.
//!
//! ```
//! use std::time::Duration;
//!
//! use meterkit::Registry;
//!
//! # fn count_rows() -> u64 { 9 }
//! let meter = Registry::new().scoped("plugin", "catalog");
//! let rows = meter.observable_gauge::<u64>("rows").build()?;
//! let _guard = rows.callback().cached(Duration::from_secs(30)).observe(count_rows);
//! # Ok::<(), meterkit::InstrumentError>(())
//! ```

pub use meterkit_core::{
    AnyObservable, BackgroundTask, CallbackBuilder, CallbackOutput, CounterKind, GaugeKind,
    Observable, ObservableKind, Observer, SeriesObserver, Several, UpDownCounterKind,
};
