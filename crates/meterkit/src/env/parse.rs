//! Values of variables. Each error says what is accepted.

use std::time::Duration;

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("write `true` or `false`".to_owned()),
    }
}

/// A duration that may be nothing.
pub(super) fn milliseconds(text: &str) -> Result<Duration, String> {
    let milliseconds: Result<u64, _> = text.parse();
    milliseconds
        .map(Duration::from_millis)
        .map_err(|_| "write a whole number of milliseconds, `1000` for a second".to_owned())
}

/// The time between two exports.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    match milliseconds(text)? {
        Duration::ZERO => Err("an interval is at least 1 millisecond".to_owned()),
        interval => Ok(interval),
    }
}

/// How long a callback is waited for.
pub(super) fn budget(text: &str) -> Result<Duration, String> {
    match milliseconds(text)? {
        Duration::ZERO => Err("a budget is at least 1 millisecond".to_owned()),
        budget => Ok(budget),
    }
}

/// The time that something may take; by OpenTelemetry's definition, 0 is no limit.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match milliseconds(text)? {
        Duration::ZERO => Ok(Duration::MAX),
        timeout => Ok(timeout),
    }
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("write a whole number, 1 or more".to_owned()),
        Ok(count) => Ok(count),
    }
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "write a port from 0 to 65535; 0 lets the system choose".to_owned())
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
    if bare.chars().all(is_name) {
        Ok(bare.to_owned())
    } else {
        Err("write a host name or an address, without scheme, port or path".to_owned())
    }
}
