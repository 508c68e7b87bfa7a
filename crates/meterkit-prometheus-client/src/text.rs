//! Lines of OpenMetrics' text, as the crate writes them.

use opentelemetry::KeyValue;

/// A line of the text.
#[derive(Debug, PartialEq)]
pub(crate) enum Line<'a> {
    Help { family: &'a str, text: &'a str },
    Type { family: &'a str, of: &'a str },
    Unit { family: &'a str, unit: &'a str },
    End,
    Sample(Sample<'a>),
}

/// One number of a series.
#[derive(Debug, PartialEq)]
pub(crate) struct Sample<'a> {
    pub(crate) name: &'a str,
    pub(crate) labels: Vec<KeyValue>,
    /// As it is written, for integers that no float holds.
    pub(crate) value: &'a str,
}

impl<'a> Line<'a> {
    /// Reads one line. Returns `None` if it is malformed.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        if line == "# EOF" {
            return Some(Self::End);
        }
        let Some(comment) = line.strip_prefix("# ") else {
            return Sample::parse(line).map(Self::Sample);
        };
        let (keyword, rest) = comment.split_once(' ')?;
        let (family, text) = rest.split_once(' ')?;
        match keyword {
            "HELP" => Some(Self::Help { family, text }),
            "TYPE" => Some(Self::Type { family, of: text }),
            "UNIT" => Some(Self::Unit { family, unit: text }),
            _ => None,
        }
    }
}

impl<'a> Sample<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let end = line.find(['{', ' '])?;
        let (name, rest) = line.split_at(end);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (Vec::new(), rest),
        };
        // Behind the value there may be an exemplar.
        let value = rest.strip_prefix(' ')?.split(' ').next()?;
        (!name.is_empty() && !value.is_empty()).then_some(Self { name, labels, value })
    }
}

/// Returns the labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Option<(Vec<KeyValue>, &str)> {
    let mut labels = Vec::new();
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        if !labels.is_empty() {
            rest = rest.strip_prefix(',')?;
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, behind) = unquoted(quoted)?;
        labels.push(KeyValue::new(name.to_owned(), value));
        rest = behind;
    }
}

/// Returns the text up to the closing quote, and what follows it.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find(['"', '\\'])?;
        text.push_str(&rest[..end]);
        let escaped = rest[end..].strip_prefix('\\');
        let Some(escaped) = escaped else {
            return Some((text, &rest[end + 1..]));
        };
        let mut characters = escaped.chars();
        text.push(match characters.next()? {
            'n' => '\n',
            it @ ('"' | '\\') => it,
            _ => return None,
        });
        rest = characters.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample<'a>(
        name: &'a str,
        labels: &[(&'static str, &'static str)],
        value: &'a str,
    ) -> Line<'a> {
        let labels = labels.iter().map(|(key, value)| KeyValue::new(*key, *value)).collect();
        Line::Sample(Sample { name, labels, value })
    }

    #[test]
    fn lines_are_read_as_the_crate_writes_them() {
        for (line, expected) in [
            (
                "# HELP jobs Jobs of all kinds.",
                Line::Help { family: "jobs", text: "Jobs of all kinds." },
            ),
            ("# TYPE jobs counter", Line::Type { family: "jobs", of: "counter" }),
            ("# UNIT jobs_seconds seconds", Line::Unit { family: "jobs_seconds", unit: "seconds" }),
            ("# EOF", Line::End),
            ("jobs_total 18446744073709551615", sample("jobs_total", &[], "18446744073709551615")),
            ("jobs_total{} 1", sample("jobs_total", &[], "1")),
            (r#"jobs{a="1",b=""} -0.5"#, sample("jobs", &[("a", "1"), ("b", "")], "-0.5")),
            (
                r#"jobs{a="} # {",b="x\\y\"\n",c="ü"} 2 # {trace="a"} 1.0 17.5"#,
                sample("jobs", &[("a", "} # {"), ("b", "x\\y\"\n"), ("c", "ü")], "2"),
            ),
        ] {
            assert_eq!(Line::parse(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for line in [
            "",
            " ",
            "jobs",
            "jobs ",
            "jobs{",
            r#"jobs{a="1""#,
            r#"jobs{a="1} 1"#,
            r#"jobs{a="1"}2"#,
            r#"jobs{a="\x"} 1"#,
            r#"jobs{a="1"b="2"} 1"#,
            " 1",
            "# FOO jobs x",
            "# TYPE",
            "#",
        ] {
            assert_eq!(Line::parse(line), None, "{line}");
        }
    }
}
