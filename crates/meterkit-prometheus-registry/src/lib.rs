//! Support for registries of the crate `prometheus` in `meterkit`.
//!
//! [`import()`] exports metrics that an application records with that crate to the scrape endpoint and every push target.
//! [`MetricsCollector`] adds the metrics of `meterkit` to a registry that the application already serves.
//!
//! ```
//! use meterkit_core::Registry;
//! use prometheus::{IntCounter, Opts};
//!
//! let theirs = prometheus::Registry::new();
//! let jobs = IntCounter::with_opts(Opts::new("jobs_total", "Jobs."))?;
//! theirs.register(Box::new(jobs.clone()))?;
//! jobs.inc();
//!
//! let registry = Registry::new();
//! let guard = meterkit_prometheus_registry::import(&registry, theirs);
//! registry.refresh();
//! let scopes = registry.read();
//! let theirs = scopes.iter().find(|scope| scope.scope.name() == "prometheus").expect("jobs");
//! assert_eq!(theirs.metrics[0].descriptor.name, "jobs_total");
//! # drop(guard);
//! # Ok::<(), prometheus::Error>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod collector;
mod import;

pub use self::collector::MetricsCollector;
pub use self::import::import;
pub use meterkit_rules::prometheus_name::{Escaping, FamilyType, Names, Translation, UnitSuffixes};
/// The version of the crate `prometheus` that this crate uses.
pub use prometheus;
