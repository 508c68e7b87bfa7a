//! What the core scope `database` counts and measures.

use meterkit::{
    CallbackGuard, CounterGroup, HistogramGroup, InstrumentError, Labels, Metrics, Registry,
};

use super::{Operation, Statement};

/// The metrics of the database: `backstage.core.database`.
#[derive(Debug, Clone, Metrics)]
#[metrics(scope = "core", name = "database")]
pub struct DatabaseMetrics {
    /// Statements that ran, by operation and outcome.
    #[metric(unit = "{statement}")]
    pub(super) statements: CounterGroup<Statement>,
    /// Time that a statement took, without the wait for the connection.
    #[metric(
        name = "statements.duration",
        unit = "s",
        buckets = [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 0.025, 0.1],
    )]
    pub(super) duration: HistogramGroup<ByOperation>,
}

/// Statements that do the same.
#[derive(Labels)]
pub(super) struct ByOperation {
    pub(super) operation: Operation,
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
