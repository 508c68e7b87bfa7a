//! A comparison as text and as JSON.

use std::fmt;

use serde::Serialize;

use super::comparison::{Comparison, Difference, Group};

/// The maximum number of labels, bounds or values that the text report lists.
const MOST_LISTED: usize = 4;

#[derive(Serialize)]
struct Json<'a> {
    equal: bool,
    same: usize,
    groups: Vec<JsonGroup<'a>>,
}

#[derive(Serialize)]
struct JsonGroup<'a> {
    cause: &'static str,
    title: &'static str,
    remedy: &'static str,
    differences: &'a [Difference],
}

impl Comparison {
    /// Returns the comparison as JSON, indented, with a line feed at its end.
    pub fn to_json(&self) -> String {
        let groups = self.groups().iter().map(|Group { cause, differences }| JsonGroup {
            cause: cause.as_str(),
            title: cause.title(),
            remedy: cause.remedy(),
            differences,
        });
        let json = Json { equal: self.is_equal(), same: self.same, groups: groups.collect() };
        // Cannot fail: all keys are strings.
        let mut text = serde_json::to_string_pretty(&json).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// Formats the comparison as `meterkit compare` prints it: a paragraph per cause.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metrics = |count| if count == 1 { "metric" } else { "metrics" };
        if self.is_equal() {
            let same = self.same;
            return writeln!(f, "Nothing differs: {same} {} in both.", metrics(same));
        }
        for Group { cause, differences } in self.groups() {
            let count = differences.len();
            writeln!(f, "{} ({count} {}): {}.", cause.as_str(), metrics(count), cause.title())?;
            for difference in differences {
                match &difference.old {
                    // Dashboards use the old name, and another group shows the new name.
                    Some(old) if !cause.is_of_name() => {
                        writeln!(f, "    {old}{}", difference.details())?;
                    }
                    _ => writeln!(f, "    {difference}")?,
                }
            }
            writeln!(f, "  {}\n", cause.remedy())?;
        }
        let same = self.same;
        writeln!(
            f,
            "{same} {} of OLD {} the same in NEW.",
            metrics(same),
            if same == 1 { "is" } else { "are" }
        )
    }
}

/// Formats the difference on one line.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) if old != new => write!(f, "{old} -> {new}")?,
            (Some(name), _) | (None, Some(name)) => f.write_str(name)?,
            (None, None) => {}
        }
        f.write_str(&self.details())
    }
}

impl Difference {
    /// Returns the text that follows the name of the metric.
    fn details(&self) -> String {
        let mut details = match (&*self.only_old, &*self.only_new) {
            ([], []) => String::new(),
            (old, []) => format!(": without {}", listed(old)),
            ([], new) => format!(": with {}", listed(new)),
            (old, new) => format!(": {} -> {}", listed(old), listed(new)),
        };
        if let Some(code) = &self.code {
            details.push_str("; before: ");
            details.push_str(code);
        }
        details
    }
}

fn listed(words: &[String]) -> String {
    let shown = &words[..words.len().min(MOST_LISTED)];
    match words.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
