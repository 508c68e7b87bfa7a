//! PromQL expressions as text.

use std::fmt::{self, Display, Write};

/// The interval of rates on a dashboard, which Grafana chooses.
pub(crate) const RATE_INTERVAL: &str = "$__rate_interval";

/// A selector of series by name and labels.
#[derive(Clone, Debug)]
pub(crate) struct Selector {
    name: String,
    matchers: Vec<String>,
}

impl Selector {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), matchers: Vec::new() }
    }

    /// Restricts the selector to series that match a dashboard variable, whose value is a regular expression.
    pub(crate) fn variable(self, label: &str, variable: &str) -> Self {
        self.raw(format!("{label}=~\"${variable}\""))
    }

    /// Removes the restriction of a label to a dashboard variable.
    pub(crate) fn any(mut self, label: &str) -> Self {
        let of_variable = format!("{label}=~\"$");
        self.matchers.retain(|matcher| !matcher.starts_with(&of_variable));
        self
    }

    /// Restricts the selector to series with exactly this label value.
    pub(crate) fn equal(self, label: &str, value: &str) -> Self {
        let matcher = match is_plain(value) {
            true => format!("{label}=\"{value}\""),
            false => format!("{label}=~\"{}\"", literal(value)),
        };
        self.raw(matcher)
    }

    /// Restricts the selector to series with one of these label values. Without values, does nothing.
    pub(crate) fn one_of(self, label: &str, values: &[String]) -> Self {
        match values {
            [] => self,
            [value] => self.equal(label, value),
            values => {
                let values: Vec<_> = values.iter().map(|value| literal(value)).collect();
                self.raw(format!("{label}=~\"{}\"", values.join("|")))
            }
        }
    }

    /// Adds a matcher verbatim.
    pub(crate) fn raw(mut self, matcher: impl Into<String>) -> Self {
        self.matchers.push(matcher.into());
        self
    }

    /// Returns a selector of the histogram's series with this name suffix.
    pub(crate) fn part(&self, suffix: &str) -> Self {
        Self { name: format!("{}{suffix}", self.name), matchers: self.matchers.clone() }
    }

    /// Returns the rate of each series per second.
    pub(crate) fn rate(&self, interval: &str) -> String {
        format!("rate({self}[{interval}])")
    }

    /// Returns the increase of each series.
    pub(crate) fn increase(&self, interval: &str) -> String {
        format!("increase({self}[{interval}])")
    }
}

impl Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.matchers.is_empty() {
            return Ok(());
        }
        write!(f, "{{{}}}", self.matchers.join(","))
    }
}

/// Returns the sum by these labels.
pub(crate) fn sum_by(labels: &[&str], expression: &str) -> String {
    aggregate("sum", labels, expression)
}

/// Returns `operator by (labels) (expression)`.
pub(crate) fn aggregate(operator: &str, labels: &[&str], expression: &str) -> String {
    if labels.is_empty() {
        return format!("{operator}({expression})");
    }
    format!("{operator} by ({}) ({expression})", labels.join(", "))
}

/// Returns a quantile of the histograms that an expression returns.
pub(crate) fn quantile(quantile: f64, expression: &str) -> String {
    format!("histogram_quantile({quantile}, {expression})")
}

/// Returns a regular expression, for use within quotes, that matches exactly this text. Characters with a special
/// meaning in regular expressions, PromQL strings or Grafana variables are escaped by their code point.
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain_char(c) && c != '.' {
            literal.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(literal, "\\\\x{{{:x}}}", u32::from(c));
        }
    }
    literal
}

fn is_plain(text: &str) -> bool {
    text.chars().all(is_plain_char)
}

fn is_plain_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ':' | ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_matches_only_itself() {
        for (value, expected) in [
            ("backstage.plugin.catalog", r#"x{l="backstage.plugin.catalog"}"#),
            ("a$b", r#"x{l=~"a\\x{24}b"}"#),
            ("a\"b\\c\nd", r#"x{l=~"a\\x{22}b\\x{5c}c\\x{a}d"}"#),
            ("[[a]].", r#"x{l=~"\\x{5b}\\x{5b}a\\x{5d}\\x{5d}\\x{2e}"}"#),
            ("größe", r#"x{l=~"gr\\x{f6}\\x{df}e"}"#),
        ] {
            let selector = Selector::new("x").equal("l", value).to_string();
            assert_eq!(selector, expected, "{value:?}");
            promql_parser::parser::parse(&selector).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    #[test]
    fn several_values_are_alternatives_and_no_values_match_any() {
        let of = |values: &[&str]| {
            let values: Vec<_> = values.iter().map(ToString::to_string).collect();
            Selector::new("up").one_of("job", &values).to_string()
        };
        assert_eq!(of(&[]), "up");
        assert_eq!(of(&["a.b"]), r#"up{job="a.b"}"#);
        assert_eq!(of(&["a", "b|c"]), r#"up{job=~"a|b\\x{7c}c"}"#);
    }
}
