//! Variables that are set, and the problems found in them.

use crate::{Secret, VariableError};

/// Reads variables, and collects what is wrong with them: one start shows all problems.
pub(crate) struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<VariableError>,
}

impl<'a> Variables<'a> {
    pub(crate) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    /// The first of `names` that is set: empty is unset.
    pub(crate) fn first_set(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.raw(name).is_some())
    }

    /// The value, without white space around it.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.raw(name).map(|value| value.trim().to_owned())
    }

    /// A token that goes into a header, without white space around it: none of it can be part of one.
    pub(crate) fn token(&mut self, variable: &'static str) -> Option<Secret> {
        let value = self.text(variable)?;
        self.checked(variable, &value, token_problem(&value))
    }

    /// A password, without the line end that comes with a file: blanks can be part of it.
    pub(crate) fn password(
        &mut self,
        variable: &'static str,
        check: impl FnOnce(&str) -> Option<&'static str>,
    ) -> Option<Secret> {
        let value = self.raw(variable)?;
        let value = value.trim_end_matches(['\r', '\n']);
        self.checked(variable, value, check(value))
    }

    fn checked(
        &mut self,
        variable: &'static str,
        value: &str,
        reason: Option<&'static str>,
    ) -> Option<Secret> {
        if let Some(reason) = reason {
            self.problem(VariableError::secret(variable, reason));
            return None;
        }
        Some(Secret::new(value))
    }

    pub(crate) fn problem(&mut self, problem: VariableError) {
        self.problems.push(problem);
    }

    /// `value`, unless there were problems.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<Option<T>, Vec<VariableError>> {
        if self.problems.is_empty() { Ok(value) } else { Err(self.problems) }
    }

    fn raw(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.trim().is_empty())
    }
}

/// Why `value` cannot stand in a header as a token.
fn token_problem(value: &str) -> Option<&'static str> {
    if value.contains(char::is_whitespace) {
        Some("holds white space; write the token alone, without `Bearer` or `Basic`")
    } else if !value.chars().all(|c| c.is_ascii_graphic()) {
        Some("holds a character that no token has; copy it again")
    } else {
        None
    }
}
