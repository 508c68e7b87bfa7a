//! The skew of a receiver's clock, measured from its replies.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{AGE, DATE};

/// Returns by how many seconds the clock of a receiver is ahead of `now`; negative if it is behind. The reply must have
/// arrived `now`, `took` after the request was started. `None` if the reply has no date or comes from a cache.
///
/// The receiver read its clock at an unknown moment during the request and reports whole seconds, so the result is the
/// smallest possible difference.
pub(crate) fn skew(reply: &HeaderMap, took: Duration, now: SystemTime) -> Option<i64> {
    let date = reply.get(DATE).filter(|_| !reply.contains_key(AGE))?;
    let date = httpdate::parse_http_date(date.to_str().ok()?).ok()?;
    let least = seconds_from(now, date);
    let most = least + 1.0 + took.as_secs_f64();
    // The conversion to an integer saturates.
    Some(if least > 0.0 { least.round() as i64 } else { most.min(0.0).round() as i64 })
}

fn seconds_from(now: SystemTime, date: SystemTime) -> f64 {
    match date.duration_since(now) {
        Ok(ahead) => ahead.as_secs_f64(),
        Err(behind) => -behind.duration().as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const HOUR: i64 = 3600;

    fn reply(headers: &[(HeaderName, String)]) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        headers.iter().map(|(name, text)| (name.clone(), value(text))).collect()
    }

    #[test]
    fn a_difference_is_what_cannot_be_explained_by_the_request_and_by_whole_seconds() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_900);
        for (ahead, took, expected) in [
            (0, 0, 0),
            (HOUR, 0, HOUR),
            (HOUR, 20_000, HOUR),
            (-2 * HOUR, 0, -2 * HOUR),
            (-2 * HOUR, 20_000, -2 * HOUR + 20),
            (-20, 20_000, 0),
            (1, 0, 1),
        ] {
            let date = now.checked_add(Duration::from_secs(86400)).unwrap();
            let date = date - Duration::from_secs(u64::try_from(86400 - ahead).unwrap());
            let reply = reply(&[(DATE, httpdate::fmt_http_date(date))]);
            let skew = skew(&reply, Duration::from_millis(took), now).unwrap();
            assert!((skew - expected).abs() <= 1, "{ahead} {took}: {skew}");
            assert!(expected != 0 || skew == 0, "{ahead} {took}: {skew}");
        }
    }

    #[test]
    fn a_reply_without_a_date_and_one_of_a_cache_say_nothing() {
        let date = || (DATE, "Wed, 21 Oct 2015 07:28:00 GMT".to_owned());
        let of = |headers: &[_]| skew(&reply(headers), Duration::ZERO, SystemTime::now());
        assert!(of(&[date()]).unwrap() < -HOUR);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(DATE, "soon".to_owned())]), None);
        assert_eq!(of(&[date(), (AGE, "7".to_owned())]), None);
    }
}
