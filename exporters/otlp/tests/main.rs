//! All integration tests of this crate in one binary, so that only one has to be linked.

mod credentials;
mod deltas;
mod exemplars;
mod failures;
mod first_contact;
mod proxies;
mod refusals;
mod requests;
mod self_metrics;
mod sizes;
mod snapshots;
mod tls;
mod without_tls;
