//! Grafana dashboards and Prometheus rules from the catalog of `meterkit`.
//!
//! - [`Dashboard`] shows every instrument of a catalog: rate, errors and duration of what the service does, a row per scope, the panels and queries that fit the kind and
//!   the unit, variables for service, instance and the labels whose values are known.
//! - [`Rules`] are recording rules for the quantiles of histograms, and alerts on the service, on its objectives and on what
//!   `meterkit` reports about itself. The [`runbook`] says what to do about each.
//! - [`Provisioning`] is the folder that has Grafana load both a data source and the dashboards.
//!
//! All of them are texts, and the same catalog gives the same bytes: write them in a test or a build step and check
//! them in. Names are those of the Prometheus exporter by its default, `underscore_escaping_with_suffixes`, from the same
//! code; those of other translation strategies are not drawn.
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
