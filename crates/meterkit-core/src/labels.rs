//! Typed labels: what a group of series is indexed by.

mod key;
pub(crate) mod text;
mod value;

pub use self::key::LabelKey;
pub use self::value::{LabelRef, LabelValue};

/// A set of labels: the type that a group such as `CounterGroup<Operation>` is indexed by.
///
/// Keys are fixed by the type, so the compiler checks every call site. A value that is absent
/// ([`LabelRef::Absent`], from `None`) leaves its key out of the series.
///
/// `derive(Labels)` writes the implementation. Where all keys have closed values (enums, `bool`, `Option` of those), a
/// set is found by its place among all, without hashing; others are found by their values.
///
/// Keys follow OpenTelemetry's attribute names: a letter, then letters, digits, `_` and `.`. `le`, `quantile`,
/// and keys that begin with `__` or `otel_scope_` are reserved; building the group reports them.
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
    note = "write `#[derive(Labels)]` on a struct with one field per label",
    note = "an instrument without labels is observed with `observe`, one with labels with `observe_with`"
)]
pub trait Labels {
    /// The set that groups are indexed by: the type itself, with `'static` in place of a lifetime. A group of
    /// `Route<'static>` so takes a `Route<'_>` that borrows its strings.
    type Set: Labels;

    /// The keys, in the order in which [`visit`](Self::visit) hands out their values.
    const KEYS: &'static [LabelKey];

    /// Hands each value to `visitor`, once and in the order of [`KEYS`](Self::KEYS).
    /// Values beyond the last key are ignored; missing ones are absent.
    fn visit(&self, visitor: &mut impl LabelVisitor);

    /// The place of this set among all that there can be, when each key has closed values: the values'
    /// [`index`](LabelValue::index)es as digits, the last key's the lowest. `None` has the set looked up by its values.
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
    /// Takes the next value.
    fn visit(&mut self, value: LabelRef<'_>);
}

impl<F: FnMut(LabelRef<'_>)> LabelVisitor for F {
    #[inline(always)]
    fn visit(&mut self, value: LabelRef<'_>) {
        self(value);
    }
}
