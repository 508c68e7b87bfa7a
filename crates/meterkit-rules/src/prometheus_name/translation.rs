//! OpenTelemetry's translation strategies, and the names that each strategy produces for readers with and without
//! UTF-8.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::{Escaping, FamilyType, UnitSuffixes, ends_with_word, legal, unit_in};
use crate::Kind;

/// How OpenTelemetry names become Prometheus names: `translation_strategy` of OpenTelemetry's Prometheus exporter.
///
/// A counter `foo.bar` in bytes becomes `foo_bar_bytes_total`, `foo_bar`, `foo.bar_bytes_total` or `foo.bar`, in the
/// order of the variants. No strategy changes the `_bucket`, `_sum` and `_count` suffixes of histograms, `target_info`
/// or `otel_scope_*`.
///
/// `Display` writes the word of the declarative configuration, such as `no_translation`. `FromStr` accepts that word
/// and the specification's spelling, `NoTranslation`, both in any case.
///
/// ```
/// use meterkit_rules::prometheus_name::Translation;
///
/// let translation = Translation::UnderscoreEscapingWithoutSuffixes;
/// assert_eq!(translation.to_string(), "underscore_escaping_without_suffixes");
/// assert_eq!("UnderscoreEscapingWithoutSuffixes".parse(), Ok(translation));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Translation {
    /// Illegal characters become `_`; the unit and `_total` are appended. The default.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// Illegal characters become `_`; nothing is appended.
    UnderscoreEscapingWithoutSuffixes,
    /// All characters are kept; the unit and `_total` are appended.
    NoUtf8EscapingWithSuffixes,
    /// Names are kept unchanged.
    NoTranslation,
}

impl Translation {
    /// All strategies.
    pub const ALL: [Self; 4] = [
        Self::UnderscoreEscapingWithSuffixes,
        Self::UnderscoreEscapingWithoutSuffixes,
        Self::NoUtf8EscapingWithSuffixes,
        Self::NoTranslation,
    ];

    /// Returns the word of the declarative configuration, such as `no_translation`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnderscoreEscapingWithSuffixes => "underscore_escaping_with_suffixes",
            Self::UnderscoreEscapingWithoutSuffixes => "underscore_escaping_without_suffixes",
            Self::NoUtf8EscapingWithSuffixes => "no_utf8_escaping_with_suffixes",
            Self::NoTranslation => "no_translation",
        }
    }

    /// Returns whether names may contain characters that only Prometheus 3 and later accepts.
    pub const fn is_utf8(self) -> bool {
        matches!(self, Self::NoUtf8EscapingWithSuffixes | Self::NoTranslation)
    }

    /// Returns the names for readers that ask for this escaping scheme.
    pub const fn escaped_by(self, escaping: Escaping) -> Names {
        let names = Names { translation: self, ..Names::DEFAULT };
        names.escaped_by(escaping)
    }

    /// Returns the names for readers that accept any character.
    pub const fn utf8(self) -> Names {
        self.escaped_by(Escaping::AllowUtf8)
    }

    /// Returns the names for readers limited to Prometheus' legacy characters: all others become `_`.
    pub const fn escaped(self) -> Names {
        self.escaped_by(Escaping::Underscores)
    }

    const fn has_suffixes(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::NoUtf8EscapingWithSuffixes)
    }

    /// Returns the specification's spelling.
    const fn in_the_specification(self) -> &'static str {
        match self {
            Self::UnderscoreEscapingWithSuffixes => "UnderscoreEscapingWithSuffixes",
            Self::UnderscoreEscapingWithoutSuffixes => "UnderscoreEscapingWithoutSuffixes",
            Self::NoUtf8EscapingWithSuffixes => "NoUTF8EscapingWithSuffixes",
            Self::NoTranslation => "NoTranslation",
        }
    }
}

impl fmt::Display for Translation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Translation {
    type Err = TranslationError;

    fn from_str(text: &str) -> Result<Self, TranslationError> {
        let is_meant = |it: &Self| {
            let words = [it.as_str(), it.in_the_specification()];
            words.iter().any(|word| word.eq_ignore_ascii_case(text))
        };
        Self::ALL.into_iter().find(is_meant).ok_or_else(|| TranslationError(text.to_owned()))
    }
}

/// The error for a text that is not a translation strategy.
#[derive(Clone, PartialEq, Eq)]
pub struct TranslationError(String);

crate::debug_as_text!(TranslationError);

impl fmt::Display for TranslationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self(text), [a, b, c, d]) = (self, Translation::ALL);
        write!(f, "`{text}` is not a translation strategy; write `{a}`, `{b}`, `{c}` or `{d}`")
    }
}

impl Error for TranslationError {}

/// The names that a [`Translation`] produces for one kind of reader: one that accepts any character, or one limited to
/// Prometheus' legacy characters.
///
/// ```
/// use meterkit_rules::prometheus_name::Translation;
///
/// assert_eq!(Translation::NoTranslation.utf8().label("http.route"), "http.route");
/// assert_eq!(Translation::NoTranslation.escaped().label("http.route"), "http_route");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Names {
    translation: Translation,
    escaping: Escaping,
    pub(super) is_open_metrics: bool,
    /// The units that a strategy with suffixes appends.
    unit_suffixes: UnitSuffixes,
    /// Whether a strategy with suffixes omits `_total`.
    without_total: bool,
}

impl Names {
    const DEFAULT: Self = Self {
        translation: Translation::UnderscoreEscapingWithSuffixes,
        escaping: Escaping::Underscores,
        is_open_metrics: false,
        unit_suffixes: UnitSuffixes::All,
        without_total: false,
    };

    /// Returns these names with another escaping scheme.
    #[must_use]
    pub const fn escaped_by(mut self, escaping: Escaping) -> Self {
        self.escaping = escaping;
        self
    }

    /// Returns these names with another translation strategy.
    #[must_use]
    pub const fn translated_by(mut self, translation: Translation) -> Self {
        self.translation = translation;
        self
    }

    /// Returns these names with other unit suffixes. Only strategies with suffixes append units.
    ///
    /// ```
    /// use meterkit_rules::Kind;
    /// use meterkit_rules::prometheus_name::{Names, UnitSuffixes};
    ///
    /// let names = Names::default().unit_suffixes(UnitSuffixes::None);
    /// assert_eq!(names.family("sent", "By", Kind::Counter), "sent_total");
    /// ```
    #[must_use]
    pub const fn unit_suffixes(mut self, units: UnitSuffixes) -> Self {
        self.unit_suffixes = units;
        self
    }

    /// Returns these names with or without `_total` for counters. Only strategies with suffixes append `_total`.
    ///
    /// ```
    /// use meterkit_rules::Kind;
    /// use meterkit_rules::prometheus_name::Names;
    ///
    /// let names = Names::default().total_suffixes(false);
    /// assert_eq!(names.family("sent", "By", Kind::Counter), "sent_bytes");
    /// ```
    #[must_use]
    pub const fn total_suffixes(mut self, are_added: bool) -> Self {
        self.without_total = !are_added;
        self
    }

    /// Returns the translation strategy.
    pub const fn translation(self) -> Translation {
        self.translation
    }

    /// Returns these names for OpenMetrics, where some families [meet](Self::meeting) that do not conflict in other
    /// formats.
    ///
    /// If two families meet only in OpenMetrics, the counters among them are exported as type `unknown` under their
    /// full name, so that series have the same names in every format. The same applies to counters whose names do not
    /// end with `_total`, which OpenMetrics requires. If neither family is a counter, the younger one is left out.
    #[must_use]
    pub const fn open_metrics(mut self) -> Self {
        self.is_open_metrics = true;
        self
    }

    /// Returns whether the names are those of [OpenMetrics](Self::open_metrics).
    pub const fn is_open_metrics(self) -> bool {
        self.is_open_metrics
    }

    /// Returns whether some names may need quotes in the text format.
    pub const fn may_be_quoted(self) -> bool {
        self.translation.is_utf8() && matches!(self.escaping, Escaping::AllowUtf8)
    }

    /// Returns the names for families that already have Prometheus names, to which only the reader's escaping applies.
    #[must_use]
    pub const fn untranslated(self) -> Self {
        let escaping = match self.escaping {
            // An illegal name would need quotes, which this reader may not understand.
            Escaping::AllowUtf8 if !self.may_be_quoted() => Escaping::Underscores,
            escaping => escaping,
        };
        Self { translation: Translation::NoTranslation, escaping, ..self }
    }

    /// Returns the family name of a metric, like [`family`](super::family).
    pub fn family(self, name: &str, unit: &str, kind: Kind) -> String {
        let translation = self.translation;
        let mut name = match translation.is_utf8() {
            true => name.to_owned(),
            false => legal(name, "_", is_legal_in_family),
        };
        if translation.has_suffixes() {
            self.add_suffixes(&mut name, unit, kind);
        }
        if name.is_empty() {
            name.push('_');
        }
        match self.escaping.family(&name) {
            Cow::Borrowed(_) => name,
            Cow::Owned(escaped) => escaped,
        }
    }

    /// Appends the unit and `_total`, unless the name already ends with them.
    fn add_suffixes(self, name: &mut String, unit_of_metric: &str, kind: Kind) {
        let is_counter = FamilyType::from(kind) == FamilyType::Counter;
        let has_total = is_counter && name.len() > "_total".len() && ends_with_word(name, "total");
        if has_total {
            name.truncate(name.len() - "total".len());
            // Removes the separator, which may have several bytes.
            name.pop();
        }
        let unit = unit_in(unit_of_metric, kind, self.unit_suffixes);
        if !unit.is_empty() && !ends_with_word(name, &unit) {
            name.push('_');
            name.push_str(&unit);
        }
        let gets_total = is_counter && !self.without_total && !ends_with_word(name, "total");
        if has_total || gets_total {
            name.push_str("_total");
        }
    }

    /// Returns the label name for an attribute key, like [`label`](super::label). Names that start with `__` belong to
    /// Prometheus, so they get the prefix `exported_`.
    #[inline]
    pub fn label(self, key: &str) -> Cow<'_, str> {
        let label = match self.translation.is_utf8() {
            false => super::label(key),
            // A borrowed result would mean that the key is unchanged.
            true if key.is_empty() => Cow::Owned("_".to_owned()),
            true => Cow::Borrowed(key),
        };
        let label = match label {
            Cow::Borrowed(label) => self.escaping.label(label),
            Cow::Owned(label) => Cow::Owned(self.escaping.label(&label).into_owned()),
        };
        if label.starts_with("__") { exported(&label) } else { label }
    }

    /// Returns the label name for an attribute key of a series, like [`series_label`](super::series_label).
    #[inline]
    pub fn series_label(self, key: &str, of: FamilyType) -> Cow<'_, str> {
        let label = self.label(key);
        if of.own_label() == Some(&*label) { exported(&label) } else { label }
    }

    /// Returns the label name for an attribute key of a series, as Prometheus stores it, like
    /// [`stored_label`](super::stored_label).
    pub fn stored_label(self, key: &str, of: FamilyType) -> Cow<'_, str> {
        let label = self.series_label(key, of);
        if label == "job" || label == "instance" { exported(&label) } else { label }
    }
}

#[cold]
fn exported(label: &str) -> Cow<'static, str> {
    Cow::Owned(format!("exported_{label}"))
}

impl Default for Names {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl From<Translation> for Names {
    /// Returns the names that every reader accepts.
    fn from(translation: Translation) -> Self {
        translation.escaped()
    }
}

/// Returns whether `name` is legal for a family without quotes.
pub fn is_legal_family(name: &str) -> bool {
    starts_legally(name) && name.bytes().all(|byte| is_legal_in_family(byte.into()))
}

/// Returns whether `name` is legal for a label without quotes.
pub fn is_legal_label(name: &str) -> bool {
    starts_legally(name) && name.bytes().all(|byte| IN_LABELS[usize::from(byte)])
}

/// Returns whether the translation of a label changes nothing.
pub(super) fn is_label_as_it_stands(name: &str) -> bool {
    let mut before = 0;
    let stays = |byte| {
        let is_run = std::mem::replace(&mut before, byte) == b'_' && byte == b'_';
        IN_LABELS[usize::from(byte)] && !is_run
    };
    starts_legally(name) && name.bytes().all(stays)
}

/// The bytes that are legal in labels. A table, because every scrape checks every label of every series.
const IN_LABELS: [bool; 256] = {
    let mut legal = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        legal[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_';
        byte += 1;
    }
    legal
};

fn starts_legally(name: &str) -> bool {
    name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// Also correct for single bytes, because the bytes of multi-byte characters are never ASCII.
pub(super) fn is_legal_in_family(c: char) -> bool {
    is_legal_in_label(c) || c == ':'
}

pub(super) fn is_legal_in_label(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind::{Counter, Gauge, Histogram};

    #[test]
    fn families_are_named_by_each_strategy() {
        for (name, unit, kind, with, without, utf8, untouched) in [
            ("foo.bar", "By", Counter, "foo_bar_bytes_total", "foo_bar", "foo.bar_bytes_total", ""),
            ("cpu.use", "1", Gauge, "cpu_use_ratio", "cpu_use", "cpu.use_ratio", ""),
            ("share", "%", Gauge, "share_percent", "share", "share_percent", ""),
            ("a.took", "s", Histogram, "a_took_seconds", "a_took", "a.took_seconds", ""),
            ("runs.total", "1", Counter, "runs_total", "runs_total", "runs_total", ""),
            ("runs_total", "", Counter, "runs_total", "runs_total", "runs_total", ""),
            ("total", "", Counter, "total", "total", "total", ""),
            ("total.total", "", Counter, "total_total", "total_total", "total_total", ""),
            ("a.bytes", "By", Gauge, "a_bytes", "a_bytes", "a.bytes", ""),
            ("a.bytes.total", "By", Counter, "a_bytes_total", "a_bytes_total", "a.bytes_total", ""),
            ("größe", "", Gauge, "gr_e", "gr_e", "größe", ""),
            ("a..b__c", "", Gauge, "a_b_c", "a_b_c", "a..b__c", ""),
            ("1a", "", Gauge, "_1a", "_1a", "1a", ""),
            (
                "mcp-server/x",
                "",
                Counter,
                "mcp_server_x_total",
                "mcp_server_x",
                "mcp-server/x_total",
                "",
            ),
        ] {
            let untouched = if untouched.is_empty() { name } else { untouched };
            let found = Translation::ALL.map(|it| it.utf8().family(name, unit, kind));
            assert_eq!(found, [with, without, utf8, untouched], "{name} in {unit}");
        }
    }

    #[test]
    fn suffixes_for_units_and_totals_are_added_independently_of_each_other() {
        for (name, unit, kind, both, no_unit, no_total, neither) in [
            ("a.b", "By", Counter, "a_b_bytes_total", "a_b_total", "a_b_bytes", "a_b"),
            ("a.b", "1", Gauge, "a_b_ratio", "a_b", "a_b_ratio", "a_b"),
            ("a.b", "s", Histogram, "a_b_seconds", "a_b", "a_b_seconds", "a_b"),
            (
                "runs.total",
                "By",
                Counter,
                "runs_bytes_total",
                "runs_total",
                "runs_bytes_total",
                "runs_total",
            ),
            ("a_bytes", "By", Counter, "a_bytes_total", "a_bytes_total", "a_bytes", "a_bytes"),
        ] {
            let names = Names::default();
            let found = [
                names,
                names.unit_suffixes(UnitSuffixes::None),
                names.total_suffixes(false),
                names.unit_suffixes(UnitSuffixes::None).total_suffixes(false),
            ];
            let found = found.map(|names| names.family(name, unit, kind));
            assert_eq!(found, [both, no_unit, no_total, neither], "{name} in {unit}");
            let untouched =
                names.translated_by(Translation::NoTranslation).unit_suffixes(UnitSuffixes::All);
            assert_eq!(untouched.escaped_by(Escaping::AllowUtf8).family(name, unit, kind), name);
        }
    }

    #[test]
    fn known_units_are_those_that_the_exporter_of_opentelemetry_translates() {
        for (unit, kind, all, known) in [
            ("s", Histogram, "x_seconds", "x_seconds"),
            ("1", Gauge, "x_ratio", "x_ratio"),
            ("{request}", Counter, "x_total", "x_total"),
            ("{request}/s", Gauge, "x_per_second", "x_per_second"),
            ("m/s", Gauge, "x_meters_per_second", "x_meters_per_second"),
            ("bytes", Gauge, "x_bytes", "x"),
            ("pages", Counter, "x_pages_total", "x_total"),
            ("foo/s", Gauge, "x_foo_per_second", "x_per_second"),
            ("By/foo", Gauge, "x_bytes_per_foo", "x"),
            ("foo/bar", Gauge, "x_foo_per_bar", "x"),
            ("KB", Gauge, "x_KB", "x_kilobytes"),
        ] {
            let names = Names::default();
            let found = [names, names.unit_suffixes(UnitSuffixes::Known)]
                .map(|names| names.family("x", unit, kind));
            assert_eq!(found, [all, known], "{unit}");
        }
    }

    #[test]
    fn names_escaped_for_older_readers_keep_the_same_suffixes() {
        for (name, unit, kind, with, without) in [
            ("foo.bar", "By", Counter, "foo_bar_bytes_total", "foo_bar"),
            ("runs.total", "", Counter, "runs_total", "runs_total"),
            ("größe", "", Gauge, "gr__e", "gr__e"),
            ("a..b__c", "", Gauge, "a__b__c", "a__b__c"),
            ("1a:b", "", Gauge, "_a:b", "_a:b"),
            ("", "", Gauge, "_", "_"),
        ] {
            let found = [Translation::NoUtf8EscapingWithSuffixes, Translation::NoTranslation]
                .map(|it| it.escaped().family(name, unit, kind));
            assert_eq!(found, [with, without], "{name}");
            assert!(found.iter().all(|it| is_legal_family(it)), "{name}");
        }
    }

    #[test]
    fn strategies_of_old_characters_name_alike_for_every_reader() {
        for translation in &Translation::ALL[..2] {
            let (one, other) = (translation.utf8(), translation.escaped());
            for name in ["a.b", "1x", "größe", "a:b", ""] {
                assert_eq!(one.family(name, "By", Gauge), other.family(name, "By", Gauge));
                let plain = super::super::series_label(name, FamilyType::Gauge);
                assert_eq!(one.series_label(name, FamilyType::Gauge), plain);
                assert_eq!(other.series_label(name, FamilyType::Gauge), plain);
            }
            assert!(!one.may_be_quoted() && !other.may_be_quoted());
        }
    }

    #[test]
    fn labels_are_kept_or_escaped_and_never_those_of_buckets_or_prometheus() {
        for (key, kept, escaped) in [
            ("kind", "kind", "kind"),
            ("http.route", "http.route", "http_route"),
            ("a:b", "a:b", "a_b"),
            ("1x", "1x", "_x"),
            ("größe", "größe", "gr__e"),
            ("", "_", "_"),
            ("le", "exported_le", "exported_le"),
            ("a..b__c", "a..b__c", "a__b__c"),
            ("otel_scope_x", "otel_scope_x", "otel_scope_x"),
            ("otel.scope.x", "otel.scope.x", "otel_scope_x"),
            ("_.x", "_.x", "exported___x"),
            ("__name__", "exported___name__", "exported___name__"),
        ] {
            for translation in &Translation::ALL[2..] {
                let label = |names: Names| names.series_label(key, FamilyType::Histogram);
                assert_eq!(label(translation.utf8()), kept, "{key}");
                assert_eq!(label(translation.escaped()), escaped, "{key}");
            }
        }
        let dots = Translation::NoTranslation.escaped_by(Escaping::Dots);
        assert_eq!(dots.label("_name_"), "exported___name__", "not the name of the metric");
    }

    #[test]
    fn strategies_are_read_in_both_spellings_and_any_case() {
        for translation in Translation::ALL {
            for text in [translation.as_str(), translation.in_the_specification()] {
                assert_eq!(text.parse(), Ok(translation));
                assert_eq!(text.to_ascii_uppercase().parse(), Ok(translation));
            }
        }
        let error = "none".parse::<Translation>().unwrap_err().to_string();
        let expected =
            "`none` is not a translation strategy; write `underscore_escaping_with_suffixes`, ";
        assert!(error.starts_with(expected), "{error}");
    }
}
