//! All integration tests of this crate in one binary, which links once.

mod collector_takes_otlp;
mod compose_files_are_valid;
mod dashboards_show_catalog_service;
mod datadog_agent_lines_match_the_python_client;
mod deploy_files_are_valid;
mod every_target_adds_up_through_outages;
mod manifests_are_valid;
mod operators_send_catalog_service_by_remote_write;
mod operators_send_catalog_service_to_a_collector;
mod operators_send_catalog_service_to_datadog;
mod prometheus_reads_each_translation;
mod prometheus_scrapes_a_protected_endpoint;
mod prometheus_scrapes_catalog_service;
mod remote_write_is_read_back;
mod troubled;
mod victoria_metrics_takes_datadog;
mod victoria_metrics_takes_otlp;
