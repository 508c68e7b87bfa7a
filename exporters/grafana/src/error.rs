//! What is wrong with the environment. No text holds the value of a secret.

/// A variable that cannot be used, or that is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VariableError {
    /// The value cannot be used.
    #[error("{variable}=`{value}`: {reason}")]
    Value {
        /// The variable.
        variable: &'static str,
        /// Its value, as far as it can be shown.
        value: String,
        /// What is wrong, and what is accepted.
        reason: String,
    },

    /// The value cannot be used, and is a secret.
    #[error("{variable}: {reason}")]
    Secret {
        /// The variable.
        variable: &'static str,
        /// What is wrong, and what is accepted.
        reason: &'static str,
    },

    /// The variable is needed beside one that is set.
    #[error("{variable} is not set, but {present} is; {remedy}")]
    Missing {
        /// The variable to set.
        variable: &'static str,
        /// The one that needs it.
        present: &'static str,
        /// What to set.
        remedy: &'static str,
    },

    /// Two variables are set of which one is enough.
    #[error("{variable} and {other} are both set; keep the one that the receiver asks for")]
    Conflict {
        /// One of the two.
        variable: &'static str,
        /// The other.
        other: &'static str,
    },
}
