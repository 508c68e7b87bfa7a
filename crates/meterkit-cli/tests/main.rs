//! All integration tests of this crate in one binary, which links once.

mod catalogs;
mod causes;
mod command_line;
mod expositions;
#[cfg(feature = "targets")]
mod first_contact;
