//! Moments in the future, computed without overflow.

use std::time::{Duration, Instant};

/// The longest wait that is ever planned: `Instant` cannot represent every later moment.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Returns the moment `wait` from now. `Duration::MAX` means practically never.
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
