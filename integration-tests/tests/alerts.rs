//! Alerts fire when they should, and only then. `promtool test rules` evaluates them on series that were recorded from
//! pipelines in each kind of trouble.
//!
//! The recordings contain all metrics of the library and of a Collector. The test adds `up`, which Prometheus creates.

mod collector;
mod delivery;
mod instruments;
mod objectives;
mod process;
mod promtool;
mod recording;
mod service;
