//! Values of labels.

use std::borrow::Cow;
use std::hash::Hasher;

use super::text::{hash_text, same_text};
use crate::attributes::{AttributeRef, AttributeValue};

/// A type whose values can be the value of a label.
///
/// Keep the number of different values small: each is a series of its own, in every back end.
///
/// A type with few values, known at compile time, says so with [`CARDINALITY`](Self::CARDINALITY), and then implements
/// [`index`](Self::index) and [`nth`](Self::nth): a set of such labels is found without hashing. `derive(LabelValue)`
/// does all of it for an enum.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a label",
    note = "labels are `bool`, integers, strings, enums that derive `LabelValue`, and `Option` of those"
)]
pub trait LabelValue {
    /// How many values there are, when all are known at compile time.
    const CARDINALITY: Option<usize> = None;

    /// Whether there is a value that is [absent](LabelRef::Absent).
    const IS_OPTIONAL: bool = false;

    /// Returns the value, borrowed.
    fn label(&self) -> LabelRef<'_>;

    /// Returns the value's place among all, below [`CARDINALITY`](Self::CARDINALITY).
    #[inline]
    fn index(&self) -> usize {
        0
    }

    /// Returns the value at a place.
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
    /// Text that lives as long as the program: stored without a copy.
    Static(&'static str),
    /// Text.
    Str(&'a str),
    /// Truth value.
    Bool(bool),
    /// Integer.
    I64(i64),
    /// Integer. Beyond `i64::MAX`, it is stored as text: OpenTelemetry has no larger ones.
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

    /// Returns the label that was stored as `value`.
    pub(crate) fn of(value: Option<AttributeRef<'_>>) -> LabelRef<'_> {
        match value {
            Some(AttributeRef::Str(text)) => LabelRef::Str(text),
            Some(AttributeRef::Bool(value)) => LabelRef::Bool(value),
            Some(AttributeRef::I64(value)) => LabelRef::I64(value),
            // No label is a float or a list.
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

/// Returns an integer as attributes have it.
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

/// `None` is no label: its key is left out of the series.
impl<V: LabelValue> LabelValue for Option<V> {
    // An absent value that may be absent: the same label in two places. Its sets are looked up by their values.
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
