//! Values of labels.

use std::borrow::Cow;
use std::hash::Hasher;

use super::text::{hash_text, same_text};
use crate::attributes::{AttributeRef, AttributeValue};

/// A type that can be the value of a label.
///
/// Keep the number of distinct values small: each value is a series of its own in every back end.
///
/// A type with few values, all known at compile time, sets [`CARDINALITY`](Self::CARDINALITY) and implements
/// [`index`](Self::index) and [`nth`](Self::nth), so that a set of such labels is found without hashing. For an enum,
/// `derive(LabelValue)` writes all of this.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a label",
    note = "labels are `bool`, integers, strings, enums that derive `LabelValue`, and `Option` of those"
)]
pub trait LabelValue {
    /// The number of possible values, if all are known at compile time.
    const CARDINALITY: Option<usize> = None;

    /// Whether a value can be [absent](LabelRef::Absent).
    const IS_OPTIONAL: bool = false;

    /// Returns the value, borrowed.
    fn label(&self) -> LabelRef<'_>;

    /// Returns the index of the value among all possible values, below [`CARDINALITY`](Self::CARDINALITY).
    #[inline]
    fn index(&self) -> usize {
        0
    }

    /// Returns the value with this index.
    fn nth(_index: usize) -> LabelRef<'static> {
        LabelRef::Absent
    }
}

/// The value of one label, borrowed from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelRef<'a> {
    /// No value: the key is left out of the series.
    Absent,
    /// Text that lives as long as the program. It is stored without copying.
    Static(&'static str),
    /// Text.
    Str(&'a str),
    /// Boolean.
    Bool(bool),
    /// Integer.
    I64(i64),
    /// Integer. Values above `i64::MAX` are stored as text, because OpenTelemetry has no larger integers.
    U64(u64),
}

impl<'a> From<&'a str> for LabelRef<'a> {
    fn from(text: &'a str) -> Self {
        Self::Str(text)
    }
}

impl From<bool> for LabelRef<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for LabelRef<'_> {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}

impl From<u64> for LabelRef<'_> {
    fn from(value: u64) -> Self {
        Self::U64(value)
    }
}

impl LabelRef<'_> {
    pub(crate) fn to_value(self) -> Option<AttributeValue> {
        match self {
            Self::Absent => None,
            Self::Static(text) => Some(AttributeValue::Str(Cow::Borrowed(text))),
            Self::Str(text) => Some(AttributeValue::Str(Cow::Owned(text.to_owned()))),
            Self::Bool(value) => Some(AttributeValue::Bool(value)),
            Self::I64(value) => Some(AttributeValue::I64(value)),
            Self::U64(value) => Some(attribute(value)),
        }
    }

    /// Converts a stored value back to a label.
    pub(crate) fn of(value: Option<AttributeRef<'_>>) -> LabelRef<'_> {
        match value {
            Some(AttributeRef::Str(text)) => LabelRef::Str(text),
            Some(AttributeRef::Bool(value)) => LabelRef::Bool(value),
            Some(AttributeRef::I64(value)) => LabelRef::I64(value),
            // Labels are never floats or lists.
            Some(AttributeRef::F64(_) | AttributeRef::List(_)) | None => LabelRef::Absent,
        }
    }

    #[inline(always)]
    pub(crate) fn is(self, stored: Option<AttributeRef<'_>>) -> bool {
        match (self, stored) {
            (Self::Static(text), Some(AttributeRef::Str(stored))) => same_text(text, stored),
            (Self::Str(text), Some(AttributeRef::Str(stored))) => same_text(text, stored),
            (Self::Bool(value), Some(AttributeRef::Bool(stored))) => value == stored,
            (Self::I64(value), Some(AttributeRef::I64(stored))) => value == stored,
            (Self::U64(value), Some(known)) => AttributeRef::from(&attribute(value)) == known,
            (Self::Absent, None) => true,
            _ => false,
        }
    }

    #[inline(always)]
    pub(crate) fn hash_into(self, hasher: &mut impl Hasher) {
        match self {
            Self::Absent => hasher.write_u8(0),
            Self::Static(text) => hash_text(text, hasher),
            Self::Str(text) => hash_text(text, hasher),
            Self::Bool(value) => hasher.write_u8(1 + u8::from(value)),
            Self::I64(value) => hasher.write_i64(value),
            Self::U64(value) => match attribute(value) {
                AttributeValue::Str(text) => hash_text(&text, hasher),
                _ => hasher.write_i64(value as i64),
            },
        }
    }
}

/// Converts an integer to an attribute value, or to text if it exceeds `i64::MAX`.
#[cold]
fn attribute(value: u64) -> AttributeValue {
    let text = || AttributeValue::Str(Cow::Owned(value.to_string()));
    i64::try_from(value).map_or_else(|_| text(), AttributeValue::I64)
}

impl LabelValue for LabelRef<'_> {
    #[inline]
    fn label(&self) -> LabelRef<'_> {
        *self
    }
}

impl LabelValue for str {
    #[inline]
    fn label(&self) -> LabelRef<'_> {
        LabelRef::Str(self)
    }
}

impl LabelValue for String {
    #[inline]
    fn label(&self) -> LabelRef<'_> {
        LabelRef::Str(self)
    }
}

impl LabelValue for Cow<'_, str> {
    #[inline]
    fn label(&self) -> LabelRef<'_> {
        LabelRef::Str(self)
    }
}

impl LabelValue for bool {
    const CARDINALITY: Option<usize> = Some(2);

    #[inline]
    fn label(&self) -> LabelRef<'_> {
        LabelRef::Bool(*self)
    }

    #[inline]
    fn index(&self) -> usize {
        usize::from(*self)
    }

    fn nth(index: usize) -> LabelRef<'static> {
        LabelRef::Bool(index == 1)
    }
}

/// `None` means no label: the key is left out of the series.
impl<V: LabelValue> LabelValue for Option<V> {
    // If `V` itself may be absent, absent would have two indices, so these sets are looked up by their values instead.
    const CARDINALITY: Option<usize> = match V::CARDINALITY {
        Some(values) if !V::IS_OPTIONAL => Some(values + 1),
        _ => None,
    };
    const IS_OPTIONAL: bool = true;

    #[inline]
    fn label(&self) -> LabelRef<'_> {
        self.as_ref().map_or(LabelRef::Absent, LabelValue::label)
    }

    #[inline]
    fn index(&self) -> usize {
        self.as_ref().map_or(0, |value| value.index() + 1)
    }

    fn nth(index: usize) -> LabelRef<'static> {
        index.checked_sub(1).map_or(LabelRef::Absent, V::nth)
    }
}

macro_rules! integer_labels {
    ($($type:ty),*) => {$(
        impl LabelValue for $type {
            #[inline]
            fn label(&self) -> LabelRef<'_> {
                i64::try_from(*self).map_or(LabelRef::U64(*self as u64), LabelRef::I64)
            }
        }
    )*};
}

integer_labels!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl<V: LabelValue + ?Sized> LabelValue for &V {
    const CARDINALITY: Option<usize> = V::CARDINALITY;
    const IS_OPTIONAL: bool = V::IS_OPTIONAL;

    #[inline]
    fn label(&self) -> LabelRef<'_> {
        (**self).label()
    }

    #[inline]
    fn index(&self) -> usize {
        (**self).index()
    }

    fn nth(index: usize) -> LabelRef<'static> {
        V::nth(index)
    }
}
