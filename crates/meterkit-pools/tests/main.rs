//! All integration tests of this crate, in one binary to save link time.

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
