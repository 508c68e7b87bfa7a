//! Compares numbers of different types by value, and formats them uniformly.

use std::cmp::Ordering;

use meterkit_core::Value;

/// A number that a metric can be compared with: any integer of up to 64 bits, `f64`, and [`Value`].
///
/// Numbers of different types are compared by value: a counter of `f64` at 3.0 equals `3`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a number that a metric can be compared with",
    note = "write an integer, an `f64` or a `meterkit::data::Value`"
)]
pub trait Figure: Copy {
    /// Returns the number with its type.
    fn figure(self) -> Value;
}

impl Figure for Value {
    fn figure(self) -> Value {
        self
    }
}

impl Figure for f64 {
    fn figure(self) -> Value {
        Value::F64(self)
    }
}

macro_rules! figures {
    ($($type:ty => $variant:ident as $wide:ty),* $(,)?) => {$(
        impl Figure for $type {
            fn figure(self) -> Value {
                Value::$variant(self as $wide)
            }
        }
    )*};
}

figures!(
    u8 => U64 as u64, u16 => U64 as u64, u32 => U64 as u64, u64 => U64 as u64, usize => U64 as u64,
    i8 => I64 as i64, i16 => I64 as i64, i32 => I64 as i64, i64 => I64 as i64, isize => I64 as i64,
);

/// Compares two numbers without rounding, even beyond 2^53.
pub(super) fn compare(a: Value, b: Value) -> Option<Ordering> {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        // A float with a fraction lies between two integers that floats represent exactly, or no integer is near it.
        _ => a.as_f64().partial_cmp(&b.as_f64()),
    }
}

/// Returns the number as an integer, if it is one that fits into `i128`.
fn whole(value: Value) -> Option<i128> {
    match value {
        Value::U64(value) => Some(i128::from(value)),
        Value::I64(value) => Some(i128::from(value)),
        Value::F64(value) => {
            let fits = value.fract() == 0.0 && value.abs() < 2_f64.powi(126);
            fits.then_some(value as i128)
        }
    }
}

/// Formats the number: whole floats as integers, very large and very small floats with an exponent.
pub(super) fn number(value: Value) -> String {
    match value {
        Value::U64(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::F64(value) => {
            let text = format!("{value:?}");
            text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_different_types_compare_by_size() {
        let huge = u64::MAX;
        for (a, b, expected) in [
            (Value::U64(3), 3.figure(), Ordering::Equal),
            (Value::F64(3.0), 3.figure(), Ordering::Equal),
            (Value::F64(3.5), 3.figure(), Ordering::Greater),
            (Value::U64(huge), (huge - 1).figure(), Ordering::Greater),
            (Value::U64(huge), (huge as f64).figure(), Ordering::Less),
            (Value::I64(-1), huge.figure(), Ordering::Less),
            (Value::F64(1e300), huge.figure(), Ordering::Greater),
            (Value::F64(f64::NEG_INFINITY), i64::MIN.figure(), Ordering::Less),
        ] {
            assert_eq!(compare(a, b), Some(expected), "{a:?} and {b:?}");
        }
        assert_eq!(compare(Value::F64(f64::NAN), 1.figure()), None);
    }

    #[test]
    fn numbers_stay_readable() {
        for (value, text) in
            [(0.5, "0.5"), (3.0, "3"), (-0.0, "-0"), (1e300, "1e300"), (f64::INFINITY, "inf")]
        {
            assert_eq!(number(Value::F64(value)), text);
        }
    }
}
