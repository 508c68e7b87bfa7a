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

/// What a scraper has to show, and the file that its secret comes from, if that may change. `Debug` hides what is secret.
#[derive(Clone)]
pub(crate) enum Credentials {
    Basic { username: String, password: String, file: Option<FromFile<String>> },
    Bearer { token: String, file: Option<FromFile<String>> },
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

/// Lets those pass who show the right credentials, by RFC 7617 and RFC 6750.
#[derive(Clone)]
pub(crate) struct Guard {
    scheme: &'static str,
    challenge: &'static str,
    /// What follows the scheme.
    expected: Arc<Mutex<String>>,
    /// Where that comes from, if it may change.
    source: Option<Arc<AsyncMutex<Source>>>,
}

/// The file with a secret, and what is known of it.
struct Source {
    file: FromFile<String>,
    /// The version that was read last, unless there was a problem.
    seen: Option<FileVersion>,
    looked: Instant,
    /// What is wrong with the file, as logged.
    problem: Option<String>,
}

/// How often the file is looked at while scrapers show what is expected.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How often it is looked at while someone shows something else, which may be anybody.
const LOOK_EVERY_REFUSAL: Duration = Duration::from_secs(1);

/// How long a look may hold up a scrape: a file system may hang.
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

    /// Returns whether these are the headers of someone who may scrape. Reads a secret that comes from a file again if
    /// the file has changed.
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
                looked.unwrap_or_else(|error| tracing::debug!(%error, "a file could not be read"));
            }
        };
        if timeout(PATIENCE, look).await.is_err() {
            tracing::debug!("a file takes long to be read; the secret in use stays so");
        }
        self.is_shown(headers)
    }

    fn is_shown(&self, headers: &HeaderMap) -> bool {
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
            && is_same(rest.trim_ascii(), self.expected.lock().unpoisoned().as_bytes())
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

impl Source {
    /// Reads the file if it has changed, and replaces what is `expected`. Blocks.
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
        let (username, password) = (username.to_owned(), password.to_owned());
        Credentials::Basic { username, password, file: None }
    }

    fn bearer(token: &str) -> Credentials {
        Credentials::Bearer { token: token.to_owned(), file: None }
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
            (basic("a:b", "hunter2"), "user name of the scrape endpoint contains `:`"),
            (basic("a\n", "hunter2"), "user name of the scrape endpoint holds"),
            (basic("me", ""), "password of the scrape endpoint is empty"),
            (basic("me", "hunter2\n"), "password of the scrape endpoint contains a control"),
            (bearer(""), "bearer token of the scrape endpoint is empty"),
            (bearer("Bearer hunter2"), "bearer token of the scrape endpoint contains white space"),
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
            let expected = guard.expected.lock().unwrap();
            let text = format!("{credentials:?} {guard:?} {credentials:#?}");
            assert!(!text.contains("hunter2") && !text.contains(&*expected), "{text}");
        }
    }
}
