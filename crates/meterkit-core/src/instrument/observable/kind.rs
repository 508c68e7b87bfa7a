//! The meaning of the values of observable instruments.

use crate::Kind;
use crate::number::{CounterNumber, GaugeNumber, Number, UpDownNumber};

/// The meaning of the values of an observable instrument with numbers of type `T`: [`CounterKind`],
/// [`UpDownCounterKind`] or [`GaugeKind`]. Sealed.
pub trait ObservableKind<T: Number>: sealed::Sealed + 'static {
    /// The kind of the instrument.
    const KIND: Kind;
}

/// The values are totals that only rise.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "has no values")]
pub enum CounterKind {}

/// The values are totals that rise and fall.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "has no values")]
pub enum UpDownCounterKind {}

/// The values are current values, which are not added up.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "has no values")]
pub enum GaugeKind {}

impl<T: CounterNumber> ObservableKind<T> for CounterKind {
    const KIND: Kind = Kind::ObservableCounter;
}

impl<T: UpDownNumber> ObservableKind<T> for UpDownCounterKind {
    const KIND: Kind = Kind::ObservableUpDownCounter;
}

impl<T: GaugeNumber> ObservableKind<T> for GaugeKind {
    const KIND: Kind = Kind::ObservableGauge;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::CounterKind {}
    impl Sealed for super::UpDownCounterKind {}
    impl Sealed for super::GaugeKind {}
}
