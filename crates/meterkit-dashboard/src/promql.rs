//! Expressions of PromQL, as text.

use std::fmt::{self, Display, Write};

/// The interval of a rate on a dashboard: Grafana chooses it.
pub(crate) const RATE_INTERVAL: &str = "$__rate_interval";

/// Series by name and labels.
#[derive(Clone, Debug)]
pub(crate) struct Selector {
    name: String,
    matchers: Vec<String>,
}

impl Selector {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), matchers: Vec::new() }
    }

    /// Those that a variable of the dashboard lets through. Its value is a regular expression.
    pub(crate) fn variable(self, label: &str, variable: &str) -> Self {
        self.raw(format!("{label}=~\"${variable}\""))
    }

    /// Those with any value of the label, whatever the variable for it is.
    pub(crate) fn any(mut self, label: &str) -> Self {
        let of_variable = format!("{label}=~\"$");
        self.matchers.retain(|matcher| !matcher.starts_with(&of_variable));
        self
    }

    /// Those with exactly this value.
    pub(crate) fn equal(self, label: &str, value: &str) -> Self {
        let matcher = match is_plain(value) {
            true => format!("{label}=\"{value}\""),
            false => format!("{label}=~\"{}\"", literal(value)),
        };
        self.raw(matcher)
    }

    /// Those with one of these values; all when there is none.
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

    /// A matcher as it stands.
    pub(crate) fn raw(mut self, matcher: impl Into<String>) -> Self {
        self.matchers.push(matcher.into());
        self
    }

    /// The part of a histogram with this suffix.
    pub(crate) fn part(&self, suffix: &str) -> Self {
        Self { name: format!("{}{suffix}", self.name), matchers: self.matchers.clone() }
    }

    /// How fast each series rises, per second.
    pub(crate) fn rate(&self, interval: &str) -> String {
        format!("rate({self}[{interval}])")
    }

    /// How much each series has risen.
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

/// The sum over all labels but these.
pub(crate) fn sum_by(labels: &[&str], expression: &str) -> String {
    aggregate("sum", labels, expression)
}

/// `operator by (labels) (expression)`.
pub(crate) fn aggregate(operator: &str, labels: &[&str], expression: &str) -> String {
    if labels.is_empty() {
        return format!("{operator}({expression})");
    }
    format!("{operator} by ({}) ({expression})", labels.join(", "))
}

/// A quantile of the histograms that an expression gives.
pub(crate) fn quantile(quantile: f64, expression: &str) -> String {
    format!("histogram_quantile({quantile}, {expression})")
}

/// A regular expression within quotes that matches this text and nothing else. What is special to a regular expression,
/// to PromQL's quotes or to Grafana's variables is written by its number.
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
    fn values_match_themselves_whatever_they_hold() {
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
    fn several_values_are_alternatives_and_none_is_any() {
        let of = |values: &[&str]| {
            let values: Vec<_> = values.iter().map(ToString::to_string).collect();
            Selector::new("up").one_of("job", &values).to_string()
        };
        assert_eq!(of(&[]), "up");
        assert_eq!(of(&["a.b"]), r#"up{job="a.b"}"#);
        assert_eq!(of(&["a", "b|c"]), r#"up{job=~"a|b\\x{7c}c"}"#);
    }
}
