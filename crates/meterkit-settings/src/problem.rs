//! Problems with settings. Their texts never contain the value of a secret.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;

/// The variable that names a configuration file.
const CONFIG_FILE: &str = "OTEL_CONFIG_FILE";

/// A setting that is invalid or missing. `Debug` shows the same text as `Display`.
///
/// ```
/// use meterkit_settings::Problem;
///
/// let problem = Problem::new("METERKIT_SERIES_LIMIT", Some("many".into()), "write a whole number, 1 or more");
/// assert_eq!(problem.to_string(), "METERKIT_SERIES_LIMIT=`many`: write a whole number, 1 or more");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Problem {
    /// The variable; `OTEL_CONFIG_FILE` for a problem in the configuration file.
    pub variable: Cow<'static, str>,
    /// The value, as far as it can be shown; `None` if the setting is a secret or unset.
    pub value: Option<String>,
    /// The position in the configuration file; `None` for a variable.
    pub position: Option<Position>,
    /// The mistake and its remedy.
    pub reason: String,
}

impl Problem {
    /// Creates a problem with a variable. `value` is the part of its value that may be shown.
    pub fn new(
        variable: impl Into<Cow<'static, str>>,
        value: Option<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self { variable: variable.into(), value, position: None, reason: reason.into() }
    }

    /// Creates a problem at a position in the configuration file.
    pub fn in_file(position: Position, reason: impl Into<String>) -> Self {
        let (variable, reason) = (CONFIG_FILE.into(), reason.into());
        Self { variable, value: None, position: Some(position), reason }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.variable)?;
        if let Some(value) = &self.value {
            write!(f, "=`{value}`")?;
        }
        if let Some(position) = &self.position {
            write!(f, ": {position}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

meterkit_rules::debug_as_text!(Problem);

/// A position in the configuration file: `line 6, meter_provider.readers[0]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, counted from 1.
    pub line: usize,
    /// The path of keys, for example `meter_provider.readers[0].periodic.interval`; empty for the file as a whole.
    pub path: String,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, ", {}", self.path) }
    }
}

/// A collector of the problems with all settings of one start, wherever they are read.
#[derive(Debug, Default)]
pub struct Problems {
    errors: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    /// All errors and warnings so far, to drop duplicates.
    known: RefCell<HashSet<Problem>>,
    /// The path of the configuration file.
    file: RefCell<Option<String>>,
    /// Whether the file may have properties that only a later version of the schema defines.
    is_newer: Cell<bool>,
    /// Parts of the file that have no effect.
    unused: RefCell<Vec<Position>>,
    is_strict: bool,
}

impl Problems {
    /// Creates a collector. If `is_strict`, warnings become errors.
    pub fn new(is_strict: bool) -> Self {
        Self { is_strict, ..Self::default() }
    }

    /// Sets the path of the configuration file, which problems in the file then show.
    pub fn name_file(&self, path: impl Into<String>) {
        *self.file.borrow_mut() = Some(path.into());
    }

    /// Records that the configuration file may use a later version of the schema.
    pub fn expect_newer(&self) {
        self.is_newer.set(true);
    }

    pub(crate) fn is_newer(&self) -> bool {
        self.is_newer.get()
    }

    /// Records a part of the configuration file that has no effect.
    pub fn unused(&self, position: Position) {
        self.unused.borrow_mut().push(position);
    }

    /// Takes the recorded parts of the configuration file that have no effect.
    pub fn take_unused(&self) -> Vec<Position> {
        self.unused.take()
    }

    /// Adds an error, unless the same error was added before.
    pub fn add(&self, mut problem: Problem) {
        self.name_file_in(&mut problem);
        self.add_once(&self.errors, problem);
    }

    /// Adds a problem as a warning, or as an error if the start is strict. `holds` says what applies until the problem
    /// is fixed, and ends the warning.
    pub fn warn(&self, mut problem: Problem, holds: &str) {
        if self.is_strict {
            return self.add(problem);
        }
        problem.reason = format!("{}; until then, {holds}", problem.reason);
        self.name_file_in(&mut problem);
        self.add_once(&self.warnings, problem);
    }

    fn add_once(&self, problems: &RefCell<Vec<Problem>>, problem: Problem) {
        if self.known.borrow_mut().insert(problem.clone()) {
            problems.borrow_mut().push(problem);
        }
    }

    fn name_file_in(&self, problem: &mut Problem) {
        if problem.position.is_some() {
            problem.value = self.file.borrow().clone();
        }
    }

    /// Returns the number of errors so far.
    pub fn errors(&self) -> usize {
        self.errors.borrow().len()
    }

    /// Returns `value` and all warnings, if there are no errors.
    ///
    /// # Errors
    ///
    /// Returns all errors, in the order in which they were found. Errors in the configuration file are ordered by line.
    pub fn finish<T>(self, value: T) -> Result<(T, Vec<Problem>), SettingsError> {
        if self.errors() > 0 {
            return Err(self.into_error());
        }
        Ok((value, self.warnings.into_inner()))
    }

    fn into_error(self) -> SettingsError {
        let mut problems = self.errors.into_inner();
        let first_in_file = problems.iter().position(|problem| problem.position.is_some());
        if let Some(first) = first_in_file {
            let (in_file, others): (Vec<_>, Vec<_>) =
                problems.drain(first..).partition(|problem| problem.position.is_some());
            problems.extend(in_file);
            problems[first..].sort_by_key(|it| it.position.as_ref().map(|position| position.line));
            problems.extend(others);
        }
        SettingsError { problems }
    }
}

/// All problems with the settings of one start. `Debug` shows the same text as `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct SettingsError {
    problems: Vec<Problem>,
}

impl SettingsError {
    /// Returns the individual problems.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl std::error::Error for SettingsError {}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = &*self.problems {
            return only.fmt(f);
        }
        write!(f, "{} problems in the environment:", self.problems.len())?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

meterkit_rules::debug_as_text!(SettingsError);

#[cfg(test)]
mod tests {
    use super::*;

    fn in_line(line: usize) -> Problem {
        Problem::in_file(Position { line, path: "a.b".to_owned() }, "remove it")
    }

    #[test]
    fn each_problem_names_its_variable_or_its_line_first() {
        let problems = Problems::default();
        problems.name_file("/etc/otel.yaml");
        problems.add(Problem::new("A", Some(" x ".to_owned()), "write `y`"));
        problems.add(in_line(7));
        problems.add(Problem::new("B".to_owned(), None, "copy it again"));
        problems.add(in_line(3));
        problems.add(in_line(7));
        assert_eq!(problems.errors(), 4);
        let error = problems.finish(()).unwrap_err();
        let text = "4 problems in the environment:
  A=` x `: write `y`
  OTEL_CONFIG_FILE=`/etc/otel.yaml`: line 3, a.b: remove it
  OTEL_CONFIG_FILE=`/etc/otel.yaml`: line 7, a.b: remove it
  B: copy it again";
        assert_eq!((error.to_string(), format!("{error:?}")), (text.to_owned(), text.to_owned()));
        assert_eq!(format!("{:?}", error.problems()[0]), "A=` x `: write `y`");
    }

    #[test]
    fn warnings_are_errors_where_the_start_is_strict() {
        for is_strict in [false, true] {
            let problems = Problems::new(is_strict);
            problems.warn(Problem::new("A", None, "is wrong"), "the default applies");
            problems.warn(Problem::new("A", None, "is wrong"), "the default applies");
            let finished = problems.finish("value");
            match is_strict {
                false => {
                    assert_eq!(finished.map(|(value, it)| (value, it.len())), Ok(("value", 1)))
                }
                true => assert_eq!(finished.unwrap_err().problems().len(), 1),
            }
        }
    }
}
