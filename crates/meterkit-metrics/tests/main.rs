//! All integration tests of this crate in one binary, so that only one binary is linked.

mod descriptions;
mod installed;
mod names;
mod series;
mod threads;
mod values;
