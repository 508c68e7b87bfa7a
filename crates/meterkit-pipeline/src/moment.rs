//! Moments in the future, however far.

use std::time::{Duration, Instant};

/// As far as anything is ever planned: the clock cannot tell every later moment.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The moment when `wait` from now has passed; `Duration::MAX` is as good as never.
pub(crate) fn after(wait: Duration) -> Instant {
    Instant::now() + wait.min(FAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_is_too_long() {
        assert!(after(Duration::MAX) > after(Duration::from_secs(3600)));
    }
}
