//! `grafana` of a file, as the Grafana target takes it.

use meterkit_config::{Problem, Property};
use meterkit_grafana::GrafanaConfig;

use super::properties::{self, Properties};

const PROPERTIES: Properties = &[
    ("cloud_api_key", "GRAFANA_CLOUD_API_KEY"),
    ("cloud_instance_id", "GRAFANA_CLOUD_INSTANCE_ID"),
    ("cloud_zone", "GRAFANA_CLOUD_ZONE"),
    ("queue_age", "METERKIT_GRAFANA_QUEUE_AGE"),
    ("queue_bytes", "METERKIT_GRAFANA_QUEUE_BYTES"),
    ("remote_write_bearer_token", "GRAFANA_REMOTE_WRITE_BEARER_TOKEN"),
    ("remote_write_password", "GRAFANA_REMOTE_WRITE_PASSWORD"),
    ("remote_write_tenant", "GRAFANA_REMOTE_WRITE_TENANT"),
    ("remote_write_url", "GRAFANA_REMOTE_WRITE_URL"),
    ("remote_write_username", "GRAFANA_REMOTE_WRITE_USERNAME"),
    ("spool_dir", "METERKIT_GRAFANA_SPOOL_DIR"),
];

/// The target's settings, or all that is wrong with them.
pub(super) fn config(given: &Property) -> Result<GrafanaConfig, Vec<Problem>> {
    let config =
        properties::read(given, PROPERTIES, |lookup| GrafanaConfig::from_variables(lookup))?;
    let missing = "says not where to; write `remote_write_url`, or `cloud_zone`, `cloud_instance_id` and `cloud_api_key`";
    config.ok_or_else(|| vec![given.problem(missing)])
}
