//! Generates Grafana dashboards and Prometheus rules from a `meterkit` catalog.
//!
//! - [`Dashboard`] shows every instrument of a catalog: rate, errors and duration of the service's operations, one row
//!   per scope, panels and queries that fit the instrument's kind and unit, and variables for the service, the instance
//!   and all labels whose values are known.
//! - [`Rules`] contains recording rules for the quantiles of histograms, and alerts on the service, on its objectives
//!   and on `meterkit`'s self-metrics. The [`runbook`] explains what to do about each alert.
//! - [`Provisioning`] is a folder from which Grafana loads a data source and the dashboards.
//!
//! All output is text, and the same catalog always produces the same bytes: write the files in a test or a build step,
//! and check them in. Metric names are those of the Prometheus exporter's default translation strategy,
//! `underscore_escaping_with_suffixes`, and come from the same code. Other translation strategies are not supported.
//!
//! ```
//! use meterkit_core::Registry;
//! use meterkit_dashboard::{Dashboard, Provisioning, Rules};
//!
//! let registry = Registry::new();
//! let meter = registry.scoped("plugin", "catalog");
//! let _requests = meter.counter::<u64>("requests").unit("{request}").build()?;
//! let _duration = meter.histogram::<f64>("requests.duration").unit("s").build()?;
//!
//! let catalog = registry.catalog();
//! let dashboard = Dashboard::new("Catalog").of(&catalog).with_self_metrics();
//! assert!(dashboard.to_classic_json().contains("rate(backstage_plugin_catalog_requests_total{"));
//!
//! let rules = Rules::of(&catalog).job("catalog");
//! assert!(rules.recording().contains("job:backstage_plugin_catalog_requests_duration_seconds:p95_rate5m"));
//! assert!(rules.alerts().contains("MeterkitTargetDown"));
//!
//! let folder = Provisioning::new("http://prometheus:9090").dashboard(&dashboard);
//! let paths: Vec<_> = folder.files().into_iter().map(|(path, _)| path).collect();
//! assert_eq!(paths[..2], ["dashboards/meterkit.yaml", "datasources/meterkit.yaml"]);
//! # Ok::<(), meterkit_core::InstrumentError>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod alerts;
mod classic;
mod dashboard;
mod grid;
mod instrument;
mod objectives;
mod overview;
mod panels;
mod plugin;
mod promql;
mod provisioning;
mod recording;
mod rows;
mod rules;
mod self_metrics;
mod stable_json;
mod targets;
mod text;
mod uid;
mod unit;
mod v2;
mod variables;
mod yaml;

pub use self::dashboard::{Dashboard, Histograms};
pub use self::objectives::ObjectiveError;
pub use self::provisioning::Provisioning;
pub use self::rules::Rules;

#[doc = include_str!("../runbook.md")]
pub mod runbook {}
