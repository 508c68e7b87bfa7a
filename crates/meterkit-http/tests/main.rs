//! All integration tests of this crate in one binary, which links once.

mod client;
mod proxies;
mod rotation;
