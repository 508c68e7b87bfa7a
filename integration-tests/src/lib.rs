//! What the whole-system tests share: real servers and programs as child processes, and questions to them over HTTP.
//!
//! A server that is not installed makes its tests say so and pass, unless `METERKIT_PEERS=require`: then they fail.
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
