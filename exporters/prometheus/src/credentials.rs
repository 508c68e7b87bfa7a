//! The credentials that a scraper must send in the header `Authorization`.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use meterkit_core::Unpoisoned;
use meterkit_settings::{FileVersion, FromFile, password_problem, token_problem, username_problem};
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use crate::body::ScrapeBody;
use crate::scrape::plain;

/// The credentials that a scraper has to send, and the file that the secret comes from, if any. `Debug` hides secrets.
#[derive(Clone)]
pub(crate) enum Credentials {
    Basic { username: String, password: String, file: Option<FromFile<String>> },
    Bearer { token: String, file: Option<FromFile<String>> },
}

/// Why no request could carry these credentials. The text never quotes a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {what} of the scrape endpoint {reason}")]
pub(crate) struct CredentialsError {
    what: &'static str,
    reason: &'static str,
}

impl Credentials {
    /// Returns the guard that checks requests for these credentials.
    ///
    /// # Errors
    ///
    /// Returns an error if no request could carry the credentials.
    pub(crate) fn guard(&self) -> Result<Guard, CredentialsError> {
        let refuse = |what, reason| Err(CredentialsError { what, reason });
        match self {
            Self::Basic { username, password, file } => {
                if let Some(reason) = username_problem(username) {
                    return refuse("user name", reason);
                }
                if let Some(reason) = password_problem(password) {
                    return refuse("password", reason);
                }
                let name = username.clone();
                let encode = move |password| STANDARD.encode(format!("{name}:{password}"));
                let expected = encode(password.clone());
                let file = file.as_ref().map(|file| file.map(move |password| Ok(encode(password))));
                Ok(Guard::new("Basic", "Basic realm=\"metrics\"", expected, file))
            }
            Self::Bearer { token, file } => match token_problem(token) {
                Some(reason) => refuse("bearer token", reason),
                None => Ok(Guard::new("Bearer", "Bearer", token.clone(), file.clone())),
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

/// Checks the credentials of requests, as RFC 7617 and RFC 6750 define them.
#[derive(Clone)]
pub(crate) struct Guard {
    scheme: &'static str,
    challenge: &'static str,
    /// The expected value after the scheme.
    expected: Arc<Mutex<String>>,
    /// The file that the expected value comes from, if any.
    source: Option<Arc<AsyncMutex<Source>>>,
}

/// The file that contains a secret, and the state of the last read.
struct Source {
    file: FromFile<String>,
    /// The version of the file that was read last; `None` after a problem.
    seen: Option<FileVersion>,
    looked: Instant,
    /// The problem that was logged last, while it persists.
    problem: Option<String>,
}

/// Minimum time between two checks of the file while scrapers send the expected credentials.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Minimum time between two checks of the file after wrong credentials, which anyone can send.
const LOOK_EVERY_REFUSAL: Duration = Duration::from_secs(1);

/// How long a check of the file may delay a scrape, because a file system may hang.
const PATIENCE: Duration = Duration::from_secs(1);

impl Guard {
    fn new(
        scheme: &'static str,
        challenge: &'static str,
        expected: String,
        file: Option<FromFile<String>>,
    ) -> Self {
        let source = file.map(|file| {
            let (seen, looked) = (file.version(), Instant::now());
            Arc::new(AsyncMutex::new(Source { file, seen, looked, problem: None }))
        });
        Self { scheme, challenge, expected: Arc::new(Mutex::new(expected)), source }
    }

    /// Returns whether the headers carry the expected credentials. Rereads the secret if it comes from a file that has
    /// changed.
    pub(crate) async fn lets_pass(&self, headers: &HeaderMap) -> bool {
        let is_right = self.is_shown(headers);
        let Some(source) = &self.source else { return is_right };
        let pause = if is_right { LOOK_EVERY } else { LOOK_EVERY_REFUSAL };
        let look = async {
            let mut source = source.clone().lock_owned().await;
            if source.looked.elapsed() >= pause {
                source.looked = Instant::now();
                let expected = self.expected.clone();
                let looked = spawn_blocking(move || source.look(&expected)).await;
                looked.unwrap_or_else(
                    |error| tracing::debug!(%error, "the file with the secret could not be checked"),
                );
            }
        };
        if timeout(PATIENCE, look).await.is_err() {
            tracing::debug!(
                "the file with the secret could not be read within 1 s; the previous secret stays in use"
            );
        }
        self.is_shown(headers)
    }

    fn is_shown(&self, headers: &HeaderMap) -> bool {
        let mut shown = headers.get_all(AUTHORIZATION).iter();
        // Refuse requests with two headers: a proxy in between may have checked the other one.
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
            && is_same(rest.trim_ascii(), self.expected.lock().unpoisoned().as_bytes())
    }

    /// Returns the response to a request without the expected credentials.
    pub(crate) fn refusal(&self) -> Response<ScrapeBody> {
        let mut response =
            plain(StatusCode::UNAUTHORIZED, "credentials are required to read the metrics\n");
        let challenge = HeaderValue::from_static(self.challenge);
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        response
    }
}

impl Source {
    /// Reads the file if it has changed, and replaces `expected` with its content. Blocks.
    fn look(&mut self, expected: &Mutex<String>) {
        let version = self.file.version();
        if version.is_some() && version == self.seen {
            return;
        }
        match self.file.read() {
            Ok(text) => {
                let before = std::mem::replace(&mut *expected.lock().unpoisoned(), text.clone());
                if before != text {
                    let setting = self.file.setting();
                    tracing::info!(setting, "read a setting again, as its file has changed");
                }
                (self.seen, self.problem) = (version, None);
            }
            Err(problem) => {
                let problem = problem.to_string();
                if self.problem.as_ref() != Some(&problem) {
                    tracing::warn!(
                        "a changed setting cannot be used, and the previous one stays in use: {problem}"
                    );
                }
                (self.seen, self.problem) = (None, Some(problem));
            }
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// Compares secrets in a time that depends only on the length of `shown`, so that the time does not reveal how much of
/// it is right.
fn is_same(shown: &[u8], expected: &[u8]) -> bool {
    let is_as_long = shown.len().ct_eq(&expected.len());
    let pairs = shown.iter().zip(expected.iter().cycle());
    pairs.fold(is_as_long, |same: Choice, (a, b)| same & a.ct_eq(b)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(username: &str, password: &str) -> Credentials {
        let (username, password) = (username.to_owned(), password.to_owned());
        Credentials::Basic { username, password, file: None }
    }

    fn bearer(token: &str) -> Credentials {
        Credentials::Bearer { token: token.to_owned(), file: None }
    }

    #[test]
    fn secrets_are_equal_only_if_every_byte_is() {
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
    fn errors_about_unusable_credentials_do_not_quote_the_secret() {
        for (credentials, said) in [
            (basic("", "hunter2"), "user name of the scrape endpoint is empty"),
            (basic("a:b", "hunter2"), "user name of the scrape endpoint contains `:`"),
            (basic("a\n", "hunter2"), "user name of the scrape endpoint contains"),
            (basic("me", ""), "password of the scrape endpoint is empty"),
            (basic("me", "hunter2\n"), "password of the scrape endpoint contains a control"),
            (bearer(""), "bearer token of the scrape endpoint is empty"),
            (bearer("Bearer hunter2"), "bearer token of the scrape endpoint contains white space"),
            (bearer("hunter2é"), "bearer token of the scrape endpoint contains a character"),
        ] {
            let text = credentials.guard().unwrap_err().to_string();
            assert!(text.contains(said) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn debug_does_not_show_secrets() {
        for credentials in [basic("me", "hunter2"), bearer("hunter2")] {
            let guard = credentials.guard().unwrap();
            let expected = guard.expected.lock().unwrap();
            let text = format!("{credentials:?} {guard:?} {credentials:#?}");
            assert!(!text.contains("hunter2") && !text.contains(&*expected), "{text}");
        }
    }
}
