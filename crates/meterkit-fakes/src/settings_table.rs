//! Checks that apply to every setting of a table, for the tests of the crate that declares the table.
//!
//! A crate adds one [`Row`] per setting whose values its type does not determine. The checks of unset, empty and
//! unusual values, of error messages, and that nothing shows a secret, are the same for all settings and are in this
//! module.

use std::collections::BTreeMap;

use meterkit_settings::{
    Declaration, Environment, Position, Problems, Reader, Section, SectionValue, SettingsError,
    ValueType,
};

/// Variables with their values.
pub type Variables = &'static [(&'static str, &'static str)];

/// The specifics of one setting.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The variable.
    pub variable: &'static str,
    /// Other variables that must be set for this setting to have an effect.
    pub beside: Variables,
    /// Valid values, each with a part of the resulting settings.
    pub valid: Variables,
    /// Invalid values, each with a part of the error message.
    pub invalid: Variables,
    /// Whether values have the same meaning in aliases.
    pub has_equal_aliases: bool,
}

impl Row {
    /// Creates the row of a setting without specifics.
    pub const fn new(variable: &'static str) -> Self {
        Self { variable, beside: &[], valid: &[], invalid: &[], has_equal_aliases: true }
    }

    /// Sets other variables that must be set for this setting to have an effect.
    pub const fn beside(mut self, variables: Variables) -> Self {
        self.beside = variables;
        self
    }

    /// Sets valid values, each with a part of the resulting settings.
    pub const fn valid(mut self, values: Variables) -> Self {
        self.valid = values;
        self
    }

    /// Sets invalid values, each with a part of the error message.
    pub const fn invalid(mut self, values: Variables) -> Self {
        self.invalid = values;
        self
    }

    /// Declares that values have another meaning when an alias sets them.
    pub const fn with_other_aliases(mut self) -> Self {
        self.has_equal_aliases = false;
        self
    }
}

/// Returns the rows of a push target's certificates. The directory of the [`Table`] must contain `certificate.pem` and
/// `key.pem`.
pub fn certificate_rows(
    [certificate, client_key, client_certificate]: [&'static str; 3],
    beside: Variables,
) -> [Row; 3] {
    const CERTIFICATE: &str = "{dir}/certificate.pem";
    const KEY: &str = "{dir}/key.pem";
    let with = |name, file| beside.iter().copied().chain([(name, file)]).collect::<Vec<_>>().leak();
    let row = |variable, part| {
        Row::new(variable).valid(part).invalid(&[(KEY, "holds no certificate in PEM form (")])
    };
    [
        row(certificate, &[(CERTIFICATE, "has_certificate_authorities: true")]).beside(beside),
        row(client_certificate, &[(CERTIFICATE, "has_client_certificate: true")])
            .beside(with(client_key, KEY)),
        Row::new(client_key)
            .beside(with(client_certificate, CERTIFICATE))
            .valid(&[(KEY, "has_client_certificate: true")])
            .invalid(&[(CERTIFICATE, "holds no private key in PEM form; ")]),
    ]
}

/// Reads settings, and returns them as text in which every difference is visible.
pub type Read<'a> = &'a dyn Fn(Environment) -> Result<String, SettingsError>;

/// A table, with the functions that read its settings.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)]
pub struct Table<'a> {
    /// All settings of the table that the functions read.
    pub settings: &'a [Declaration],
    /// The specifics of some settings.
    pub rows: &'a [Row],
    /// The variables that are also set unless a row specifies others.
    pub beside: Variables,
    /// Reads the environment.
    pub read: Read<'a>,
    /// Reads a section of a configuration file, if the target can have one.
    pub read_section: Option<&'a dyn Fn(&Reader<'_>) -> String>,
    /// Whether an unset setting is read as its default.
    pub has_defaults: bool,
    /// A writable directory, which replaces `{dir}` in values.
    pub directory: &'a str,
}

/// A text in every secret value.
const SECRET: &str = "hunter2";

impl Table<'_> {
    /// Checks every setting of the table.
    ///
    /// # Panics
    ///
    /// Panics if a setting does not behave like all others.
    pub fn check(&self) {
        for row in self.rows {
            let is_declared = self.settings.iter().any(|it| it.name == row.variable);
            assert!(is_declared, "{} is not in the table", row.variable);
        }
        for setting in self.settings {
            let found = self.rows.iter().find(|row| row.variable == setting.name);
            let row = found.copied().unwrap_or_else(|| Row::new(setting.name).beside(self.beside));
            let check = Check { table: self, setting, row };
            check.empty_is_unset();
            check.valid_values();
            check.invalid_values();
            check.aliases();
            check.not_utf_8();
            if setting.is_secret {
                check.secret_files();
            }
            if setting.key.is_some() && self.read_section.is_some() {
                check.section();
            }
        }
    }
}

struct Check<'a> {
    table: &'a Table<'a>,
    setting: &'a Declaration,
    row: Row,
}

impl Check<'_> {
    fn read(&self, variables: &[(&str, &str)]) -> Result<String, SettingsError> {
        let all = self.row.beside.iter().chain(variables);
        let all: BTreeMap<String, String> =
            all.map(|(name, value)| ((*name).to_owned(), self.fill(value))).collect();
        (self.table.read)(Environment::of(all))
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{dir}", self.table.directory)
    }

    #[track_caller]
    fn good(&self, variables: &[(&str, &str)]) -> String {
        let read = self.read(variables);
        let shown = read.unwrap_or_else(|error| panic!("{variables:?}: {error}"));
        if self.setting.is_secret {
            assert!(!shown.contains(SECRET), "{variables:?}: {shown}");
        }
        shown
    }

    /// Returns the only error, which must name `variable`.
    #[track_caller]
    fn bad(&self, variables: &[(&str, &str)], variable: &str) -> String {
        let error = match self.read(variables) {
            Ok(shown) => panic!("{variables:?}: {shown}"),
            Err(error) => error,
        };
        let [problem] = error.problems() else { panic!("{variables:?}: {error}") };
        assert_eq!(problem.variable, variable, "{error}");
        let text = format!("{error}{error:?}");
        assert!(!text.contains(SECRET), "{text}");
        error.to_string()
    }

    fn valid(&self) -> Vec<(&'static str, &'static str)> {
        let of_type: &[&str] = match self.setting.value_type {
            ValueType::Boolean => &["true", "TRUE", "False"],
            ValueType::Word(words) => words,
            ValueType::Count => &["1", "7"],
            ValueType::Interval => &["1", "2500"],
            ValueType::Timeout | ValueType::Milliseconds => &["0", "2500"],
            ValueType::Port => &["0", "65535"],
            ValueType::PeerPort => &["1", "65535"],
            ValueType::Text if self.row.valid.is_empty() => &["Some text, Ä%20"],
            ValueType::Username => &["Me"],
            ValueType::Password => &["open hunter2"],
            ValueType::Token => &["hunter2S"],
            ValueType::NamePatterns => &["http.*", "!http.debug", "http.*,,!http.debug"],
            _ => &[],
        };
        let given = self.row.valid.iter().copied();
        let values: Vec<_> = of_type.iter().map(|value| (*value, "")).chain(given).collect();
        assert!(!values.is_empty(), "{}: no valid value", self.setting.name);
        values
    }

    fn invalid(&self) -> Vec<(&'static str, String)> {
        let of_type: &[&str] = match self.setting.value_type {
            ValueType::Boolean => &["yes", "1", "tru e"],
            ValueType::Word(_) => &["nonsense", "Basic hunter2"],
            ValueType::Words(_) => &["nonsense", "Basic hunter2"],
            ValueType::Count | ValueType::Interval => {
                &["0", "-1", "many", "1.5", "99999999999999999999", "Bearer hunter2"]
            }
            ValueType::Timeout | ValueType::Milliseconds => &["-1", "soon", "1.5"],
            ValueType::Port => &["-1", "65536", "x"],
            ValueType::PeerPort => &["0", "65536", "x"],
            ValueType::Username => &["me:hunter2", "hunter2\u{7}"],
            ValueType::Password => &["hunter2\u{7}"],
            ValueType::Token => &["Bearer hunter2", "hunter2 x"],
            ValueType::Url => &["ftp://me:hunter2@c", "http://me:hunter2%40c"],
            ValueType::File => &["/nowhere/x.pem", "-----BEGIN PRIVATE KEY-----\nhunter2"],
            ValueType::Host => &["http://me:hunter2@c", "me:hunter2", "http://c/x"],
            ValueType::Number => &["hunter2"],
            ValueType::Pairs => &["hunter2", "Authorization: Basic hunter2"],
            ValueType::Name | ValueType::Scopes => &["Basic hunter2", "me:hunter2@c"],
            ValueType::NamePatterns => &["Basic hunter2", "a,!"],
            _ => &[],
        };
        let accepted = match self.setting.value_type {
            ValueType::Boolean
            | ValueType::Word(_)
            | ValueType::Words(_)
            | ValueType::Count
            | ValueType::Interval
            | ValueType::Timeout
            | ValueType::Milliseconds
            | ValueType::Port
            | ValueType::PeerPort => self.setting.value_type.to_string(),
            _ => String::new(),
        };
        let given = self.row.invalid.iter().map(|(value, said)| (*value, self.fill(said)));
        let of_type = of_type.iter().map(|value| (*value, accepted.clone()));
        of_type.chain(given).collect()
    }

    fn empty_is_unset(&self) {
        let unset = self.read(&[]);
        let unset = unset.map_err(|error| error.to_string());
        for name in self.setting.names() {
            for empty in ["", " ", "\t\r\n"] {
                let set = self.read(&[(name, empty)]).map_err(|error| error.to_string());
                assert_eq!(set, unset, "{name}=`{empty}`");
            }
        }
        let default = self.setting.default;
        let default = default.strip_prefix('`').and_then(|it| it.strip_suffix('`'));
        let is_value = |it: &&str| {
            // Skips names of other variables, and defaults that depend on the program.
            it.contains(|c: char| c.is_lowercase() || c.is_numeric()) && !it.contains(['`', '<'])
        };
        if let (Some(default), Ok(unset)) = (default.filter(is_value), unset) {
            let shown = self.good(&[(self.setting.name, default)]);
            assert!(!self.table.has_defaults || shown == unset, "`{default}` is not the default");
        }
    }

    fn valid_values(&self) {
        let name = self.setting.name;
        let unset = self.read(&[]).ok();
        let mut makes_a_difference = false;
        for (value, part) in self.valid() {
            let shown = self.good(&[(name, value)]);
            assert!(shown.contains(&self.fill(part)), "{name}=`{value}`: no `{part}` in {shown}");
            let is_new = unset.as_ref() != Some(&shown);
            makes_a_difference |= is_new;
            let may_have_blanks = self.setting.value_type != ValueType::Password;
            let around =
                if may_have_blanks { format!(" {value}\t\n") } else { format!("{value}\r\n") };
            assert_eq!(self.good(&[(name, &around)]), shown, "{name}=`{around}`");
            if let ValueType::Word(_) | ValueType::Words(_) | ValueType::Boolean =
                self.setting.value_type
            {
                let capitals = value.to_ascii_uppercase();
                assert_eq!(self.good(&[(name, &capitals)]), shown, "{name}=`{capitals}`");
            }
        }
        assert!(makes_a_difference, "{name}: no value makes a difference");
    }

    fn invalid_values(&self) {
        for (value, said) in self.invalid() {
            for name in self.setting.names() {
                let text = self.bad(&[(name, value)], name);
                let shown = self.setting.shown(&self.fill(value));
                let shown = shown.map(|value| format!("=`{value}`")).unwrap_or_default();
                assert!(text.starts_with(&format!("{name}{shown}: ")), "{text}");
                assert!(text.contains(&said), "`{said}` is not in: {text}");
            }
        }
    }

    fn aliases(&self) {
        let name = self.setting.name;
        for (value, _) in self.valid() {
            let shown = self.good(&[(name, value)]);
            for alias in self.setting.aliases {
                if self.row.has_equal_aliases {
                    assert_eq!(self.good(&[(alias, value)]), shown, "{alias}=`{value}`");
                }
                for (other, _) in self.valid() {
                    assert_eq!(
                        self.good(&[(alias, other), (name, value)]),
                        shown,
                        "over `{other}`"
                    );
                }
                for (wrong, _) in self.invalid() {
                    assert_eq!(
                        self.good(&[(alias, wrong), (name, value)]),
                        shown,
                        "over `{wrong}`"
                    );
                }
            }
        }
    }

    #[cfg(not(unix))]
    fn not_utf_8(&self) {}

    #[cfg(unix)]
    fn not_utf_8(&self) {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt;
        for name in self.setting.names() {
            let beside = self.row.beside.iter().filter(|(known, _)| *known != name);
            let beside = beside.map(|(name, value)| ((*name).into(), self.fill(value).into()));
            let value = OsString::from_vec(b"http://me:hunter2@c\xff".to_vec());
            let all = beside.chain([(OsString::from(name), value)]);
            let error = (self.table.read)(Environment::of(all)).expect_err("no text");
            let text = error.to_string();
            assert!(text.starts_with(name) && text.ends_with(": is not UTF-8"), "{text}");
            assert!(!text.contains(SECRET), "{text}");
        }
    }

    fn secret_files(&self) {
        let path = self.fill("{dir}/secret");
        for name in self.setting.names() {
            let file = format!("{name}_FILE");
            for (value, _) in self.valid() {
                std::fs::write(&path, format!("{value}\n")).expect("the directory is writable");
                let shown = self.good(&[(name, value)]);
                assert_eq!(self.good(&[(&file, &path)]), shown, "{file}");
                assert_eq!(self.good(&[(&file, &path), (name, " ")]), shown, "{file}");
                let twice = self.bad(&[(&file, &path), (name, value)], &file);
                let expected = format!("{file}: is set together with {name}; keep one of them");
                assert_eq!(twice, expected);
            }
            for (value, said) in self.invalid() {
                std::fs::write(&path, value).expect("the directory is writable");
                let text = self.bad(&[(&file, &path)], &file);
                assert!(text.starts_with(&format!("{file}=`{path}`: ")), "{text}");
                assert!(text.contains(&said), "`{said}` is not in: {text}");
            }
            for content in [&b""[..], b"\r\n", b"hunter2\xff", b"\xef\xbb\xbfhunter2"] {
                std::fs::write(&path, content).expect("the directory is writable");
                let text = self.bad(&[(&file, &path)], &file);
                assert!(text.starts_with(&format!("{file}=`{path}`: the file ")), "{text}");
            }
            let missing = self.bad(&[(&file, "/nowhere/secret")], &file);
            assert!(missing.contains("the file cannot be read ("), "{missing}");
        }
    }

    /// Checks that a section of a file has the same effect, and that errors name the key and the line.
    fn section(&self) {
        let (Some(key), Some(read)) = (self.setting.key, self.table.read_section) else {
            return;
        };
        // The other contents of the section: the settings beside this one.
        let mut beside = Vec::new();
        for (name, value) in self.row.beside {
            let setting = self.table.settings.iter().find(|it| it.names().any(|it| it == *name));
            match setting.map(|setting| setting.key) {
                Some(Some(key)) => beside.push((key, self.fill(value))),
                // A variable without a counterpart in files, so the setting has no effect in a file.
                Some(None) => return,
                None => {}
            }
        }
        let section = |value: &str| {
            let mut root = Section::new(at(1, "root"), SectionValue::Mapping(BTreeMap::new()));
            for (key, value) in &beside {
                insert(&mut root, key, value);
            }
            insert(&mut root, key, &self.fill(value));
            root
        };
        let environment = Environment::default();
        for (value, _) in self.valid() {
            let (section, problems) = (section(value), Problems::default());
            let shown = read(&Reader::of_section(&section, &environment, &problems));
            problems.finish(()).unwrap_or_else(|error| panic!("{key}: {value}: {error}"));
            assert_eq!(shown, self.good(&[(self.setting.name, value)]), "{key}: {value}");
        }
        for (value, said) in self.invalid() {
            let (section, problems) = (section(value), Problems::default());
            read(&Reader::of_section(&section, &environment, &problems));
            let error = problems.finish(()).expect_err(value);
            let text = format!("{error}{error:?}");
            let expected = format!("OTEL_CONFIG_FILE: line 7, root.{key}: ");
            assert!(error.problems().len() == 1 && text.starts_with(&expected), "{text}");
            assert!(text.contains(&said), "`{said}` is not in: {text}");
            assert!(!text.contains(SECRET) && !text.contains(self.setting.name), "{text}");
        }
    }
}

fn at(line: usize, path: &str) -> Position {
    Position { line, path: path.to_owned() }
}

fn insert(section: &mut Section, key: &str, value: &str) {
    let path = format!("{}.{}", section.position.path, key.split('.').next().unwrap_or(key));
    let SectionValue::Mapping(entries) = &mut section.value else {
        return;
    };
    match key.split_once('.') {
        Some((outer, inner)) => {
            let empty = || Section::new(at(6, &path), SectionValue::Mapping(BTreeMap::new()));
            insert(entries.entry(outer.to_owned()).or_insert_with(empty), inner, value);
        }
        None => {
            let value = SectionValue::Text(value.to_owned());
            entries.insert(key.to_owned(), Section::new(at(7, &path), value));
        }
    }
}
