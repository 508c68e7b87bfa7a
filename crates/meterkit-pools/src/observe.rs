//! Functions that observe a pool.

use meterkit_core::{CallbackGuard, InstrumentError, Registry};

use crate::metrics::{POOL_NAME, PoolMetrics};
use crate::pool::ConnectionPool;

/// Observes a pool in the global registry, in the scope `meterkit.pools`, until the guard is dropped.
///
/// `name` is the value of the attribute `db.client.connection.pool.name`. If another pool is already observed under
/// that name, this pool gets the name `name-2`, `name-3` and so on, which is logged.
///
/// # Errors
///
/// Returns an error if the scope has a different instrument with the name of one of the [metrics](crate#metrics).
pub fn observe(pool: &impl ConnectionPool, name: &str) -> Result<CallbackGuard, InstrumentError> {
    observe_in(Registry::global(), pool, name)
}

/// Like [`observe`], but in the given registry.
///
/// # Errors
///
/// Returns an error in the same case as [`observe`].
pub fn observe_in(
    registry: &Registry,
    pool: &impl ConnectionPool,
    name: &str,
) -> Result<CallbackGuard, InstrumentError> {
    let metrics = PoolMetrics::register_in(registry)?;
    let name = registry.distinct_name(POOL_NAME, name);
    let read = pool.reader();
    PoolMetrics::meter_in(registry).register_callback(metrics.all(), {
        let metrics = metrics.clone();
        move |observer| {
            if let Some(state) = read() {
                metrics.report(&name, &state, observer);
            }
        }
    })
}
