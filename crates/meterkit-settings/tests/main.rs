//! All integration tests of this crate, in one binary that links once.

mod hostile_files;
mod readers;
mod reading;
mod secrets;
mod substitution;
mod view_entries;
mod whole_files;
mod wrong_files;
