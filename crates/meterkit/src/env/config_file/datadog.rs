//! `datadog` of a file, as the Datadog target takes it.

use meterkit_config::{Problem, Property, PropertyValue};
use meterkit_datadog::{DatadogConfig, DatadogTarget};

/// Each property, and the variable that means the same.
const PROPERTIES: [(&str, &str); 14] = [
    ("agent_host", "DD_AGENT_HOST"),
    ("api_key", "DD_API_KEY"),
    ("dogstatsd_port", "DD_DOGSTATSD_PORT"),
    ("dogstatsd_url", "DD_DOGSTATSD_URL"),
    ("endpoint", "METERKIT_DATADOG_ENDPOINT"),
    ("env", "DD_ENV"),
    ("hostname", "DD_HOSTNAME"),
    ("mode", "METERKIT_DATADOG_MODE"),
    // The longer name first, which begins with the other one.
    ("proxy_https", "DD_PROXY_HTTPS"),
    ("proxy_http", "DD_PROXY_HTTP"),
    ("scope_tags", "METERKIT_DATADOG_SCOPE_TAGS"),
    ("service", "DD_SERVICE"),
    ("site", "DD_SITE"),
    ("tags", "DD_TAGS"),
];

/// The target's settings, or all that is wrong with them. Values are not shown: one may be the key.
pub(super) fn config(properties: &Property) -> Result<DatadogConfig, Vec<Problem>> {
    let mut problems = unknown(properties);
    let texts: Vec<(&str, String)> = PROPERTIES
        .iter()
        .filter_map(|(property, variable)| {
            let property = properties.get(property)?;
            match text(property) {
                Some(text) => Some((*variable, text)),
                None => {
                    problems.push(property.problem("is no text and no number; write one"));
                    None
                }
            }
        })
        .collect();
    let read = DatadogConfig::from_variables(|name| {
        let found = texts.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, text)| text.clone())
    });
    let config = read.map_err(|found| {
        problems.extend(found.into_iter().map(|error| {
            let at = PROPERTIES.iter().find(|(_, variable)| *variable == error.variable);
            let at = at.and_then(|(property, _)| properties.get(property));
            at.unwrap_or(properties).problem(in_words_of_the_file(&error.reason))
        }));
    });
    let config = config.ok().filter(|_| problems.is_empty()).ok_or(problems)?;
    // What could never be sent is a mistake in the file.
    let target = DatadogTarget::new(config.clone());
    target.map_err(|error| vec![properties.problem(error.to_string())])?;
    Ok(config)
}

fn unknown(properties: &Property) -> Vec<Problem> {
    let PropertyValue::Mapping(given) = &properties.value else {
        return Vec::new();
    };
    let is_known = |name: &str| PROPERTIES.iter().any(|(known, _)| *known == name);
    let accepted: Vec<_> = PROPERTIES.iter().map(|(known, _)| format!("`{known}`")).collect();
    let reason = format!("is no property of it; there are {}", accepted.join(", "));
    let unknown = given.iter().filter(|(name, _)| !is_known(name));
    unknown.map(|(_, property)| property.problem(&*reason)).collect()
}

/// What stands there, as a variable would have it; `None` for what no variable can hold.
fn text(property: &Property) -> Option<String> {
    match &property.value {
        PropertyValue::Null => Some(String::new()),
        PropertyValue::Bool(value) => Some(value.to_string()),
        PropertyValue::Int(value) => Some(value.to_string()),
        PropertyValue::Text(text) => Some(text.clone()),
        PropertyValue::List(items) => {
            let items: Option<Vec<String>> = items.iter().map(text).collect();
            items.map(|items| items.join(","))
        }
        _ => None,
    }
}

/// A reason with the names of properties in place of variables.
fn in_words_of_the_file(reason: &str) -> String {
    PROPERTIES.iter().fold(reason.to_owned(), |reason, (property, variable)| {
        reason.replace(variable, &format!("`{property}`"))
    })
}
