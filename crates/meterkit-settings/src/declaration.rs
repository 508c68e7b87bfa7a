//! Declared settings.

use std::time::Duration;

use crate::parse;
use crate::quote::quoted;
use crate::value_type::ValueType;
use crate::words::Words;

/// What is known of one setting: how it is named, what is accepted, what it does.
///
/// All declarations of `meterkit` are listed by `meterkit::settings::declarations`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Declaration {
    /// The variable, as in `OTEL_SERVICE_NAME`. It wins over [`aliases`](Self::aliases).
    pub name: &'static str,
    /// Variables that also set it, the one that wins first.
    pub aliases: &'static [&'static str],
    /// Its key in the target's section of a configuration file, `tls.ca_file` for one inside of a mapping. `None` if it
    /// has no place there.
    pub key: Option<&'static str>,
    /// What is accepted.
    pub value_type: ValueType,
    /// What holds when it is unset or empty, as Markdown: values stand between backticks. Empty if that is nothing.
    pub default: &'static str,
    /// What it does, as Markdown.
    pub meaning: &'static str,
    /// Whether its value is a secret. It is then shown nowhere, and can be read from a file: see
    /// [`file_name`](Self::file_name).
    pub is_secret: bool,
    /// Whether a wrong value in the environment is ignored with a warning, as OpenTelemetry's specification demands of
    /// its harmless variables. `METERKIT_STRICT=true` makes it an error.
    pub is_lenient: bool,
    /// Whether the variable counts even if `OTEL_CONFIG_FILE` names a file.
    pub counts_beside_file: bool,
    /// The one target that it is about, as in `OTEL_METRICS_EXPORTER`; `None` if it is about more.
    pub target: Option<&'static str>,
}

impl Declaration {
    /// Returns all variables that set it, the one that wins first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Returns, for a secret, the variable that names a file with its value: `DD_API_KEY_FILE`.
    pub fn file_name(&self) -> Option<String> {
        self.is_secret.then(|| file_of(self.name))
    }

    /// Returns whether a variable of this name sets it, by itself or as a file.
    pub fn is_set_by(&self, variable: &str) -> bool {
        let value = if self.is_secret { variable.strip_suffix(FILE) } else { None };
        self.names().any(|name| name == variable || Some(name) == value)
    }

    /// Returns what may be shown of a wrong value, if anything.
    pub fn shown(&self, value: &str) -> Option<String> {
        quoted(self.value_type, value, String::new()).0.filter(|_| !self.is_secret)
    }

    /// Returns the feature of `meterkit` without which it has no effect.
    pub fn feature(&self) -> Option<&'static str> {
        self.target.filter(|target| *target != "console")
    }

    /// Returns whose name it is: `OpenTelemetry`, `Datadog` or `meterkit`.
    pub fn origin(&self) -> &'static str {
        match self.name.split('_').next() {
            Some("OTEL") => "OpenTelemetry",
            Some("DD") => "Datadog",
            _ => "meterkit",
        }
    }
}

const FILE: &str = "_FILE";

/// Returns the variable that names a file with the value of `variable`.
pub(crate) fn file_of(variable: &str) -> String {
    format!("{variable}{FILE}")
}

/// A declared setting whose values are read as `T`. The setting of a list is read word by word.
#[derive(Debug)]
pub struct Setting<T> {
    declaration: Declaration,
    parse: fn(&str) -> Result<T, String>,
}

impl<T> Setting<T> {
    /// Declares a setting. `parse` gets a value without white space around it. Its error says what is wrong and what to
    /// write, and quotes nothing that may be secret.
    pub const fn new(
        name: &'static str,
        value_type: ValueType,
        parse: fn(&str) -> Result<T, String>,
    ) -> Self {
        let is_secret = matches!(value_type, ValueType::Token | ValueType::Password);
        let declaration = Declaration {
            name,
            aliases: &[],
            key: None,
            value_type,
            default: "",
            meaning: "",
            is_secret,
            is_lenient: false,
            counts_beside_file: false,
            target: None,
        };
        Self { declaration, parse }
    }

    /// Adds variables that also set it, the one that wins first.
    pub const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.declaration.aliases = aliases;
        self
    }

    /// Sets its key in the section of a configuration file.
    pub const fn key(mut self, key: &'static str) -> Self {
        self.declaration.key = Some(key);
        self
    }

    /// Sets what holds when it is unset, as Markdown.
    pub const fn by_default(mut self, default: &'static str) -> Self {
        self.declaration.default = default;
        self
    }

    /// Sets what it does, as Markdown.
    pub const fn meaning(mut self, meaning: &'static str) -> Self {
        self.declaration.meaning = meaning;
        self
    }

    /// Makes its value a secret, which is shown nowhere and may stand in a file.
    pub const fn secret(mut self) -> Self {
        self.declaration.is_secret = true;
        self
    }

    /// Ignores a wrong value, with a warning.
    pub const fn lenient(mut self) -> Self {
        self.declaration.is_lenient = true;
        self
    }

    /// Makes the variable count even if `OTEL_CONFIG_FILE` names a file.
    pub const fn beside_file(mut self) -> Self {
        self.declaration.counts_beside_file = true;
        self
    }

    /// Sets the one target that it is about, if it is about one; [`settings!`](crate::settings) calls this.
    pub const fn of_target(mut self, target: Option<&'static str>) -> Self {
        if target.is_some() {
            self.declaration.target = target;
        }
        self
    }

    /// Returns the declaration.
    pub const fn declaration(&self) -> Declaration {
        self.declaration
    }

    /// Parses a value.
    pub(crate) fn parse(&self, text: &str) -> Result<T, String> {
        (self.parse)(text)
    }

    /// Returns what parses a value.
    pub(crate) fn parser(&self) -> fn(&str) -> Result<T, String> {
        self.parse
    }
}

/// So that a setting can be passed where its type does not matter.
impl<T> std::ops::Deref for Setting<T> {
    type Target = Declaration;

    fn deref(&self) -> &Declaration {
        &self.declaration
    }
}

/// Declares settings as constants, and all of them as one table, so that none can be left out of it. The table is of
/// one target, or says of each setting which one it is about.
///
/// ```
/// use meterkit_settings::{Setting, ValueType, interval, settings};
///
/// settings! {
///     SETTINGS for Some("acme");
///
///     INTERVAL: std::time::Duration = interval("ACME_INTERVAL").meaning("the time between two exports");
/// }
///
/// assert_eq!(SETTINGS[0].name, INTERVAL.name);
/// assert_eq!((SETTINGS[0].target, SETTINGS[0].value_type), (Some("acme"), ValueType::Interval));
/// ```
#[macro_export]
macro_rules! settings {
    ($table:ident for $target:expr; $($(#[$meta:meta])* $name:ident: $of:ty = $setting:expr;)*) => {
        $($(#[$meta])* pub(crate) const $name: $crate::Setting<$of> = $setting.of_target($target);)*
        /// All settings of this table, in the order of the documentation.
        pub const $table: &[$crate::Declaration] = &[$($name.declaration()),*];
    };
}

/// Declares a setting that is `true` or `false`.
pub const fn boolean(name: &'static str) -> Setting<bool> {
    Setting::new(name, ValueType::Boolean, parse::boolean)
}

/// Declares a setting that is a whole number, 1 or more.
pub const fn count(name: &'static str) -> Setting<usize> {
    Setting::new(name, ValueType::Count, parse::count)
}

/// Declares a setting that is a time span, which may be nothing.
pub const fn milliseconds(name: &'static str) -> Setting<Duration> {
    Setting::new(name, ValueType::Milliseconds, parse::milliseconds)
}

/// Declares a setting that is a time span, at least a millisecond.
pub const fn interval(name: &'static str) -> Setting<Duration> {
    Setting::new(name, ValueType::Interval, parse::interval)
}

/// Declares the setting of the time between two exports of one target.
pub const fn export_interval(name: &'static str, target: &'static str) -> Setting<Duration> {
    interval(name)
        .of_target(Some(target))
        .by_default("as `OTEL_METRIC_EXPORT_INTERVAL`")
        .meaning("the time between two exports of this target")
}

/// Declares a setting that is the time something may take. 0 is no limit, [`Duration::MAX`].
pub const fn timeout(name: &'static str) -> Setting<Duration> {
    Setting::new(name, ValueType::Timeout, parse::timeout)
}

/// Declares a setting that takes any text.
pub const fn text(name: &'static str) -> Setting<String> {
    Setting::new(name, ValueType::Text, parse::text)
}

/// Declares a setting that is a URL. [`Reader::get_with`](crate::Reader::get_with) checks it.
pub const fn url(name: &'static str) -> Setting<String> {
    Setting::new(name, ValueType::Url, parse::text)
}

/// Declares a setting that is the path of a file. [`Reader::pem`](crate::Reader::pem) reads it.
pub const fn file(name: &'static str) -> Setting<String> {
    Setting::new(name, ValueType::File, parse::text)
}

/// Declares a setting that is a host to listen on or to talk to. [`bare_host`](crate::bare_host) checks it.
pub const fn host(name: &'static str) -> Setting<String> {
    Setting::new(name, ValueType::Host, parse::text)
}

/// Declares a setting that is a port to listen on.
pub const fn port(name: &'static str) -> Setting<u16> {
    Setting::new(name, ValueType::Port, parse::port)
}

/// Declares a setting that is the name for a password in a header.
pub const fn username(name: &'static str) -> Setting<String> {
    Setting::new(name, ValueType::Username, |text| parse::checked(text, parse::username_problem))
}

/// Declares a setting that is a password for a header. Blanks may be part of one.
pub const fn password(name: &'static str) -> Setting<String> {
    Setting::new(name, ValueType::Password, |text| parse::checked(text, parse::password_problem))
}

/// Declares a setting that is a token for a header.
pub const fn token(name: &'static str) -> Setting<String> {
    Setting::new(name, ValueType::Token, |text| parse::checked(text, parse::token_problem))
}

/// Declares a setting that is a list of `key=value`.
pub const fn pairs_of_text(name: &'static str) -> Setting<Vec<(String, String)>> {
    Setting::new(name, ValueType::Pairs, parse::pairs)
}

/// Declares a setting that is one word of several.
pub const fn word<T: Words>(name: &'static str) -> Setting<T> {
    Setting::new(name, ValueType::Word(T::WORDS), parse::word)
}
