//! What is wrong with the environment.

/// A variable that cannot be used. Where its value may hold a secret (user and password, or a query),
/// that part is left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}=`{value}`: {reason}")]
#[non_exhaustive]
pub struct VariableError {
    /// The variable.
    pub variable: &'static str,
    /// Its value, as far as it can be shown.
    pub value: String,
    /// What is wrong, and what is accepted.
    pub reason: String,
}
