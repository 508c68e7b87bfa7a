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
//! The names, kinds, units and attributes are those of OpenTelemetry's semantic conventions 1.44, page Database client
//! metrics. All have the attribute `db.client.connection.pool.name`.
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
//! Metrics that a pool cannot provide are left out: none of these pools limits idle connections separately, `sqlx` keeps
//! a minimum of all connections rather than of idle ones, and only `bb8` counts timeouts. The times of the conventions
//! (`create_time`, `wait_time`, `use_time`) are histograms of single events, and the state of a pool has no events.
//!
//! In Prometheus, the first metric is `db_client_connection_count`. `promtool check metrics` says that only histograms and
//! summaries should have `_count` in their names. The name is kept nevertheless, because dashboards look for the one that the
//! conventions have: they name the size of a set `.count`.
//!
//! # Until when
//!
//! [`observe`] returns a guard. The pool is observed until the guard is dropped, or [for good](CallbackGuard::forget):
//!
//! - A pool of `deadpool` is not kept alive by being observed. It is left out once it is dropped or closed.
//! - Other pools have no weak references, so an observed pool lives at least as long as its guard. A closed pool of `sqlx`
//!   is left out once all of its connections are closed.
//!
//! # Feature flags
//!
//! None is on by default.
//!
//! - `bb8`, `deadpool`, `r2d2`, `sqlx`: pools of the crate of that name; of `deadpool` the managed ones, which are those of
//!   `deadpool-postgres` and the like.
//!
//! The versions are `bb8` 0.9, `deadpool` 0.13, `r2d2` 0.8 and `sqlx` 0.8. For other versions, and for other crates, implement
//! [`ConnectionPool`] as above, on a type of yours that has the pool.

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
