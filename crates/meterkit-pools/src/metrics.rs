//! The instruments, and how the state of a pool is reported to them.

use meterkit_core::{
    AnyObservable, ObservableCounterGroup, ObservableUpDownCounterGroup, Observer,
};
use meterkit_macros::{LabelValue, Labels, Metrics};

use crate::pool::PoolState;

/// The attribute that distinguishes pools.
pub(crate) const POOL_NAME: &str = "db.client.connection.pool.name";

/// The instruments. Names, units and kinds follow OpenTelemetry's semantic conventions 1.44, page "Database client
/// metrics".
#[derive(Clone, Debug, Metrics)]
#[metrics(semconv = "meterkit.pools", crate = "meterkit_core")]
pub(crate) struct PoolMetrics {
    /// Open connections, by state.
    #[metric(name = "db.client.connection.count", unit = "{connection}")]
    count: ObservableUpDownCounterGroup<PoolConnections<'static>>,
    /// Connections that may be open.
    #[metric(name = "db.client.connection.max", unit = "{connection}")]
    max: ObservableUpDownCounterGroup<Pool<'static>>,
    /// Connections that may be idle.
    #[metric(name = "db.client.connection.idle.max", unit = "{connection}")]
    idle_max: ObservableUpDownCounterGroup<Pool<'static>>,
    /// Connections that the pool tries to keep idle.
    #[metric(name = "db.client.connection.idle.min", unit = "{connection}")]
    idle_min: ObservableUpDownCounterGroup<Pool<'static>>,
    /// Requests that are waiting for a connection.
    #[metric(name = "db.client.connection.pending_requests", unit = "{request}")]
    pending_requests: ObservableUpDownCounterGroup<Pool<'static>>,
    /// Requests that have given up waiting for a connection.
    #[metric(name = "db.client.connection.timeouts", unit = "{timeout}")]
    timeouts: ObservableCounterGroup<Pool<'static>>,
}

#[derive(Clone, Copy, Labels)]
#[label(crate = "meterkit_core")]
struct Pool<'a> {
    #[label(name = "db.client.connection.pool.name")]
    name: &'a str,
}

#[derive(Clone, Copy, Labels)]
#[label(crate = "meterkit_core")]
struct PoolConnections<'a> {
    #[label(name = "db.client.connection.pool.name")]
    pool: &'a str,
    #[label(name = "db.client.connection.state")]
    state: State,
}

#[derive(Clone, Copy, LabelValue)]
#[label(crate = "meterkit_core")]
enum State {
    Idle,
    Used,
}

impl PoolMetrics {
    /// Returns the instruments that one callback observes.
    pub(crate) fn all(&self) -> [&dyn AnyObservable; 6] {
        [
            &self.count,
            &self.max,
            &self.idle_max,
            &self.idle_min,
            &self.pending_requests,
            &self.timeouts,
        ]
    }

    pub(crate) fn report(&self, pool: &str, state: &PoolState, observer: &mut Observer<'_>) {
        let connections = |state| PoolConnections { pool, state };
        observer.observe_series(&self.count, connections(State::Idle), whole(state.idle));
        observer.observe_series(&self.count, connections(State::Used), whole(state.used));
        let numbers = [
            (&self.max, state.max),
            (&self.idle_max, state.idle_max),
            (&self.idle_min, state.idle_min),
            (&self.pending_requests, state.pending_requests),
        ];
        for (instrument, number) in numbers {
            if let Some(number) = number {
                observer.observe_series(instrument, Pool { name: pool }, whole(number));
            }
        }
        if let Some(timeouts) = state.timeouts {
            observer.observe_series(&self.timeouts, Pool { name: pool }, timeouts);
        }
    }
}

/// Converts a count to the signed type of up-down counters. A count that is too large becomes `i64::MAX`.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
