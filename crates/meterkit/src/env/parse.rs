//! Values of variables. Each error says what is accepted, in the words of the variable's type.

use std::time::Duration;

use super::variable::ValueType;

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(write(ValueType::Boolean)),
    }
}

/// A duration that may be nothing.
pub(super) fn milliseconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).map_err(|_| write(ValueType::Milliseconds))
}

/// The time between two exports, or that something may take.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    match milliseconds(text) {
        Ok(Duration::ZERO) | Err(_) => Err(write(ValueType::Interval)),
        Ok(interval) => Ok(interval),
    }
}

/// The time that something may take; by OpenTelemetry's definition, 0 is no limit.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match milliseconds(text) {
        Ok(Duration::ZERO) => Ok(Duration::MAX),
        Ok(timeout) => Ok(timeout),
        Err(_) => Err(write(ValueType::Timeout)),
    }
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(write(ValueType::Count)),
        Ok(count) => Ok(count),
    }
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| write(ValueType::Port))
}

pub(super) fn host(text: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    // An IPv6 address may come in brackets, as in a URL.
    if let Some((host, port)) = text.split_once(':') {
        if !host.is_empty() && !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()) {
            return Err(format!(
                "write `{host}` alone; the port goes into OTEL_EXPORTER_PROMETHEUS_PORT"
            ));
        }
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if bare.chars().all(is_name) { Ok(bare.to_owned()) } else { Err(write(ValueType::Host)) }
}

/// A path, if files can be read.
pub(super) fn config_file(path: &str) -> Result<String, String> {
    match cfg!(feature = "config") {
        true => Ok(path.to_owned()),
        false => {
            Err("files are not compiled in: switch on the feature `config` of meterkit".to_owned())
        }
    }
}

pub(super) fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn write(accepted: ValueType) -> String {
    format!("write {accepted}")
}
