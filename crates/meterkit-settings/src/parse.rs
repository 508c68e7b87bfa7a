//! Parsers of setting values. Each error says what is accepted, in the words of the setting's type.

use std::net::Ipv6Addr;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::value_type::ValueType;
use crate::words::Words;

pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    text.to_ascii_lowercase().parse().map_err(|_| write(ValueType::Boolean))
}

/// Parses a duration that may be zero.
pub(crate) fn milliseconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).map_err(|_| write(ValueType::Milliseconds))
}

/// Parses a duration of at least one millisecond, such as an export interval.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let interval = milliseconds(text).ok().filter(|interval| *interval > Duration::ZERO);
    interval.ok_or_else(|| write(ValueType::Interval))
}

/// Parses a timeout. As OpenTelemetry defines it, 0 means no limit.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    match milliseconds(text) {
        Ok(Duration::ZERO) => Ok(Duration::MAX),
        Ok(timeout) => Ok(timeout),
        Err(_) => Err(write(ValueType::Timeout)),
    }
}

pub(crate) fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| write(ValueType::Count))
}

pub(crate) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| write(ValueType::Port))
}

/// Parses a host name or an address, for a setting of [`host`](crate::host). An IPv6 address may be in brackets, as in
/// a URL. `port` is the name of the setting for the port.
///
/// # Errors
///
/// Returns an error if the text holds more than a host.
pub fn bare_host(text: &str, port: &str) -> Result<String, String> {
    let is_port = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if let Some((host, _)) = text.split_once(':').filter(|(_, number)| is_port(number)) {
        if !host.is_empty() {
            return Err(format!("write `{host}` alone; the port goes into {port}"));
        }
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let address = bare.split_once('%').map_or(bare, |(address, _)| address);
    let is_host = bare.chars().all(is_name) || address.parse::<Ipv6Addr>().is_ok();
    if is_host { Ok(bare.to_owned()) } else { Err(write(ValueType::Host)) }
}

pub(crate) fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

pub(crate) fn word<T: Words>(text: &str) -> Result<T, String> {
    T::find(text).ok_or_else(|| format!("is unknown; {}", write(ValueType::Word(T::WORDS))))
}

/// Returns the text itself, or the problem that `problem` finds in it.
pub(crate) fn checked(
    text: &str,
    problem: fn(&str) -> Option<&'static str>,
) -> Result<String, String> {
    match problem(text) {
        None => Ok(text.to_owned()),
        Some(problem) => Err(problem.to_owned()),
    }
}

/// Parses comma-separated `key=value` pairs with percent-encoded keys and values. Errors refer to an entry by its
/// number, because its text may be secret.
///
/// Specification: OpenTelemetry's Resource SDK, section "Specifying resource information via an environment variable".
///
/// ```
/// let pairs = meterkit_settings::pairs("team=a%2Cb, %7Azone=eu,").unwrap();
/// assert_eq!(pairs, [("team".to_owned(), "a,b".to_owned()), ("zzone".to_owned(), "eu".to_owned())]);
/// assert_eq!(meterkit_settings::pairs("a=1,b=5%").unwrap_err(), "entry 2 has a `%` without two digits; write `%25`");
/// ```
///
/// # Errors
///
/// Returns an error if an entry has no `=` or no key, has an invalid percent-encoding, or does not decode to UTF-8.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let entries = text.split(',').map(str::trim).enumerate().filter(|(_, entry)| !entry.is_empty());
    entries
        .map(|(at, entry)| {
            let problem = |reason: &str| format!("entry {} {reason}", at + 1);
            let pair = entry.split_once('=').filter(|(key, _)| !key.trim().is_empty());
            let no_pair = || problem("is not `key=value`; write a comma in a value as `%2C`");
            let (key, value) = pair.ok_or_else(no_pair)?;
            let decoded = |text: &str| decoded(text.trim()).map_err(problem);
            Ok((decoded(key)?, decoded(value)?))
        })
        .collect()
}

fn decoded(text: &str) -> Result<String, &'static str> {
    let is_escape = |after: &str| {
        after.get(..2).is_some_and(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()))
    };
    if !text.split('%').skip(1).all(is_escape) {
        return Err("has a `%` without two digits; write `%25`");
    }
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| "is not UTF-8 when percent-decoded")
}

/// Returns why a text cannot be a username in a header, if it cannot. By RFC 7617, a `:` would end the username early.
pub fn username_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty; set a username")
    } else if name.contains(|c: char| c == ':' || c.is_control()) {
        Some("contains `:` or a control character, which a username must not; write the name alone")
    } else {
        None
    }
}

/// Returns why a text cannot be a password in a header, if it cannot.
pub fn password_problem(password: &str) -> Option<&'static str> {
    if password.is_empty() {
        Some("is empty; set a password")
    } else if password.contains(char::is_control) {
        Some("contains a control character, which a password must not; copy it again")
    } else {
        None
    }
}

/// Returns why a text cannot be a token in a header, if it cannot.
pub fn token_problem(token: &str) -> Option<&'static str> {
    if token.is_empty() {
        Some("is empty; set a token")
    } else if token.contains(char::is_whitespace) {
        Some("contains white space; write the token alone, without `Bearer` or `Basic`")
    } else if !token.chars().all(|c| c.is_ascii_graphic()) {
        Some("contains a character that is not allowed in a token; copy it again")
    } else {
        None
    }
}

fn write(accepted: ValueType) -> String {
    format!("write {accepted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_invalid_ones_are_reported_by_position() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        for (text, expected) in [
            ("", Ok(vec![])),
            (" , ", Ok(vec![])),
            ("team=a%2Cb%20c ,,zone=é", Ok(vec![pair("team", "a,b c"), pair("zone", "é")])),
            ("a%3Db=x=y", Ok(vec![pair("a=b", "x=y")])),
            ("empty=", Ok(vec![pair("empty", "")])),
            ("%41=%c3%A9", Ok(vec![pair("A", "é")])),
            ("hunter2", Err("entry 1 is not `key=value`; write a comma in a value as `%2C`")),
            ("a=1,=hunter2", Err("entry 2 is not `key=value`; write a comma in a value as `%2C`")),
            ("a=1,,b=hunter2%", Err("entry 3 has a `%` without two digits; write `%25`")),
            ("a%2=hunter2", Err("entry 1 has a `%` without two digits; write `%25`")),
            ("a=%zz", Err("entry 1 has a `%` without two digits; write `%25`")),
            ("a=%é", Err("entry 1 has a `%` without two digits; write `%25`")),
            ("%ff=1", Err("entry 1 is not UTF-8 when percent-decoded")),
            ("a=%ff", Err("entry 1 is not UTF-8 when percent-decoded")),
        ] {
            assert_eq!(pairs(text), expected.map_err(str::to_owned), "{text}");
        }
    }
}
