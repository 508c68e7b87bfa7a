//! Helpers for the tests of several modules.

pub(crate) mod random;
pub(crate) mod samples;
