//! A variable, and how its value is read: in one place, so that what is documented is what is accepted.

use std::time::Duration;

use super::parse;
use super::variable::{ValueType, Variable};

/// A declared variable, whose values are read as `T`; for a list of words, one word is.
pub(super) struct Setting<T> {
    pub(super) variable: Variable,
    /// Gets the value without white space around it. The error says what to write.
    pub(super) parse: fn(&str) -> Result<T, String>,
}

impl<T> Setting<T> {
    pub(super) const fn new(
        name: &'static str,
        value_type: ValueType,
        parse: fn(&str) -> Result<T, String>,
    ) -> Self {
        let (default, meaning) = ("", "");
        let variable =
            Variable { name, value_type, default, meaning, is_secret: false, target: None };
        Self { variable, parse }
    }

    /// What holds when it is unset, as Markdown.
    pub(super) const fn by_default(mut self, default: &'static str) -> Self {
        self.variable.default = default;
        self
    }

    /// What it does, as Markdown.
    pub(super) const fn meaning(mut self, meaning: &'static str) -> Self {
        self.variable.meaning = meaning;
        self
    }

    /// The one target that it is about.
    pub(super) const fn target(mut self, target: &'static str) -> Self {
        self.variable.target = Some(target);
        self
    }

    /// Its value is shown nowhere, and may stand in a file.
    pub(super) const fn secret(mut self) -> Self {
        self.variable.is_secret = true;
        self
    }
}

pub(super) const fn boolean(name: &'static str) -> Setting<bool> {
    Setting::new(name, ValueType::Boolean, parse::boolean)
}

pub(super) const fn count(name: &'static str) -> Setting<usize> {
    Setting::new(name, ValueType::Count, parse::count)
}

pub(super) const fn milliseconds(name: &'static str) -> Setting<Duration> {
    Setting::new(name, ValueType::Milliseconds, parse::milliseconds)
}

pub(super) const fn interval(name: &'static str) -> Setting<Duration> {
    Setting::new(name, ValueType::Interval, parse::interval)
}

pub(super) const fn timeout(name: &'static str) -> Setting<Duration> {
    Setting::new(name, ValueType::Timeout, parse::timeout)
}

pub(super) const fn text(name: &'static str) -> Setting<String> {
    Setting::new(name, ValueType::Text, parse::text)
}

/// A variable whose values the crate of its target reads.
pub(super) const fn read_by_target(name: &'static str, value_type: ValueType) -> Setting<String> {
    Setting::new(name, value_type, parse::text)
}
