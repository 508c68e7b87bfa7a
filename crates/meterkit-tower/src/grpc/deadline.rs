//! The time limit of a call.

use std::time::Duration;

use http::HeaderMap;

/// Returns the time limit in the `grpc-timeout` header, which consists of up to eight digits and a unit.
pub(crate) fn time_limit(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 60 * 60),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(text: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", text.parse().unwrap());
        time_limit(&headers)
    }

    #[test]
    fn all_units_are_read() {
        assert_eq!(limit("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(limit("2M"), Some(Duration::from_secs(120)));
        assert_eq!(limit("2S"), Some(Duration::from_secs(2)));
        assert_eq!(limit("2m"), Some(Duration::from_millis(2)));
        assert_eq!(limit("2u"), Some(Duration::from_micros(2)));
        assert_eq!(limit("2n"), Some(Duration::from_nanos(2)));
        assert_eq!(limit("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
    }

    #[test]
    fn an_invalid_timeout_is_ignored() {
        for text in ["", "S", "1", "1s", "-1S", "+1S", "123456789S", "1 S", "\u{e9}"] {
            assert_eq!(limit(text), None, "{text:?}");
        }
        assert_eq!(time_limit(&HeaderMap::new()), None);
    }
}
