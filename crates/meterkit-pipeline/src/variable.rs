//! What is wrong with a variable of the environment. No text holds the value of a secret.

use std::borrow::Cow;

/// A variable that cannot be used, or that is missing.
///
/// For whoever reads variables: `meterkit` itself, and the crates of its targets.
///
/// ```
/// use meterkit_pipeline::VariableError;
///
/// let error = VariableError::new("METERKIT_SERIES_LIMIT", "many", "write a whole number, 1 or more");
/// assert_eq!(error.to_string(), "METERKIT_SERIES_LIMIT=`many`: write a whole number, 1 or more");
///
/// let error = VariableError::secret("DD_API_KEY", "holds white space; copy it again");
/// assert_eq!(error.to_string(), "DD_API_KEY: holds white space; copy it again");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}{}: {reason}", shown(.value))]
#[non_exhaustive]
pub struct VariableError {
    /// The variable.
    pub variable: Cow<'static, str>,
    /// Its value, as far as it can be shown; `None` when it is a secret, or unset.
    pub value: Option<String>,
    /// What is wrong, and what is accepted.
    pub reason: String,
}

impl VariableError {
    /// The value cannot be used. Where a part of it may be secret, as user and password in a URL are, `value` goes
    /// without that part. The text of a PEM file, where perhaps its path belongs, is not kept: it may be a key.
    pub fn new(
        variable: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        let (value, reason) = (value.into(), reason.into());
        if value.contains("-----BEGIN") {
            let reason = format!("is the text of a PEM file, which is not shown; {reason}");
            return Self::secret(variable, reason);
        }
        Self { variable: variable.into(), value: Some(value), reason }
    }

    /// The value cannot be used, and is a secret: `reason` does not quote it either.
    pub fn secret(variable: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> Self {
        Self { variable: variable.into(), value: None, reason: reason.into() }
    }

    /// The variable is needed beside `present`, which is set. `remedy` says what to write.
    pub fn missing(variable: impl Into<Cow<'static, str>>, present: &str, remedy: &str) -> Self {
        let reason = format!("is not set, but {present} is; {remedy}");
        Self { variable: variable.into(), value: None, reason }
    }

    /// The variable is set beside `other`, and one of them is enough. `remedy` says which.
    pub fn conflict(variable: impl Into<Cow<'static, str>>, other: &str, remedy: &str) -> Self {
        let reason = format!("is set, and {other} too; {remedy}");
        Self { variable: variable.into(), value: None, reason }
    }
}

/// The value as it stands in the environment's own notation.
fn shown(value: &Option<String>) -> String {
    value.as_ref().map(|value| format!("=`{value}`")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::VariableError;

    #[test]
    fn each_kind_of_problem_names_its_variable_first() {
        for (error, text) in [
            (VariableError::new("A", " x ", "write `y`"), "A=` x `: write `y`"),
            (VariableError::new("A".to_owned(), "", "write `y`"), "A=``: write `y`"),
            (
                VariableError::new("A", "-----BEGIN PRIVATE KEY-----\nhunter2", "name a file"),
                "A: is the text of a PEM file, which is not shown; name a file",
            ),
            (VariableError::secret("A", "copy it again"), "A: copy it again"),
            (VariableError::missing("A", "B", "write it"), "A: is not set, but B is; write it"),
            (VariableError::conflict("A", "B", "keep one"), "A: is set, and B too; keep one"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
