//! Variables that are set, and the problems found in them.

use crate::variable::VariableError;

/// Reads variables, and collects what is wrong with them: one start shows all problems. Empty is unset.
///
/// For whoever reads several variables that belong together, as targets do.
///
/// ```
/// use meterkit_pipeline::Variables;
///
/// let lookup = |name: &str| (name == "TOKEN").then(|| " 3f2a\n".to_owned());
/// let mut variables = Variables::new(&lookup);
/// let token = variables.token("TOKEN");
/// variables.needs("URL", "TOKEN", "write where to send to");
/// assert_eq!(token.as_deref(), Some("3f2a"));
/// let problems = variables.finish(token).unwrap_err();
/// assert_eq!(problems[0].to_string(), "URL: is not set, but TOKEN is; write where to send to");
/// ```
pub struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<VariableError>,
}

impl<'a> Variables<'a> {
    /// The variables that `lookup` knows.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    /// The first of `names` that is set.
    pub fn first_set(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.raw(name).is_some())
    }

    /// The value, without white space around it.
    pub fn text(&self, name: &str) -> Option<String> {
        self.raw(name).map(|value| value.trim().to_owned())
    }

    /// The value, without white space around it, unless `problem` has one with it.
    pub fn checked<R: Into<String>>(
        &mut self,
        variable: &'static str,
        problem: impl FnOnce(&str) -> Option<R>,
    ) -> Option<String> {
        let value = self.text(variable)?;
        match problem(&value) {
            None => Some(value),
            Some(reason) => {
                self.problem(VariableError::new(variable, value, reason));
                None
            }
        }
    }

    /// The name that goes with a password in a header.
    pub fn username(&mut self, variable: &'static str) -> Option<String> {
        self.checked(variable, username_problem)
    }

    /// A password that goes into a header, without the line end that comes with a file: blanks can be part of it.
    pub fn password(&mut self, variable: &'static str) -> Option<String> {
        let value = self.raw(variable)?;
        let value = value.trim_end_matches(['\r', '\n']);
        self.secret(variable, value, password_problem(value))
    }

    /// A token that goes into a header, without white space around it: none of it can be part of one.
    pub fn token(&mut self, variable: &'static str) -> Option<String> {
        let value = self.text(variable)?;
        self.secret(variable, &value, token_problem(&value))
    }

    /// The content of the PEM file that the variable names, unless `check` refuses it.
    pub fn pem<E: ToString>(
        &mut self,
        variable: &'static str,
        check: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Option<Vec<u8>> {
        let path = self.text(variable)?;
        let remedy = "name a PEM file that this process may read";
        let read = std::fs::read(&path)
            .map_err(|error| format!("cannot be read ({error}); {remedy}"))
            .and_then(|pem| check(&pem).map(|()| pem).map_err(|error| error.to_string()));
        read.map_err(|reason| self.problem(VariableError::new(variable, path, reason))).ok()
    }

    /// Makes it a problem when the variable is unset beside `present`, which is set. `remedy` says what to write.
    pub fn needs(&mut self, variable: &'static str, present: &'static str, remedy: &str) {
        if self.raw(variable).is_none() {
            self.problem(VariableError::missing(variable, present, remedy));
        }
    }

    /// Adds a problem.
    pub fn problem(&mut self, problem: VariableError) {
        self.problems.push(problem);
    }

    /// `value`, unless there were problems.
    ///
    /// # Errors
    ///
    /// All problems, in the order in which they were found.
    pub fn finish<T>(self, value: T) -> Result<T, Vec<VariableError>> {
        if self.problems.is_empty() { Ok(value) } else { Err(self.problems) }
    }

    fn secret(
        &mut self,
        variable: &'static str,
        value: &str,
        reason: Option<&'static str>,
    ) -> Option<String> {
        if let Some(reason) = reason {
            self.problem(VariableError::secret(variable, reason));
            return None;
        }
        Some(value.to_owned())
    }

    fn raw(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.trim().is_empty())
    }
}

impl std::fmt::Debug for Variables<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Variables").field("problems", &self.problems).finish_non_exhaustive()
    }
}

/// Why a text can be no user name in a header; a `:` would end it too early, by RFC 7617.
pub fn username_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty; write one")
    } else if name.contains(|c: char| c == ':' || c.is_control()) {
        Some("holds `:` or a control character, which no user name can")
    } else {
        None
    }
}

/// Why a text can be no password in a header.
pub fn password_problem(password: &str) -> Option<&'static str> {
    if password.is_empty() {
        Some("is empty; write one")
    } else if password.contains(char::is_control) {
        Some("holds a control character, which no password can; copy it again")
    } else {
        None
    }
}

/// Why a text can be no token in a header.
pub fn token_problem(token: &str) -> Option<&'static str> {
    if token.is_empty() {
        Some("is empty; write one")
    } else if token.contains(char::is_whitespace) {
        Some("holds white space; write the token alone, without `Bearer` or `Basic`")
    } else if !token.chars().all(|c| c.is_ascii_graphic()) {
        Some("holds a character that no token has; copy it again")
    } else {
        None
    }
}
