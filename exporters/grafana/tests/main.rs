//! All integration tests of this crate in one binary, which is linked once, except for those that start processes.

mod compliance;
mod disks;
mod grafana;
mod histograms;
mod joined;
mod negotiation;
mod outages;
mod pauses;
mod publishing;
mod publishing_refused;
mod refusals;
mod requests;
mod snapshots;
