//! All integration tests of this crate, in one binary to save link time.

mod both_ways;
mod collector;
mod fixture;
mod import;
