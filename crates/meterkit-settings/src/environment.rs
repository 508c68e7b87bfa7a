//! The environment of a process.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::declaration::{Declaration, file_of};
use crate::problem::{Problem, Problems, SettingsError};
use crate::quote::quoted;
use crate::reader::Reader;
use crate::small_file;

/// The environment variables of a process. An empty variable counts as unset. A variable is checked only when it is
/// read, so an invalid value in a variable that nobody reads is not a problem.
#[derive(Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
    /// Secrets that were read from files, so that each file is read once.
    files: RefCell<HashMap<String, Result<String, String>>>,
}

/// How a setting is set in the environment.
pub(crate) enum SetBy<'a> {
    /// By the value of the variable `name`.
    Value { name: &'static str, value: &'a OsStr },
    /// By the file that the variable `file_name` names.
    File { name: &'static str, file_name: String, path: &'a OsStr },
    /// By a value and by a file, which is an error.
    Twice { name: &'static str, file_name: String },
}

impl Environment {
    /// Creates an environment of the given variables.
    pub fn of(
        variables: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        let is_blank = |value: &OsStr| value.to_str().is_some_and(|text| text.trim().is_empty());
        let set = variables.filter(|(_, value)| !is_blank(value));
        let named = set.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self { variables: named.collect(), files: RefCell::default() }
    }

    /// Returns the environment of this process.
    pub fn of_process() -> Self {
        Self::of(std::env::vars_os())
    }

    /// Reads settings on their own, outside a start of `meterkit`. Warnings become errors here.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the settings that were read.
    pub fn read<T>(&self, read: impl FnOnce(&Reader<'_>) -> T) -> Result<T, SettingsError> {
        let problems = Problems::new(true);
        let value = read(&self.reader(&problems));
        problems.finish(value).map(|(value, _)| value)
    }

    /// Returns a reader of these variables that reports to `problems`.
    pub fn reader<'a>(&'a self, problems: &'a Problems) -> Reader<'a> {
        Reader::of_environment(self, problems)
    }

    /// Returns the names of all variables that are set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// Removes the variables whose names `keeps` rejects, and returns their names.
    pub fn retain(&mut self, keeps: impl Fn(&str) -> bool) -> Vec<String> {
        let variables = std::mem::take(&mut self.variables);
        let (kept, removed): (BTreeMap<_, _>, BTreeMap<_, _>) =
            variables.into_iter().partition(|(name, _)| keeps(name));
        self.variables = kept;
        removed.into_keys().collect()
    }

    /// Returns the value of a variable.
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(name).map(OsString::as_os_str)
    }

    /// Returns how the setting is set, by the first of its names that is set; `None` if it is unset.
    pub(crate) fn set_by(&self, setting: &Declaration) -> Option<SetBy<'_>> {
        setting.names().find_map(|name| {
            let value = self.value(name);
            let file = setting.is_secret.then(|| file_of(name));
            let file = file.and_then(|file_name| Some((self.value(&file_name)?, file_name)));
            match (value, file) {
                (None, None) => None,
                (Some(value), None) => Some(SetBy::Value { name, value }),
                (None, Some((path, file_name))) => Some(SetBy::File { name, file_name, path }),
                (Some(_), Some((_, file_name))) => Some(SetBy::Twice { name, file_name }),
            }
        })
    }

    /// Returns the text of a setting, or `None` if the setting is unset or has a problem, which is then reported.
    pub(crate) fn text(&self, setting: &Declaration, problems: &Problems) -> Option<String> {
        let problem = match self.set_by(setting)? {
            SetBy::Value { name, value } => match value.to_str() {
                Some(text) => return Some(text.to_owned()),
                None => {
                    let reason = "is not UTF-8".to_owned();
                    let shown =
                        quoted(setting.value_type, &value.to_string_lossy(), reason.clone());
                    Problem::new(name, shown.0.filter(|_| !setting.is_secret), reason)
                }
            },
            SetBy::File { file_name, path, .. } => {
                let mut files = self.files.borrow_mut();
                let read = || small_file::secret(Path::new(path));
                match files.entry(file_name.clone()).or_insert_with(read) {
                    Ok(text) => return Some(text.clone()),
                    Err(reason) => Problem::new(file_name, Some(shown(path)), reason.clone()),
                }
            }
            SetBy::Twice { name, file_name } => {
                let reason = format!("is set together with {name}; keep one of them");
                Problem::new(file_name, None, reason)
            }
        };
        problems.add(problem);
        None
    }

    /// Creates a problem with the setting, under the name by which it is set.
    pub(crate) fn problem(&self, setting: &Declaration, reason: String) -> Problem {
        match self.set_by(setting) {
            None => Problem::new(setting.name, None, reason),
            Some(SetBy::File { file_name, path, .. }) => {
                Problem::new(file_name, Some(shown(path)), reason)
            }
            Some(SetBy::Value { name, value }) if !setting.is_secret => {
                let (shown, reason) = quoted(setting.value_type, &value.to_string_lossy(), reason);
                Problem::new(name, shown, reason)
            }
            Some(SetBy::Value { name, .. } | SetBy::Twice { name, .. }) => {
                Problem::new(name, None, reason)
            }
        }
    }
}

fn shown(path: &OsStr) -> String {
    path.to_string_lossy().into_owned()
}

/// Shows only the names, because values may be secret.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
