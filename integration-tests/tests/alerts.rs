//! Alerts fire when they should and never else, by `promtool test rules` with series that were recorded from pipelines in
//! each kind of trouble.
//!
//! Recorded are all metrics of the library and of a Collector. `up` is written by the test, as only Prometheus makes it.

mod collector;
mod delivery;
mod instruments;
mod objectives;
mod process;
mod promtool;
mod recording;
mod service;
