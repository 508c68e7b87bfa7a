//! The credentials that a scraper must send in the header `Authorization`.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use meterkit_settings::{password_problem, token_problem, username_problem};
use subtle::{Choice, ConstantTimeEq};

use crate::body::ScrapeBody;
use crate::scrape::plain;

/// What a scraper has to show. `Debug` hides what is secret.
#[derive(Clone)]
pub(crate) enum Credentials {
    Basic { username: String, password: String },
    Bearer { token: String },
}

/// Why nobody could ever show these. The text does not quote what is secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {what} of the scrape endpoint {reason}")]
pub(crate) struct CredentialsError {
    what: &'static str,
    reason: &'static str,
}

impl Credentials {
    /// The one who asks for them.
    pub(crate) fn guard(&self) -> Result<Guard, CredentialsError> {
        let refuse = |what, reason| Err(CredentialsError { what, reason });
        match self {
            Self::Basic { username, password } => {
                if let Some(reason) = username_problem(username) {
                    return refuse("user name", reason);
                }
                if let Some(reason) = password_problem(password) {
                    return refuse("password", reason);
                }
                let expected = STANDARD.encode(format!("{username}:{password}"));
                let challenge = "Basic realm=\"metrics\"";
                Ok(Guard { scheme: "Basic", challenge, expected })
            }
            Self::Bearer { token } => match token_problem(token) {
                Some(reason) => refuse("bearer token", reason),
                None => {
                    let expected = token.clone();
                    Ok(Guard { scheme: "Bearer", challenge: "Bearer", expected })
                }
            },
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { username, .. } => {
                f.debug_struct("Basic").field("username", username).finish_non_exhaustive()
            }
            Self::Bearer { .. } => f.debug_struct("Bearer").finish_non_exhaustive(),
        }
    }
}

/// Lets those pass who show the right credentials, by RFC 7617 and RFC 6750.
#[derive(Clone)]
pub(crate) struct Guard {
    scheme: &'static str,
    challenge: &'static str,
    /// What follows the scheme.
    expected: String,
}

impl Guard {
    /// Whether these are the headers of someone who may scrape.
    pub(crate) fn lets_pass(&self, headers: &HeaderMap) -> bool {
        let mut shown = headers.get_all(AUTHORIZATION).iter();
        // With two of them, others on the way may have looked at the other one.
        let (Some(shown), None) = (shown.next(), shown.next()) else {
            return false;
        };
        let shown = shown.as_bytes();
        let Some((scheme, rest)) = shown.split_at_checked(self.scheme.len()) else {
            return false;
        };
        let Some(rest) = rest.strip_prefix(b" ") else {
            return false;
        };
        scheme.eq_ignore_ascii_case(self.scheme.as_bytes())
            && is_same(rest.trim_ascii(), self.expected.as_bytes())
    }

    /// What everybody else gets.
    pub(crate) fn refusal(&self) -> Response<ScrapeBody> {
        let mut response =
            plain(StatusCode::UNAUTHORIZED, "metrics are for those with credentials\n");
        let challenge = HeaderValue::from_static(self.challenge);
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        response
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// Takes as long as `shown` is, whatever stands in it: how much of it is right is not told by the time.
fn is_same(shown: &[u8], expected: &[u8]) -> bool {
    let is_as_long = shown.len().ct_eq(&expected.len());
    let pairs = shown.iter().zip(expected.iter().cycle());
    pairs.fold(is_as_long, |same: Choice, (a, b)| same & a.ct_eq(b)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(username: &str, password: &str) -> Credentials {
        Credentials::Basic { username: username.to_owned(), password: password.to_owned() }
    }

    fn bearer(token: &str) -> Credentials {
        Credentials::Bearer { token: token.to_owned() }
    }

    #[test]
    fn only_what_is_the_same_to_the_last_byte_is_the_same() {
        for (shown, expected, same) in [
            ("abc", "abc", true),
            ("abcabc", "abc", false),
            ("ab", "abc", false),
            ("abd", "abc", false),
            ("xbc", "abc", false),
            ("", "abc", false),
            ("abc", "", false),
        ] {
            assert_eq!(is_same(shown.as_bytes(), expected.as_bytes()), same, "{shown} {expected}");
        }
    }

    #[test]
    fn credentials_that_nobody_could_show_are_told_without_the_secret() {
        for (credentials, said) in [
            (basic("", "hunter2"), "user name of the scrape endpoint is empty"),
            (basic("a:b", "hunter2"), "user name of the scrape endpoint holds `:`"),
            (basic("a\n", "hunter2"), "user name of the scrape endpoint holds"),
            (basic("me", ""), "password of the scrape endpoint is empty"),
            (basic("me", "hunter2\n"), "password of the scrape endpoint holds a control"),
            (bearer(""), "bearer token of the scrape endpoint is empty"),
            (bearer("Bearer hunter2"), "bearer token of the scrape endpoint holds white space"),
            (bearer("hunter2é"), "bearer token of the scrape endpoint holds a character"),
        ] {
            let text = credentials.guard().unwrap_err().to_string();
            assert!(text.contains(said) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn no_debug_shows_what_is_secret() {
        for credentials in [basic("me", "hunter2"), bearer("hunter2")] {
            let guard = credentials.guard().unwrap();
            let text = format!("{credentials:?} {guard:?} {credentials:#?}");
            assert!(!text.contains("hunter2") && !text.contains(&guard.expected), "{text}");
        }
    }
}
