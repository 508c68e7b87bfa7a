//! Shared code of the whole-system tests: real servers and programs as child processes, and HTTP requests to them.
//!
//! If a server is not installed, its tests print that they are skipped. With `METERKIT_PEERS=require`, they fail
//! instead.
//! `integration-tests/peers` installs the servers.

pub mod alertmanager;
pub mod browser;
pub mod client;
pub mod collector;
pub mod deploy;
pub mod kustomize;
pub mod manifests;
pub mod operations;
pub mod peer;
pub mod process;
pub mod program;
pub mod prometheus;
pub mod prometheus_receiver;
pub mod pushgateway;
pub mod victoria_metrics;
pub mod yaml;
