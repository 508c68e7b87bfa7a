//! All integration tests of this crate in one binary, so that only one binary is linked.

mod both_ways;
mod collector;
mod fixture;
mod import;
