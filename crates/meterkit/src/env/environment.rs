//! Variables that are set, and the problems found so far.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::Path;

use meterkit_pipeline::VariableError;

use super::declared;
use super::declared::any_target::{CONFIG_FILE, RESOURCE_DETECTORS};
use super::declared::grafana::PUBLISHING;
use super::declared::prometheus::PROTECTION;
use super::ignored::Ignored;
use super::secret_file;
use super::setting::Setting;
use super::variable::{ValueType, Variable};

/// What the process was given. A variable is looked at when someone asks for it: one that nobody needs is no problem.
pub(super) struct Environment {
    variables: BTreeMap<String, OsString>,
    /// What was asked for: a file is read once.
    texts: RefCell<HashMap<&'static str, Option<String>>>,
    problems: RefCell<Vec<VariableError>>,
}

impl Environment {
    /// Of all `variables`, those that are set. Empty is unset.
    pub(super) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let variables = variables.into_iter();
        let set = variables.filter(|(_, value)| !is_blank(value));
        Self {
            variables: set
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .collect(),
            texts: RefCell::default(),
            problems: RefCell::default(),
        }
    }

    /// What counts beside a configuration file: what such a file has no place for. Also what does not, of the variables
    /// that are declared and that the file does not name. Whether the file has a scrape endpoint decides on those that
    /// protect one.
    pub(super) fn beside_config_file(
        mut self,
        in_file: &BTreeSet<String>,
        is_scraped: bool,
    ) -> (Self, Vec<Ignored>) {
        let counts = |name: &str| match declared::set_by(name) {
            Some(known) => {
                let is_ours = known.origin() == "meterkit" && known.target.is_none();
                known.name == CONFIG_FILE.variable.name
                    || PUBLISHING.contains(&known.name)
                    || (is_scraped && PROTECTION.contains(&known.name))
                    || (is_ours && known.name != RESOURCE_DETECTORS.variable.name)
            }
            // Told of as unknown, if it looks like one of ours.
            None => name.starts_with("METERKIT_"),
        };
        let (kept, others) = self.variables.into_iter().partition(|(name, _)| counts(name));
        self.variables = kept;
        let others: BTreeMap<String, OsString> = others;
        let known = others.into_keys().filter(|name| !in_file.contains(name));
        let known = known.filter(|name| declared::set_by(name).is_some());
        let ignored = known.map(|name| Ignored {
            variable: name.into(),
            reason: "OTEL_CONFIG_FILE takes its place".to_owned(),
        });
        let ignored = ignored.collect();
        (self, ignored)
    }

    /// The same variables, whose problems are not among those found here.
    #[cfg(feature = "prometheus")]
    pub(super) fn apart(&self) -> Self {
        Self {
            variables: self.variables.clone(),
            texts: RefCell::default(),
            problems: RefCell::default(),
        }
    }

    /// The names of all variables that are set.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// The name under which the variable is set, itself or as a file; `None` when it is not.
    pub(super) fn set_as(&self, variable: &Variable) -> Option<Cow<'static, str>> {
        if self.variables.contains_key(variable.name) {
            return Some(variable.name.into());
        }
        variable.file_name().filter(|name| self.variables.contains_key(name)).map(Cow::Owned)
    }

    /// The value as the setting reads it. `None` when it is unset, or a problem.
    pub(super) fn get<T>(&self, setting: &Setting<T>) -> Option<T> {
        let text = self.text(&setting.variable)?;
        match (setting.parse)(text.trim()) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.refuse(VariableError::new(setting.variable.name, text, reason));
                None
            }
        }
    }

    /// The words of a comma list as the setting reads them in lower case; blanks and duplicates fall away. `None` when
    /// it is unset; a list that says `none` is an empty one.
    pub(super) fn list<T: PartialEq>(&self, setting: &Setting<T>) -> Option<Vec<T>> {
        let list = self.text(&setting.variable)?;
        let refuse = |reason| {
            self.refuse(VariableError::new(setting.variable.name, &*list, reason));
        };
        let mut items = Vec::new();
        let mut is_none = false;
        let mut others = 0;
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if name.eq_ignore_ascii_case("none") {
                is_none = true;
                continue;
            }
            others += 1;
            match (setting.parse)(&name.to_ascii_lowercase()) {
                Ok(item) if items.contains(&item) => {}
                Ok(item) => items.push(item),
                Err(reason) => refuse(reason),
            }
        }
        if is_none && others > 0 {
            refuse("`none` stands alone: remove it, or the others".to_owned());
        }
        Some(items)
    }

    /// The variable's text, for a secret perhaps that of its file. `None` when it is unset, or a problem.
    pub(super) fn text(&self, variable: &Variable) -> Option<String> {
        let known = self.texts.borrow().get(variable.name).cloned();
        known.unwrap_or_else(|| {
            let text = self.read(variable);
            self.texts.borrow_mut().insert(variable.name, text.clone());
            text
        })
    }

    /// The text of a variable that is not declared here, because everyone reads it: those of proxies.
    #[cfg(feature = "datadog")]
    pub(super) fn of_everyone(&self, name: &str) -> Option<String> {
        self.variables.get(name)?.to_str().map(str::to_owned)
    }

    /// The text of a variable. For a secret that is set and cannot be read, which is a problem already, some text: its
    /// absence would be another one.
    #[cfg(any(feature = "datadog", feature = "grafana", feature = "prometheus"))]
    pub(super) fn secret_or_text(&self, variable: &Variable) -> Option<String> {
        let text = self.text(variable);
        let is_unreadable = variable.is_secret && text.is_none() && self.set_as(variable).is_some();
        text.or_else(|| is_unreadable.then(|| "unreadable".to_owned()))
    }

    /// Adds a problem, of whoever reads what this environment holds. What is secret is left out, and a value that came
    /// from a file is named by that file. The same problem counts once.
    pub(super) fn refuse(&self, mut error: VariableError) {
        let secret = declared::variable(&error.variable).filter(|it| it.is_secret);
        if let Some(secret) = secret {
            error.value = None;
            if let Some((name, path)) = self.file(secret) {
                error.variable = name.into();
                error.value = Some(path.to_string_lossy().into_owned());
            }
        }
        let mut problems = self.problems.borrow_mut();
        if !problems.contains(&error) {
            problems.push(error);
        }
    }

    /// Everything that was wrong, in the order in which it was found.
    pub(super) fn into_problems(self) -> Vec<VariableError> {
        self.problems.into_inner()
    }

    fn read(&self, variable: &Variable) -> Option<String> {
        match (self.variables.get(variable.name), self.file(variable)) {
            (Some(_), Some((file_name, _))) => {
                let remedy = "keep one of them";
                self.refuse(VariableError::conflict(file_name, variable.name, remedy));
                None
            }
            (Some(value), None) => match value.to_str() {
                Some(text) => Some(text.to_owned()),
                None => {
                    // A URL may hold a password.
                    let is_shown = variable.value_type != ValueType::Url;
                    let value = if is_shown { value.to_string_lossy() } else { "...".into() };
                    self.refuse(VariableError::new(variable.name, value, "is not UTF-8"));
                    None
                }
            },
            (None, Some((_, path))) => match secret_file::read(Path::new(path)) {
                Ok(text) => Some(text),
                Err(reason) => {
                    self.refuse(VariableError::secret(variable.name, reason));
                    None
                }
            },
            (None, None) => None,
        }
    }

    /// The variable that names a file with the secret's value, and that file.
    fn file(&self, variable: &Variable) -> Option<(String, &OsStr)> {
        let name = variable.file_name()?;
        let path = self.variables.get(&name)?;
        Some((name, path))
    }
}

fn is_blank(value: &OsStr) -> bool {
    value.to_str().is_some_and(|text| text.trim().is_empty())
}
