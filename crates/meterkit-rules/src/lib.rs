//! What names, units, bucket lists and label keys of `meterkit` must look like.
//!
//! The derive macros check declared metrics at compile time, the registry checks all others when they are made: both
//! ask here, so that they agree. Not meant for use by itself; the texts are parts of the messages of others.

pub mod buckets;
pub mod label_key;
pub mod name;
pub mod unit;
