//! What the tests of several modules share.

pub(crate) mod random;
pub(crate) mod samples;
