//! How a pool is observed.

use meterkit_core::{CallbackGuard, InstrumentError, Registry};

use crate::metrics::{POOL_NAME, PoolMetrics};
use crate::pool::ConnectionPool;

/// Observes a pool in the global registry, in the scope `meterkit.pools`, until the guard is dropped.
///
/// `name` is the attribute `db.client.connection.pool.name`. If another pool is observed under that name, this one gets
/// `name-2`, `name-3` and so on, and the log says so.
///
/// # Errors
///
/// The scope has a different instrument of one of these names.
pub fn observe(pool: &impl ConnectionPool, name: &str) -> Result<CallbackGuard, InstrumentError> {
    observe_in(Registry::global(), pool, name)
}

/// Like [`observe`], in a registry of your own.
///
/// # Errors
///
/// Those of [`observe`].
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
