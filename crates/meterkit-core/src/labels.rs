//! Typed labels: what a group of series is indexed by.

use std::borrow::Cow;
use std::hash::Hasher;

use crate::attributes::AttributeValue;

/// A set of labels: the type that a group such as `CounterGroup<Operation>` is indexed by.
///
/// Keys are fixed by the type, so the compiler checks every call site. A value that is absent
/// ([`LabelRef::Absent`], from `None`) leaves its key out of the series.
///
/// Keys follow OpenTelemetry's attribute names: a letter, then letters, digits, `_` and `.`. `le`, `quantile`,
/// and keys that begin with `__` or `otel_scope_` are reserved; building the group reports them.
///
/// ```
/// use meterkit_core::{LabelValue, LabelVisitor, Labels};
///
/// struct Operation {
///     kind: &'static str,
///     success: bool,
/// }
///
/// impl Labels for Operation {
///     type Set = Self;
///     const KEYS: &'static [&'static str] = &["kind", "success"];
///
///     fn visit(&self, visitor: &mut impl LabelVisitor) {
///         visitor.visit(self.kind.label());
///         visitor.visit(self.success.label());
///     }
/// }
/// ```
pub trait Labels {
    /// The set that groups are indexed by: the type itself, with `'static` in place of a lifetime. A group of
    /// `Route<'static>` so takes a `Route<'_>` that borrows its strings.
    type Set: Labels;

    /// The keys, in the order in which [`visit`](Self::visit) hands out their values.
    const KEYS: &'static [&'static str];

    /// Hands each value to `visitor`, once and in the order of [`KEYS`](Self::KEYS).
    /// Values beyond the last key are ignored; missing ones are absent.
    fn visit(&self, visitor: &mut impl LabelVisitor);
}

impl<L: Labels> Labels for &L {
    type Set = L::Set;
    const KEYS: &'static [&'static str] = L::KEYS;

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        (*self).visit(visitor);
    }
}

/// Receives the values of a label set. Implemented by the store, not by users.
pub trait LabelVisitor {
    /// Takes the next value.
    fn visit(&mut self, value: LabelRef<'_>);
}

/// A type whose values can be the value of a label.
///
/// Keep the number of different values small: each is a series of its own, in every back end.
pub trait LabelValue {
    /// The value, borrowed.
    fn label(&self) -> LabelRef<'_>;
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

impl LabelRef<'_> {
    pub(crate) fn to_value(self) -> Option<AttributeValue> {
        match self {
            Self::Absent => None,
            Self::Static(text) => Some(AttributeValue::Str(Cow::Borrowed(text))),
            Self::Str(text) => Some(AttributeValue::Str(Cow::Owned(text.to_owned()))),
            Self::Bool(value) => Some(AttributeValue::Bool(value)),
            Self::I64(value) => Some(AttributeValue::I64(value)),
        }
    }

    /// The label that was stored as `value`.
    pub(crate) fn of(value: &Option<AttributeValue>) -> LabelRef<'_> {
        match value {
            Some(AttributeValue::Str(text)) => LabelRef::Str(text),
            Some(AttributeValue::Bool(value)) => LabelRef::Bool(*value),
            Some(AttributeValue::I64(value)) => LabelRef::I64(*value),
            // No label is a float.
            Some(AttributeValue::F64(_)) | None => LabelRef::Absent,
        }
    }

    #[inline(always)]
    pub(crate) fn is(self, stored: &Option<AttributeValue>) -> bool {
        match (self, stored) {
            (Self::Static(text), Some(AttributeValue::Str(stored))) => text == stored,
            (Self::Str(text), Some(AttributeValue::Str(stored))) => text == stored,
            (Self::Bool(value), Some(AttributeValue::Bool(stored))) => value == *stored,
            (Self::I64(value), Some(AttributeValue::I64(stored))) => value == *stored,
            (Self::Absent, None) => true,
            _ => false,
        }
    }

    /// Texts go in as bytes, without the end mark that `str::hash` adds: the hasher mixes in their lengths itself.
    #[inline(always)]
    pub(crate) fn hash_into(self, hasher: &mut impl Hasher) {
        match self {
            Self::Absent => hasher.write_u8(0),
            Self::Static(text) => hasher.write(text.as_bytes()),
            Self::Str(text) => hasher.write(text.as_bytes()),
            Self::Bool(value) => hasher.write_u8(1 + u8::from(value)),
            Self::I64(value) => hasher.write_i64(value),
        }
    }
}

impl LabelValue for str {
    fn label(&self) -> LabelRef<'_> {
        LabelRef::Str(self)
    }
}

impl LabelValue for &str {
    fn label(&self) -> LabelRef<'_> {
        LabelRef::Str(self)
    }
}

impl LabelValue for String {
    fn label(&self) -> LabelRef<'_> {
        LabelRef::Str(self)
    }
}

impl LabelValue for Cow<'_, str> {
    fn label(&self) -> LabelRef<'_> {
        LabelRef::Str(self)
    }
}

impl LabelValue for bool {
    fn label(&self) -> LabelRef<'_> {
        LabelRef::Bool(*self)
    }
}

impl<V: LabelValue> LabelValue for Option<V> {
    fn label(&self) -> LabelRef<'_> {
        self.as_ref().map_or(LabelRef::Absent, LabelValue::label)
    }
}

macro_rules! integer_labels {
    ($($type:ty),*) => {$(
        impl LabelValue for $type {
            /// Integers beyond `i64::MAX` become `i64::MAX`: OpenTelemetry has no larger ones.
            fn label(&self) -> LabelRef<'_> {
                LabelRef::I64(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }
    )*};
}

integer_labels!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);
