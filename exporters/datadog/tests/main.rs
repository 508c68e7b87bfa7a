//! All integration tests of this crate in one binary, which is linked once.

mod agent;
mod agent_receiver;
mod failures;
mod instances;
mod key_check;
mod malformed;
mod otlp_mode;
mod requests;
mod snapshots;
mod totals;
