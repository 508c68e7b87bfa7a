//! Metrics of connection pools, for `meterkit`: one line per pool.
//!
//! ```
//! use meterkit_core::Registry;
//! use meterkit_pools::{ConnectionPool, PoolState};
//!
//! # #[derive(Clone)]
//! # struct Cache;
//! # impl Cache { fn open(&self) -> u64 { 5 } fn in_use(&self) -> u64 { 2 } }
//! // Pools of sqlx, deadpool, bb8 and r2d2 implement the trait already.
//! impl ConnectionPool for Cache {
//!     fn reader(&self) -> impl Fn() -> Option<PoolState> + Send + Sync + 'static {
//!         let pool = self.clone();
//!         move || {
//!             let used = pool.in_use();
//!             Some(PoolState { used, idle: pool.open() - used, max: Some(10), ..PoolState::default() })
//!         }
//!     }
//! }
//!
//! # let cache = Cache;
//! let _observed = meterkit_pools::observe(&cache, "sessions")?; // until this guard is dropped
//! # Ok::<(), meterkit_core::InstrumentError>(())
//! ```
//!
//! # Metrics
//!
//! Names, kinds, units and attributes follow OpenTelemetry's semantic conventions 1.44, page "Database client metrics".
//! All metrics have the attribute `db.client.connection.pool.name`.
//!
//! | metric | kind, unit | `sqlx` | `deadpool` | `bb8` | `r2d2` |
//! |---|---|---|---|---|---|
//! | `db.client.connection.count` by `db.client.connection.state`: `idle`, `used` | up-down counter, `{connection}` | yes | yes | yes | yes |
//! | `db.client.connection.max` | up-down counter, `{connection}` | yes | yes | yes | yes |
//! | `db.client.connection.idle.max` | up-down counter, `{connection}` | | | | |
//! | `db.client.connection.idle.min` | up-down counter, `{connection}` | | | if set | yes |
//! | `db.client.connection.pending_requests` | up-down counter, `{request}` | | yes | yes | |
//! | `db.client.connection.timeouts` | counter, `{timeout}` | | | yes | |
//!
//! Metrics that a pool cannot provide are left out: none of these pools limits idle connections separately, `sqlx` has
//! a minimum for all connections rather than for idle connections, and only `bb8` counts timeouts. The conventions also
//! define times (`create_time`, `wait_time`, `use_time`). They are histograms of single events, which the state of a
//! pool does not contain.
//!
//! In Prometheus, the first metric is `db_client_connection_count`. `promtool check metrics` reports that only
//! histograms and summaries should have `_count` in their names. The name stays nevertheless, because dashboards look
//! for the name in the conventions, which name the size of a set `.count`.
//!
//! # How long a pool is observed
//!
//! [`observe()`] returns a guard. The pool is observed until the guard is dropped, or [forever](CallbackGuard::forget):
//!
//! - Observing a `deadpool` pool does not keep it alive. Its metrics are left out once the pool is dropped, or
//!   once it is closed and all connections are returned.
//! - Other pools have no weak references, so an observed pool lives at least as long as its guard. The metrics of a
//!   closed `sqlx` pool are left out once all of its connections are closed.
//!
//! # Feature flags
//!
//! No feature is enabled by default.
//!
//! - `bb8`, `deadpool`, `r2d2`, `sqlx`: support for the pools of the crate with that name. For `deadpool`, these are
//!   managed pools, which `deadpool-postgres` and similar crates use.
//!
//! The supported versions are `bb8` 0.9, `deadpool` 0.13, `r2d2` 0.8 and `sqlx` 0.8. For other versions and other
//! crates, implement [`ConnectionPool`] as above, on a type of your own that contains the pool.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "bb8")]
mod bb8;
#[cfg(feature = "deadpool")]
mod deadpool;
mod metrics;
mod observe;
mod pool;
#[cfg(feature = "r2d2")]
mod r2d2;
#[cfg(feature = "sqlx")]
mod sqlx;

#[cfg(doc)]
use meterkit_core::CallbackGuard;

pub use self::observe::{observe, observe_in};
pub use self::pool::{ConnectionPool, PoolState};
