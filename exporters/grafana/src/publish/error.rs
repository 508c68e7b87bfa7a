//! Why a dashboard was not published.

/// Why a dashboard was not published. Whatever it is, the one in Grafana is as it was before, unless an answer to
/// saving it got lost. No text holds the token.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// What was given is no dashboard that can be published.
    #[error("the text given is no dashboard that can be published: it {reason}")]
    NotADashboard {
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// The dashboard in Grafana is not as it was left: it was changed, or made, by someone else. It stays as it is.
    #[error(
        "dashboard `{title}` at `{url}` was last saved by {by}, not by meterkit, and stays as it is; delete it there \
         to have it published again, or publish under another uid"
    )]
    ChangedByAPerson {
        /// The title that it was to have.
        title: String,
        /// Where it is.
        url: String,
        /// Who saved it last, as far as Grafana tells.
        by: String,
    },
    /// Grafana, or what is at its address, will not have it.
    #[error("Grafana at `{url}` refuses to {attempt}: {reason}")]
    Refused {
        /// The address of Grafana.
        url: String,
        /// What it was asked to do.
        attempt: &'static str,
        /// What it said, and what to do.
        reason: String,
    },
    /// There was no answer, or one that says to try later, and trying again did not help.
    #[error(
        "Grafana at `{url}` does not {attempt}, in {attempts} attempts: {reason}; see that it runs, and that \
         GRAFANA_URL is its address"
    )]
    NoAnswer {
        /// The address of Grafana.
        url: String,
        /// What it was asked to do.
        attempt: &'static str,
        /// How often it was asked.
        attempts: u32,
        /// What came of the last attempt.
        reason: String,
    },
}

meterkit_rules::debug_as_text!(PublishError);
