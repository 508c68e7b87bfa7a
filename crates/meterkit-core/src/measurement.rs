//! Values that can be recorded: numbers, including those of other types than the instrument's, and durations.

use std::time::Duration;

use meterkit_rules::unit;

use crate::Kind;
use crate::number::Number;
use crate::store::shared::Shared;

/// A value that an instrument with numbers of type `T` can record: any integer, a [`Duration`], and, if `T` is `f64`,
/// also `f32` and `f64`.
///
/// - An instrument of `i64` records integers above `i64::MAX` as `i64::MAX`. An instrument of `u64` drops negative
///   integers and counts them in `meterkit.dropped`. A float holds integers up to 2^53 exactly.
/// - A duration is converted to the instrument's unit of time, or to seconds if it has no unit of time. Integers are
///   rounded to whole units.
///
/// Sealed. An integer literal is an `i32` unless its type is given: write `5_000_000_000_u64`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded in an instrument of `{T}`",
    note = "values are integers, `Duration`, and, for instruments of `f64`, floats"
)]
pub trait Measurement<T: Number>: Copy {
    /// Converts the value to the instrument's number type. Returns `None` if the value is negative and the type is
    /// unsigned.
    #[doc(hidden)]
    fn convert(self, shared: &Shared) -> Option<T>;
}

macro_rules! measurements {
    ($($number:ty: $($value:ty)* => $convert:expr;)*) => {$($(
        impl Measurement<$number> for $value {
            #[inline]
            fn convert(self, _: &Shared) -> Option<$number> {
                let convert: fn(Self) -> Option<$number> = $convert;
                convert(self)
            }
        }
    )*)*};
}

measurements! {
    u64: u64 => Some;
    u64: u8 u16 u32 => |value| Some(value.into());
    u64: i8 i16 i32 i64 isize => |value| Self::try_into(value).ok();
    u64: usize => |value| Some(value as u64);
    i64: i64 => Some;
    i64: i8 i16 i32 u8 u16 u32 => |value| Some(value.into());
    i64: isize => |value| Some(value as i64);
    i64: u64 usize => |value| Some(i64::try_from(value).unwrap_or(i64::MAX));
    f64: f64 => Some;
    f64: f32 i8 i16 i32 u8 u16 u32 => |value| Some(value.into());
    f64: i64 isize u64 usize => |value| Some(value as f64);
}

impl<T: Number> Measurement<T> for Duration {
    fn convert(self, shared: &Shared) -> Option<T> {
        let unit = shared.identity.unit();
        let per_second = unit::per_second(unit);
        let exact = self.as_secs_f64() * per_second.unwrap_or(1.0);
        let value = T::from_duration(exact);
        let loss = (value.to_f64() - exact).abs();
        let is_histogram = shared.identity.kind == Kind::Histogram;
        if per_second.is_none() && !unit.is_empty() {
            shared.warn_of_duration("the unit is not a unit of time; set the unit `s`");
        } else if per_second.is_none() && !is_histogram {
            shared.warn_of_duration("the gauge has no unit; set the unit `s`");
        } else if per_second.is_none() && !shared.has_chosen_buckets() {
            shared.warn_of_duration("the histogram has no unit; create it with `duration()`");
        } else if loss > 0.0 && loss > shared.buckets().width_at(exact) {
            shared.warn_of_duration(
                "whole units are coarser than the histogram's buckets; record `f64`, or use a smaller unit",
            );
        }
        Some(value)
    }
}
