//! What was logged already.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The messages that a target has logged, so that none is logged again with every export.
///
/// ```
/// use meterkit_http::News;
///
/// let news = News::default();
/// assert!(news.is_new("bad metric"));
/// assert!(!news.is_new("bad metric"));
/// ```
#[derive(Debug, Default)]
pub struct News {
    told: Mutex<HashSet<String>>,
}

impl News {
    /// Whether `message` is new. There is an end to it, after 64: a receiver may put a time into each.
    pub fn is_new(&self, message: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.len() < MESSAGES && told.insert(message.to_owned())
    }
}

/// How many messages are logged in the life of a target.
const MESSAGES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_new_once_and_at_some_point_none_is() {
        let news = News::default();
        assert!(news.is_new("bad metric"));
        assert!(!news.is_new("bad metric"));
        let more = (0..1000).filter(|at| news.is_new(&format!("bad metric {at}"))).count();
        assert_eq!(more, MESSAGES - 1);
    }
}
