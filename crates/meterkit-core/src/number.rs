//! The number types that instruments record.

use self::sealed::CellNumber;
use crate::data::plus;
use crate::measurement::Measurement;
use crate::store::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that an instrument can record: `u64`, `i64` or `f64`.
///
/// Sealed, because OpenTelemetry supports only these three types.
pub trait Number: CellNumber + Measurement<Self> {
    /// The number type as a value.
    const TYPE: NumberType;

    /// Returns the number together with its type.
    fn value(self) -> Value;
}

/// A number type that counters support: `u64` or `f64`.
pub trait CounterNumber: Number {}
impl CounterNumber for u64 {}
impl CounterNumber for f64 {}

/// A number type that up-down counters support: `i64` or `f64`.
pub trait UpDownNumber: Number {}
impl UpDownNumber for i64 {}
impl UpDownNumber for f64 {}

/// A number type that gauges support: `i64`, `u64` or `f64`.
pub trait GaugeNumber: Number {}
impl GaugeNumber for i64 {}
impl GaugeNumber for u64 {}
impl GaugeNumber for f64 {}

/// A number type that histograms support: `f64` or `u64`.
pub trait HistogramNumber: Number {}
impl HistogramNumber for f64 {}
impl HistogramNumber for u64 {}

/// The number type of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "OpenTelemetry has these three")]
pub enum NumberType {
    /// Unsigned 64-bit integer.
    U64,
    /// Signed 64-bit integer.
    I64,
    /// 64-bit floating-point number.
    F64,
}

impl NumberType {
    /// Returns the name of the type in Rust, for example `u64`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F64 => "f64",
        }
    }
}

/// A recorded number with its type.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "OpenTelemetry has these three")]
pub enum Value {
    /// Unsigned 64-bit integer.
    U64(u64),
    /// Signed 64-bit integer.
    I64(i64),
    /// 64-bit floating-point number.
    F64(f64),
}

impl Value {
    /// Returns the type of the number.
    pub const fn number_type(self) -> NumberType {
        match self {
            Self::U64(_) => NumberType::U64,
            Self::I64(_) => NumberType::I64,
            Self::F64(_) => NumberType::F64,
        }
    }

    /// Returns the value that a cell of this type holds as `bits`.
    pub(crate) const fn from_bits(number: NumberType, bits: u64) -> Self {
        match number {
            NumberType::U64 => Self::U64(bits),
            NumberType::I64 => Self::I64(bits as i64),
            NumberType::F64 => Self::F64(f64::from_bits(bits)),
        }
    }

    /// Returns the bit pattern of the value, as a cell of its type holds it.
    pub(crate) const fn to_bits(self) -> u64 {
        match self {
            Self::U64(value) => value,
            Self::I64(value) => value as u64,
            Self::F64(value) => value.to_bits(),
        }
    }

    /// Returns the value as a float. Integers above 2^53 lose precision.
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::U64(v) => v as f64,
            Self::I64(v) => v as f64,
            Self::F64(v) => v,
        }
    }

    /// Returns the saturating sum of two values. The sum of two integers is an integer.
    pub(crate) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::U64(a), Self::U64(b)) => Self::U64(a.saturating_add(b)),
            (Self::I64(a), Self::I64(b)) => Self::I64(a.saturating_add(b)),
            (Self::U64(a), Self::I64(b)) | (Self::I64(b), Self::U64(a)) => {
                match a.checked_add_signed(b) {
                    Some(sum) => Self::U64(sum),
                    // The sum is above `u64::MAX`, or it is negative and at least `b`.
                    None if b >= 0 => Self::U64(u64::MAX),
                    None => Self::I64(b.saturating_add_unsigned(a)),
                }
            }
            (a, b) => Self::F64(plus(a.as_f64(), b.as_f64())),
        }
    }

    /// Returns `self - earlier`, or `None` if the value has fallen, which means that the sum was reset. Values of
    /// different types count as fallen, because the instrument was created anew.
    pub fn increase_since(self, earlier: Self) -> Option<Self> {
        match (self, earlier) {
            (Self::U64(now), Self::U64(then)) => now.checked_sub(then).map(Self::U64),
            (Self::I64(now), Self::I64(then)) if now >= then => {
                now.checked_sub(then).map(Self::I64)
            }
            (Self::F64(now), Self::F64(then)) if now >= then => Some(Self::F64(now - then)),
            _ => None,
        }
    }
}

macro_rules! integer {
    ($type:ty, $variant:ident, $negative:expr) => {
        impl Number for $type {
            const TYPE: NumberType = NumberType::$variant;

            fn value(self) -> Value {
                Value::$variant(self)
            }
        }

        impl CellNumber for $type {
            const ZERO: Self = 0;
            const ONE: Self = 1;

            fn to_bits(self) -> u64 {
                self as u64
            }

            fn from_bits(bits: u64) -> Self {
                bits as Self
            }

            #[inline]
            fn add_to(self, cell: &AtomicU64) {
                let before = cell.fetch_add(self as u64, Relaxed) as Self;
                if before.checked_add(self).is_none() {
                    saturate(cell, before.saturating_add(self) as u64);
                }
            }

            fn saturating_add(self, other: Self) -> Self {
                <$type>::saturating_add(self, other)
            }

            fn saturating_sub(self, other: Self) -> Self {
                <$type>::saturating_sub(self, other)
            }

            #[inline]
            fn is_recordable(self) -> bool {
                true
            }

            #[inline]
            fn is_negative(self) -> bool {
                let negative: fn(Self) -> bool = $negative;
                negative(self)
            }

            fn to_f64(self) -> f64 {
                self as f64
            }

            fn from_count(count: i64) -> Self {
                count as Self
            }

            fn from_duration(units: f64) -> Self {
                units.round() as Self
            }
        }
    };
}

integer!(u64, U64, |_| false);
integer!(i64, I64, |value| value < 0);

impl Number for f64 {
    const TYPE: NumberType = NumberType::F64;

    fn value(self) -> Value {
        Value::F64(self)
    }
}

impl CellNumber for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn to_bits(self) -> u64 {
        self.to_bits()
    }

    fn from_bits(bits: u64) -> Self {
        Self::from_bits(bits)
    }

    #[inline]
    fn add_to(self, cell: &AtomicU64) {
        let mut bits = cell.load(Relaxed);
        loop {
            let sum = Self::from_bits(bits).saturating_add(self).to_bits();
            match cell.compare_exchange_weak(bits, sum, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => bits = now,
            }
        }
    }

    #[inline]
    fn saturating_add(self, other: Self) -> Self {
        (self + other).clamp(Self::MIN, Self::MAX)
    }

    fn saturating_sub(self, other: Self) -> Self {
        (self - other).clamp(Self::MIN, Self::MAX)
    }

    #[inline]
    fn is_recordable(self) -> bool {
        self.is_finite()
    }

    #[inline]
    fn is_negative(self) -> bool {
        self < 0.0
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn from_count(count: i64) -> Self {
        count as Self
    }

    fn from_duration(units: f64) -> Self {
        units
    }
}

/// Sets a sum that overflowed to the limit of its type. The atomic addition wraps; checking before the addition would
/// make each recording fetch the cell twice when threads compete for it.
#[cold]
fn saturate(cell: &AtomicU64, end: u64) {
    cell.store(end, Relaxed);
}

pub(crate) mod sealed {
    use std::fmt::Debug;

    use crate::store::atomic::AtomicU64;

    /// The operations on numbers that the store needs. Separate from [`Number`](super::Number), so that cells can
    /// change internally.
    pub trait CellNumber: Copy + PartialOrd + Debug + Send + Sync + 'static {
        const ZERO: Self;
        const ONE: Self;

        fn to_bits(self) -> u64;
        fn from_bits(bits: u64) -> Self;
        /// Adds to a cell that holds the bits of this type. Saturates at the limits of the type.
        fn add_to(self, cell: &AtomicU64);
        fn saturating_add(self, other: Self) -> Self;
        fn saturating_sub(self, other: Self) -> Self;
        fn is_recordable(self) -> bool;
        fn is_negative(self) -> bool;
        fn to_f64(self) -> f64;
        /// Converts a count to this type.
        fn from_count(count: i64) -> Self;
        /// Converts a duration in the instrument's unit to this type. Integers are rounded to whole units.
        fn from_duration(units: f64) -> Self;
    }
}
