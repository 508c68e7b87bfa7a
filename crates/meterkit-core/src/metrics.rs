//! Metrics that are declared as a type.

use crate::error::InstrumentError;
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
}
