//! Reads declared settings, from wherever they are set.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use crate::declaration::{Declaration, Setting};
use crate::environment::{Environment, SetBy};
use crate::from_file::FromFile;
use crate::problem::{Problem, Problems};
use crate::quote::quoted;
use crate::section::{Section, SectionValue};
use crate::small_file;
use crate::spelling::nearest;
use crate::value_type::ValueType;

/// A reader of a target's settings, from the environment or from its section of the configuration file. Problems are
/// reported to the collector of the start, under the name that the operator wrote.
///
/// A setting that is unset reads as `None`, and so does one with a problem. Checks across several settings therefore
/// use [`is_set`](Self::is_set), so that one mistake is reported once.
///
/// ```
/// use meterkit_settings::{Environment, Reader, Setting, password, username};
///
/// const USERNAME: Setting<String> = username("ACME_USERNAME");
/// const PASSWORD: Setting<String> = password("ACME_PASSWORD");
///
/// fn credentials(reader: &Reader<'_>) -> Option<(String, String)> {
///     reader.needs(&PASSWORD, &USERNAME, "write the password that goes with it");
///     reader.get(&USERNAME).zip(reader.get(&PASSWORD))
/// }
///
/// let error = Environment::of([("ACME_USERNAME", "me")]).read(credentials).unwrap_err();
/// let text = "ACME_PASSWORD: is not set, but ACME_USERNAME is; write the password that goes with it";
/// assert_eq!(error.to_string(), text);
/// ```
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    environment: &'a Environment,
    /// `None` for a reader of the environment.
    section: Option<&'a Section>,
    /// Whether the section follows OpenTelemetry's schema, in which a number is not accepted as text.
    has_schema: bool,
    problems: &'a Problems,
}

impl<'a> Reader<'a> {
    pub(crate) fn of_environment(environment: &'a Environment, problems: &'a Problems) -> Self {
        Self { environment, section: None, has_schema: false, problems }
    }

    /// Creates a reader of a section. Variables that all programs share, such as `HTTPS_PROXY`, are still read from the
    /// environment.
    pub fn of_section(
        section: &'a Section,
        environment: &'a Environment,
        problems: &'a Problems,
    ) -> Self {
        Self { environment, section: Some(section), has_schema: false, problems }
    }

    /// Returns the same reader for a section that follows OpenTelemetry's schema: a value of the wrong type is a
    /// problem, and a property that a later version of the schema may define is not.
    pub fn with_schema(self) -> Self {
        Self { has_schema: true, ..self }
    }

    /// Returns the reader of the environment, for settings that cannot be set in a file.
    pub fn environment(&self) -> Self {
        Self { section: None, has_schema: false, ..*self }
    }

    /// Returns the value of a setting, or `None` if it is unset or invalid.
    pub fn get<T>(&self, setting: &Setting<T>) -> Option<T> {
        self.get_with(setting, |text| setting.parse(text))
    }

    /// Returns the value of a setting as parsed by `parse`, whose error is reported.
    pub fn get_with<T, E: fmt::Display>(
        &self,
        setting: &Declaration,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(setting)?;
        parse(&text).map_err(|reason| self.refuse(setting, reason)).ok()
    }

    /// Returns the words of a comma-separated list, each parsed by the setting. Empty words and duplicates are dropped.
    /// Returns `None` if the setting is unset, and an empty list for `none`.
    pub fn list<T: PartialEq>(&self, setting: &Setting<T>) -> Option<Vec<T>> {
        let list = self.text(setting)?;
        let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
        let (nones, words): (Vec<_>, Vec<_>) =
            words.partition(|word| word.eq_ignore_ascii_case("none"));
        let mut items = Vec::new();
        for word in &words {
            match setting.parse(&word.to_ascii_lowercase()) {
                Ok(item) if items.contains(&item) => {}
                Ok(item) => items.push(item),
                Err(reason) => self.refuse(setting, reason),
            }
        }
        if !nones.is_empty() && !words.is_empty() {
            self.refuse(
                setting,
                "`none` cannot be combined with other values; remove it, or the others",
            );
        }
        Some(items)
    }

    /// Returns the content of the PEM file that the setting names, unless `check` refuses it.
    pub fn pem<E: fmt::Display>(
        &self,
        setting: &Declaration,
        check: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Option<Vec<u8>> {
        self.get_with(setting, |path| small_file::pem(path.as_ref(), check))
    }

    /// Returns a way to reread the value of a secret, if it comes from a file.
    pub fn secret_file<T: 'static>(&self, setting: &Setting<T>) -> Option<FromFile<T>> {
        let SetBy::File { file_name, path, .. } =
            self.environment.set_by(setting).filter(|_| self.section.is_none())?
        else {
            return None;
        };
        let (parse, value_type) = (setting.parser(), setting.value_type);
        let read = move |path: &Path| parse(trimmed(&small_file::secret(path)?, value_type));
        Some(FromFile::new(file_name, path, read))
    }

    /// Returns a way to reread the PEM file that the setting names.
    pub fn pem_file<E: fmt::Display + 'static>(
        &self,
        setting: &Declaration,
        check: fn(&[u8]) -> Result<(), E>,
    ) -> Option<FromFile<Vec<u8>>> {
        let path = self.is_set(setting).then(|| self.text(setting))??;
        let read = move |path: &Path| small_file::pem(path, check);
        Some(FromFile::new(self.name(setting), path, read))
    }

    /// Returns whether the setting is set, even if its value is invalid.
    pub fn is_set(&self, setting: &Declaration) -> bool {
        match self.section {
            None => self.environment.set_by(setting).is_some(),
            Some(section) => {
                let Some(found) = setting.key.and_then(|key| section.get(key)) else {
                    return false;
                };
                match &found.value {
                    SectionValue::Null => false,
                    SectionValue::Text(text) => self.has_schema || !text.trim().is_empty(),
                    _ => true,
                }
            }
        }
    }

    /// Returns the first of `settings` that is set.
    pub fn first_set<'s>(&self, settings: &[&'s Declaration]) -> Option<&'s Declaration> {
        settings.iter().copied().find(|setting| self.is_set(setting))
    }

    /// Returns the alias by which the setting is set; `None` if it is set by its own name.
    pub fn alias(&self, setting: &Declaration) -> Option<&'static str> {
        let name = match self.section {
            Some(_) => return None,
            None => match self.environment.set_by(setting)? {
                SetBy::Value { name, .. }
                | SetBy::File { name, .. }
                | SetBy::Twice { name, .. } => name,
            },
        };
        (name != setting.name).then_some(name)
    }

    /// Returns the name under which the setting is set, or would be: the variable, such as `GRAFANA_REMOTE_WRITE_URL`,
    /// or the key in backticks, such as `remote_write_url`.
    pub fn name(&self, setting: &Declaration) -> Cow<'static, str> {
        match (self.section, setting.key) {
            (Some(_), Some(key)) => format!("`{key}`").into(),
            _ => self.alias(setting).unwrap_or(setting.name).into(),
        }
    }

    /// Reports that the value of a setting is invalid.
    pub fn refuse(&self, setting: &Declaration, reason: impl fmt::Display) {
        let problem = self.problem(setting, reason.to_string());
        if setting.is_lenient && self.section.is_none() {
            self.problems.warn(problem, "the default applies");
        } else {
            self.problems.add(problem);
        }
    }

    /// Reports that `missing` is unset although `present` is set. `remedy` says what to write.
    pub fn needs(&self, missing: &Declaration, present: &Declaration, remedy: &str) {
        if !self.is_set(present) || self.is_set(missing) {
            return;
        }
        // If one of the two is set by its general alias, suggest the general alias of the other.
        let beside = self.alias(present).and_then(|alias| {
            let at = present.aliases.iter().position(|known| *known == alias)?;
            missing.aliases.get(at).copied()
        });
        let reason = format!("is not set, but {} is; {remedy}", self.name(present));
        let mut problem = self.problem(missing, reason);
        if let (Some(alias), None) = (beside, self.section) {
            problem.variable = alias.into();
        }
        self.problems.add(problem);
    }

    /// Warns about each of `settings` that is set, because it has no effect. `why` gives the reason and the remedy.
    pub fn in_vain(&self, settings: &[&Declaration], why: &str) {
        for setting in settings.iter().filter(|setting| self.is_set(setting)) {
            let problem = self.problem(setting, why.to_owned());
            self.problems.warn(Problem { value: None, ..problem }, "it is ignored");
        }
    }

    /// Reports that two settings are set where one is enough. `remedy` says which one to keep.
    pub fn conflict(&self, setting: &Declaration, other: &Declaration, remedy: &str) {
        let reason = format!("is set together with {}; {remedy}", self.name(other));
        let problem = self.problem(setting, reason);
        // The values make no difference.
        let value = problem.value.filter(|_| problem.position.is_some());
        self.problems.add(Problem { value, ..problem });
    }

    /// Returns the `name` and `value` of each item of a list in the section, together with the item's section.
    pub fn pairs(&self, key: &str) -> Vec<(String, String, &'a Section)> {
        let Some(list) = self.section.and_then(|section| section.get(key)) else {
            return Vec::new();
        };
        let problem = |at: &Section, reason: String| self.problems.add(at.problem(reason));
        let SectionValue::List(items) = &list.value else {
            problem(list, format!("is {}; write a list, or remove it", list.kind()));
            return Vec::new();
        };
        if items.is_empty() {
            problem(list, "is an empty list; write items, or remove it".to_owned());
        }
        let pair = |item: &'a Section| {
            let SectionValue::Mapping(entries) = &item.value else {
                problem(item, format!("is {}; write a mapping", item.kind()));
                return None;
            };
            let known = ["name", "value"];
            for (key, other) in entries.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
                problem(other, format!("`{key}` is unknown; the known keys are `name`, `value`"));
            }
            let text = |key| match item.get(key) {
                Some(section) => self.schema_text(section),
                None => {
                    problem(item, format!("has no `{key}`; add it"));
                    None
                }
            };
            let (name, value) = (text("name"), text("value"));
            Some((name?, value?, item.get("name")?))
        };
        items.iter().filter_map(pair).collect()
    }

    /// Reports a problem with a part of the section.
    pub fn refuse_at(&self, section: &Section, reason: impl fmt::Display) {
        self.problems.add(section.problem(reason.to_string()));
    }

    /// Reports keys of the section that are not among `known`. Keys among `unused` are reported as having no effect.
    pub fn refuse_unknown(&self, known: &[&str], unused: &[&str]) {
        if let Some(section) = self.section {
            self.refuse_others(section, "", known, unused);
        }
    }

    /// Reports keys of the section that belong to none of `settings`.
    pub fn refuse_others_than(&self, settings: &[Declaration]) {
        let known: Vec<_> = settings.iter().filter_map(|setting| setting.key).collect();
        self.refuse_unknown(&known, &[]);
    }

    fn refuse_others(&self, section: &Section, above: &str, known: &[&str], unused: &[&str]) {
        let entries = match &section.value {
            SectionValue::Mapping(entries) => entries,
            SectionValue::Null => return,
            _ => {
                return self.refuse_at(section, format!("is {}; write a mapping", section.kind()));
            }
        };
        let here: Vec<_> = known.iter().filter_map(|key| key.strip_prefix(above)).collect();
        for (key, section) in entries.iter().filter(|(key, _)| !here.contains(&key.as_str())) {
            let below = format!("{above}{key}.");
            if known.iter().any(|known| known.starts_with(&below)) {
                self.refuse_others(section, &below, known, unused);
            } else if unused.contains(&key.as_str())
                || self.has_schema && (key.ends_with("/development") || self.problems.is_newer())
            {
                self.problems.unused(section.position.clone());
            } else {
                let here = here.iter().map(|key| key.split('.').next().unwrap_or(key));
                let advice = match nearest(key, here.clone()) {
                    Some(near) => format!("write `{near}`"),
                    None => {
                        let mut here: Vec<_> = here.map(|key| format!("`{key}`")).collect();
                        here.dedup();
                        format!("the known keys are {}", here.join(", "))
                    }
                };
                self.refuse_at(section, format!("is unknown; {advice}"));
            }
        }
    }

    /// Returns the text of a section that follows the schema; `None` for null and for values that are not text.
    fn schema_text(&self, section: &Section) -> Option<String> {
        let reason = match &section.value {
            SectionValue::Text(text) => return Some(text.clone()),
            SectionValue::Null => return None,
            SectionValue::Bool(_) | SectionValue::Int(_) | SectionValue::Float(_) => {
                format!("is {}, not text; put it in quotes", section.kind())
            }
            _ => format!("is {}; write text", section.kind()),
        };
        self.refuse_at(section, reason);
        None
    }

    /// Returns the value as text, for a setting of this type in a section that follows the schema.
    fn schema_value(&self, section: &Section, value_type: ValueType) -> Option<String> {
        use ValueType::{Boolean, Count, File, Interval, Milliseconds, Timeout};
        let number = match &section.value {
            SectionValue::Int(value) => Some(value.to_string()),
            // In JSON schema, 1.0 is an integer.
            SectionValue::Float(value) if value.fract() == 0.0 => Some(format!("{value:.0}")),
            _ => None,
        };
        match (value_type, &section.value) {
            (_, SectionValue::Null) => None,
            (Boolean, SectionValue::Bool(value)) => Some(value.to_string()),
            (Boolean, _) => {
                self.refuse_at(section, "is not a boolean; write `true` or `false`");
                None
            }
            (Count | Interval | Milliseconds | Timeout, _) => number.or_else(|| {
                self.refuse_at(section, format!("is not valid; write {value_type}"));
                None
            }),
            _ => {
                let text = self.schema_text(section)?;
                let reason = match value_type {
                    _ if text.trim().is_empty() => "is empty; write something, or remove it",
                    File if !Path::new(&text).is_absolute() => {
                        "is not an absolute path; write the full path"
                    }
                    _ => return Some(text),
                };
                self.refuse_at(section, reason);
                None
            }
        }
    }

    /// Returns the text of a setting without surrounding white space; `None` if the setting is unset or has a problem.
    fn text(&self, setting: &Declaration) -> Option<String> {
        let text = match self.section {
            None => self.environment.text(setting, self.problems)?,
            Some(section) => {
                let section = section.get(setting.key?)?;
                match section.text() {
                    _ if self.has_schema => self.schema_value(section, setting.value_type)?,
                    Some(text) => text,
                    None => {
                        let reason = "is a mapping; write text or a number";
                        self.problems.add(section.problem(reason));
                        return None;
                    }
                }
            }
        };
        let trimmed = trimmed(&text, setting.value_type);
        (!trimmed.trim().is_empty()).then(|| trimmed.to_owned())
    }

    fn problem(&self, setting: &Declaration, reason: String) -> Problem {
        let (Some(section), Some(key)) = (self.section, setting.key) else {
            return self.environment.problem(setting, reason);
        };
        if let Some(found) = section.get(key) {
            // Never show the value: it may come from a variable.
            let text = found.text().unwrap_or_default();
            let is_shown_nowhere = setting.is_secret || text.is_empty();
            return found.problem(match is_shown_nowhere {
                true => reason,
                false => quoted(setting.value_type, &text, reason).1,
            });
        }
        let mut position = section.position.clone();
        position.path = format!("{}.{key}", position.path);
        Problem::in_file(position, reason)
    }
}

fn trimmed(text: &str, value_type: ValueType) -> &str {
    match value_type {
        // A file ends with a line end, but spaces may be part of a password.
        ValueType::Password => text.trim_end_matches(['\r', '\n']),
        _ => text.trim(),
    }
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("section", &self.section).finish_non_exhaustive()
    }
}
