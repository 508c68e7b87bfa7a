//! All integration tests of this crate, in one binary to save link time.

mod descriptions;
mod installed;
mod names;
mod series;
mod threads;
mod values;
