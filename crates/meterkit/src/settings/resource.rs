//! The resource: the entity that produces the metrics.

use std::borrow::Cow;
use std::collections::BTreeMap;

use meterkit_core::{AttributeValue, Attributes};
use meterkit_settings::Reader;

use super::table::{RESOURCE_ATTRIBUTES, SERVICE_NAME};
use crate::resource::SERVICE_INSTANCE_ID;

const NAME: &str = "service.name";

/// Returns the attributes that the environment sets. `OTEL_SERVICE_NAME` takes precedence over `service.name` in
/// `OTEL_RESOURCE_ATTRIBUTES`.
///
/// Specification: OpenTelemetry's Resource SDK, section Specifying resource information via an environment variable.
pub(super) fn from_env(reader: &Reader<'_>) -> Vec<(String, AttributeValue)> {
    let attributes = reader.get(&RESOURCE_ATTRIBUTES).unwrap_or_default().into_iter();
    let mut attributes: Vec<_> =
        attributes.map(|(key, value)| (key, AttributeValue::from(value))).collect();
    if let Some(name) = reader.get(&SERVICE_NAME) {
        attributes.retain(|(key, _)| key != NAME);
        attributes.push((NAME.to_owned(), name.into()));
    }
    attributes
}

/// Returns the complete resource: this library, a service name (always present), and the `given` attributes, which take
/// precedence.
///
/// `telemetry.sdk.*` names this library, as OpenTelemetry's semantic conventions require of SDKs other than
/// OpenTelemetry's own.
pub(crate) fn resource(given: Vec<(String, AttributeValue)>) -> Attributes {
    let mut attributes: BTreeMap<String, AttributeValue> = BTreeMap::new();
    attributes.insert(NAME.to_owned(), unknown_service().into());
    for (key, value) in [
        ("telemetry.distro.name", "meterkit"),
        ("telemetry.distro.version", env!("CARGO_PKG_VERSION")),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "meterkit"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ] {
        attributes.insert(key.to_owned(), value.into());
    }
    // Processes with an empty instance id could not be told apart.
    let says_nothing = |(key, value): &(String, AttributeValue)| {
        key == SERVICE_INSTANCE_ID && value.to_string().trim().is_empty()
    };
    attributes.extend(given.into_iter().filter(|attribute| !says_nothing(attribute)));
    Attributes::from_pairs(attributes.into_iter().map(|(key, value)| (Cow::Owned(key), value)))
}

/// Returns the service name that the specification requires when no name is set.
fn unknown_service() -> String {
    let program = std::env::current_exe().ok();
    let name = program.as_deref().and_then(|path| path.file_name());
    match name {
        Some(name) => format!("unknown_service:{}", name.to_string_lossy()),
        None => "unknown_service".to_owned(),
    }
}
