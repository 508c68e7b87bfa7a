//! All integration tests of this crate in one binary, which links once.

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
