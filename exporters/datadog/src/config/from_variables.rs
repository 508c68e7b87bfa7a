//! The settings that variables make.

use meterkit_http::{Proxies, ProxyVariables, Transport};

use super::{DatadogConfig, endpoint, key};
use crate::VariableError;
use crate::agent::AgentAddress;
use crate::mode::Mode;
use crate::service::service_tags;
use crate::site::Site;

const KEY: &str = "DD_API_KEY";
const MODE: &str = "METERKIT_DATADOG_MODE";
const ENDPOINT: &str = "METERKIT_DATADOG_ENDPOINT";
const SCOPE_TAGS: &str = "METERKIT_DATADOG_SCOPE_TAGS";
const INSTANCE_TAG: &str = "METERKIT_DATADOG_INSTANCE_TAG";
const HOST: &str = "DD_HOSTNAME";
const AGENT_HOST: &str = "DD_AGENT_HOST";
const EXTERNAL_DATA: &str = "DD_EXTERNAL_ENV";
const ENTITY_ID: &str = "DD_ENTITY_ID";

/// Those that make tags.
const TAGS: [&str; 4] = ["DD_ENV", "DD_SERVICE", "DD_VERSION", "DD_TAGS"];

const PROXIES: ProxyVariables = ProxyVariables {
    https: "DD_PROXY_HTTPS",
    http: "DD_PROXY_HTTP",
    no_proxy: "DD_PROXY_NO_PROXY",
};

impl DatadogConfig {
    /// What Datadog's variables say, and ours. Empty is unset.
    ///
    /// The mode is that of `METERKIT_DATADOG_MODE`; else `api` when there is a `DD_API_KEY`; else `agent` when there is
    /// a `DD_DOGSTATSD_URL` or `DD_AGENT_HOST`.
    ///
    /// - `api` and `otlp`: `DD_API_KEY`, `DD_SITE`, `METERKIT_DATADOG_ENDPOINT`, and the variables of proxies:
    ///   `DD_PROXY_HTTPS`, `DD_PROXY_HTTP`, `DD_PROXY_NO_PROXY`, then those that everyone reads. Without a key, `otlp`
    ///   goes to the agent.
    /// - `agent`: `DD_DOGSTATSD_URL`, else `DD_AGENT_HOST` and `DD_DOGSTATSD_PORT`; `DD_ENTITY_ID`, `DD_EXTERNAL_ENV`.
    /// - All: `DD_ENV`, `DD_SERVICE`, `DD_VERSION`, `DD_TAGS`, `DD_HOSTNAME`, `METERKIT_DATADOG_SCOPE_TAGS`,
    ///   `METERKIT_DATADOG_INSTANCE_TAG`.
    ///
    /// ```
    /// use meterkit_datadog::{DatadogConfig, Mode};
    ///
    /// let config = DatadogConfig::from_variables(|name| match name {
    ///     "DD_API_KEY" => Some("0123456789abcdef0123456789abcdef".to_owned()),
    ///     "DD_SITE" => Some("datadoghq.eu".to_owned()),
    ///     _ => None,
    /// });
    /// assert_eq!(config.expect("both are fine").mode(), Mode::Api);
    /// ```
    ///
    /// # Errors
    ///
    /// All that is wrong, by variable. The key is never shown.
    pub fn from_variables(
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<VariableError>> {
        let set = |name: &str| {
            let value = lookup(name).map(|value| value.trim().to_owned());
            value.filter(|value| !value.is_empty())
        };
        let mut problems = Vec::new();
        let api_key = set(KEY).and_then(|text| {
            let reason =
                "is empty or holds white space or a character that no key has; copy it again";
            key(&text).map_err(|_| problems.push(VariableError::secret(KEY, reason))).ok()
        });
        let mode = set(MODE).map(|text| {
            text.parse().map_err(|error: crate::mode::ModeError| {
                problems.push(VariableError::new(MODE, text, error.to_string()));
            })
        });
        let endpoint = set(ENDPOINT).and_then(|text| {
            let problem = |error: super::EndpointError| {
                problems.push(VariableError::new(ENDPOINT, error.url, error.reason));
            };
            endpoint(&text).map_err(problem).ok()
        });
        let mut keep = |problem| problems.push(problem);
        let site = Site::from_variables(&lookup).map_err(&mut keep).unwrap_or_default();
        let agent = AgentAddress::from_variables(&lookup).map_err(&mut keep).ok().flatten();
        service_tags(&lookup, |_| None).map_err(&mut keep).ok();
        let scope_tags = boolean(SCOPE_TAGS, set(SCOPE_TAGS)).map_err(&mut keep).ok().flatten();
        let instance_tag =
            boolean(INSTANCE_TAG, set(INSTANCE_TAG)).map_err(&mut keep).ok().flatten();
        let mode = match mode {
            Some(mode) => mode.ok(),
            None if set(KEY).is_some() => Some(Mode::Api),
            None if agent.is_some() => Some(Mode::Agent),
            // Where the agent was is told of already.
            None if !problems.is_empty() => None,
            None => {
                let reason = "is not set, nor is an agent; set it for Datadog's intake, or DD_AGENT_HOST or \
                              DD_DOGSTATSD_URL for an agent";
                problems.push(VariableError::secret(KEY, reason));
                None
            }
        };
        let is_sent_over_http = matches!(mode, Some(Mode::Api | Mode::Otlp));
        let proxies = match is_sent_over_http {
            true => Proxies::from_variables_with(PROXIES, &lookup)
                .map_err(|found| problems.extend(found))
                .unwrap_or_default(),
            false => Proxies::default(),
        };
        if mode == Some(Mode::Api) && set(KEY).is_none() {
            problems.push(VariableError::missing(KEY, MODE, "set the key of your account"));
        }
        if mode == Some(Mode::Otlp)
            && api_key.is_some()
            && endpoint.is_none()
            && site.otlp_url().is_none()
        {
            let reason = "Datadog has no intake of OTLP there; use `api`, or name one in METERKIT_DATADOG_ENDPOINT";
            problems.push(VariableError::new("DD_SITE", site.to_string(), reason));
        }
        let (Some(mode), true) = (mode, problems.is_empty()) else {
            return Err(problems);
        };
        let config = Self {
            api_key,
            site,
            endpoint,
            agent: agent.unwrap_or_default(),
            agent_host: set(AGENT_HOST).unwrap_or_else(|| "localhost".to_owned()),
            host: set(HOST),
            tag_variables: TAGS.iter().filter_map(|name| Some((*name, set(name)?))).collect(),
            scope_tags: scope_tags.unwrap_or(false),
            instance_tag: instance_tag.unwrap_or(true),
            external_data: set(EXTERNAL_DATA),
            entity_id: set(ENTITY_ID),
            ..Self::to(mode)
        };
        Ok(config.with_transport(Transport::default().with_proxies(proxies)))
    }
}

fn boolean(variable: &'static str, text: Option<String>) -> Result<Option<bool>, VariableError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let value = text.to_ascii_lowercase().parse().ok();
    value.map(Some).ok_or_else(|| VariableError::new(variable, text, "write `true` or `false`"))
}

#[cfg(test)]
mod tests;
