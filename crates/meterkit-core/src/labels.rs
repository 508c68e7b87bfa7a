//! Typed labels: what a group of series is indexed by.

mod key;
pub(crate) mod text;
mod value;

pub use self::key::LabelKey;
pub use self::value::{LabelRef, LabelValue};

/// A set of labels: the type that a group such as `CounterGroup<Operation>` is indexed by.
///
/// The type determines the keys, so the compiler checks every call. If a value is absent ([`LabelRef::Absent`], from
/// `None`), its key is left out of the series.
///
/// `derive(Labels)` writes the implementation. If all keys have closed values (enums, `bool`, `Option`s of those), a
/// set is found by its index among all possible sets, without hashing. Other sets are found by their values.
///
/// Keys follow OpenTelemetry's attribute names: a letter, then letters, digits, `_` and `.`. `le`, `quantile`, and keys
/// that begin with `__` or `otel_scope_` are reserved; creating the group reports them as an error.
///
/// ```
/// use meterkit::{LabelKey, LabelValue, LabelVisitor, Labels};
///
/// struct Operation {
///     kind: &'static str,
///     success: bool,
/// }
///
/// impl Labels for Operation {
///     type Set = Self;
///     const KEYS: &'static [LabelKey] = &[LabelKey::new("kind"), LabelKey::of::<bool>("success")];
///
///     fn visit(&self, visitor: &mut impl LabelVisitor) {
///         visitor.visit(self.kind.label());
///         visitor.visit(self.success.label());
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of labels",
    note = "add `#[derive(Labels)]` to a struct with one field per label",
    note = "use `observe` for an instrument without labels, and `observe_with` for one with labels"
)]
pub trait Labels {
    /// The set that groups are indexed by: this type with `'static` in place of its lifetimes. A group of
    /// `Route<'static>` thus accepts a `Route<'_>` that borrows its strings.
    type Set: Labels;

    /// The keys, in the order in which [`visit`](Self::visit) passes their values.
    const KEYS: &'static [LabelKey];

    /// Passes each value to `visitor` once, in the order of [`KEYS`](Self::KEYS). Values beyond the last key are
    /// ignored, and missing values count as absent.
    fn visit(&self, visitor: &mut impl LabelVisitor);

    /// Returns the index of this set among all possible sets if every key has closed values. The index is a number
    /// whose digits are the [`index`](LabelValue::index)es of the values, with the last key as the lowest digit. If
    /// this returns `None`, the set is looked up by its values.
    #[inline]
    fn index(&self) -> Option<usize> {
        None
    }
}

impl<L: Labels> Labels for &L {
    type Set = L::Set;
    const KEYS: &'static [LabelKey] = L::KEYS;

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        (*self).visit(visitor);
    }

    #[inline]
    fn index(&self) -> Option<usize> {
        (*self).index()
    }
}

/// Receives the values of a label set. Any closure that takes a [`LabelRef`] is a visitor.
pub trait LabelVisitor {
    /// Receives the next value.
    fn visit(&mut self, value: LabelRef<'_>);
}

impl<F: FnMut(LabelRef<'_>)> LabelVisitor for F {
    #[inline(always)]
    fn visit(&mut self, value: LabelRef<'_>) {
        self(value);
    }
}
