//! All integration tests of this crate in one binary, which links once.

mod both_ways;
mod collector;
mod fixture;
mod import;
