//! Log lines about the outage of one target: when it begins, when its cause changes, when it lasts, and when it ends.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use humantime::{FormattedDuration, format_duration, format_rfc3339_seconds};
use meterkit_core::{Temporality, Unpoisoned};
use meterkit_rules::Cause;
use tokio::time::Instant;

use super::Component;
use crate::export_error::ExportError;
use crate::health::TargetHealth;
use crate::target::TargetQueue;

/// The interval of the reminders that a target still fails.
const REMINDER: Duration = Duration::from_secs(600);

/// The outage of one target since its last success.
#[derive(Debug)]
pub(super) struct Outage {
    began: Instant,
    /// When the outage or a reminder was last logged. `None` if nothing has been logged yet.
    logged: Option<Instant>,
    /// The causes that have been logged since then, so that two alternating causes are not logged each time.
    causes: Vec<Cause>,
    /// The number of values that had been lost before the outage.
    lost_before: u64,
}

/// The news about a failure, which is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Begins,
    HasAnotherCause,
    Lasts(Duration),
}

impl Outage {
    fn new(lost_before: u64) -> Self {
        Self { began: Instant::now(), logged: None, causes: Vec::new(), lost_before }
    }

    /// Returns what to log about a failure, or `None` if it adds nothing to what was logged.
    ///
    /// A single failed attempt is not logged while a retry may still succeed: the outage is logged at the second failed
    /// attempt, or when the export `is_over`.
    fn news(&mut self, cause: Cause, attempts: u64, is_over: bool) -> Option<News> {
        let news = match self.logged {
            None if is_over || attempts > 1 => News::Begins,
            None => return None,
            Some(logged) if logged.elapsed() >= REMINDER => News::Lasts(self.began.elapsed()),
            Some(_) if !self.causes.contains(&cause) => News::HasAnotherCause,
            Some(_) => return None,
        };
        if news != News::HasAnotherCause {
            (self.logged, self.causes) = (Some(Instant::now()), Vec::new());
        }
        self.causes.push(cause);
        Some(news)
    }

    /// Records that another log line has already reported the outage.
    pub(super) fn logged(&mut self, cause: Option<Cause>) {
        self.logged = Some(Instant::now());
        self.causes.extend(cause);
    }
}

impl Component {
    /// Logs a failed attempt, or an export that `is_over` without success, unless the log already says so. The next
    /// attempt is due within `next_attempt`.
    pub(crate) fn log_failure(
        &self,
        error: &ExportError,
        is_over: bool,
        temporality: Temporality,
        next_attempt: Duration,
    ) {
        let kept = kept(self.health().queue, temporality);
        let outlook = format!("; {kept}; next attempt within {}", rounded(next_attempt));
        self.log_news("export", error, is_over, &outlook);
    }

    /// Logs that scrapes cannot be answered, unless the log already says so.
    pub(crate) fn log_unanswered(&self, error: &ExportError) {
        self.log_news("scrape", error, true, "");
    }

    fn log_news(&self, what: &str, error: &ExportError, is_over: bool, outlook: &str) {
        let TargetHealth { component: exporter, endpoint, consecutive_failures: attempts, .. } =
            self.health().clone();
        let cause = error.cause();
        match self.outage(|it| it.news(cause, attempts, is_over)) {
            Some(News::Begins) => tracing::warn!(
                exporter,
                endpoint,
                error.type = %cause,
                "{what} failed: {error}{outlook}"
            ),
            Some(News::HasAnotherCause) => tracing::warn!(
                exporter,
                endpoint,
                error.type = %cause,
                "{what} now fails for another reason: {error}{outlook}"
            ),
            Some(News::Lasts(lasts)) => tracing::warn!(
                exporter,
                endpoint,
                error.type = %cause,
                failed_attempts = attempts,
                "{what} has failed for {} in {attempts} attempts: {error}{outlook}",
                rounded(lasts)
            ),
            // The failed attempt that ended this export has already been logged.
            None if is_over => {}
            None => {
                tracing::debug!(exporter, endpoint, error.type = %cause, "{what} failed: {error}");
            }
        }
    }

    /// Logs a permanent problem that the check at startup found, before the first export.
    pub(crate) fn log_check(&self, error: &ExportError) {
        let TargetHealth { component: exporter, endpoint, .. } = self.health().clone();
        let cause = error.cause();
        self.outage(|it| it.logged(Some(cause)));
        tracing::error!(exporter, endpoint, error.type = %cause, "{error}; exports are attempted anyway");
    }

    /// Logs that the target works for the first time, or again after a logged outage with `failed_attempts`.
    pub(super) fn log_success(&self, failed_attempts: u64, has_points: bool) {
        let ended = self.outage.lock().unpoisoned().take().filter(|it| it.logged.is_some());
        // Some targets send nothing for an export without points, so its success proves nothing.
        if ended.is_none() && (!has_points || self.is_live.load(Relaxed)) {
            return;
        }
        self.is_live.store(true, Relaxed);
        let health = self.health().clone();
        let TargetHealth { component: exporter, endpoint, .. } = &health;
        let Some(Outage { began, lost_before, .. }) = ended else {
            return tracing::info!(exporter, endpoint, "metrics target is live");
        };
        let lost = lost(&health).saturating_sub(lost_before);
        let fate = match lost {
            0 => "no values were lost".to_owned(),
            lost => counted(lost, "value was lost", "values were lost"),
        };
        tracing::info!(
            exporter,
            endpoint,
            failed_attempts,
            lost_values = lost,
            "{} works again after {}: {}; {fate}",
            if self.pace.is_some() { "export" } else { "scrape" },
            rounded(began.elapsed()),
            counted(failed_attempts, "attempt failed", "attempts failed")
        );
    }

    /// Logs that the target panicked, which has ended its task.
    pub(crate) fn log_panic(&self, panic: &str) {
        let TargetHealth { component: exporter, endpoint, .. } = self.health().clone();
        tracing::error!(exporter, endpoint, error.type = %Cause::Panic, "the target {panic} and is no longer served");
    }

    /// Logs that the pipeline ended before the target received all values.
    pub(crate) fn log_undelivered(&self, reason: &str) {
        let TargetHealth { component: exporter, endpoint, queue, last_success, .. } =
            self.health().clone();
        let fate = match (queue, last_success) {
            (Some(queue), _) if queue.requests > 0 && queue.is_durable => format!(
                "{} in the spool and will be sent first by the next process that uses it",
                waiting(queue, "is", "are")
            ),
            (Some(queue), _) if queue.requests > 0 => waiting(queue, "is lost", "are lost"),
            (_, Some(time)) => {
                format!("the receiver lacks values since {}", format_rfc3339_seconds(time))
            }
            (_, None) => "the receiver has no values from this process".to_owned(),
        };
        tracing::warn!(
            exporter,
            endpoint,
            "metrics are not delivered at shutdown: {reason}; {fate}"
        );
    }

    /// Calls `with` on the current outage, which begins now if there is none.
    pub(super) fn outage<T>(&self, with: impl FnOnce(&mut Outage) -> T) -> T {
        let lost_before = lost(&self.health());
        let mut outage = self.outage.lock().unpoisoned();
        with(outage.get_or_insert_with(|| Outage::new(lost_before)))
    }
}

/// Returns how many values the target has dropped or its receiver has rejected since the start.
fn lost(health: &TargetHealth) -> u64 {
    health.rejected_points + health.queue.map_or(0, |queue| queue.dropped_values)
}

/// Returns a text that says where the undelivered values are kept.
fn kept(queue: Option<TargetQueue>, temporality: Temporality) -> String {
    match (queue, temporality) {
        (Some(queue), _) if queue.requests > 0 => {
            waiting(queue, "waits in the queue", "wait in the queue")
        }
        (_, Temporality::Cumulative) => {
            "totals are kept, and the next export carries them".to_owned()
        }
        (_, Temporality::Delta) => "deltas are kept, and the next export carries them".to_owned(),
    }
}

/// Returns the number and size of the queued requests, followed by `of_one` or `of_all` depending on the number.
fn waiting(TargetQueue { requests, bytes, .. }: TargetQueue, of_one: &str, of_all: &str) -> String {
    let bytes = if bytes == 0 { String::new() } else { format!(" of {bytes} bytes") };
    let (one, all) = (format!("request{bytes} {of_one}"), format!("requests{bytes} {of_all}"));
    counted(requests, &one, &all)
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Formats a duration for people, rounded up to whole seconds.
fn rounded(time: Duration) -> FormattedDuration {
    format_duration(Duration::from_secs(time.as_secs_f64().ceil() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn one_failed_attempt_is_no_news_until_its_export_is_over() {
        let mut outage = Outage::new(0);
        assert_eq!(outage.news(Cause::Connect, 1, false), None);
        assert_eq!(outage.news(Cause::Connect, 1, true), Some(News::Begins));
        assert_eq!(outage.news(Cause::Connect, 1, true), None);
        let mut outage = Outage::new(0);
        assert_eq!(outage.news(Cause::Connect, 2, false), Some(News::Begins));
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_logged_when_its_cause_changes_and_every_ten_minutes() {
        let mut outage = Outage::new(0);
        let mut logged = Vec::new();
        // One attempt every 30 s for 25 minutes. After 5 minutes the receiver is back, but refuses the token.
        for attempt in 1..=50 {
            let cause = if attempt <= 10 { Cause::Connect } else { Cause::Http(401) };
            logged.extend(outage.news(cause, attempt, false).map(|news| (attempt, news)));
            after(30).await;
        }
        let lasts = |minutes: u64| News::Lasts(Duration::from_secs(60 * minutes));
        let expected =
            [(2, News::Begins), (11, News::HasAnotherCause), (22, lasts(10)), (42, lasts(20))];
        let half = Duration::from_secs(30);
        let expected = expected.map(|(attempt, news)| match news {
            // The duration is counted from the first failure, which was not logged.
            News::Lasts(lasts) => (attempt, News::Lasts(lasts + half)),
            other => (attempt, other),
        });
        assert_eq!(logged, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn causes_that_alternate_are_named_once_per_ten_minutes() {
        let mut outage = Outage::new(0);
        let mut logged = Vec::new();
        for attempt in 1..=40 {
            let cause = if attempt % 2 == 0 { Cause::Http(503) } else { Cause::Timeout };
            logged.extend(outage.news(cause, attempt, true));
            after(30).await;
        }
        let lasts = News::Lasts(Duration::from_secs(600));
        let expected = [News::Begins, News::HasAnotherCause, lasts, News::HasAnotherCause];
        assert_eq!(logged, expected);
    }

    #[test]
    fn what_is_kept_depends_on_the_target() {
        let queue =
            |requests, bytes| Some(TargetQueue { requests, bytes, ..TargetQueue::default() });
        let totals = "totals are kept, and the next export carries them";
        let deltas = "deltas are kept, and the next export carries them";
        for (queue, temporality, text) in [
            (None, Temporality::Cumulative, totals),
            (None, Temporality::Delta, deltas),
            (queue(0, 0), Temporality::Cumulative, totals),
            (queue(1, 0), Temporality::Delta, "1 request waits in the queue"),
            (queue(12, 340), Temporality::Cumulative, "12 requests of 340 bytes wait in the queue"),
        ] {
            assert_eq!(kept(queue, temporality), text);
        }
    }

    #[test]
    fn times_are_whole_seconds_that_have_not_passed_yet() {
        for (milliseconds, text) in [(0, "0s"), (20, "1s"), (12_000, "12s"), (61_001, "1m 2s")] {
            assert_eq!(rounded(Duration::from_millis(milliseconds)).to_string(), text);
        }
    }
}
