//! All integration tests of this crate in one binary, which links once.

mod descriptions;
mod installed;
mod names;
mod series;
mod threads;
mod values;
