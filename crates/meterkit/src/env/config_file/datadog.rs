//! `datadog` of a file, as the Datadog target takes it.

use meterkit_config::{Problem, Property};
use meterkit_datadog::{DatadogConfig, DatadogTarget};

use super::properties::{self, Properties};
use crate::env::{Environment, declared};

const PROPERTIES: Properties = &[
    ("agent_host", "DD_AGENT_HOST"),
    ("api_key", "DD_API_KEY"),
    ("dogstatsd_port", "DD_DOGSTATSD_PORT"),
    ("dogstatsd_url", "DD_DOGSTATSD_URL"),
    ("endpoint", "METERKIT_DATADOG_ENDPOINT"),
    ("entity_id", "DD_ENTITY_ID"),
    ("env", "DD_ENV"),
    ("external_env", "DD_EXTERNAL_ENV"),
    ("hostname", "DD_HOSTNAME"),
    ("instance_tag", "METERKIT_DATADOG_INSTANCE_TAG"),
    ("mode", "METERKIT_DATADOG_MODE"),
    // The longer name first, which begins with the other one.
    ("proxy_https", "DD_PROXY_HTTPS"),
    ("proxy_http", "DD_PROXY_HTTP"),
    ("proxy_no_proxy", "DD_PROXY_NO_PROXY"),
    ("scope_tags", "METERKIT_DATADOG_SCOPE_TAGS"),
    ("service", "DD_SERVICE"),
    ("site", "DD_SITE"),
    ("tags", "DD_TAGS"),
    ("version", "DD_VERSION"),
];

/// The target's settings, or all that is wrong with them. Variables that everyone reads, those of proxies, count where
/// the properties say nothing.
pub(super) fn config(given: &Property, env: &Environment) -> Result<DatadogConfig, Vec<Problem>> {
    let of_everyone = |name: &str| match declared::variable(name) {
        Some(_) => None,
        None => env.of_everyone(name),
    };
    let config = properties::read(given, PROPERTIES, |lookup| {
        DatadogConfig::from_variables(|name| lookup(name).or_else(|| of_everyone(name)))
    })?;
    // What could never be sent is a mistake in the file.
    let target = DatadogTarget::new(config.clone());
    target.map_err(|error| vec![given.problem(error.to_string())])?;
    Ok(config)
}
