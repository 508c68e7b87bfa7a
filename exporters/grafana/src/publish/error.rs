//! Errors from publishing a dashboard.

/// The reason why a dashboard was not published. The dashboard in Grafana is unchanged, unless the response to saving
/// it was lost. No error text contains the token.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The given text is not a dashboard that can be published.
    #[error("the dashboard cannot be published: the given text {reason}")]
    NotADashboard {
        /// The problem with the text, and the remedy.
        reason: String,
    },
    /// The dashboard in Grafana was created or changed by someone else. It stays unchanged.
    #[error(
        "dashboard `{title}` at `{url}` was last saved by {by}, not by meterkit, and stays as it is; delete it there \
         to have it published again, or publish under another uid"
    )]
    ChangedByAPerson {
        /// The title of the given dashboard.
        title: String,
        /// The address of the dashboard in Grafana.
        url: String,
        /// The user who saved it last: a name in backquotes, or `someone else` if Grafana does not name the user.
        by: String,
    },
    /// Grafana, or another server at its address, refused a request.
    #[error("Grafana at `{url}` refuses to {attempt}: {reason}")]
    Refused {
        /// The address of Grafana.
        url: String,
        /// The requested action, as in `save the dashboard`.
        attempt: &'static str,
        /// The response, and the remedy if one is known.
        reason: String,
    },
    /// There was no response, or a response that asks to retry later, in all attempts.
    #[error(
        "Grafana at `{url}` did not {attempt} in {attempts} attempts: {reason}; check that Grafana is running, and \
         that GRAFANA_URL is its address"
    )]
    NoAnswer {
        /// The address of Grafana.
        url: String,
        /// The requested action, as in `save the dashboard`.
        attempt: &'static str,
        /// The number of attempts.
        attempts: u32,
        /// The failure of the last attempt.
        reason: String,
    },
}

meterkit_rules::debug_as_text!(PublishError);
