//! All integration tests of this crate in one binary, so that only one has to be linked.

mod failures;
mod groups;
mod pushes;
mod snapshots;
