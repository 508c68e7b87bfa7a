//! The metrics of the core scope `database`.

use meterkit::{CounterGroup, HistogramGroup, Labels, Metrics, ObservableGaugeGroup};

use super::{Operation, Statement};
use crate::entity::Kind;

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
    /// Entities in the database, by kind.
    #[metric(unit = "{row}")]
    pub(super) rows: ObservableGaugeGroup<ByKind, u64>,
}

/// Statements with the same operation.
#[derive(Labels)]
pub(super) struct ByOperation {
    pub(super) operation: Operation,
}

/// Entities of one kind.
#[derive(Labels)]
pub(super) struct ByKind {
    pub(super) kind: Kind,
}
