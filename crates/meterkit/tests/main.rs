//! All integration tests of this crate, in one binary that links once.

mod batches;
mod call_sites;
mod callbacks;
#[cfg(feature = "catalog-json")]
mod catalog_file;
#[cfg(not(feature = "catalog-json"))]
mod catalog_file_without_json;
#[cfg(all(feature = "cloudwatch", feature = "gcp"))]
mod clouds;
mod conformance_counters_and_gauges;
mod conformance_global_attributes;
mod conformance_histograms_and_observables;
mod conformance_names_and_keys;
#[cfg(all(feature = "datadog", feature = "grafana", feature = "otlp", feature = "pushgateway"))]
mod credentials;
mod environment;
#[cfg(all(
    feature = "datadog",
    feature = "grafana",
    feature = "otlp",
    feature = "prometheus",
    feature = "pushgateway"
))]
mod filters;
#[cfg(all(
    feature = "config",
    feature = "datadog",
    feature = "grafana",
    feature = "otlp",
    feature = "prometheus"
))]
mod fuzz;
#[cfg(all(
    feature = "catalog-json",
    feature = "config",
    feature = "datadog",
    feature = "grafana",
    feature = "otlp",
    feature = "prometheus"
))]
mod growth;
mod guide;
mod health;
#[cfg_attr(not(feature = "prometheus"), allow(dead_code, reason = "tests of the endpoint use it"))]
mod http_get;
mod imported_registries;
mod install;
mod instances;
mod life_cycle;
mod log_lines;
#[cfg(feature = "metrics")]
mod metrics_facade;
mod mixed_versions;
mod outage_lines;
mod page;
mod protected_endpoint;
mod public_api;
#[cfg(feature = "pushgateway")]
mod pushgateway;
#[cfg(all(feature = "datadog", feature = "grafana", feature = "otlp", feature = "pushgateway"))]
mod receivers;
mod refusals;
mod resource_detection;
mod runtime_metrics;
mod scrape_endpoint;
mod start_up_lines;
mod testing_failures;
mod testing_kit;
mod testing_redirects;
mod testing_refreshes;
mod variables_without_effect;
