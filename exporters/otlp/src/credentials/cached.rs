//! A cache for credentials, which are kept until shortly before they expire.

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use meterkit_core::Unpoisoned;

/// A value that expires.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "implementations that fetch credentials create it")]
pub struct Expiring<T> {
    /// The value.
    pub value: T,
    /// When the value expires; `None` if it stays valid until the receiver rejects it.
    pub expires: Option<SystemTime>,
}

/// Caches credentials until five minutes before they expire. `Debug` does not show the credentials.
pub struct Cached<T> {
    kept: Mutex<Option<Expiring<T>>>,
    margin: Duration,
}

/// How long before their expiry credentials are fetched again. The metadata servers of clouds offer new credentials at
/// least this long before the old ones expire.
const MARGIN: Duration = Duration::from_secs(5 * 60);

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self { kept: Mutex::new(None), margin: MARGIN }
    }
}

impl<T: Clone> Cached<T> {
    /// Returns the cached value, or runs `fetch` if no value is cached or the cached value expires within five minutes.
    /// If `fetch` fails while the cached value is still valid, logs the error and returns the cached value.
    ///
    /// # Errors
    ///
    /// Returns the error of `fetch` if no valid value is cached.
    pub async fn get_or_fetch<E: fmt::Display>(
        &self,
        fetch: impl Future<Output = Result<Expiring<T>, E>>,
    ) -> Result<T, E> {
        let kept = self.kept.lock().unpoisoned().clone();
        if let Some(value) = kept.as_ref().and_then(|it| it.valid_for(self.margin)) {
            return Ok(value);
        }
        match (fetch.await, kept.and_then(|it| it.valid_for(Duration::ZERO))) {
            (Ok(fetched), _) => {
                *self.kept.lock().unpoisoned() = Some(fetched.clone());
                Ok(fetched.value)
            }
            (Err(error), Some(value)) => {
                tracing::warn!("the credentials expire soon and could not be refreshed: {error}");
                Ok(value)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Removes the cached value, so that the next request fetches a new one. Returns whether a value was cached.
    pub fn forget(&self) -> bool {
        self.kept.lock().unpoisoned().take().is_some()
    }
}

impl<T: Clone> Expiring<T> {
    /// Returns the value if it stays valid for more than `margin`.
    fn valid_for(&self, margin: Duration) -> Option<T> {
        let until = SystemTime::now() + margin;
        self.expires.is_none_or(|expires| expires > until).then(|| self.value.clone())
    }
}

impl<T> fmt::Debug for Cached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("margin", &self.margin).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Expiring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expiring").field("expires", &self.expires).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expiring(value: &'static str, seconds: u64) -> Expiring<&'static str> {
        let expires = SystemTime::now() + Duration::from_secs(seconds);
        Expiring { value, expires: Some(expires) }
    }

    async fn get(
        cached: &Cached<&'static str>,
        fetched: Result<Expiring<&'static str>, &'static str>,
    ) -> Result<&'static str, &'static str> {
        cached.get_or_fetch(async { fetched }).await
    }

    #[tokio::test]
    async fn a_value_is_kept_until_it_expires_soon() {
        let cached = Cached::default();
        assert_eq!(get(&cached, Ok(expiring("a", 3600))).await, Ok("a"));
        assert_eq!(get(&cached, Ok(expiring("b", 3600))).await, Ok("a"), "it is kept");
        let cached = Cached::default();
        assert_eq!(get(&cached, Ok(expiring("a", 299))).await, Ok("a"));
        assert_eq!(get(&cached, Ok(expiring("b", 3600))).await, Ok("b"), "before it expires");
        let forever = Cached::default();
        assert_eq!(get(&forever, Ok(Expiring { value: "a", expires: None })).await, Ok("a"));
        assert_eq!(get(&forever, Err("down")).await, Ok("a"));
    }

    #[tokio::test]
    async fn a_value_that_expires_soon_is_used_while_there_is_no_other() {
        let cached = Cached::default();
        assert_eq!(get(&cached, Ok(expiring("a", 200))).await, Ok("a"));
        assert_eq!(get(&cached, Err("down")).await, Ok("a"));
        assert_eq!(get(&cached, Ok(expiring("b", 0))).await, Ok("b"));
        assert_eq!(get(&cached, Err("down")).await, Err("down"), "it has expired");
    }

    #[tokio::test]
    async fn a_value_that_was_rejected_is_not_used_again() {
        let cached = Cached::default();
        assert!(!cached.forget());
        assert_eq!(get(&cached, Ok(expiring("a", 3600))).await, Ok("a"));
        assert!(cached.forget());
        assert_eq!(get(&cached, Err("down")).await, Err("down"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let cached = Cached::default();
        *cached.kept.lock().unpoisoned() = Some(expiring("hunter2", 3600));
        let text = format!("{cached:?} {:?}", cached.kept.lock().unpoisoned());
        assert!(!text.contains("hunter2"), "{text}");
    }
}
