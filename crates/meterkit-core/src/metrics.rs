//! Metrics that are declared as a type.

use crate::error::InstrumentError;
use crate::labels::Labels;
use crate::meter::Meter;

/// A struct of instruments and groups. `derive(Metrics)` writes the implementation.
///
/// Where the derive is given a scope, the struct also has `register()` and `register_in(&registry)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a struct of declared metrics",
    note = "write `#[derive(Metrics)]` on the struct; a field that is an instrument goes without `flatten`"
)]
pub trait Metrics: Sized {
    /// Makes all instruments on `meter`. One that cannot be made is logged, and records nowhere.
    fn register_on(meter: &Meter) -> Self;

    /// Makes all instruments on `meter`.
    ///
    /// # Errors
    ///
    /// Those of the first instrument that cannot be made; the ones before it exist then.
    fn try_register_on(meter: &Meter) -> Result<Self, InstrumentError>;

    /// Makes all instruments on `meter` and binds `labels` to them: each field records the series with these labels. The
    /// instruments are shared by all structs that are made so, whatever the values of their labels. One that cannot be
    /// made is logged, and records nowhere.
    ///
    /// ```
    /// use meterkit::{Counter, Gauge, Labels, Metrics, Registry};
    ///
    /// #[derive(Metrics)]
    /// #[metrics(plain, prefix = "sync_")]
    /// struct StageMetrics {
    ///     /// The last block that is done.
    ///     checkpoint: Gauge<u64>,
    ///     /// Blocks that were looked at again.
    ///     retries: Counter,
    /// }
    ///
    /// #[derive(Labels)]
    /// struct Stage<'a> {
    ///     stage: &'a str,
    /// }
    ///
    /// let registry = Registry::new();
    /// let headers = StageMetrics::register_on_with(&registry.plain(), Stage { stage: "headers" });
    /// let bodies = StageMetrics::register_on_with(&registry.plain(), Stage { stage: "bodies" });
    /// headers.checkpoint.set(17_000_000); // sync_checkpoint{stage="headers"} 17000000
    /// bodies.retries.increment(); // sync_retries{stage="bodies"} 1
    /// # let _ = (&headers.retries, &bodies.checkpoint);
    /// ```
    fn register_on_with(meter: &Meter, labels: impl Labels) -> Self {
        Self::register_on(&meter.labeled(&labels))
    }

    /// Makes all instruments on `meter` and binds `labels` to them, as [`register_on_with`](Self::register_on_with) does.
    ///
    /// # Errors
    ///
    /// Those of [`try_register_on`](Self::try_register_on), a group or an observable instrument, whose series have other
    /// labels, and an instrument that exists with other label keys.
    fn try_register_on_with(meter: &Meter, labels: impl Labels) -> Result<Self, InstrumentError> {
        Self::try_register_on(&meter.labeled(&labels))
    }
}
