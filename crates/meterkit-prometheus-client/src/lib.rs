//! Support for registries of the crate `prometheus-client` in `meterkit`.
//!
//! [`import()`] exports metrics that an application records with that crate to the scrape endpoint and every push target.
//!
//! ```
//! use std::sync::Arc;
//!
//! use meterkit_core::{Data, Registry, Value};
//! use prometheus_client::metrics::counter::Counter;
//!
//! let mut theirs = prometheus_client::registry::Registry::default();
//! let jobs: Counter = Counter::default();
//! theirs.register("jobs", "Jobs", jobs.clone());
//! jobs.inc();
//!
//! let registry = Registry::new();
//! let guard = meterkit_prometheus_client::import(&registry, Arc::new(theirs));
//! registry.refresh();
//! let scopes = registry.read();
//! let theirs = scopes.iter().find(|scope| scope.scope.name() == "prometheus-client").expect("jobs");
//! let metric = &theirs.metrics[0];
//! assert_eq!(metric.descriptor.name, "jobs_total");
//! let Data::Sum { points, .. } = &metric.data else { panic!("a counter is a sum") };
//! assert_eq!(points[0].value, Value::U64(1));
//! # drop(guard);
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod families;
mod import;
mod shared;

pub use self::import::import;
pub use self::shared::SharedRegistry;
