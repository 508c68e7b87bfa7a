//! The maximum size of requests.

/// The size of requests that a receiver is believed to accept. A refusal halves it. It doubles again later, because the
/// refusal may have come from a proxy that is gone by then.
#[derive(Debug)]
pub(crate) struct SizeLimit {
    most: usize,
    now: usize,
    /// The largest size that was accepted lately.
    accepted: usize,
    /// The number of attempts without a refusal after which the limit doubles.
    patience: u32,
    quiet_attempts: u32,
    has_grown: bool,
    was_refused: bool,
    before_attempt: usize,
}

impl SizeLimit {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            now: most,
            accepted: 0,
            patience: 1,
            quiet_attempts: 0,
            has_grown: false,
            was_refused: false,
            before_attempt: most,
        }
    }

    pub(crate) fn get(&self) -> usize {
        self.now
    }

    pub(crate) fn begin_attempt(&mut self) {
        (self.before_attempt, self.was_refused) = (self.now, false);
    }

    pub(crate) fn accepted(&mut self, size: usize) {
        self.accepted = self.accepted.max(size);
    }

    pub(crate) fn refused(&mut self, size: usize) {
        if size <= self.accepted {
            // Ignore one refusal, which may be a mistake: a request of this size was accepted before.
            self.accepted = size.saturating_sub(1);
            self.was_refused = true;
            return;
        }
        self.now = self.now.min(size / 2).max(1);
        self.was_refused = true;
        self.quiet_attempts = 0;
        if std::mem::take(&mut self.has_grown) {
            self.patience = (self.patience * 2).min(LONGEST_PATIENCE);
        }
    }

    /// Resets the limit to its value before the current attempt, because the size was not the problem.
    pub(crate) fn restore(&mut self) {
        self.now = self.before_attempt;
    }

    /// Records that an attempt delivered everything.
    pub(crate) fn end_attempt(&mut self) {
        if self.was_refused || self.now == self.most {
            return;
        }
        self.quiet_attempts += 1;
        if self.quiet_attempts >= self.patience {
            self.now = self.now.saturating_mul(2).min(self.most);
            self.quiet_attempts = 0;
            self.has_grown = self.now < self.most;
            if self.now == self.most {
                self.patience = 1;
            }
        }
    }
}

/// The maximum patience: a receiver that keeps its limit refuses one request in this many attempts.
const LONGEST_PATIENCE: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Delivers 1000 bytes to a receiver with a limit. Returns the number of requests and the number of refused ones.
    fn deliver(limit: &mut SizeLimit, accepted: usize) -> (usize, usize) {
        let (mut waiting, mut requests, mut refused) = (vec![1000_usize], 0, 0);
        limit.begin_attempt();
        while let Some(size) = waiting.pop() {
            if size > limit.get() {
                waiting.extend([size / 2, size - size / 2]);
                continue;
            }
            requests += 1;
            if size > accepted {
                refused += 1;
                limit.refused(size);
                waiting.extend([size / 2, size - size / 2]);
            } else {
                limit.accepted(size);
            }
        }
        limit.end_attempt();
        (requests, refused)
    }

    #[test]
    fn the_limit_grows_back_when_the_receiver_accepts_more_again() {
        let mut limit = SizeLimit::new(1000);
        assert!(deliver(&mut limit, 10).0 > 100);
        let requests: Vec<usize> = (0..9).map(|_| deliver(&mut limit, 1000).0).collect();
        assert!(requests.is_sorted_by(|one, next| one >= next), "{requests:?}");
        assert_eq!(requests.last(), Some(&1));
        assert_eq!(deliver(&mut limit, 1000), (1, 0));
    }

    #[test]
    fn a_receiver_that_keeps_its_limit_is_asked_for_more_less_and_less_often() {
        let mut limit = SizeLimit::new(1000);
        let refused: Vec<usize> = (0..1000).map(|_| deliver(&mut limit, 300).1).collect();
        assert_eq!(refused[1], 0, "it was learned");
        let late: usize = refused[500..].iter().sum();
        assert!((1..20).contains(&late), "{late}");
    }

    #[test]
    fn one_refusal_of_what_was_accepted_before_teaches_nothing() {
        let mut limit = SizeLimit::new(1000);
        limit.accepted(800);
        limit.refused(700);
        assert_eq!(limit.get(), 1000);
        limit.refused(700);
        assert_eq!(limit.get(), 350);
    }

    #[test]
    fn refusals_that_were_not_about_size_are_forgotten() {
        let mut limit = SizeLimit::new(1000);
        limit.begin_attempt();
        limit.refused(1000);
        limit.refused(500);
        assert_eq!(limit.get(), 250);
        limit.restore();
        assert_eq!(limit.get(), 1000);
    }
}
