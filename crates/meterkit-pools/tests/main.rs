//! All integration tests of this crate in one binary, so that only one binary is linked.

#[cfg(feature = "bb8")]
mod bb8;
#[cfg(feature = "deadpool")]
mod deadpool;
mod names;
#[cfg(feature = "r2d2")]
mod r2d2;
mod seen;
#[cfg(feature = "sqlx")]
mod sqlx;
