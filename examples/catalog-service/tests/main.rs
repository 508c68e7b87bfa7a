//! All integration tests of this crate in one binary, which links once.

mod catalog;
mod deploy_files;
mod load;
mod rows;
mod start_and_stop;
