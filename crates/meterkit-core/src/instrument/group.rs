//! Groups: an instrument with one series per label set.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::labels::Labels;
use crate::store::handle::Handle;
use crate::store::instrument::Core;

/// An instrument with labels: one series per label set, made when first asked for.
///
/// `L` is the set of labels, `H` the handle of one series. Written as `CounterGroup<Operation>`,
/// `HistogramGroup<Operation>` and so on. Cheap to clone.
///
/// At most 2000 series by default ([`cardinality_limit`](crate::InstrumentBuilder::cardinality_limit),
/// `METERKIT_CARDINALITY_LIMIT`); further label sets share one series marked `otel.metric.overflow=true`, so that
/// totals stay right.
///
/// ```
/// use meterkit_core::{LabelKey, LabelValue, LabelVisitor, Labels, Registry};
///
/// struct Operation { kind: &'static str, success: bool }
///
/// impl Labels for Operation {
///     type Set = Self;
///     const KEYS: &'static [LabelKey] = &[LabelKey::new("kind"), LabelKey::new("success")];
///
///     fn visit(&self, visitor: &mut impl LabelVisitor) {
///         visitor.visit(self.kind.label());
///         visitor.visit(self.success.label());
///     }
/// }
///
/// let meter = Registry::new().scoped("plugin", "catalog");
/// let operations = meter.counter_group::<Operation, u64>("entities.operations").build()?;
/// operations.with(Operation { kind: "create", success: true }).increment();
/// # Ok::<(), meterkit_core::InstrumentError>(())
/// ```
#[must_use = "a group does nothing until one of its series is used"]
pub struct Group<L, H: Handle> {
    core: Arc<Core<H>>,
    labels: PhantomData<fn(&L)>,
}

impl<L: Labels, H: Handle> Group<L, H> {
    pub(super) fn new(core: Arc<Core<H>>) -> Self {
        Self { core, labels: PhantomData }
    }

    /// The series with these labels, given by value or by reference, with strings owned or borrowed.
    ///
    /// Takes no lock and allocates nothing when the series exists. Clone what it returns to keep it:
    /// a kept handle skips the look-up.
    #[inline]
    pub fn with(&self, labels: impl Labels<Set = L::Set>) -> &H {
        self.core.with(&labels)
    }
}

impl<L, H: Handle> Clone for Group<L, H> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), labels: PhantomData }
    }
}

impl<L, H: Handle> fmt::Debug for Group<L, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("name", &self.core.shared.descriptor().name)
            .field("labels", &self.core.shared.identity.label_keys)
            .finish_non_exhaustive()
    }
}
