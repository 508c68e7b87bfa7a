//! What the core scope `database` counts and measures.

use meterkit::{
    CallbackGuard, CounterGroup, HistogramGroup, InstrumentError, LabelKey, LabelRef, LabelVisitor,
    Labels, Registry,
};

use super::{Operation, Statement};

/// The metrics of the database: `backstage.core.database`.
#[derive(Debug, Clone)]
pub struct DatabaseMetrics {
    pub(super) statements: CounterGroup<Statement>,
    pub(super) duration: HistogramGroup<Operation>,
}

impl DatabaseMetrics {
    /// Makes them in `registry`.
    pub fn new(registry: &Registry) -> Result<Self, InstrumentError> {
        let meter = registry.scoped("core", "database");
        Ok(Self {
            statements: meter
                .counter_group("statements")
                .unit("{statement}")
                .description("Statements that ran, by operation and outcome.")
                .build()?,
            duration: meter
                .histogram_group("statements.duration")
                .unit("s")
                .description("Time that a statement took, without the wait for the connection.")
                .buckets([1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 0.025, 0.1])
                .build()?,
        })
    }
}

/// Has the rows counted at each collection.
pub(super) fn observe_rows(
    registry: &Registry,
    rows: impl Fn() -> u64 + Send + Sync + 'static,
) -> Result<CallbackGuard, InstrumentError> {
    registry
        .scoped("core", "database")
        .observable_gauge("rows")
        .unit("{row}")
        .description("Entities in the database.")
        .observe(rows)
}

impl Labels for Statement {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("operation"), LabelKey::new("outcome")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.operation.as_str()));
        visitor.visit(LabelRef::Static(self.outcome.as_str()));
    }
}

impl Labels for Operation {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("operation")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.as_str()));
    }
}
