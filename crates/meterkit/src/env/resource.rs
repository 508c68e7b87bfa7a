//! The resource: what is being measured.

use std::borrow::Cow;
use std::collections::BTreeMap;

use meterkit_core::{AttributeValue, Attributes};
use percent_encoding::percent_decode_str;

use super::Environment;
use super::declared::any_target;

const SERVICE_NAME: &str = "service.name";

/// Attributes that the environment names. `OTEL_SERVICE_NAME` wins over `service.name` in `OTEL_RESOURCE_ATTRIBUTES`.
///
/// By OpenTelemetry's Resource SDK, section Specifying resource information via an environment variable.
pub(super) fn from_env(env: &Environment) -> Vec<(String, AttributeValue)> {
    let mut attributes = env.get(&any_target::RESOURCE_ATTRIBUTES).unwrap_or_default();
    if let Some(name) = env.get(&any_target::SERVICE_NAME) {
        attributes.retain(|(key, _)| key != SERVICE_NAME);
        attributes.push((SERVICE_NAME.to_owned(), name.into()));
    }
    attributes
}

/// Returns the complete resource: this library, a service name (always present), and the `given` attributes, which win.
///
/// `telemetry.sdk.*` names this library, as OpenTelemetry's semantic conventions require of SDKs other than
/// OpenTelemetry's own.
pub(crate) fn resource(given: Vec<(String, AttributeValue)>) -> Attributes {
    let mut attributes: BTreeMap<String, AttributeValue> = BTreeMap::new();
    attributes.insert(SERVICE_NAME.to_owned(), unknown_service().into());
    for (key, value) in [
        ("telemetry.distro.name", "meterkit"),
        ("telemetry.distro.version", env!("CARGO_PKG_VERSION")),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "meterkit"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ] {
        attributes.insert(key.to_owned(), value.into());
    }
    attributes.extend(given);
    Attributes::from_pairs(attributes.into_iter().map(|(key, value)| (Cow::Owned(key), value)))
}

/// Returns what the specification asks for when nobody named the service.
fn unknown_service() -> String {
    let program = std::env::current_exe().ok();
    let name = program.as_deref().and_then(|path| path.file_name());
    match name {
        Some(name) => format!("unknown_service:{}", name.to_string_lossy()),
        None => "unknown_service".to_owned(),
    }
}

/// `key=value` pairs between commas, values percent-encoded where they must be.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, AttributeValue)>, String> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair
                .split_once('=')
                .filter(|(key, _)| !key.trim().is_empty())
                .ok_or_else(|| format!("`{pair}` is no `key=value`; commas in values are `%2C`"))?;
            let value = percent_decode_str(value.trim())
                .decode_utf8()
                .map_err(|_| format!("`{pair}` is not UTF-8 when percent-decoded"))?;
            Ok((key.trim().to_owned(), AttributeValue::from(value.into_owned())))
        })
        .collect()
}
