//! Parses expositions: lines of Prometheus' text format and of OpenMetrics.

use std::borrow::Cow;

/// A line of an exposition, in the text format 0.0.4 or 1.0.0, or in OpenMetrics.
#[derive(Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the formats have these lines")]
pub enum Line<'a> {
    /// `# HELP`: the description of a family.
    Help {
        /// The name of the family.
        family: Cow<'a, str>,
        /// The description, with escapes.
        text: &'a str,
    },
    /// `# TYPE`: the type of a family.
    Type {
        /// The name of the family.
        family: Cow<'a, str>,
        /// The type.
        of: &'a str,
    },
    /// `# UNIT`: the unit of a family. Only in OpenMetrics.
    Unit {
        /// The name of the family.
        family: Cow<'a, str>,
        /// The unit.
        unit: &'a str,
    },
    /// `# EOF`: the end of an exposition in OpenMetrics.
    End,
    /// A sample of a series.
    Sample(Sample<'a>),
}

/// A number of a series.
#[derive(Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the formats have these parts")]
pub struct Sample<'a> {
    /// The name, with suffixes such as `_bucket`.
    pub name: Cow<'a, str>,
    /// The labels in the order of the text, including `le` and `quantile`.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The number as text, because a float cannot represent all integers.
    pub value: &'a str,
}

impl<'a> Line<'a> {
    /// Parses a line. Returns `None` if the line is malformed, blank or a comment without a meaning.
    pub fn parse(line: &'a str) -> Option<Self> {
        if line == "# EOF" {
            return Some(Self::End);
        }
        let Some(comment) = line.strip_prefix("# ") else {
            return Sample::parse(line).map(Self::Sample);
        };
        let (keyword, rest) = comment.split_once(' ')?;
        let (family, text) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (family, _) = rest.split_once(BLANK)?;
                (family.into(), &rest[family.len()..])
            }
        };
        let text = text.strip_prefix(BLANK)?;
        match keyword {
            "HELP" => Some(Self::Help { family, text }),
            "TYPE" => Some(Self::Type { family, of: text }),
            "UNIT" => Some(Self::Unit { family, unit: text }),
            _ => None,
        }
    }
}

/// The separators between the parts of a line.
const BLANK: [char; 2] = [' ', '\t'];

impl<'a> Sample<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let end = line.find(['{', ' ', '\t'])?;
        let (name, rest) = line.split_at(end);
        let mut sample = Self { name: name.into(), labels: Vec::new(), value: "" };
        let rest = match rest.trim_start_matches(BLANK).strip_prefix('{') {
            Some(rest) => sample.read_labels(rest)?,
            None => rest,
        };
        // A timestamp, an exemplar, or both may follow the value.
        let value = rest.strip_prefix(BLANK)?.trim_start_matches(BLANK);
        sample.value = value.split(BLANK).next()?;
        (!sample.name.is_empty() && !sample.value.is_empty()).then_some(sample)
    }

    /// Reads labels up to the closing brace, and returns the rest of the line. A quoted metric name comes first.
    fn read_labels(&mut self, mut rest: &'a str) -> Option<&'a str> {
        loop {
            rest = rest.trim_start_matches(BLANK);
            if let Some(behind) = rest.strip_prefix('}') {
                return Some(behind);
            }
            let (key, behind) = match rest.strip_prefix('"') {
                Some(quoted) => unquoted(quoted)?,
                None => {
                    let end = rest.find(['=', ' ', '\t'])?;
                    (rest[..end].into(), &rest[end..])
                }
            };
            let behind = behind.trim_start_matches(BLANK);
            rest = match behind.strip_prefix('=') {
                Some(value) => {
                    let value = value.trim_start_matches(BLANK).strip_prefix('"')?;
                    let (value, behind) = unquoted(value)?;
                    self.labels.push((key, value));
                    behind
                }
                None if self.name.is_empty() => {
                    self.name = key;
                    behind
                }
                None => return None,
            };
            rest = rest.trim_start_matches(BLANK);
            // The text format allows a comma after the last label.
            match rest.strip_prefix(',') {
                Some(behind) => rest = behind,
                None if rest.starts_with('}') => {}
                None => return None,
            }
        }
    }
}

/// Returns the text up to the closing quote without escapes, and the rest of the line.
fn unquoted(quoted: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut text = Cow::Borrowed("");
    let mut rest = quoted;
    loop {
        let end = rest.find(['"', '\\'])?;
        if text.is_empty() {
            text = rest[..end].into();
        } else {
            text.to_mut().push_str(&rest[..end]);
        }
        let Some(escaped) = rest[end..].strip_prefix('\\') else {
            return Some((text, &rest[end + 1..]));
        };
        let mut characters = escaped.chars();
        text.to_mut().push(match characters.next()? {
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

    fn sample<'a>(name: &'a str, labels: &[(&'a str, &'a str)], value: &'a str) -> Line<'a> {
        let labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        Line::Sample(Sample { name: name.into(), labels, value })
    }

    #[test]
    fn lines_are_read_as_the_crate_prometheus_client_writes_them() {
        for (line, expected) in [
            (
                "# HELP jobs Jobs of all kinds.",
                Line::Help { family: "jobs".into(), text: "Jobs of all kinds." },
            ),
            ("# TYPE jobs counter", Line::Type { family: "jobs".into(), of: "counter" }),
            (
                "# UNIT jobs_seconds seconds",
                Line::Unit { family: "jobs_seconds".into(), unit: "seconds" },
            ),
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
    fn the_text_format_may_have_blanks_times_and_quoted_names() {
        for (line, expected) in [
            ("jobs 1 1700000000000", sample("jobs", &[], "1")),
            ("jobs\t \t1", sample("jobs", &[], "1")),
            (
                "jobs { a = \"1\" ,\tb=\"2\", } +Inf",
                sample("jobs", &[("a", "1"), ("b", "2")], "+Inf"),
            ),
            (
                r#"{"jobs.\"done\"","a.b"="1",c="\\\\"} 3"#,
                sample("jobs.\"done\"", &[("a.b", "1"), ("c", "\\\\")], "3"),
            ),
            (r#"{"jobs"} 3"#, sample("jobs", &[], "3")),
            (
                r##"# TYPE "jobs done" gauge"##,
                Line::Type { family: "jobs done".into(), of: "gauge" },
            ),
            ("# TYPE jobs\tgauge", Line::Type { family: "jobs".into(), of: "gauge" }),
        ] {
            assert_eq!(Line::parse(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn malformed_lines_are_refused() {
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
            r#"jobs{"a"} 1"#,
            r#"jobs{,} 1"#,
            r#"{"jobs","done"} 1"#,
            r#"{a="1"} 1"#,
            " 1",
            "# FOO jobs x",
            "# TYPE",
            "# TYPE jobs",
            "#",
        ] {
            assert_eq!(Line::parse(line), None, "{line}");
        }
    }
}
