//! The trait for connection pools.

/// A pool of connections.
///
/// Implemented for the pools of `sqlx`, `deadpool`, `bb8` and `r2d2`, each with the feature of that name.
pub trait ConnectionPool {
    /// Returns a closure that reads the state of the pool.
    ///
    /// The closure runs once per collection, and should neither wait nor open connections. If it returns `None`, for
    /// example because the pool is closed, the pool is not exported.
    fn reader(&self) -> impl Fn() -> Option<PoolState> + Send + Sync + 'static;
}

/// The state of a pool at one moment. Fields that are `None` are not exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "implementations of the trait write it with `..`")]
pub struct PoolState {
    /// The number of open connections that are not in use.
    pub idle: u64,
    /// The number of connections in use. Includes connections that are being opened, if the pool counts them.
    pub used: u64,
    /// The maximum number of open connections.
    pub max: Option<u64>,
    /// The maximum number of idle connections.
    pub idle_max: Option<u64>,
    /// The number of connections that the pool tries to keep idle.
    pub idle_min: Option<u64>,
    /// The number of requests that are waiting for a connection.
    pub pending_requests: Option<u64>,
    /// The number of requests that timed out while waiting for a connection, since the pool was created.
    pub timeouts: Option<u64>,
}
