//! All integration tests of this crate in one binary, which links once.

mod failures;
mod groups;
mod pushes;
mod snapshots;
