//! Metrics declared as a type.

use crate::error::InstrumentError;
use crate::labels::Labels;
use crate::meter::Meter;

/// A struct of instruments and groups, implemented with `derive(Metrics)`.
///
/// If the derive names a scope, the struct also has `register()` and `register_in(&registry)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a struct of declared metrics",
    note = "add `#[derive(Metrics)]` to the struct, or remove `flatten` if the field is an instrument"
)]
pub trait Metrics: Sized {
    /// Creates all instruments on `meter`. An instrument that cannot be created is logged as an error and records
    /// nothing.
    fn register_on(meter: &Meter) -> Self;

    /// Creates all instruments on `meter`.
    ///
    /// # Errors
    ///
    /// Returns the error of the first instrument that cannot be created. The instruments before it exist by then.
    fn try_register_on(meter: &Meter) -> Result<Self, InstrumentError>;

    /// Creates all instruments on `meter` and binds `labels` to them: each field records the series with these labels.
    /// All structs registered this way share the instruments, whatever the values of their labels. An instrument that
    /// cannot be created is logged as an error and records nothing.
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

    /// Creates all instruments on `meter` and binds `labels` to them, as [`register_on_with`](Self::register_on_with)
    /// does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`try_register_on`](Self::try_register_on). Also returns an error if the struct has a
    /// group or an observable instrument, whose series have labels of their own, or if an instrument already exists
    /// with other label keys.
    fn try_register_on_with(meter: &Meter, labels: impl Labels) -> Result<Self, InstrumentError> {
        Self::try_register_on(&meter.labeled(&labels))
    }
}
