//! Declared settings.

use std::time::Duration;

use crate::parse;
use crate::quote::quoted;
use crate::value_type::ValueType;
use crate::words::Words;

/// The description of one setting: its names, the values it accepts and its effect.
///
/// `meterkit::settings::declarations` lists all declarations of `meterkit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Declaration {
    /// The variable, for example `OTEL_SERVICE_NAME`. It takes precedence over [`aliases`](Self::aliases).
    pub name: &'static str,
    /// Other variables that set it, in order of precedence.
    pub aliases: &'static [&'static str],
    /// The key in the target's section of a configuration file, for example `tls.ca_file` for a key inside a mapping.
    /// `None` if the setting cannot be set there.
    pub key: Option<&'static str>,
    /// The values that are accepted.
    pub value_type: ValueType,
    /// What applies when the setting is unset or empty, as Markdown with values in backticks. Empty if there is no
    /// default.
    pub default: &'static str,
    /// The effect of the setting, as Markdown.
    pub meaning: &'static str,
    /// Whether the value is a secret. A secret is never shown, and can be read from a file: see
    /// [`file_name`](Self::file_name).
    pub is_secret: bool,
    /// Whether an invalid value in the environment is ignored with a warning, as OpenTelemetry's specification requires
    /// for variables whose misuse is harmless. `METERKIT_STRICT=true` makes it an error.
    pub is_lenient: bool,
    /// Whether the variable still applies when `OTEL_CONFIG_FILE` names a file.
    pub counts_beside_file: bool,
    /// The target that the setting belongs to, by its name in `OTEL_METRICS_EXPORTER`; `None` if it concerns more than
    /// one.
    pub target: Option<&'static str>,
}

impl Declaration {
    /// Returns all variables that set this setting, in order of precedence.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Returns the variable that names a file with the secret, for example `DD_API_KEY_FILE`; `None` if the setting is
    /// not a secret.
    pub fn file_name(&self) -> Option<String> {
        self.is_secret.then(|| file_of(self.name))
    }

    /// Returns whether the variable sets this setting, either directly or through a file.
    pub fn is_set_by(&self, variable: &str) -> bool {
        let value = if self.is_secret { variable.strip_suffix(FILE) } else { None };
        self.names().any(|name| name == variable || Some(name) == value)
    }

    /// Returns the part of an invalid value that is safe to show, if any.
    pub fn shown(&self, value: &str) -> Option<String> {
        quoted(self.value_type, value, String::new()).0.filter(|_| !self.is_secret)
    }

    /// Returns the feature of `meterkit` that the setting needs to have an effect.
    pub fn feature(&self) -> Option<&'static str> {
        self.target.filter(|target| *target != "console")
    }

    /// Returns the project that defined the name: `OpenTelemetry`, `Datadog` or `meterkit`.
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

/// A declared setting whose values are read as `T`. For a list, `T` is the type of one word.
#[derive(Debug)]
pub struct Setting<T> {
    declaration: Declaration,
    parse: fn(&str) -> Result<T, String>,
}

impl<T> Setting<T> {
    /// Declares a setting. `parse` receives the value without surrounding white space. Its error says what is wrong and
    /// what to write instead, and must not quote anything that may be secret.
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

    /// Adds other variables that set this setting, in order of precedence.
    pub const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.declaration.aliases = aliases;
        self
    }

    /// Sets the key in the section of a configuration file.
    pub const fn key(mut self, key: &'static str) -> Self {
        self.declaration.key = Some(key);
        self
    }

    /// Sets what applies when the setting is unset, as Markdown.
    pub const fn by_default(mut self, default: &'static str) -> Self {
        self.declaration.default = default;
        self
    }

    /// Sets the description of the effect, as Markdown.
    pub const fn meaning(mut self, meaning: &'static str) -> Self {
        self.declaration.meaning = meaning;
        self
    }

    /// Makes the value a secret, which is never shown and can be read from a file.
    pub const fn secret(mut self) -> Self {
        self.declaration.is_secret = true;
        self
    }

    /// Makes an invalid value a warning instead of an error; the value is then ignored.
    pub const fn lenient(mut self) -> Self {
        self.declaration.is_lenient = true;
        self
    }

    /// Makes the variable apply even when `OTEL_CONFIG_FILE` names a file.
    pub const fn beside_file(mut self) -> Self {
        self.declaration.counts_beside_file = true;
        self
    }

    /// Sets the target that the setting belongs to, if `target` is `Some`. [`settings!`](crate::settings) calls this.
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

    pub(crate) fn parse(&self, text: &str) -> Result<T, String> {
        (self.parse)(text)
    }

    /// Returns the function that parses a value.
    pub(crate) fn parser(&self) -> fn(&str) -> Result<T, String> {
        self.parse
    }
}

/// Lets a setting be passed where only its declaration matters.
impl<T> std::ops::Deref for Setting<T> {
    type Target = Declaration;

    fn deref(&self) -> &Declaration {
        &self.declaration
    }
}

/// Declares settings as constants, together with a table of all of them, so that the table is never incomplete. The
/// table names one target for all its settings, or each setting names its own.
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

/// Declares a setting that is a whole number of at least 1.
pub const fn count(name: &'static str) -> Setting<usize> {
    Setting::new(name, ValueType::Count, parse::count)
}

/// Declares a setting that is a duration in milliseconds, which may be zero.
pub const fn milliseconds(name: &'static str) -> Setting<Duration> {
    Setting::new(name, ValueType::Milliseconds, parse::milliseconds)
}

/// Declares a setting that is a duration of at least one millisecond.
pub const fn interval(name: &'static str) -> Setting<Duration> {
    Setting::new(name, ValueType::Interval, parse::interval)
}

/// Declares the export interval of one target.
pub const fn export_interval(name: &'static str, target: &'static str) -> Setting<Duration> {
    interval(name)
        .of_target(Some(target))
        .by_default("as `OTEL_METRIC_EXPORT_INTERVAL`")
        .meaning("the time between two exports of this target")
}

/// Declares a setting that is a timeout in milliseconds. 0 means no limit and reads as [`Duration::MAX`].
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

/// Declares a setting that is a host to listen on or to connect to. [`bare_host`](crate::bare_host) checks it.
pub const fn host(name: &'static str) -> Setting<String> {
    Setting::new(name, ValueType::Host, parse::text)
}

/// Declares a setting that is a port to listen on.
pub const fn port(name: &'static str) -> Setting<u16> {
    Setting::new(name, ValueType::Port, parse::port)
}

/// Declares a setting that is the username that goes with a password in a header.
pub const fn username(name: &'static str) -> Setting<String> {
    Setting::new(name, ValueType::Username, |text| parse::checked(text, parse::username_problem))
}

/// Declares a setting that is a password for a header. Leading and trailing spaces are part of it.
pub const fn password(name: &'static str) -> Setting<String> {
    Setting::new(name, ValueType::Password, |text| parse::checked(text, parse::password_problem))
}

/// Declares a setting that is a token for a header.
pub const fn token(name: &'static str) -> Setting<String> {
    Setting::new(name, ValueType::Token, |text| parse::checked(text, parse::token_problem))
}

/// Declares a setting that is a list of `key=value` pairs.
pub const fn pairs_of_text(name: &'static str) -> Setting<Vec<(String, String)>> {
    Setting::new(name, ValueType::Pairs, parse::pairs)
}

/// Declares a setting that is one word out of a fixed set.
pub const fn word<T: Words>(name: &'static str) -> Setting<T> {
    Setting::new(name, ValueType::Word(T::WORDS), parse::word)
}
