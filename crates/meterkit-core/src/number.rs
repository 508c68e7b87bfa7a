//! The number types that instruments record.

use self::sealed::CellNumber;
use crate::data::plus;
use crate::measurement::Measurement;
use crate::store::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that an instrument records: `u64`, `i64` or `f64`.
///
/// Sealed: OpenTelemetry knows these three and no others.
pub trait Number: CellNumber + Measurement<Self> {
    /// Which of the three this is.
    const TYPE: NumberType;

    /// Returns the value, with its type as data.
    fn value(self) -> Value;
}

/// Number types of a counter: `u64` and `f64`.
pub trait CounterNumber: Number {}
impl CounterNumber for u64 {}
impl CounterNumber for f64 {}

/// Number types of an up-down counter: `i64` and `f64`.
pub trait UpDownNumber: Number {}
impl UpDownNumber for i64 {}
impl UpDownNumber for f64 {}

/// Number types of a gauge: `i64`, `u64` and `f64`.
pub trait GaugeNumber: Number {}
impl GaugeNumber for i64 {}
impl GaugeNumber for u64 {}
impl GaugeNumber for f64 {}

/// Number types of a histogram: `f64` and `u64`.
pub trait HistogramNumber: Number {}
impl HistogramNumber for f64 {}
impl HistogramNumber for u64 {}

/// Which number type an instrument records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "OpenTelemetry has these three")]
pub enum NumberType {
    /// Unsigned 64-bit integer.
    U64,
    /// Signed 64-bit integer.
    I64,
    /// 64-bit floating point.
    F64,
}

impl NumberType {
    /// Returns the type's name in Rust, `u64` for example.
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
    /// 64-bit floating point.
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

    /// Returns the value that a cell of this type holds as these bits.
    pub(crate) const fn from_bits(number: NumberType, bits: u64) -> Self {
        match number {
            NumberType::U64 => Self::U64(bits),
            NumberType::I64 => Self::I64(bits as i64),
            NumberType::F64 => Self::F64(f64::from_bits(bits)),
        }
    }

    /// Returns the bits of the value, as a cell of its type holds them.
    pub(crate) const fn to_bits(self) -> u64 {
        match self {
            Self::U64(value) => value,
            Self::I64(value) => value as u64,
            Self::F64(value) => value.to_bits(),
        }
    }

    /// Returns the value as a float; integers beyond 2^53 lose their lowest digits.
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::U64(v) => v as f64,
            Self::I64(v) => v as f64,
            Self::F64(v) => v,
        }
    }

    /// Returns the sum of two values, which stops at the ends of their type. The sum of integers is an integer.
    pub(crate) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::U64(a), Self::U64(b)) => Self::U64(a.saturating_add(b)),
            (Self::I64(a), Self::I64(b)) => Self::I64(a.saturating_add(b)),
            (Self::U64(a), Self::I64(b)) | (Self::I64(b), Self::U64(a)) => {
                match a.checked_add_signed(b) {
                    Some(sum) => Self::U64(sum),
                    // Either above all integers, or at least the negative one.
                    None if b >= 0 => Self::U64(u64::MAX),
                    None => Self::I64(b.saturating_add_unsigned(a)),
                }
            }
            (a, b) => Self::F64(plus(a.as_f64(), b.as_f64())),
        }
    }

    /// `self - earlier`, or `None` when the value fell, which a sum never does by itself.
    /// Values of different types count as fallen: the instrument was made anew.
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

/// Puts a sum that ran over its end back to that end. Where the processor adds, it wraps: checking first would have
/// each recording fetch the cell twice when threads compete for it.
#[cold]
fn saturate(cell: &AtomicU64, end: u64) {
    cell.store(end, Relaxed);
}

pub(crate) mod sealed {
    use std::fmt::Debug;

    use crate::store::atomic::AtomicU64;

    /// What the store needs of a number. Kept apart from [`Number`](super::Number) so that cells can change shape.
    pub trait CellNumber: Copy + PartialOrd + Debug + Send + Sync + 'static {
        const ZERO: Self;
        const ONE: Self;

        fn to_bits(self) -> u64;
        fn from_bits(bits: u64) -> Self;
        /// Adds to a cell that holds this type's bits; stops at the largest and the smallest value.
        fn add_to(self, cell: &AtomicU64);
        fn saturating_add(self, other: Self) -> Self;
        fn saturating_sub(self, other: Self) -> Self;
        fn is_recordable(self) -> bool;
        fn is_negative(self) -> bool;
        fn to_f64(self) -> f64;
        /// Returns the number for a count.
        fn from_count(count: i64) -> Self;
        /// Returns a duration that is given in the instrument's unit, rounded to whole units for integers.
        fn from_duration(units: f64) -> Self;
    }
}
