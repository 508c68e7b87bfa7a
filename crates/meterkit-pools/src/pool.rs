//! What can be observed.

/// A pool of connections.
///
/// Implemented for the pools of `sqlx`, `deadpool`, `bb8` and `r2d2`, each with the feature of that name.
pub trait ConnectionPool {
    /// Returns a closure that reads the state of the pool. It runs once per collection, and should neither wait nor open
    /// connections. `None` leaves the pool out, for example because it is closed.
    fn reader(&self) -> impl Fn() -> Option<PoolState> + Send + Sync + 'static;
}

/// The state of a pool at one moment. Fields that are `None` are not exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "implementations of the trait write it with `..`")]
pub struct PoolState {
    /// Open connections that nobody uses.
    pub idle: u64,
    /// Connections in use. Those that are being opened count too, if the pool counts them.
    pub used: u64,
    /// How many connections may be open.
    pub max: Option<u64>,
    /// How many connections may be idle.
    pub idle_max: Option<u64>,
    /// How many connections the pool tries to keep idle.
    pub idle_min: Option<u64>,
    /// Requests that are waiting for a connection.
    pub pending_requests: Option<u64>,
    /// Requests that have given up waiting since the pool was made.
    pub timeouts: Option<u64>,
}
