//! What users can do about a request that was refused.

use meterkit_rules::Cause;

use crate::send_error::SendError;
use crate::transport::TransportHints;

impl SendError {
    /// Adds what users can do to the text of the error: the setting to check, or what refused samples have in common.
    ///
    /// A target calls this for each error that it reports.
    ///
    /// ```
    /// use meterkit_http::{Headers, Reply, SendError, TransportHints};
    ///
    /// let mut reply = Reply::default();
    /// *reply.status_mut() = http::StatusCode::UNAUTHORIZED;
    /// let hints = TransportHints { credentials: &["MY_TOKEN"], ..Default::default() };
    /// let error = SendError::of(&reply, "", &Headers::default()).with_advice(hints);
    /// assert_eq!(error.reason, "HTTP status 401 Unauthorized; check the credentials in `MY_TOKEN`");
    /// ```
    #[must_use]
    pub fn with_advice(mut self, hints: TransportHints) -> Self {
        let TransportHints { credentials, endpoint, .. } = hints;
        let setting = match self.cause {
            Cause::Http(401) | Cause::Grpc(UNAUTHENTICATED) => {
                named(credentials, "check the credentials in ", "")
            }
            Cause::Http(403) | Cause::Grpc(PERMISSION_DENIED) => {
                named(credentials, "check that the credentials in ", " may write metrics")
            }
            Cause::Http(404 | 405) | Cause::Grpc(UNIMPLEMENTED) => {
                named(&[endpoint], "check the URL in ", "")
            }
            _ => None,
        };
        let advice = setting.or_else(|| explanation(&self.reason).map(str::to_owned));
        if let Some(advice) = advice {
            self.reason = format!("{}; {advice}", self.reason);
        }
        self
    }
}

/// Returns advice that names settings, if there are any.
fn named(settings: &[&str], before: &str, after: &str) -> Option<String> {
    let settings = settings.iter().filter(|setting| !setting.is_empty());
    let settings: Vec<_> = settings.map(|setting| format!("`{setting}`")).collect();
    (!settings.is_empty()).then(|| format!("{before}{}{after}", settings.join(" or ")))
}

/// Returns what it means that a receiver refuses samples with this text.
///
/// Prometheus, Mimir and VictoriaMetrics have no status of their own for it.
fn explanation(said: &str) -> Option<&'static str> {
    let said = said.to_ascii_lowercase();
    let of = |(texts, _): &&(&[&str], &str)| texts.iter().any(|text| said.contains(text));
    EXPLANATIONS.iter().find(of).map(|(_, explanation)| *explanation)
}

/// What receivers say, and what it means. The first that fits counts: Prometheus calls a time in the future "out of
/// bounds", too.
const EXPLANATIONS: [(&[&str], &str); 4] = [
    (
        &["too far in the future", "too-far-in-future"],
        "the clock of this machine is ahead of the receiver's: synchronize both",
    ),
    (
        &["duplicate sample", "duplicate-timestamp"],
        "another process writes the same series: give each process its own `service.instance.id`",
    ),
    (
        &["out of order", "out-of-order"],
        "another process writes the same series, or the clock of this machine was set back: give each process its own \
         `service.instance.id`, and let the receiver accept samples that are late (`out_of_order_time_window`)",
    ),
    (
        &["out of bounds", "too old", "too-old"],
        "the samples are older than the receiver accepts: the clock of this machine is behind, or they waited for too \
         long; let the receiver accept samples that are late (`out_of_order_time_window`)",
    ),
];

const PERMISSION_DENIED: u8 = 7;
const UNIMPLEMENTED: u8 = 12;
const UNAUTHENTICATED: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(cause: Cause, said: &str) -> String {
        let hints = TransportHints {
            credentials: &["MY_TOKEN"],
            endpoint: "MY_URL",
            ..TransportHints::default()
        };
        let reason = SendError::no_answer(cause, said, false).with_advice(hints).reason;
        reason.strip_prefix(said).expect("what the receiver said").to_owned()
    }

    #[test]
    fn a_refusal_of_the_sender_names_the_setting_to_check() {
        for (causes, expected) in [
            ([Cause::Http(401), Cause::Grpc(16)], "; check the credentials in `MY_TOKEN`"),
            (
                [Cause::Http(403), Cause::Grpc(7)],
                "; check that the credentials in `MY_TOKEN` may write metrics",
            ),
            ([Cause::Http(404), Cause::Grpc(12)], "; check the URL in `MY_URL`"),
            ([Cause::Http(503), Cause::Connect], ""),
        ] {
            for cause in causes {
                assert_eq!(advice(cause, "refused"), expected, "{cause}");
            }
        }
        let without = SendError::no_answer(Cause::Http(401), "refused", false);
        assert_eq!(without.with_advice(TransportHints::default()).reason, "refused");
    }

    #[test]
    fn refused_samples_are_explained() {
        for (said, expected) in [
            ("out of bounds: timestamp is too far in the future", "ahead of the receiver's"),
            ("err-mimir-too-far-in-future", "ahead of the receiver's"),
            ("duplicate sample for timestamp", "`service.instance.id`"),
            ("err-mimir-sample-duplicate-timestamp", "another process"),
            ("out of order sample", "was set back"),
            ("the sample has been rejected (err-mimir-sample-out-of-order)", "was set back"),
            ("out of bounds", "older than the receiver accepts"),
            ("too old sample", "older than the receiver accepts"),
            ("(err-mimir-sample-timestamp-too-old)", "older than the receiver accepts"),
        ] {
            let advice = advice(Cause::Http(400), said);
            assert!(advice.contains(expected), "{said}: {advice}");
        }
        assert_eq!(advice(Cause::Http(400), "label name is invalid"), "");
    }
}
